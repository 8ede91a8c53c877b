"""Commands of who trusts nobody: verify a receipt, audit a ledger, export its evidence."""

from pathlib import Path
from typing import Annotated

import typer

from dataspace.cli.commands import (
    Anchor,
    AuditorToken,
    Authorities,
    Jobs,
    Json,
    Key,
    Policy,
    Target,
    app,
)
from dataspace.errors import Conflict


@app.command()
def verify(
    receipt: Path,
    key: Key,
    *,
    anchor: Anchor = None,
    policy: Policy = None,
    rotations: Annotated[
        Path | None,
        typer.Option(help="the log's rotations: rotations.jsonl of an export, or /ledger/keys saved"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Verify a receipt offline: exit 0 right, 1 wrong, 2 could not be checked."""
    from dataspace.audit.commands import verify_command

    code = verify_command(receipt, key, json=as_json, anchor=anchor, policy=policy, rotations=rotations)
    raise typer.Exit(code)


@app.command()
def accuse(
    one: Annotated[Path, typer.Argument(help="a published checkpoint")],
    other: Annotated[Path, typer.Argument(help="another of the same log and size, with another root")],
    anchor: Annotated[str, typer.Option(help="the chain as you reach it: evm:http://...")],
    key_file: Annotated[Path, typer.Option(help="the secret key of the account that pays, in hexadecimal")],
) -> None:
    """Mark a log on its chain for ever: it signed two histories. Anybody may, with the two notes."""
    from dataspace.audit.order import read_text
    from dataspace.ledger.anchors.fraud import accuse as convict
    from dataspace.ledger.anchors.fraud import read_key

    transaction = convict(anchor, read_text(one), read_text(other), read_key(key_file))
    print(f"the log is marked for ever: transaction {transaction}")


@app.command()
def disclose(
    receipt: Path,
    output: Annotated[Path, typer.Option("--output", "-o", help="the file to write")],
    fields: Annotated[list[str], typer.Option("--field", help="a field to show; give it once for each")],
) -> None:
    """Write a receipt that shows some fields of its record and hides the others; it verifies as well."""
    from dataspace.audit.files import read_file, replace_file
    from dataspace.client.receipts import disclosed
    from dataspace.proof.receipt import LIMIT

    if output.exists() and output.samefile(receipt):
        raise Conflict(f"{output} is the whole receipt: write what is shown to another file")
    replace_file(output, disclosed(read_file(receipt, str(receipt), LIMIT), fields))
    print(f"{output} shows {', '.join(fields)}")


@app.command()
def audit(
    target: Target,
    key: Key,
    *,
    since: Annotated[
        Path | None, typer.Option(help="your last checkpoint: only what is newer is read")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="write the checkpoint here for next time")] = None,
    token: AuditorToken = None,
    anchor: Anchor = None,
    policy: Policy = None,
    tsa: Authorities = None,
    jobs: Jobs = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="no progress bar")] = False,
    as_json: Json = False,
) -> None:
    """Audit a whole ledger: exit 0 right, 1 wrong, 2 could not be checked."""
    from dataspace.audit.commands import audit_command
    from dataspace.audit.order import Order

    order = Order(target, key, since, save, token, anchor, policy, tsa, jobs)
    raise typer.Exit(audit_command(order, json=as_json, quiet=quiet))


@app.command()
def monitor(
    target: Target,
    key: Key,
    state: Annotated[
        Path, typer.Option(help="where the last right checkpoint and a standing alarm are kept")
    ],
    *,
    every: Annotated[float, typer.Option(min=1, help="seconds between two rounds")] = 300.0,
    webhook: Annotated[str | None, typer.Option(help="is told of findings, and when they are over")] = None,
    once: Annotated[bool, typer.Option("--once", help="one round, and its exit code")] = False,
    token: AuditorToken = None,
    anchor: Anchor = None,
    policy: Policy = None,
    tsa: Authorities = None,
    jobs: Jobs = None,
) -> None:
    """Audit for ever, remembering: a rollback or a fork stays an alarm until you take it away."""
    from dataspace.audit.monitor import monitor_command
    from dataspace.audit.order import Order

    order = Order(target, key, None, None, token, anchor, policy, tsa, jobs)
    raise typer.Exit(monitor_command(order, state, every=every, webhook=webhook, once=once))


@app.command("check-db")
def check_db(as_json: Json = False) -> None:
    """Name every row of the space's database that its ledger does not imply; the service may be running."""
    from dataspace.audit.check_db import check_db_command
    from dataspace.settings import Settings

    raise typer.Exit(check_db_command(Settings.from_environment(), json=as_json))


@app.command()
def export(home: Path, target: Path) -> None:
    """Write a home's evidence as a self-contained folder that `audit` checks offline; stop the service first.

    Of a space on PostgreSQL the database of DATASPACE_DATABASE is read, and may be in use.
    """
    from dataspace.audit.export import export as write
    from dataspace.audit.export import export_url
    from dataspace.settings import Settings

    url = Settings.from_environment().database
    if url.startswith("postgresql"):
        export_url(url, home, target)
    else:
        write(home, target)
    print(f"evidence written to {target}")

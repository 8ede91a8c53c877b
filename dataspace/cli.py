"""The `dataspace` command: every command is a few lines over what does the work."""

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dataspace.errors import DataSpaceError, NotFound

app = typer.Typer(
    help="The trusted data space: make it, serve it, show it, and verify what it did.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
participant = typer.Typer(
    help="Admit, list and change participants of the running service.", no_args_is_help=True
)
app.add_typer(participant, name="participant")

Key = Annotated[
    str, typer.Option("--key", help="the log's verifier key, from a source you trust; @FILE reads it")
]
Anchor = Annotated[
    str | None,
    typer.Option("--anchor", help="the chain as you reach it: evm:http://...; else it is not asked"),
]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Json = Annotated[bool, typer.Option("--json", help="print the report as JSON")]


def main() -> None:
    """Run a command; an error of ours is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("dataspace").setLevel(logging.INFO)
    try:
        app()
    except DataSpaceError as error:
        print(f"dataspace: {error}", file=sys.stderr)
        raise SystemExit(2) from error


@app.command()
def init(
    name: Annotated[str, typer.Option(help="the first operator's name")] = "operator",
    login: Annotated[str, typer.Option(help="its login to the portal")] = "operator",
    password: Annotated[
        str | None, typer.Option(help="its password, 12 characters or more", prompt=False)
    ] = None,
) -> None:
    """Make keys, database, ledger and the first operator; upgrade the database of an older version."""
    from dataspace.app import initialise
    from dataspace.settings import Settings

    admission = initialise(Settings.from_environment(), name, login, password)
    if admission is None:
        print("the space was there already, and its database has the schema of this program")
        return
    print(f"operator {admission.member.id}, token (shown once): {admission.token}")


@app.command()
def serve(host: str = "127.0.0.1", port: Port = 8000) -> None:
    """Serve the space: API, portal and ledger, and the periodic jobs."""
    from dataspace.serve import run
    from dataspace.settings import Settings

    settings = Settings.from_environment()
    if "DATASPACE_URL" not in os.environ:
        # What is behind a proxy says so itself; otherwise the address is the one listened on.
        settings = replace(settings, url=f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}")  # noqa: S104
    run(settings, host, port)


@app.command()
def work() -> None:
    """Run the periodic jobs alone, beside a service with DATASPACE_WORKER=off (needs PostgreSQL)."""
    from dataspace.serve import run_jobs
    from dataspace.settings import Settings

    run_jobs(Settings.from_environment())


@app.command()
def key() -> None:
    """Print the log's verifier key, and beside it the anchor: publish both where auditors trust them."""
    from dataspace.app import log_key
    from dataspace.chain import anchor_of
    from dataspace.settings import Settings

    settings = Settings.from_environment()
    print(log_key(settings))
    print(f"anchor: {anchor_of(settings)}", file=sys.stderr)


@app.command()
def verify(receipt: Path, key: Key, anchor: Anchor = None, as_json: Json = False) -> None:
    """Verify a receipt offline: exit 0 right, 1 wrong, 2 could not be checked."""
    from dataspace.audit.commands import verify_command

    raise typer.Exit(verify_command(receipt, key, json=as_json, anchor=anchor))


@app.command()
def audit(
    target: Annotated[str, typer.Argument(help="a URL, a copy of a home, or an exported folder")],
    key: Key,
    *,
    since: Annotated[Path | None, typer.Option(help="your last checkpoint: history must extend it")] = None,
    save: Annotated[Path | None, typer.Option(help="write the checkpoint here for next time")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="DATASPACE_TOKEN", help="an auditor's token, for records")
    ] = None,
    anchor: Anchor = None,
    as_json: Json = False,
) -> None:
    """Audit a whole ledger: exit 0 right, 1 wrong, 2 could not be checked."""
    from dataspace.audit.commands import audit_command

    raise typer.Exit(
        audit_command(
            target, key, since=since, token=token, json=as_json, save_checkpoint=save, anchor=anchor
        )
    )


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


@app.command()
def sample(
    zone: str, target: Annotated[Path, typer.Argument(help="the folder to write it to")], rows: int = 5000
) -> None:
    """Write a zone's synthetic sample dataset as CSV; the same bytes every time."""
    from dataspace.settings import Settings
    from dataspace.zones.pack import load_packs
    from dataspace.zones.samples import write_sample

    packs = load_packs(Path(Settings.from_environment().zones))
    if zone not in packs:
        raise NotFound(f"there is no zone {zone!r}: the zones are {', '.join(sorted(packs))}")
    print(write_sample(packs[zone], target, rows))


@app.command()
def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="write what was done, for scripts")] = None,
    port: Port = 8000,
) -> None:
    """Start the real service and play the three journeys against it over HTTP."""
    from dataspace.demo import run
    from dataspace.settings import Settings

    raise typer.Exit(run(Settings.from_environment(), port, json_file))


@participant.command("add")
def add(
    name: str,
    login: str,
    roles: Annotated[list[str], typer.Option("--role")],
    token: Annotated[str, typer.Option(envvar="DATASPACE_TOKEN", help="an operator's token")],
    password: str | None = None,
) -> None:
    """Admit a participant; its token is shown this once."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    with DataSpace(Settings.from_environment().url, token) as space:
        print(json.dumps(space.admit(name, login, roles, password), ensure_ascii=False))


@participant.command("list")
def show(token: Annotated[str, typer.Option(envvar="DATASPACE_TOKEN", help="an operator's token")]) -> None:
    """List the participants, one JSON object a line."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    with DataSpace(Settings.from_environment().url, token) as space:
        for one in space.participants():
            print(json.dumps(one, ensure_ascii=False))


@participant.command("change")
def change(
    identifier: Annotated[str, typer.Argument(help="the participant's id, as `list` prints it")],
    token: Annotated[str, typer.Option(envvar="DATASPACE_TOKEN", help="an operator's token")],
    *,
    roles: Annotated[list[str] | None, typer.Option("--role", help="its roles from now on")] = None,
    status: Annotated[str | None, typer.Option(help="active or suspended")] = None,
) -> None:
    """Change a participant's roles, suspend it or bring it back."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    changes = {"roles": roles or None, "status": status}
    with DataSpace(Settings.from_environment().url, token) as space:
        wanted = {name: value for name, value in changes.items() if value}
        print(json.dumps(space.change(identifier, **wanted), ensure_ascii=False))

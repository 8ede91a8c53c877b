"""Commands of who runs a space: make it, serve it, hand its log over, show it."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from dataspace.cli.commands import Port, app
from dataspace.errors import NotFound


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
def key(
    *,
    every: Annotated[
        bool, typer.Option("--all", help="every verifier key of the space, as JSON: for witness policies")
    ] = False,
) -> None:
    """Print the log's verifier key, and beside it the anchor: publish both where auditors trust them."""
    from dataspace.app import log_key, public_keys
    from dataspace.chain import anchor_of
    from dataspace.settings import Settings

    settings = Settings.from_environment()
    if every:
        print(json.dumps(public_keys(settings), indent=2))
        return
    print(log_key(settings))
    print(f"anchor: {anchor_of(settings)}", file=sys.stderr)


@app.command()
def rotate(
    reason: Annotated[str, typer.Option(help="scheduled, or compromised")] = "scheduled",
    *,
    anchor: Annotated[bool, typer.Option("--anchor", help="the anchor's key, in its contract too")] = False,
) -> None:
    """Hand the log over to a new key, signed by both; stop the service first (not on PostgreSQL)."""
    from dataspace.handover import hand_over, hand_over_anchor
    from dataspace.settings import Settings

    settings = Settings.from_environment()
    index, vkey = hand_over_anchor(settings) if anchor else hand_over(settings, reason)
    print(vkey)
    print(f"entry {index} says so: publish the new key beside the old one", file=sys.stderr)


@app.command()
def deploy(
    rpc: Annotated[str, typer.Argument(help="the chain's address: http://host:8545")],
    confirmations: Annotated[
        int | None, typer.Option(min=0, help="count a head after so many blocks; by default at finality")
    ] = None,
) -> None:
    """Put the anchor's contract on a chain, the space's anchor key its founder; print DATASPACE_ANCHOR."""
    from dataspace.app import anchor_account
    from dataspace.ledger.anchors.evm import deploy as put
    from dataspace.settings import Settings

    address, secret = anchor_account(Settings.from_environment())
    print(f"the account {address} founds the log and pays: it needs funds", file=sys.stderr)
    print(put(rpc, secret, confirmations=confirmations))


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

"""Commands over the running service, with an operator's token."""

import json
from typing import Annotated

import typer

from dataspace.cli.commands import Token, app, participant


@participant.command("add")
def add(
    name: str,
    login: str,
    roles: Annotated[list[str], typer.Option("--role")],
    token: Token,
    *,
    password: str | None = None,
    zones: Annotated[
        list[str] | None, typer.Option("--zone", help="of an auditor: the zones it sees; all without")
    ] = None,
) -> None:
    """Admit a participant; its token is shown this once."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    with DataSpace(Settings.from_environment().url, token) as space:
        admitted = space.admit(name, login, roles, password, zones=zones or ())
        print(json.dumps(admitted, ensure_ascii=False))


@participant.command("list")
def show(token: Token) -> None:
    """List the participants, one JSON object a line."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    with DataSpace(Settings.from_environment().url, token) as space:
        for one in space.participants():
            print(json.dumps(one, ensure_ascii=False))


@participant.command("change")
def change(
    identifier: Annotated[str, typer.Argument(help="the participant's id, as `list` prints it")],
    token: Token,
    *,
    roles: Annotated[list[str] | None, typer.Option("--role", help="its roles from now on")] = None,
    status: Annotated[str | None, typer.Option(help="active or suspended")] = None,
    zones: Annotated[
        list[str] | None, typer.Option("--zone", help="of an auditor: the zones it sees from now on")
    ] = None,
    every_zone: Annotated[
        bool, typer.Option("--every-zone", help="of an auditor: it sees all again")
    ] = False,
) -> None:
    """Change a participant's roles, suspend it or bring it back."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    changes = {"roles": roles or None, "status": status, "zones": [] if every_zone else zones or None}
    with DataSpace(Settings.from_environment().url, token) as space:
        wanted = {name: value for name, value in changes.items() if value is not None}
        print(json.dumps(space.change(identifier, **wanted), ensure_ascii=False))


@app.command()
def erase(
    entry: Annotated[int, typer.Argument(min=0, help="the index of the entry")],
    basis: Annotated[str, typer.Option(help="the legal basis, for example 'PIPL Art. 47'")],
    token: Token,
) -> None:
    """Delete what an entry says, for good; the entry stays provable, and another says that it was done."""
    from dataspace.client import DataSpace
    from dataspace.settings import Settings

    with DataSpace(Settings.from_environment().url, token) as space:
        erased = space.erase(entry, basis)
    print(f"entry {entry}: present, content erased by entry {erased}")

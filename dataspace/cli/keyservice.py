"""Commands of who holds the key of sealed datasets, and of who seals them."""

import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from dataspace.cli.commands import Port, app
from dataspace.errors import NotFound

keyservice = typer.Typer(
    help="The key service: make it, show its key, serve it. It runs apart from the space.",
    no_args_is_help=True,
)
app.add_typer(keyservice, name="keyservice")

HomeFolder = Annotated[Path, typer.Option("--home", help="the key service's own folder, not the space's")]


@keyservice.command("init")
def init_keyservice(
    home: HomeFolder,
    platform: Annotated[
        str, typer.Option("--platform", help="the verifier key of the one platform's log (`dataspace key`)")
    ],
) -> None:
    """Make the keys and pin the platform; print the id of the keys, which others pin."""
    from dataspace.keyservice.home import Home

    print(Home.create(home, platform).identity.public.id)


@keyservice.command("key")
def show_key(
    home: HomeFolder,
    public: Annotated[Path | None, typer.Option("--public", help="write the public keys to a file")] = None,
) -> None:
    """Print the id of the keys; DATASPACE_KEYSERVICE is the address, #, and this id."""
    from dataspace.keyservice.home import Home

    found = Home.open(home).identity.public
    if public:
        public.write_text(f"{found}\n")
    print(found.id)


@keyservice.command("serve")
def serve_keyservice(home: HomeFolder, host: str = "127.0.0.1", port: Port = 8100) -> None:
    """Serve it: loopback, or a private network behind TLS."""
    from dataspace.keyservice.app import serve

    serve(home, host, port)


@keyservice.command("unlock")
def unlock(home: HomeFolder, container: Annotated[str, typer.Argument(help="the id of the dataset")]) -> None:
    """Unlock a dataset, after it was found out why results were not what they were said to be."""
    from dataspace.keyservice.home import Home
    from dataspace.keyservice.store import Store

    with closing(Store(Home.open(home).database)) as store:
        store.unlock(container)


@keyservice.command("forget")
def forget(home: HomeFolder, container: Annotated[str, typer.Argument(help="the id of the dataset")]) -> None:
    """Forget a withdrawn dataset for good: nothing of it is opened any more. The platform asks for it too."""
    from dataspace.keyservice.home import Home
    from dataspace.keyservice.store import Store

    with closing(Store(Home.open(home).database)) as store:
        store.head(container)  # one that is mistyped is not there
        store.forget(container)


@app.command("seal")
def seal_file(  # noqa: PLR0917 - options are arguments
    file: Path,
    zone: Annotated[str, typer.Option(help="the zone it is for")],
    measure: Annotated[list[str], typer.Option(help="column:low:high:decimals")],
    service: Annotated[Path, typer.Option("--keyservice", help="the file of the key service's public keys")],
    key_id: Annotated[str, typer.Option("--keyservice-id", help="their id, as you were told it")],
    out: Annotated[Path, typer.Option(help="a new folder for the container and its report")],
    key: Annotated[Path, typer.Option(help="your signing key; made at the first use")] = Path("provider.pem"),
    dimension: Annotated[list[str] | None, typer.Option(help="a column to group by")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="a column that says whom a row is about")] = None,
    max_rows: Annotated[int, typer.Option(help="rows of one subject that count")] = 1,
    epsilon: Annotated[int, typer.Option(help="millionths for all answers; 0: the zone's usual")] = 0,
    min_group: Annotated[int, typer.Option(help="subjects of a cell; at least the zone's")] = 0,
) -> None:
    """Seal a file at its provider's: classified, graded, encrypted, reported; upload what is written."""
    from dataspace.sealing.seal import seal
    from dataspace.sealing.signing import provider_key
    from dataspace.sealing.terms import Measure, Terms
    from dataspace.settings import Settings
    from dataspace.wire.keyservice import ServiceKey
    from dataspace.zones.pack import load_packs

    packs = load_packs(Path(Settings.from_environment().zones), [zone])
    terms = Terms(
        zone,
        tuple(Measure.parse(text) for text in measure),
        tuple(dimension or ()),
        tuple(subject or ()),
        max_rows=max_rows,
        epsilon=epsilon,
        min_group=min_group,
    )
    try:
        told = service.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"the key service's public keys cannot be read: {service}") from error
    public = ServiceKey.parse(told, key_id)
    signing = provider_key(key, os.environ.get("PROVIDER_KEY_PASSPHRASE", ""))
    sealed = seal(file, out, terms, pack=packs[zone], keyservice=public, key=signing)
    print(f"{sealed.container}: {sealed.report.rows} rows in {len(sealed.report.counts)} cells, ", end="")
    print(f"{sealed.left_out} left out; level {sealed.report.level}")

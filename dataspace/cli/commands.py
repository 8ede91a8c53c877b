"""The command line's root, and the options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

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
Target = Annotated[str, typer.Argument(help="a URL, a copy of a home, or an exported folder")]
AuditorToken = Annotated[
    str | None, typer.Option("--token", envvar="DATASPACE_TOKEN", help="an auditor's token, for records")
]
Policy = Annotated[
    Path | None, typer.Option("--policy", help="your tlog-policy file: the witnesses you count, and how many")
]
Authorities = Annotated[
    Path | None, typer.Option("--tsa", help="the roots of time-stamping authorities you trust, PEM")
]
Jobs = Annotated[int | None, typer.Option("--jobs", min=1, help="worker processes; by default one a core")]
Port = Annotated[int, typer.Option(min=1, max=65535)]
Json = Annotated[bool, typer.Option("--json", help="print the report as JSON")]
Token = Annotated[str, typer.Option(envvar="DATASPACE_TOKEN", help="an operator's token")]

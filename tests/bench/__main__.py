"""Run every benchmark and print one table; name modules (`ledger query`) to run those alone."""

import importlib
import os
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table


def main(names: list[str]) -> None:
    """Print a row for each measurement: ours, the bare thing, and ours as a share of it."""
    found = names or sorted(
        path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py")
    )
    table = Table(
        title=f"{os.cpu_count()} cores; time in milliseconds; ratio = ours / bare, smaller is better"
    )
    for heading in ("what", "ours", "bare", "ratio", "note"):
        table.add_column(heading, overflow="fold")
    console = Console(width=160)
    for name in found:
        console.print(f"measuring {name} ...")
        for what, ours, bare, note in importlib.import_module(f"tests.bench.bench_{name}").run():
            table.add_row(what, f"{ours * 1e3:,.3f}", f"{bare * 1e3:,.3f}", f"{ours / bare:.2f}", note)
    console.print(table)


if __name__ == "__main__":
    main(sys.argv[1:])

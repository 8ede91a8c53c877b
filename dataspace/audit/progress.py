"""How far an audit is, on the terminal: a bar, entries a second, and when it will be done."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AFTER = 1.0  # seconds: what is done sooner shows no bar


@contextmanager
def progress_bar(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what is to be called with the entries read and all entries; None where nobody would see it.

    The bar is on standard error, so that the report alone is on standard output.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    # Imported here: an audit in a script shows none.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} entries"),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("audit", total=None, visible=False, rate="")

        def show(done: int, total: int) -> None:
            taken = time.monotonic() - began
            rate = f"{done / taken:,.0f} entries/s" if taken else ""
            bar.update(task, completed=done, total=total, visible=taken > _AFTER, rate=rate)

        yield show

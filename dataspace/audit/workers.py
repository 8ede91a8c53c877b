"""Readings of a log by several processes: the same ones, in the same order, as by one.

Each worker opens the source itself and reads whole stretches. This process
reads too, until the workers have imported what they need, and whatever a
worker that dies leaves behind: an audit ends with as many cores as there are.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from importlib import import_module
from itertools import islice
from operator import attrgetter
from typing import Any, Final

import msgspec

from dataspace.audit.source import Source
from dataspace.audit.stretch import Reader, Reading, Stretch
from dataspace.errors import TooCostly, TooMany, Unavailable
from dataspace.sandbox import Pool

_SECONDS: Final = 3600.0  # for one stretch; a service on a slow line, every decision made again
# Address space, not memory: WebAssembly reserves gigabytes of it that it never touches.
_ADDRESSES: Final = 1 << 37
_AHEAD: Final = 2  # stretches of each worker that wait: it never waits for this process, nor memory for it


class Worker:
    """What a worker process does: it opens the source at its first request, and reads."""

    def __init__(self) -> None:
        self._reader: Reader | None = None

    def open(self, request: dict[str, Any]) -> None:
        """Open the source, so that the first reading does not take longer than the others."""
        if self._reader is None:
            os.chdir(request["folder"])
            name, *texts = request["source"]
            module, _, maker = name.partition(":")
            source: Source = attrgetter(maker)(import_module(module))(*texts)
            self._reader = Reader(source.__enter__(), request["size"])

    def read(self, request: dict[str, Any]) -> Reading:
        """Read one stretch."""
        self.open(request)
        if self._reader is None:
            raise Unavailable("the source is not open")
        return self._reader.read(Stretch(*request["stretch"]))


class Workers:
    """`jobs` processes that read the source `told`; `size` is the log's."""

    def __init__(self, source: Sequence[str], size: int, jobs: int) -> None:
        self._opening = {"source": source, "size": size, "folder": os.getcwd()}  # noqa: PTH109
        self._jobs = jobs
        self._pool = Pool(f"{__name__}:{Worker.__name__}", workers=jobs, memory=_ADDRESSES, deadline=_SECONDS)
        self._threads = ThreadPoolExecutor(jobs)
        self._opened = [self._threads.submit(self._pool.call, "open", self._opening) for _ in range(jobs)]

    def readings(
        self, stretches: Iterable[Stretch], read: Callable[[Stretch], Reading]
    ) -> Iterator[tuple[Stretch, Reading]]:
        """Yield the readings of all stretches, in their order; `read` reads one in this process."""
        waiting = iter(stretches)
        while not all(one.done() for one in self._opened):
            stretch = next(waiting, None)
            if stretch is None:
                return
            yield stretch, read(stretch)
        begun: deque[tuple[Stretch, Future[Any]]] = deque()
        while True:
            begun.extend((one, self._begin(one)) for one in islice(waiting, self._room(begun)))
            if not begun:
                return
            stretch, future = begun.popleft()
            yield stretch, self._result(future) or read(stretch)

    def close(self) -> None:
        """End the processes, in the middle of their work if need be."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(self._opened)  # Or the pool would report those that have only begun as dead.
        self._pool.close()
        self._threads.shutdown()

    def _room(self, begun: deque[Any]) -> int:
        return self._jobs * (1 + _AHEAD) - len(begun)

    def _begin(self, stretch: Stretch) -> Future[Any]:
        return self._threads.submit(self._pool.call, "read", {**self._opening, "stretch": stretch})

    def _result(self, future: Future[Any]) -> Reading | None:
        """Return what a worker read; None when it died, or could not: what it met is then met here."""
        try:
            return msgspec.convert(future.result(), Reading)
        except (Unavailable, TooCostly, TooMany, msgspec.ValidationError):
            return None


def told(source: Source) -> tuple[str, ...] | None:
    """Return a source for workers to open, by name and texts; None when this process alone can read it."""
    again = source.again()
    return again and (f"{again[0].__module__}:{again[0].__qualname__}", *again[1])

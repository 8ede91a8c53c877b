"""The parent's side of one worker process."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from dataspace import errors
from dataspace.errors import DataSpaceError
from dataspace.sandbox import frames

START_SECONDS: Final = 60.0
_AFFINITIES: Final = 64  # for how many affinities a worker is remembered
_STAGE: Final = 32  # characters of a stage's name
_GONE_SECONDS: Final = 1.0  # within which a process whose link has closed is over

Progress = Callable[[str, int], object]  # is told a stage and how many percent of it are done

BY_CODE: Final[dict[str, type[DataSpaceError]]] = {
    kind.code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DataSpaceError)
}


class Failed(Exception):
    """The worker raised what is not of our tree; the text is the exception's class."""


class Child:
    """One worker process; used by one thread at a time, and started by one that outlives it."""

    def __init__(self, target: str, memory: int, cpu: int = 0) -> None:
        self.calls = 0
        self.claims = 0  # how many wait for this very child
        self._greeted = False
        self._served: OrderedDict[str, None] = OrderedDict()
        self._link, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _process(target, (memory, cpu), theirs.fileno())
            except OSError:
                self._link.close()
                raise

    def greet(self) -> None:
        """Wait until the target is imported.

        Raises:
            Failed, TimeoutError, EOFError, OSError: it is not going to be.

        """
        if not self._greeted:
            self._reply(time.monotonic() + START_SECONDS)
            self._greeted = True

    def ask(self, frame: bytes, until: float, progress: Progress | None = None) -> list[Any]:
        """Return the reply to one request: ["done", value] or ["refused", code, message, facts].

        What `progress` raises is raised here; the child still works then, and must be killed.

        Raises:
            Failed: the method raised what is not of our tree.
            TimeoutError: there was no reply by `until`, a time of `time.monotonic`.
            EOFError, OSError: the process is gone.
            ValueError: what came back is not a reply.

        """
        self.calls += 1
        frames.send(self._link, frame, until)
        return self._reply(until, progress)

    def fitness(self, affinity: str) -> tuple[bool, bool, int]:
        """Return how well this idle child suits a request: the greatest is taken."""
        return affinity in self._served, self._greeted or self._readable(), -len(self._served)

    def remember(self, affinity: str) -> None:
        """Note that requests of this affinity are at home here."""
        if not affinity:
            return
        self._served[affinity] = None
        self._served.move_to_end(affinity)
        if len(self._served) > _AFFINITIES:
            self._served.popitem(last=False)

    def died(self) -> bool:
        """Say whether this idle child is gone: it sends nothing unasked, so what can be read is the end."""
        return self._greeted and self._readable()

    def seconds(self) -> float:
        """Return the processor time that the living child has used; 0 where the system does not tell."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0.0
        # utime and stime are fields 14 and 15 of proc(5); the split begins with field 3.
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def exhausted(self) -> bool:
        """Say whether the kernel ended a child that is gone for the processor time it used."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(_GONE_SECONDS) == -signal.SIGXCPU
        return False

    def kill(self) -> None:
        """End the process at once; `bury` must follow."""
        self._process.kill()

    def bury(self) -> None:
        """Wait for the killed process, and free what it held of ours."""
        self._process.wait()
        self._link.close()

    def _reply(self, until: float, progress: Progress | None = None) -> list[Any]:
        while True:
            reply = msgspec.msgpack.decode(frames.receive(self._link, until))
            match reply:
                case ["done", _]:
                    return list(reply)
                case ["refused", str(code), str(), dict()] if code in BY_CODE:
                    return list(reply)
                case ["failed", str(kind)] if kind.isidentifier():
                    raise Failed(kind)
                # A worker led astray may have chosen the words: a stage is one short word, or it is no frame.
                case ["progress", str(stage), int(percent)] if _is_stage(stage) and 0 <= percent <= 100:
                    if progress:
                        progress(stage, percent)
                case _:
                    raise ValueError("not a reply")

    def _readable(self) -> bool:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        return bool(poll.poll(0))


def _is_stage(word: str) -> bool:
    return word.isascii() and word.isidentifier() and len(word) <= _STAGE


def _process(target: str, limits: tuple[int, int], descriptor: int) -> subprocess.Popen[bytes]:
    arguments = [target, *map(str, limits), str(descriptor), str(os.getpid())]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "dataspace.sandbox", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        cwd="/",
        env=_environment(),
        process_group=0,  # a Ctrl-C at the terminal is the parent's business
    )


def _environment() -> dict[str, str]:
    """Return the environment of a worker: what Python needs to find itself and us, and no setting of ours."""
    named = ("LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPYCACHEPREFIX")
    kept = {name: os.environ[name] for name in named if name in os.environ}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return kept | threads | {
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),  # noqa: PTH100 - "" is the cwd
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve address space that RLIMIT_AS counts
        "MALLOC_ARENA_MAX": "2",  # each further arena reserves 64 MB
    }  # fmt: skip

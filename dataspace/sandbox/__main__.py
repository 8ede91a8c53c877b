"""A worker process: confine, import the target, serve requests until the parent goes.

python -m dataspace.sandbox MODULE:CLASS MEMORY CPU DESCRIPTOR PARENT
"""

import ctypes
import errno
import importlib
import os
import resource
import select
import signal
import socket
import sys
from typing import Any, Final

import msgspec

from dataspace.errors import DataSpaceError, NotFound, OutOfSpace
from dataspace.sandbox import frames

_FILES: Final = 64
_PARENT_DEATH, _DUMPABLE, _NO_NEW_PRIVILEGES = 1, 4, 38  # prctl(2)
_OUT_OF_MEMORY: Final = msgspec.msgpack.encode(["failed", "MemoryError"])  # made while there is memory
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def main(target: str, memory: str, cpu: str, descriptor: str, parent: str) -> None:
    """Serve one parent; return when it is gone, or after a failure that spoils the process."""
    _confine(int(memory), int(cpu), int(parent))
    with socket.socket(fileno=int(descriptor)) as link:
        reporter = _Reporter(link)
        try:
            worker = _load(target)
            worker.report = reporter.report
        except BaseException as error:  # noqa: BLE001 - the text stays here
            return frames.send(link, _failed(error))
        frames.send(link, msgspec.msgpack.encode(["done", None]))
        while _serve(worker, link, reporter):
            pass
    return None


class _Reporter:
    """How a worker tells where it stands; between requests, when nobody listens, it says nothing."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._last: tuple[str, int] | None = None
        self.asked = False

    def report(self, stage: str, percent: int) -> None:
        """Tell the stage, and how much of it is done; the same twice is told once."""
        now = (stage, int(percent))
        if self.asked and now != self._last:
            self._last = now
            frames.send(self._link, msgspec.msgpack.encode(["progress", *now]))

    def begin(self) -> None:
        """Begin a request."""
        self.asked, self._last = True, None


def _confine(memory: int, cpu: int, parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if cpu:
        # At the soft limit the kernel sends SIGXCPU, which ends us; at the hard one SIGKILL.
        resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 1))
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES),
    ):
        resource.setrlimit(limit, (value, value))
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        for option, value in ((_PARENT_DEATH, signal.SIGKILL), (_DUMPABLE, 0), (_NO_NEW_PRIVILEGES, 1)):
            if libc.prctl(option, int(value), 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have died before the kernel was asked to tell.
    if os.getppid() != parent:
        sys.exit(1)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)()


def _serve(worker: Any, link: socket.socket, reporter: _Reporter) -> bool:
    """Answer one request; return whether the process is fit for another."""
    try:
        request = frames.receive(link)
    except EOFError:
        return False
    try:
        reporter.begin()
        reply = _reply(worker, *msgspec.msgpack.decode(request))
    except BaseException as error:  # noqa: BLE001 - only its class may leave
        frames.send(link, _failed(error))
        return False
    finally:
        reporter.asked = False
    frames.send(link, reply)
    return _rest(worker, link)


def _rest(worker: Any, link: socket.socket) -> bool:
    """Let a worker that has the method `_idle` do what it put off, a piece at a time, while no request waits.

    Returns whether the process is still fit; of a failure nobody hears more than that the worker is gone.
    """
    idle = getattr(worker, "_idle", None)
    try:
        while idle and not select.select([link], [], [], 0)[0] and idle():
            pass
    except BaseException:  # noqa: BLE001 - nobody asked, so nobody is told
        return False
    return True


def _reply(worker: Any, method: str, request: dict[str, Any]) -> bytes:
    try:
        return msgspec.msgpack.encode(["done", _public(worker, method)(request)])
    except DataSpaceError as error:
        return msgspec.msgpack.encode(["refused", error.code, str(error), error.facts])


def _public(worker: Any, method: str) -> Any:
    hidden = method.startswith("_") or method == "report"
    found = None if hidden else getattr(worker, method, None)
    if not callable(found):
        raise NotFound("the worker has no such method")
    return found


def _failed(error: BaseException) -> bytes:
    if isinstance(error, MemoryError):
        return _OUT_OF_MEMORY
    if isinstance(error, OSError) and error.errno in _FULL:
        return msgspec.msgpack.encode(["refused", OutOfSpace.code, "the disk is full: nothing was kept", {}])
    return msgspec.msgpack.encode(["failed", type(error).__name__])


if __name__ == "__main__":
    main(*sys.argv[1:])

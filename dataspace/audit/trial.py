"""Compiling a bundle of unknown origin in a process that can be killed.

The compiler takes time that grows with the square of what some modules hold: one
of 4 MB that nobody would write by accident takes an hour (measured).
"""

from collections.abc import Mapping
from typing import Any, Final

from dataspace.errors import DataSpaceError, TooCostly, TooMany, Unavailable
from dataspace.policy import open_bundle
from dataspace.sandbox import Pool

SECONDS: Final = 30.0
_ADDRESSES: Final = 32 << 30  # bytes of address space: the runtime sets some aside for memories


class Trial:
    """The worker: opens a bundle, and says what is wrong with it."""

    def open(self, request: Mapping[str, Any]) -> str:
        """Return why the bundle in `content` cannot be opened; an empty text if it can."""
        try:
            open_bundle(request["content"])
        except DataSpaceError as error:
            return str(error)
        return ""


def tried(content: bytes) -> str | None:
    """Return why a bundle cannot be opened in time, or None; a process that dies of it is a reason too."""
    pool = Pool("dataspace.audit.trial:Trial", workers=1, memory=_ADDRESSES, deadline=SECONDS)
    try:
        return pool.call("open", {"content": content}) or None
    except (TooCostly, TooMany):
        return f"its module was not compiled in {SECONDS:.0f} seconds"
    except Unavailable:
        return "the process that was to compile its module did not start, or died"
    finally:
        pool.close()

"""Which entries are answers, and to what: enough to hold an acknowledgement against the answer it names.

A log may hold more answers than memory: of each 16 bytes are kept, in a file
without a name. Of those before the audit's first entry nothing is kept; the
record itself is looked up, and proved, when one is acknowledged.
"""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, Final

from dataspace.audit.told import Bits
from dataspace.errors import VerificationError

GONE: Final = "gone"
NONE: Final = "no answer"
_SLOT: Final = 16

Look = Callable[[int], Mapping[str, Any] | None]


class Answers:
    """The answers so far, by entry, and which of them were acknowledged."""

    def __init__(self) -> None:
        self.acknowledged = Bits()
        self._file: Any = None
        self._begin = 0
        self._look: Look | None = None

    def resume(self, begin: int, acknowledged: bytes, look: Look) -> None:
        """Go on with entry `begin`; `look` returns the fields of one before it, None if they are gone."""
        self._begin, self.acknowledged, self._look = begin, Bits(acknowledged), look

    def add(self, index: int, agreement: str, answer: str) -> None:
        """Note that entry `index` answered a query under an agreement with bytes of this SHA-256."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        os.pwrite(self._file.fileno(), _slot(agreement, answer), (index - self._begin) * _SLOT)

    def differs(self, index: int, agreement: str, answer: str) -> str | None:
        """Return what entry `index` is instead of this answer, or None: `GONE` when its record is."""
        if index < self._begin:
            return self._differs_before(index, agreement, answer)
        found = b"" if self._file is None else os.pread(
            self._file.fileno(), _SLOT, (index - self._begin) * _SLOT
        )  # fmt: skip
        if found == _slot(agreement, answer):
            return None
        return "another agreement's answer, or one of other bytes" if found.strip(b"\0") else NONE

    def close(self) -> None:
        """Let the file go."""
        if self._file is not None:
            self._file.close()

    def _differs_before(self, index: int, agreement: str, answer: str) -> str | None:
        try:
            fields = None if self._look is None else self._look(index)
        except VerificationError as error:
            return f"not what it was: {error}"
        if fields is None:
            return GONE
        if fields.get("kind") != "query.answered":
            return NONE
        if (fields["agreement"], fields["answer_sha256"]) != (agreement, answer):
            return "another agreement's answer, or one of other bytes"
        return None


def _slot(agreement: str, answer: str) -> bytes:
    return hashlib.blake2b(f"{agreement}\0{answer}".encode(), digest_size=_SLOT).digest()

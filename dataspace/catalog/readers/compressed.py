"""gzip (RFC 1952), never more of it than the limits allow: a bomb stops before it fills anything."""

import zlib
from collections.abc import Iterable, Iterator

from dataspace.catalog.limits import Limits
from dataspace.errors import TooLarge, Unprocessable

FREE = 8 << 20  # bytes that any file may become, whatever the ratio
_PIECE = 4 << 20
_GZIP = 16 + zlib.MAX_WBITS
_DAMAGED = "the gzip archive is damaged"


def is_gzip(head: bytes) -> bool:
    """Tell whether a file is gzip, by its magic number and the one method there is."""
    return head.startswith(b"\x1f\x8b\x08")


class Allowance:
    """Counts what comes out of a compressed file against what went in.

    Raises TooLarge from `count`: more than `Limits.plain`, or than `Limits.ratio` times what went in.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.taken = 0
        self.given = 0

    def count(self, given: int) -> None:
        """Let so many more bytes pass."""
        self.given += given
        if self.given > self._limits.plain:
            limit = self._limits.plain
            raise TooLarge(f"the file has more than {limit} bytes when it is unpacked", limit=limit)
        if self.given > FREE + self._limits.ratio * self.taken:
            ratio = self._limits.ratio
            raise Unprocessable(
                f"the file is more than {ratio} times its size when it is unpacked", ratio=ratio
            )


def gunzip(chunks: Iterable[bytes], limits: Limits, *, cut: bool = False) -> Iterator[bytes]:
    """Yield what is in a gzip file of one or more members, in pieces of some megabytes.

    `cut`: these are only the first bytes of it.

    Raises:
        TooLarge: it has more bytes than the limit.
        Unprocessable: it unpacks to too many times its size, is damaged, or ends early.

    """
    allowance = Allowance(limits)
    member = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        allowance.taken += len(chunk)
        rest = chunk
        while rest:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            try:
                piece = member.decompress(rest, _PIECE)
            except zlib.error as error:
                raise Unprocessable(_DAMAGED) from error
            rest = member.unused_data if member.eof else member.unconsumed_tail
            allowance.count(len(piece))
            if piece:
                yield piece
    if not (cut or member.eof):
        raise Unprocessable("the gzip archive ends before its end: send the file again")

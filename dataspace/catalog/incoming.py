"""The bytes of one request on their way into an upload that comes in many."""

import hashlib
import hmac
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Protocol

from dataspace.catalog.models import State, Upload
from dataspace.catalog.staging import Piece
from dataspace.catalog.stored import received
from dataspace.errors import TooLarge

PIECE: Final = 64 << 20  # bytes after which what arrived is kept, so that a kill costs no more


@dataclass(frozen=True)
class Checksum:
    """What the bytes of one request must come to; `algorithm` is one of `hashlib`."""

    algorithm: str
    digest: bytes


class Journey(Protocol):
    """What keeps the pieces that arrive; one thread at a time calls it for one upload."""

    def piece(self, upload: Upload, offset: int) -> Piece:
        """Return a new piece, which begins at `offset`."""
        ...

    def keep(self, upload: str, pieces: list[list[int]]) -> Upload:
        """Name durable pieces, each `[offset, size]`, in the upload's row; return it as it is now."""
        ...

    def whole(self, upload: Upload) -> None:
        """Take an upload that is whole."""
        ...


class Incoming:
    """The bytes of one request on their way into an upload; it holds the upload until one of its ends.

    With a checksum nothing is kept before `finish`; without one a piece is kept whenever it is large
    enough, and `keep` keeps what came of a request that broke off.
    """

    def __init__(self, journey: Journey, upload: Upload, checksum: Checksum | None, claim: ExitStack) -> None:
        self._journey = journey
        self._upload = upload
        self._checksum = checksum
        self._hash = hashlib.new(checksum.algorithm, usedforsecurity=False) if checksum else None
        self._claim = claim
        self._offset = received(upload)
        self._closed: list[tuple[Piece, list[int]]] = []
        self._piece: Piece | None = None

    @property
    def room(self) -> int:
        """How many bytes may still come."""
        return self._upload.length - self._offset

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            TooLarge: the upload has more than it was announced with.
            OutOfSpace: the disk is full.
            NotFound: the upload was discarded meanwhile.

        """
        if len(chunk) > self.room:
            raise TooLarge(f"the upload was announced with {self._upload.length} bytes, and more came")
        if self._hash:
            self._hash.update(chunk)
        if self._piece is None:
            self._piece = self._journey.piece(self._upload, self._offset)
        self._piece.write(chunk)
        self._offset += len(chunk)
        if self._piece.size >= PIECE:
            self._close_piece()
            if not self._checksum:
                self._keep()

    def keep(self) -> None:
        """End a request that broke off: keep what arrived of it, unless its checksum cannot be told."""
        if self._checksum:
            return self.discard()
        try:
            self._close_piece()
            self._keep()
        finally:
            self.discard()
        return None

    def matches(self) -> bool:
        """Tell whether what came has the checksum that it was sent with, if any."""
        if self._hash is None or self._checksum is None:
            return True
        return hmac.compare_digest(self._hash.digest(), self._checksum.digest)

    def finish(self) -> Upload:
        """End a request that came whole: keep it; when the upload is whole too, check it and have it read.

        Raises:
            Unprocessable: the whole has another SHA-256 than was declared; nothing of it is kept.
            OutOfSpace: the disk is full.
            NotFound: the upload was discarded meanwhile.

        """
        try:
            self._close_piece()
            self._keep()
            if self._upload.state == State.READING:
                self._journey.whole(self._upload)
        finally:
            self.discard()
        return self._upload

    def discard(self) -> None:
        """Remove what was not kept, and let go of the upload; a second time does nothing."""
        pieces = [piece for piece, _ in self._closed] + ([self._piece] if self._piece else [])
        for piece in pieces:
            piece.discard()
        self._closed, self._piece = [], None
        self._claim.close()

    def _close_piece(self) -> None:
        piece = self._piece
        if piece is None:
            return
        piece.close()
        self._piece = None
        self._closed.append((piece, [self._offset - piece.size, piece.size]))

    def _keep(self) -> None:
        if self._closed:
            self._upload = self._journey.keep(self._upload.id, [place for _, place in self._closed])
            self._closed = []

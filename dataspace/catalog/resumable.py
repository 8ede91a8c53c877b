"""Uploads that come in many requests: announced first, kept piece by piece, read once they are whole.

Each request goes on where the one before it ended; what arrived stays when a
connection breaks or the service is restarted. A piece is sealed, made durable,
and only then named by the row: the offset a client is told is one that holds.
"""

import hashlib
import re
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlmodel import Session

from dataspace.catalog.incoming import Checksum, Incoming
from dataspace.catalog.models import State, Upload
from dataspace.catalog.payloads import open_sealed
from dataspace.catalog.progress import Readings
from dataspace.catalog.staging import Piece, ensure_declared
from dataspace.catalog.stored import received, upload_of
from dataspace.catalog.upload import LIFETIME, Uploads
from dataspace.database import crash_at
from dataspace.errors import Conflict, DataSpaceError, Malformed, NotFound, TooLarge, Unprocessable
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.space import Space

_PIECES: Final = 10_000
_SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")
_TEXT: Final = 1024  # characters of what is declared


@dataclass(frozen=True)
class Announced:
    """What a sender says of an upload before it comes; `declared` as `Uploads.read` takes it, and a title."""

    zone: str
    length: int
    filename: str = "upload.csv"
    sha256: str = ""
    declared: Mapping[str, str] = field(default_factory=dict)


class Resumable:
    """The acts on uploads that come in many requests."""

    def __init__(self, space: Space, uploads: Uploads, readings: Readings) -> None:
        self._space = space
        self._uploads = uploads
        self._readings = readings

    def create(self, caller: Caller, announced: Announced) -> Upload:
        """Announce an upload; nothing of it is there yet.

        Raises:
            Refused: the caller is no provider.
            NotFound: there is no such zone here.
            TooLarge: it is larger than an upload may be.
            Unprocessable: it is empty.
            Malformed: what is said of it is too long, or no SHA-256.
            TooMany: as many of the caller's uploads wait as may, or so many bytes.

        """
        require(caller, Role.PROVIDER)
        limit = self._space.settings.upload_limit
        if announced.length > limit:
            raise TooLarge(f"the upload has {announced.length} bytes, want at most {limit}", limit=limit)
        if announced.length < 1:
            raise Unprocessable("the upload is empty")
        declared = {name: text for name, text in announced.declared.items() if text}
        if announced.sha256:
            declared["sha256"] = announced.sha256.lower()
            if not _SHA256.fullmatch(announced.sha256):
                raise Malformed("the declared SHA-256 is not 64 hexadecimal digits")
        if any(len(text) > _TEXT for text in declared.values()):
            raise Malformed(f"what is declared of the upload has more than {_TEXT} characters")
        upload = self._uploads.begun(caller, announced.zone, announced.filename, declared)
        upload.length = announced.length
        return self._uploads.add(caller, upload)

    def look(self, caller: Caller, upload: str) -> Upload:
        """Return an upload that was announced, without what was found in it.

        Raises:
            NotFound: there is none, it is another's, or past its time.

        """
        with self._space.database.reading() as session:
            found = upload_of(session, caller, upload)
        if not found.length or found.created < self._space.clock() - LIFETIME:
            raise NotFound("there is no such upload")
        return found

    def resume(self, caller: Caller, upload: str, offset: int, checksum: Checksum | None = None) -> Incoming:
        """Return where the next bytes of an upload go, which begin at `offset`: one request's at a time.

        Raises:
            NotFound: there is no such upload, or it is past its time.
            Conflict: it is elsewhere than at `offset`, is whole, or somebody else sends it now.
            TooLarge: it came in too many pieces.

        """
        known = self.look(caller, upload).id
        with ExitStack() as stack:
            stack.enter_context(self._uploads.places.claim(known))
            # Looked at again under the claim: now nobody else moves the offset.
            found = self.look(caller, upload)
            self._ensure_open(found, offset)
            return Incoming(self, found, checksum, stack.pop_all())

    def keep(self, upload: str, pieces: list[list[int]]) -> Upload:
        """Name what arrived in the row; of an upload that is whole by that, begin the reading's state.

        Raises:
            NotFound: the upload was discarded meanwhile.

        """

        def act(session: Session) -> Upload:
            row = session.get(Upload, upload)
            if row is None or row.state != State.RECEIVING:
                raise NotFound("there is no such upload")
            row.parts = [*row.parts, *pieces]
            if received(row) == row.length:
                row.state, row.stage = State.READING, "waiting"
            session.add(row)
            session.flush()
            session.expunge(row)
            return row

        crash_at("upload.before_part")
        return self._space.database.commit(act)

    def whole(self, upload: Upload) -> None:
        """Compare what arrived with what was declared, and have it read.

        Raises:
            Unprocessable: it is another file; nothing of it is kept.

        """
        if declared := upload.declared.get("sha256", ""):
            try:
                ensure_declared(self._digest(upload), declared)
            except DataSpaceError as error:
                self._readings.fail(upload.id, error)
                raise
        self._readings.submit(upload.id)

    def piece(self, upload: Upload, offset: int) -> Piece:
        """Return the piece of an upload that begins at `offset`."""
        place = self._readings.part(upload, offset)
        path = self._uploads.places.part(upload.id, offset)
        return Piece(path, place["source_key"], place["source_context"])

    def _digest(self, upload: Upload) -> str:
        digest = hashlib.sha256()
        for offset, _ in upload.parts:
            for chunk in open_sealed(*self._readings.part(upload, offset).values()):
                digest.update(chunk)
        return digest.hexdigest()

    def _ensure_open(self, found: Upload, offset: int) -> None:
        if found.state != State.RECEIVING:
            raise Conflict("the upload came whole already", state=found.state, offset=received(found))
        if offset != received(found):
            raise Conflict(
                f"the upload goes on at byte {received(found)}, not {offset}", offset=received(found)
            )
        if len(found.parts) >= _PIECES:
            raise TooLarge(f"the upload came in {_PIECES} pieces: begin again, with larger ones")


def expires(upload: Upload) -> datetime:
    """Return when an upload is forgotten that nobody confirmed."""
    return upload.created + LIFETIME


def told(upload: Upload) -> dict[str, Any]:
    """Return what a sender said of an upload."""
    return {"filename": upload.filename, "zone": upload.zone, **upload.declared}

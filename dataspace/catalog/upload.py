"""Uploads: a file arrives sealed, is read in a child process, and waits for its provider's word.

Plaintext never lies on disk: the upload is sealed while it arrives, and the
child that reads it writes the payload sealed under its data key.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlmodel import Session, col, delete, select

from dataspace.catalog.intake import display_name
from dataspace.catalog.models import Approval, DatasetVersion, State, Upload
from dataspace.catalog.places import Places
from dataspace.catalog.reading import Reader, Sealed
from dataspace.catalog.staging import Staging
from dataspace.catalog.stored import ensure_room, upload_of
from dataspace.errors import Conflict
from dataspace.keys import fresh_key
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.sandbox import Pool
from dataspace.space import Space, mint

LIFETIME = timedelta(days=1)
APPROVING = timedelta(days=14)


class Uploads:
    """The acts on files that are not registered yet; `intake` is the pool that reads them."""

    def __init__(self, space: Space, intake: Pool) -> None:
        self._space = space
        self.places = Places(space.settings.home)
        self.reader = Reader(space, intake, self.places)

    def stage(self, caller: Caller, zone: str) -> Staging:
        """Return where the bytes of an upload go that comes in one request.

        Raises:
            Refused: the caller is no provider.
            NotFound: there is no such zone here.
            TooMany: as many of its uploads wait as may.

        """
        require(caller, Role.PROVIDER)
        self._space.pack(zone)
        with self._space.database.reading() as session:
            self._ensure_room(session, caller, 0)
        return Staging(self.places.staging(), self._space.settings.upload_limit)

    def read(
        self,
        caller: Caller,
        zone: str,
        filename: str,
        staging: Staging,
        declared: Mapping[str, Any] = MappingProxyType({}),
    ) -> Upload:
        """Read a staged file in a child process; keep payload and preview, sealed, until it is confirmed.

        `declared` overrides what would be detected: `encoding`, `delimiter`, `format`.

        Raises:
            Unprocessable: the file cannot be taken; `facts` name the first bad lines.
            Unsupported: it is no table of a kind that is taken.
            TooCostly: it needs more time or memory than a worker has.
            OutOfSpace: there is no room for the payload.
            TooMany: as many of the caller's uploads wait as may.

        """
        upload = self.begun(caller, zone, filename, declared)
        identifier = upload.id

        def act(session: Session) -> None:
            self._ensure_room(session, caller, upload.size)
            session.add(upload)

        try:
            self.reader.read(upload, Sealed(**staging.source()))
            upload.state = State.READY
            self._space.database.commit(act)
            return self.upload(caller, identifier)
        except BaseException:
            self.forget(identifier)
            raise
        finally:
            staging.discard()

    def begun(self, caller: Caller, zone: str, filename: str, declared: Mapping[str, Any]) -> Upload:
        """Return the row of a new upload, with a fresh data key; nothing is stored."""
        upload = mint("up")
        key = self._space.keys.secret(f"zone/{self._space.pack(zone).name}")
        return Upload(
            id=upload,
            provider=caller.id,
            zone=zone,
            filename=display_name(filename),
            declared=dict(declared),
            key=key.wrap(fresh_key(), upload.encode()),
            state=State.RECEIVING,
            created=self._space.clock(),
        )

    def add(self, caller: Caller, upload: Upload) -> Upload:
        """Store the row of an upload that is still to come; return it as `look` does.

        Raises:
            TooMany: as many of the caller's uploads wait as may.

        """
        identifier = upload.id

        def act(session: Session) -> None:
            # Of what a database will send nobody knows the length.
            self._ensure_room(session, caller, upload.length or self._space.settings.upload_limit)
            session.add(upload)

        self._space.database.commit(act)
        return self.look(caller, identifier)

    def upload(self, caller: Caller, upload: str) -> Upload:
        """Return an upload that was read and waits for its provider's word, its preview in `proposal`.

        Raises:
            NotFound: there is none, or it is another's.
            Conflict: it is not read yet, or could not be; `facts` say which.

        """
        found = self.look(caller, upload)
        if found.state != State.READY:
            why = "could not be read" if found.state == State.FAILED else "is not read yet"
            raise Conflict(f"the upload {why}", state=found.state, stage=found.stage)
        return found

    def look(self, caller: Caller, upload: str) -> Upload:
        """Return an upload in whatever state; of one that is ready, with its preview in `proposal`.

        Raises:
            NotFound: there is none, or it is another's.

        """
        with self._space.database.reading() as session:
            found = upload_of(session, caller, upload)
        if found.state == State.READY:
            # Only now, on an object that no session writes back: it holds cells of the dataset.
            found.proposal = self.reader.shown(found)
        return found

    def waiting(self, caller: Caller) -> Sequence[Upload]:
        """Return the caller's uploads, newest first, without previews."""
        query = select(Upload).where(Upload.provider == caller.id).order_by(col(Upload.created).desc())
        with self._space.database.reading() as session:
            return session.exec(query).all()

    def discard(self, caller: Caller, upload: str) -> None:
        """Forget an upload that was not confirmed, in whatever state it is."""
        self._space.database.commit(lambda session: session.delete(upload_of(session, caller, upload)))
        self.forget(upload)

    def expire(self) -> int:
        """Forget uploads that nobody confirmed in a day; return how many.

        One that waits for a second person's word, or was approved, is kept for two weeks after it was asked.
        """

        def act(session: Session) -> list[str]:
            now = self._space.clock()
            asked = select(Approval.upload).where(
                Approval.created >= now - APPROVING, Approval.state != "rejected"
            )
            old = session.exec(
                select(Upload.id).where(Upload.created < now - LIFETIME, col(Upload.id).not_in(asked))
            ).all()
            session.exec(delete(Upload).where(col(Upload.id).in_(old)))
            return list(old)

        expired = self._space.database.commit(act)
        for upload in expired:
            self.forget(upload)
        return len(expired)

    def sweep(self) -> int:
        """Remove files that no row names: what a crash left between a file and its row (attack CR-02).

        Only when nothing is being uploaded: at the start of the service. Of a database that several
        processes share, files of the last hours are left alone.
        """
        with self._space.database.reading() as session:
            versions = session.exec(select(DatasetVersion.path)).all()
            uploads = session.exec(select(Upload)).all()
        alone = self._space.database.dialect == "sqlite"
        return self.places.sweep(list(uploads), list(versions), alone=alone)

    def forget(self, upload: str, *, payload: bool = True) -> None:
        """Remove the files of an upload: its preview, and its payload unless a version has it now."""
        self.places.forget(upload, payload=payload)

    def payload(self, name: str) -> Path:
        """Return where the payload of that name lies."""
        return self.places.payload(name)

    def _ensure_room(self, session: Session, caller: Caller, length: int) -> None:
        ensure_room(session, caller.id, length, self._space.settings.upload_limit)

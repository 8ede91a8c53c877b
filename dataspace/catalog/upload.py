"""Uploads: a file arrives sealed, is read in a child process, and waits for its provider's word.

Plaintext never lies on disk: the upload is sealed while it arrives, under a key
that only this process holds, and the child that reads it writes the payload
sealed under its data key.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

from sqlmodel import Session, col, delete, select

from dataspace.catalog.intake import display_name
from dataspace.catalog.models import DatasetVersion, Upload
from dataspace.catalog.payloads import open_sealed, seal
from dataspace.catalog.staging import Staging
from dataspace.catalog.stored import upload_of
from dataspace.database import crash_at
from dataspace.errors import TooLarge
from dataspace.keys import fresh_key
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.sandbox import Pool
from dataspace.space import Space, mint
from dataspace.zones.pack import Pack

LIFETIME = timedelta(days=1)
_KINDS = ("sealed", "preview")


class Uploads:
    """The acts on files that are not registered yet; `intake` is the pool that reads them."""

    def __init__(self, space: Space, intake: Pool) -> None:
        self._space = space
        self._intake = intake

    def stage(self, caller: Caller, zone: str) -> Staging:
        """Return where the bytes of an upload go.

        Raises:
            Refused: the caller is no provider.
            NotFound: there is no such zone here.

        """
        require(caller, Role.PROVIDER)
        self._space.pack(zone)
        return Staging(self._folder("staging"), self._space.settings.upload_limit)

    def read(
        self,
        caller: Caller,
        zone: str,
        filename: str,
        staging: Staging,
        declared: Mapping[str, Any] = MappingProxyType({}),
    ) -> Upload:
        """Read a staged file in a child process; keep payload and preview, sealed, until it is confirmed.

        `declared` overrides what would be detected: `encoding`, `delimiter`.

        Raises:
            Unprocessable: the file cannot be taken; `facts` name the first bad lines.
            Unsupported: it is no table of text.
            TooCostly: it needs more time or memory than a worker has.

        """
        pack, upload = self._space.pack(zone), mint("up")
        key, target = fresh_key(), self.payload(f"{upload}.sealed")
        try:
            found = self._intake.call(
                "read",
                {
                    **staging.source(),
                    "target": str(target),
                    "target_key": key,
                    "target_context": upload.encode(),
                    "pack": pack.rules(),
                    "declared": dict(declared),
                },
            )
            self._check_size(found)
            preview = found.pop("preview")
            self._keep_preview(upload, key, preview)
            kept = self._upload(caller, pack, upload, key, found)
            kept.filename = display_name(filename)
            crash_at("upload.before_row")
            self._space.database.commit(lambda session: session.add(kept))
            return self.upload(caller, upload)
        except BaseException:
            self.forget(upload)
            raise
        finally:
            staging.discard()

    def upload(self, caller: Caller, upload: str) -> Upload:
        """Return an upload that waits for its provider's word, its preview in `proposal`.

        Raises:
            NotFound: there is none, or it is another's.

        """
        with self._space.database.reading() as session:
            found = upload_of(session, caller, upload)
        # Only now, on an object that no session writes back: the preview holds cells of the dataset.
        found.proposal = {**found.proposal, "preview": self._open_preview(found)}
        return found

    def discard(self, caller: Caller, upload: str) -> None:
        """Forget an upload that was not confirmed."""
        self._space.database.commit(lambda session: session.delete(upload_of(session, caller, upload)))
        self.forget(upload)

    def expire(self) -> int:
        """Forget uploads that nobody confirmed in a day; return how many."""

        def act(session: Session) -> list[str]:
            old = session.exec(select(Upload.id).where(Upload.created < self._space.clock() - LIFETIME)).all()
            session.exec(delete(Upload).where(col(Upload.id).in_(old)))
            return list(old)

        expired = self._space.database.commit(act)
        for upload in expired:
            self.forget(upload)
        return len(expired)

    def sweep(self) -> int:
        """Remove files that no row names: what a crash left between a file and its row (attack CR-02).

        Only when nothing is being uploaded: at the start of the service.
        """
        with self._space.database.reading() as session:
            versions = session.exec(select(DatasetVersion.path)).all()
            uploads = session.exec(select(Upload.id)).all()
        known = {*versions, *(f"{upload}.{kind}" for upload in uploads for kind in _KINDS)}
        orphans = [path for path in self._folder("payloads").iterdir() if path.name not in known]
        orphans += self._folder("staging").iterdir()
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)

    def forget(self, upload: str, *, payload: bool = True) -> None:
        """Remove the files of an upload: its preview, and its payload unless a version has it now."""
        for kind in _KINDS if payload else _KINDS[1:]:
            self.payload(f"{upload}.{kind}").unlink(missing_ok=True)

    def payload(self, name: str) -> Path:
        """Return where the payload of that name lies."""
        return self._folder("payloads") / name

    def _folder(self, name: str) -> Path:
        folder = self._space.settings.home / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def _keep_preview(self, upload: str, key: bytes, preview: Mapping[str, Any]) -> None:
        with self.payload(f"{upload}.preview").open("xb") as file:
            seal(BytesIO(json.dumps(preview).encode()), file, key, _preview_of(upload))

    def _open_preview(self, found: Upload) -> Any:
        key = self._space.keys.secret(f"zone/{found.zone}").unwrap(found.key, found.id.encode())
        path = self.payload(f"{found.id}.preview")
        return json.loads(b"".join(open_sealed(path, key, _preview_of(found.id))))

    def _check_size(self, found: Mapping[str, Any]) -> None:
        # Loaded as a table it takes about three times its text; a worker must hold it beside its own work.
        limit = self._space.settings.worker_memory // 4
        if found["bytes"] > limit:
            raise TooLarge(
                f"the dataset has {found['bytes']} bytes, want at most {limit} for a query worker",
                limit=limit,
            )

    def _upload(self, caller: Caller, pack: Pack, upload: str, key: bytes, found: dict[str, Any]) -> Upload:
        return Upload(
            id=upload,
            provider=caller.id,
            zone=pack.name,
            filename="",
            source_sha256=found["source_sha256"],
            payload_sha256=found["payload_sha256"],
            rows=found["rows"],
            size=found["bytes"],
            proposal=found,
            key=self._space.keys.secret(f"zone/{pack.name}").wrap(key, upload.encode()),
            created=self._space.clock(),
        )


def _preview_of(upload: str) -> bytes:
    return f"{upload}/preview".encode()

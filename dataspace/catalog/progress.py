"""Reading in the background: what arrived whole is read, one after the other, and its row says how far.

    RECEIVING -> READING (waiting, copying, joining, scanning, classifying, encrypting, assessing) -> READY
                         any of them that fails -> FAILED, with the problem; what arrived is removed

The row is what counts: after a restart whatever was READING is read again from
the start, and an upload whose row is gone is stopped at its next report.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from sqlmodel import Session, select

from dataspace.catalog.models import State, Upload
from dataspace.catalog.payloads import open_sealed
from dataspace.catalog.reading import Sealed
from dataspace.catalog.staging import Piece, ensure_declared
from dataspace.catalog.upload import Uploads
from dataspace.errors import Conflict, DataSpaceError, NotFound, TooMany
from dataspace.sandbox import Pool
from dataspace.space import Space

_LOG = logging.getLogger("dataspace.catalog")
_TELLING: Final = 0.5  # seconds at least between two percentages of one stage
_PATIENCE: Final = 30.0  # seconds to wait for who still receives

Tell = Callable[[str, int], None]
_Orders = queue.SimpleQueue[tuple[str, dict[str, Any]] | None]


class Readings:
    """Reads uploads whose row is READING; `copier` is the pool for databases.

    What is copied from databases waits in a thread apart: a slow one holds up no file.
    """

    def __init__(self, space: Space, uploads: Uploads, intake: Pool, copier: Pool) -> None:
        self._space = space
        self._uploads = uploads
        self._pools = (intake, copier)
        self._copier = copier
        self._closed = threading.Event()
        self._turn = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}
        self._queues: dict[str, _Orders] = {"files": queue.SimpleQueue(), "copies": queue.SimpleQueue()}

    def submit(self, upload: str, copy: dict[str, Any] | None = None) -> None:
        """Read an upload when its turn comes; `copy` is what the copier needs to fetch it first."""
        kind = "copies" if copy else "files"
        with self._turn:
            if kind not in self._threads and not self._closed.is_set():
                waiting = (self._queues[kind],)
                self._threads[kind] = threading.Thread(target=self._run, args=waiting, name=kind, daemon=True)
                self._threads[kind].start()
        self._queues[kind].put((upload, copy or {}))

    def unfinished(self) -> list[Upload]:
        """Return the uploads that are READING: at the start of the service, what a restart interrupted."""
        with self._space.database.reading() as session:
            query = select(Upload).where(Upload.state == State.READING)
            return list(session.exec(query).all())

    def source(self, upload: Upload) -> dict[str, Any]:
        """Return where what arrived of an upload lies put together, with its key and context."""
        path = self._uploads.places.whole(upload.id)
        return _sealed(str(path), self._uploads.reader.key_of(upload), f"{upload.id}/whole")

    def fail(self, upload: str, error: DataSpaceError) -> None:
        """Set down why an upload cannot be read, and remove what arrived of it."""

        def act(row: Upload) -> None:
            row.state, row.parts, row.stage = State.FAILED, [], ""
            row.problem = {**error.facts, "code": error.code, "detail": str(error)}

        with suppress(NotFound):
            self._change(upload, act)
        self._uploads.forget(upload)

    def close(self) -> None:
        """Stop reading, also in the middle: the pools are closed. What was READING stays so."""
        self._closed.set()
        for pool in self._pools:
            pool.close()
        with self._turn:
            threads, self._threads = self._threads, {}
        for kind, thread in threads.items():
            self._queues[kind].put(None)
            thread.join()

    def _run(self, orders: _Orders) -> None:
        while (order := orders.get()) is not None and not self._closed.is_set():
            upload, copy = order
            try:
                with self._uploads.places.claim(upload, _PATIENCE):
                    self._read(upload, copy)
            except Conflict:
                _LOG.warning("upload %s is held by another process", upload)
            except Exception:  # noqa: BLE001 - the thread must not die of what it did not foresee
                _LOG.exception("upload %s could not be read", upload)

    def _read(self, identifier: str, copy: dict[str, Any]) -> None:
        try:
            upload = self._row(identifier)
            if upload.state != State.READING:
                return
            tell = self._teller(identifier)
            self._uploads.reader.read(upload, self._gathered(upload, copy, tell), tell)
            ensure_declared(upload.source_sha256, upload.declared.get("sha256", ""))
            self._finish(upload)
        except TooMany:
            self.submit(identifier, copy)  # every worker was busy for as long as one may wait
        except DataSpaceError as error:
            if not self._closed.is_set():
                _LOG.info("upload %s cannot be read: %s", identifier, error.code)
                self.fail(identifier, error)

    def _gathered(self, upload: Upload, copy: dict[str, Any], tell: Tell) -> Sealed:
        """Return the file to be read: the one piece that came, all put together, or a copied table."""
        source = self.source(upload)
        if copy:
            tell("copying", 0)
            self._copier.call("copy", {**copy, **_target(source)}, progress=tell)
        elif len(upload.parts) == 1:
            return Sealed(**self.part(upload, 0))
        else:
            self._join(upload, source, tell)
        return Sealed(**source)

    def part(self, upload: Upload, offset: int) -> dict[str, Any]:
        """Return where the piece of an upload that begins at `offset` lies, with its key and context."""
        path = self._uploads.places.part(upload.id, offset)
        return _sealed(str(path), self._uploads.reader.key_of(upload), f"{upload.id}/part/{offset}")

    def _join(self, upload: Upload, source: dict[str, Any], tell: Tell) -> None:
        tell("joining", 0)
        whole = Piece(self._uploads.places.whole(upload.id), source["source_key"], source["source_context"])
        try:
            for offset, _ in upload.parts:
                for chunk in open_sealed(*self.part(upload, offset).values()):
                    whole.write(chunk)
                tell("joining", 100 * whole.size // upload.length)
            whole.close()
        except BaseException:
            whole.discard()
            raise

    def _finish(self, upload: Upload) -> None:
        def act(row: Upload) -> None:
            for name in ("source_sha256", "payload_sha256", "rows", "size", "proposal"):
                setattr(row, name, getattr(upload, name))
            row.state, row.stage, row.progress, row.parts = State.READY, "", 100, []

        self._change(upload.id, act)
        self._uploads.places.clear(upload.id)

    def _teller(self, upload: str) -> Tell:
        """Return what writes stage and percentage into the row, not too often, and raises when it is gone."""
        last = ("", 0.0)

        def tell(stage: str, percent: int) -> None:
            nonlocal last
            now = time.monotonic()
            if stage == last[0] and now - last[1] < _TELLING:
                return
            last = (stage, now)

            def act(row: Upload) -> None:
                row.stage, row.progress = stage, percent

            self._change(upload, act)

        return tell

    def _row(self, upload: str) -> Upload:
        with self._space.database.reading() as session:
            found = session.get(Upload, upload)
        if found is None:
            raise NotFound("the upload was discarded")
        return found

    def _change(self, upload: str, change: Callable[[Upload], None]) -> None:
        def act(session: Session) -> None:
            row = session.get(Upload, upload)
            if row is None:
                raise NotFound("the upload was discarded")
            change(row)
            session.add(row)

        self._space.database.commit(act)


def _sealed(path: str, key: bytes, context: str) -> dict[str, Any]:
    return {"source": path, "source_key": key, "source_context": context.encode()}


def _target(source: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("source", "target"): value for name, value in source.items()}

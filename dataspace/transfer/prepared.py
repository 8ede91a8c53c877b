"""Prepared columns: what is costly to desensitize, once for an agreement and a version, sealed on disk.

    home/payloads/prep-<16 hex>.sealed    written by a worker (`overlay`), named by one row of `Prepared`

Its key is wrapped by the version's data key: with a withdrawn dataset's key it
is gone too, and what is left is a file that nothing opens. A crash can leave a
file without a row, never a row without a file.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session, col, delete, or_, select

from dataspace.catalog.models import Dataset
from dataspace.keys import fresh_key
from dataspace.keys.wrap import AesKey
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.states import State
from dataspace.proof.canonical import JSON, canonical
from dataspace.space import Space, mint
from dataspace.table import Column
from dataspace.transfer.case import Case, steady_key
from dataspace.transfer.duck.overlay import costly
from dataspace.transfer.engine import Engine, Payload, Sealed
from dataspace.transfer.models import Prepared

_GRACE: Final = timedelta(hours=1)  # longer than a worker may take to write a file


class Preparations:
    """Makes, keeps and drops the prepared columns of agreements."""

    def __init__(self, space: Space, engine: Engine) -> None:
        self._space = space
        self._engine = engine

    def of(self, case: Case, payload: Payload) -> Sealed | None:
        """Return the prepared columns of a case, made now if there are none; None where no column is costly.

        Raises:
            TooCostly: the work passed a limit; nothing is left of it.
            OutOfSpace: the disk is full.

        """
        hidden = costly(case.columns)
        if not hidden:
            return None
        methods = _digest(hidden, case.columns)
        with self._space.database.reading() as session:
            found = session.get(Prepared, (case.agreement.id, case.version.version, methods))
        if found is None:
            found = self._made(case, payload, methods)
        return Sealed(str(self._folder / found.path), _unwrapped(found, payload), _context(found))

    def drop(self, dataset: str) -> None:
        """Remove what was prepared of a dataset, whose key is gone."""
        self._remove(Agreement.dataset == dataset)

    def sweep(self) -> int:
        """Remove what was prepared for agreements that ended, or left by a crash; return how many files."""
        now = self._space.clock()
        removed = self._remove(
            or_(
                col(Agreement.state) != State.FINALIZED,
                col(Agreement.expires) <= now,
                col(Dataset.withdrawn).is_not(None),
            )
        )
        for dataset in {dataset for _, dataset in removed}:
            self._engine.evict(dataset)
        return len(removed) + self._remove_orphans(now)

    @property
    def _folder(self) -> Path:
        return self._space.settings.home / "payloads"

    def _made(self, case: Case, payload: Payload, methods: str) -> Prepared:
        """Compute and keep; of two at once one is kept, and both answer from that one."""
        name, key = mint("prep"), fresh_key()
        made = Prepared(
            agreement=case.agreement.id,
            version=case.version.version,
            methods_sha256=methods,
            path=f"{name}.sealed",
            key=b"",
            created=self._space.clock(),
        )
        made.key = AesKey(payload.key).wrap(key, _context(made))
        path = self._folder / made.path
        into = Sealed(str(path), key, _context(made))
        key = case.pseudonym_key(self._space)
        with self._space.database.reading() as session:
            steady = steady_key(session, self._space, case)
        self._engine.prepare(payload, case.columns, key, into, steady=steady)
        kept = self._space.database.commit(lambda session: _kept(session, made))
        if kept.path != made.path:
            path.unlink(missing_ok=True)
        return kept

    def _remove(self, condition: Any) -> list[tuple[str, str]]:
        """Remove the rows of agreements of that condition, then their files; return files and datasets."""
        with self._space.database.reading() as session:
            query = (
                select(Prepared.path, Agreement.dataset)
                .join(Agreement, col(Agreement.id) == Prepared.agreement)
                .join(Dataset, col(Dataset.id) == Agreement.dataset)
                .where(condition)
            )
            found = [(path, dataset) for path, dataset in session.exec(query)]
        if found:
            paths = [path for path, _ in found]
            self._space.database.commit(
                lambda session: session.exec(delete(Prepared).where(col(Prepared.path).in_(paths)))
            )
        for path, _ in found:
            (self._folder / path).unlink(missing_ok=True)
        return found

    def _remove_orphans(self, now: datetime) -> int:
        with self._space.database.reading() as session:
            known = set(session.exec(select(Prepared.path)).all())
        files = [path for path in self._folder.glob("prep-*") if path.name not in known]
        before = (now - _GRACE).timestamp()
        orphans = [path for path in files if path.stat().st_mtime < before]
        for path in orphans:
            path.unlink(missing_ok=True)
        return len(orphans)


def _kept(session: Session, made: Prepared) -> Prepared:
    """Store a row unless there is one; return the one there is, detached."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(Prepared).values(**made.model_dump()).on_conflict_do_nothing()
    session.connection().execute(statement)
    kept = session.get_one(Prepared, (made.agreement, made.version, made.methods_sha256))
    session.expunge(kept)
    return kept


def _unwrapped(found: Prepared, payload: Payload) -> bytes:
    return AesKey(payload.key).unwrap(found.key, _context(found))


def _context(prepared: Prepared) -> bytes:
    """Return what a file is sealed with: it opens as nothing but these columns of this agreement."""
    return (
        f"prepared/{prepared.agreement}/{prepared.version}/{prepared.methods_sha256}/{prepared.path}".encode()
    )


def _digest(hidden: Sequence[Column], columns: Sequence[Column]) -> str:
    """Return the digest of what costly columns are computed by: their methods, and who the subjects are."""
    named: list[JSON] = [
        [column.name, column.type, column.method, dict(column.parameters)] for column in hidden
    ]
    subjects: list[JSON] = [column.name for column in columns if column.subject]
    return hashlib.sha256(canonical({"columns": named, "subjects": subjects})).hexdigest()

"""Intersections under way: what the zone keeps between the two steps of one, for an hour at most.

    home/intersections/is-<16 hex>.sealed    what `privacy.intersection` keeps, under the version's data key

A row is `blinded` until its second step takes it, `answered` after it, `gone` if that
failed: whoever takes it is alone. Rows and files go when their hour is over; a
crash can leave a file without a row, never a row that is `blinded` without a file.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, delete, func, select, update

from dataspace.catalog.payloads import open_sealed, remove_orphans, seal
from dataspace.errors import Conflict, NotFound, TooMany
from dataspace.keys.wrap import AesKey
from dataspace.negotiation.models import Agreement
from dataspace.proof.canonical import canonical
from dataspace.space import Space, mint
from dataspace.transfer.case import Case, agreements_of
from dataspace.transfer.models import Intersection

LIFETIME: Final = timedelta(hours=1)
_OPEN: Final = 4  # jobs of one legal entity on a dataset that wait for their second step


class Jobs:
    """Keeps, hands out and removes intersections."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def new(self, case: Case, items: int, secret: Mapping[str, Any]) -> Intersection:
        """Return a job that is not stored yet; `secret` is JSON-ready."""
        name = mint("is")
        key = AesKey(case.payload(self._space).key)
        return Intersection(
            id=name,
            agreement=case.agreement.id,
            state="blinded",
            items=items,
            secret=key.wrap(canonical(dict(secret)), name.encode()),
            path=f"{name}.sealed",
            created=self._space.clock(),
        )

    def keep(self, case: Case, job: Intersection, content: bytes) -> None:
        """Seal what the zone keeps of a job."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with (self._folder / job.path).open("xb") as file:
            seal(BytesIO(content), file, case.payload(self._space).key, job.id.encode())

    def drop(self, job: Intersection) -> None:
        """Remove the file of a job."""
        (self._folder / job.path).unlink(missing_ok=True)

    def check_room(self, session: Session, case: Case) -> None:
        """Let the legal entity behind a case begin a job on its dataset.

        Raises:
            TooMany: it has as many as may wait.

        """
        waiting = (
            select(func.count())
            .select_from(Intersection)
            .join(Agreement, col(Agreement.id) == Intersection.agreement)
            .where(Agreement.dataset == case.dataset.id, col(Agreement.id).in_(agreements_of(case)))
            .where(Intersection.state == "blinded")
        )
        if session.exec(waiting).one() >= _OPEN:
            raise TooMany(f"{_OPEN} intersections wait for their second step", retry_after=60)

    def store(self, session: Session, case: Case, job: Intersection) -> None:
        """Store a job; raises as `check_room`, for others may have begun one meanwhile."""
        self.check_room(session, case)
        session.add(job)
        session.flush()

    def found(self, session: Session, case: Case, job: str) -> Intersection:
        """Return a job of a case's agreement; NotFound when it has no such one."""
        found = session.get(Intersection, job)
        if found is None or found.agreement != case.agreement.id:
            raise NotFound("the agreement has no such intersection")
        return found

    def secret(self, case: Case, job: Intersection) -> dict[str, Any]:
        """Return the secret of a job."""
        key = AesKey(case.payload(self._space).key)
        return dict(json.loads(key.unwrap(job.secret, job.id.encode())))

    def take(self, case: Case, job: Intersection) -> bytes:
        """Return what the zone keeps of a job, to whoever takes it first; its file is gone then.

        Raises:
            Conflict: it was taken, or its time is over.

        """
        self._space.database.commit(lambda session: _claim(session, job, self._oldest))
        try:
            key = case.payload(self._space).key
            return b"".join(open_sealed(self._folder / job.path, key, job.id.encode()))
        except FileNotFoundError as error:
            raise Conflict("the intersection is over: begin a new one") from error
        finally:
            self.drop(job)

    def answered(self, session: Session, job: Intersection) -> None:
        """Note that a job has its answer."""
        session.get_one(Intersection, job.id).state = "answered"

    def forget(self, dataset: str) -> None:
        """Remove the files of a withdrawn dataset's jobs."""
        query = (
            select(Intersection.path)
            .join(Agreement, col(Agreement.id) == Intersection.agreement)
            .where(Agreement.dataset == dataset)
        )
        with self._space.database.reading() as session:
            paths = session.exec(query).all()
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)

    def expire(self) -> None:
        """Remove the jobs whose hour is over."""
        old = col(Intersection.created) <= self._oldest
        with self._space.database.reading() as session:
            paths = session.exec(select(Intersection.path).where(old)).all()
        if not paths:
            return
        self._space.database.commit(
            lambda session: session.exec(delete(Intersection).where(col(Intersection.path).in_(paths)))
        )
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove jobs whose hour is over, and files that no row names (attack CR-02); at the start."""
        self.expire()
        with self._space.database.reading() as session:
            waiting = select(Intersection.path).where(Intersection.state == "blinded")
            known = set(session.exec(waiting).all())
        return remove_orphans(self._folder, known)

    @property
    def _folder(self) -> Path:
        return self._space.settings.home / "intersections"

    @property
    def _oldest(self) -> Any:
        return self._space.clock() - LIFETIME


def _claim(session: Session, job: Intersection, oldest: Any) -> None:
    # One UPDATE whose WHERE holds the state: of two second steps one takes the job.
    taken = (
        update(Intersection)
        .where(col(Intersection.id) == job.id, col(Intersection.state) == "blinded")
        .where(col(Intersection.created) > oldest)
        .values(state="gone")
    )
    if session.exec(taken).rowcount != 1:
        raise Conflict("the intersection was answered, or its time is over: begin a new one")

"""Lookup tables as they are kept: one for an offer, a version and an identifier, built once and sealed.

    home/lookups/lt-<16 hex>.sealed    `privacy.lookup`'s table under the version's data key

A crash can leave a file without a row, never a row without a file. The row and
its wrapped exponent stay when a dataset is withdrawn; with its key gone they open nothing.
"""

import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from sqlmodel import Session, col, select

from dataspace.catalog.models import Dataset
from dataspace.catalog.payloads import open_sealed, remove_orphans, seal
from dataspace.errors import NotFound, TooLarge
from dataspace.keys.wrap import AesKey
from dataspace.privacy.lookup import Head
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.space import Space, mint
from dataspace.table import Column
from dataspace.transfer.case import Case
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.matching import read_rows
from dataspace.transfer.models import LookupTable
from dataspace.wire.oprf import Scalar

ROWS_LIMIT: Final = 200_000
_BUILD_SECONDS: Final = 300.0


@dataclass(frozen=True)
class TableKey:
    """What a table is of; `fields` is the digest of the columns in it and how they leave."""

    dataset: str
    version: int
    offer: str
    identifier: str
    fields: str

    @classmethod
    def of(cls, case: Case, identifier: Column, fields: Sequence[Column]) -> "TableKey":
        """Return the key of a case's table."""
        digest = hashlib.sha256(canonical([column.to_json() for column in fields])).hexdigest()
        return cls(case.dataset.id, case.version.version, case.offer.id, identifier.name, digest)


class LookupTables:
    """Builds, keeps and opens lookup tables; `pool` runs `privacy.lookup:Lookup`."""

    def __init__(self, space: Space, engine: Engine, pool: Pool, rows_limit: int) -> None:
        self._space, self._engine, self._pool, self._rows_limit = space, engine, pool, rows_limit
        self._guard = threading.Lock()  # of the two below
        self._locks: defaultdict[TableKey, threading.Lock] = defaultdict(threading.Lock)
        self._progress: dict[TableKey, int] = {}

    def progress(self, key: TableKey) -> int:
        """Return how many percent of a table are built."""
        with self._guard:
            return self._progress.get(key, 0)

    def stored(self, session: Session, key: TableKey) -> LookupTable | None:
        """Return the table of a key, if it was built."""
        query = select(LookupTable).where(
            LookupTable.dataset == key.dataset,
            LookupTable.version == key.version,
            LookupTable.offer == key.offer,
            LookupTable.identifier == key.identifier,
            LookupTable.fields_sha256 == key.fields,
        )
        # Two services on one database may both have built it: one is everybody's.
        return session.exec(query.order_by(col(LookupTable.created), col(LookupTable.id))).first()

    def built(self, case: Case, identifier: Column, fields: Sequence[Column]) -> LookupTable:
        """Return the table of a case, built now if there is none; of two first users one builds it.

        Raises:
            TooLarge: the dataset has too many rows, or its records take too much room.
            Unprocessable: no row that leaves has an identifier.
            TooCostly: the work passed a limit.

        """
        key = TableKey.of(case, identifier, fields)
        with self._guard:
            lock = self._locks[key]
        with lock:
            with self._space.database.reading() as session:
                found = self.stored(session, key)
            try:
                return found or self._build(case, key, [identifier, *fields])
            finally:
                self._tell(key, None)

    def scalar(self, table: LookupTable, case: Case) -> bytes:
        """Return the exponent of a table, which is a secret."""
        return AesKey(case.payload(self._space).key).unwrap(table.wrapped, table.id.encode())

    def head(self, table: LookupTable, case: Case) -> Head:
        """Return what a table says of itself."""
        head, _ = Head.decode(next(self._opened(table, case)))
        return head

    def records(self, table: LookupTable, case: Case, bucket: int | None) -> bytes:
        """Return the records of a bucket, or all of them.

        Raises:
            NotFound: there is no such bucket, or the table is gone.

        """
        whole = b"".join(self._opened(table, case))
        head, end = Head.decode(whole)
        if bucket is not None and not 0 <= bucket < len(head.counts):
            raise NotFound(f"there is no bucket {bucket}: the table has {len(head.counts)}")
        start, stop = head.span(bucket)
        return whole[end + start : end + stop]

    def forget(self, dataset: str) -> None:
        """Remove the files of a withdrawn dataset's tables, whose key is gone."""
        with self._space.database.reading() as session:
            paths = session.exec(select(LookupTable.path).where(LookupTable.dataset == dataset)).all()
        for path in paths:
            (self._folder / path).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Remove files that no row names: what a crash left (attack CR-02); at the start of the service."""
        with self._space.database.reading() as session:
            known = set(session.exec(select(LookupTable.path)).all())
        return remove_orphans(self._folder, known)

    @property
    def _folder(self) -> Path:
        return self._space.settings.home / "lookups"

    def _tell(self, key: TableKey, percent: int | None) -> None:
        with self._guard:
            self._progress[key] = percent or 0
            if percent is None:
                del self._progress[key]

    def _build(self, case: Case, key: TableKey, columns: Sequence[Column]) -> LookupTable:
        if case.version.rows > self._rows_limit:
            message = f"the dataset has {case.version.rows} rows, a lookup table at most {self._rows_limit}"
            raise TooLarge(message, limit=self._rows_limit)
        payload, scalar, name = case.payload(self._space), Scalar.fresh().to_bytes(), mint("lt")
        rows = read_rows(self._engine, case, payload, columns, released=True)
        made = self._pool.call(
            "build",
            {"table": name, "scalar": scalar, "rows": rows, "identifier": key.identifier},
            deadline=_BUILD_SECONDS,
            progress=lambda _, percent: self._tell(key, percent),
        )
        table = LookupTable(
            id=name,
            dataset=key.dataset,
            version=key.version,
            offer=key.offer,
            identifier=key.identifier,
            fields_sha256=key.fields,
            records=made["records"],
            buckets=made["buckets"],
            path=f"{name}.sealed",
            wrapped=AesKey(payload.key).wrap(scalar, name.encode()),
            created=self._space.clock(),
        )
        self._folder.mkdir(mode=0o700, exist_ok=True)
        with (self._folder / table.path).open("xb") as file:
            seal(BytesIO(made["table"]), file, payload.key, name.encode())
        return self._kept(table, key)

    def _kept(self, made: LookupTable, key: TableKey) -> LookupTable:
        """Store a row; return the one that everybody uses, which another service may have stored before.

        Raises:
            NotFound: the dataset was withdrawn meanwhile, and what its files were is gone.

        """

        def act(session: Session) -> LookupTable | None:
            if session.get_one(Dataset, key.dataset).withdrawn is not None:
                return None
            session.add(made)
            session.flush()
            return self.stored(session, key)

        kept = self._space.database.commit(act)
        if kept is None or kept.id != made.id:
            (self._folder / made.path).unlink(missing_ok=True)
        if kept is None:
            raise NotFound("the dataset was withdrawn")
        return kept

    def _opened(self, table: LookupTable, case: Case) -> Iterator[bytes]:
        try:
            yield from open_sealed(
                self._folder / table.path, case.payload(self._space).key, table.id.encode()
            )
        except FileNotFoundError as error:
            raise NotFound("the table is gone with its dataset") from error

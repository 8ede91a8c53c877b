"""A log on a real database, of both kinds."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine
from sqlmodel import Session, SQLModel

from dataspace.database import Database
from dataspace.keys.file import FileKeys
from dataspace.ledger import models
from dataspace.ledger.log import Log
from dataspace.proof.receipt import Receipt
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures

ORIGIN = "example.com/space"


def create_tables(url: str) -> None:
    """Make the ledger's tables and triggers, as the migration does."""
    engine = create_engine(url)
    names = [name for name in SQLModel.metadata.tables if name.startswith(("ledger_", "witnessed_"))]
    tables = [SQLModel.metadata.tables[name] for name in names]
    with engine.begin() as connection:
        SQLModel.metadata.create_all(connection, tables=tables)
        dialect = engine.dialect.name
        for statement in [*models.triggers(dialect), *models.published_triggers(dialect)]:
            connection.exec_driver_sql(statement)
    engine.dispose()


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Ledger:
    """A log, its database and its keys; `reopen` is what a restart does."""

    def __init__(self, url: str, keys: Path) -> None:
        self.url = url
        self.keys = FileKeys(keys)
        self.keys.create("log")
        self.clock = Clock()
        create_tables(url)
        self.open()

    def open(self) -> None:
        self.log = Log(ORIGIN, self.keys, clock=self.clock)
        self.database = Database(self.url, self.log)

    def reopen(self) -> None:
        self.database.close()
        self.open()

    def append(self, kind: str = "policy.adopted", **fields: Any) -> int:
        given = fields or {"digest": "a test", "revision": 0}
        return self.database.commit(lambda session: self.log.append(session, kind, **given))

    def grow(self, count: int) -> None:
        """Append `count` entries in one act."""

        def act(session: Session) -> None:
            for number in range(count):
                self.log.append(session, "policy.adopted", digest="a test", revision=number)

        self.database.commit(act)

    def receipt(self, index: int) -> Receipt:
        with self.database.reading() as session:
            return self.log.receipt(session, index)

    def size(self) -> int:
        with self.database.reading() as session:
            return self.log.size(session)

    def execute(self, *statements: str) -> None:
        """Run SQL past the service, as the owner of the database can."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A log on SQLite."""
    made = Ledger(f"sqlite:///{tmp_path}/space.db", tmp_path / "keys")
    yield made
    made.database.close()


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A log on SQLite, and one on PostgreSQL."""
    url = f"sqlite:///{tmp_path}/space.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    made = Ledger(url, tmp_path / "keys")
    yield made
    made.database.close()

"""A database with one small table, of both kinds."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, create_engine, insert, select
from sqlmodel import Session

from dataspace.database import Database, append_only, stage
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]

THINGS = Table(
    "things", MetaData(), Column("id", Integer, primary_key=True), Column("name", String, unique=True)
)


class Recorder:
    """An integrator that writes down what it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.failing: Exception | None = None

    def open(self, session: Session) -> None:
        assert session.info is not None
        self.calls.append("open")

    def integrate(self, session: Session, staged: list[Any]) -> None:
        session.connection()
        if self.failing:
            raise self.failing
        self.calls.append(list(staged))

    def reload(self) -> None:
        self.calls.append("reload")


class Things:
    """The database of a test and what tests do with it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.integrator = Recorder()
        self.create()
        self.database = Database(url, self.integrator)

    def create(self) -> None:
        engine = create_engine(self.url)
        with engine.begin() as connection:
            THINGS.create(connection)
            connection.exec_driver_sql("CREATE TABLE kept (id INTEGER PRIMARY KEY, name TEXT)")
            connection.exec_driver_sql("CREATE TABLE erasable (id INTEGER PRIMARY KEY, name TEXT)")
            for statement in [
                *append_only("kept", engine.dialect.name),
                *append_only("erasable", engine.dialect.name, erasable=True),
            ]:
                connection.exec_driver_sql(statement)
        engine.dispose()

    def add(self, name: str) -> int:
        """Commit one thing, staged under its name; return its position in the batch."""
        return self.database.commit(lambda session: add(session, name))

    def names(self) -> list[str]:
        with self.database.reading() as session:
            return list(session.execute(select(THINGS.c.name).order_by(THINGS.c.id)).scalars())

    def together(self, *acts: Any) -> list[Future[Any]]:
        """Commit `acts` in one batch, in order: they queue up behind an act that waits for them."""
        entered, release = Event(), Event()

        def hold(_: Session) -> None:
            entered.set()
            assert release.wait(10)

        with ThreadPoolExecutor(len(acts) + 1) as pool:
            pool.submit(self.database.commit, hold)
            assert entered.wait(10)
            futures = []
            for number, act in enumerate(acts, start=1):
                futures.append(pool.submit(self.database.commit, act))
                while len(self.database._writer._turns) < number:
                    pass
            release.set()
        return futures


def add(session: Session, name: str) -> int:
    """Insert a thing and stage its name."""
    session.execute(insert(THINGS).values(name=name))
    return stage(session, name)


@pytest.fixture(params=["sqlite", "postgres"])
def things(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Things]:
    """The database of both kinds, one after the other."""
    url = f"sqlite:///{tmp_path}/things.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    made = Things(url)
    yield made
    made.database.close()


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Things]:
    """The database on SQLite alone."""
    made = Things(f"sqlite:///{tmp_path}/things.db")
    yield made
    made.database.close()

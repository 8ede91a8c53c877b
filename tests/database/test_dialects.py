"""What each database guarantees by itself: locks, append-only tables, shredding, durability."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.exc import DBAPIError

from dataspace.database import Database
from dataspace.errors import Conflict, Unavailable
from tests.database.conftest import THINGS, Things

_HOLD = """
import sys, time
from dataspace.database import Database
database = Database(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("statement", [
    "UPDATE kept SET name = 'b'", "DELETE FROM kept", "UPDATE erasable SET name = 'b'",
])  # fmt: skip
def test_le_01_an_append_only_table_refuses_changes_to_anyone(things: Things, statement: str) -> None:
    engine = create_engine(things.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO kept VALUES (1, 'a')")
        connection.exec_driver_sql("INSERT INTO erasable VALUES (1, 'a')")
    with pytest.raises(DBAPIError, match="is append-only"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_an_erasable_row_can_be_deleted(things: Things) -> None:
    engine = create_engine(things.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO erasable VALUES (1, 'a')")
        assert connection.exec_driver_sql("DELETE FROM erasable").rowcount == 1
    engine.dispose()


@pytest.mark.parametrize("table", ["kept", "erasable"])
def test_le_01_replace_and_truncate_do_not_pass_the_triggers(things: Things, table: str) -> None:
    things.database.commit(
        lambda s: s.connection().exec_driver_sql(f"INSERT INTO {table} VALUES (1, 'a')") and None
    )
    sly = (
        f"TRUNCATE {table}"
        if things.database.dialect == "postgresql"
        else f"REPLACE INTO {table} VALUES (1, 'b')"
    )
    if (table, things.database.dialect) != ("erasable", "sqlite"):
        with pytest.raises((Conflict, Unavailable)):
            things.database.commit(lambda s: s.connection().exec_driver_sql(sly) and None)
    with things.database.reading() as session:
        assert session.connection().exec_driver_sql(f"SELECT name FROM {table}").scalar() == "a"


def test_cr_11_a_second_process_does_not_get_the_file(on_sqlite: Things) -> None:
    on_sqlite.database.close()
    command = [sys.executable, "-c", _HOLD, on_sqlite.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Conflict, match=f"in use by process {holder.pid}"):
            Database(on_sqlite.url)
        holder.kill()
    on_sqlite.database = Database(on_sqlite.url)


def test_cr_11_nor_does_the_same_process_a_second_time(on_sqlite: Things) -> None:
    with pytest.raises(Conflict, match=f"process {os.getpid()}"):
        Database(on_sqlite.url)


def test_several_processes_may_share_postgres(postgres_url: str) -> None:
    first = Things(postgres_url)
    second = Database(postgres_url, first.integrator)
    first.add("one")
    with second.reading() as session:
        assert session.execute(select(THINGS.c.name)).scalars().all() == ["one"]
    second.close()
    first.database.close()


def test_an_auditor_reads_a_copy_without_writing_a_byte(on_sqlite: Things, tmp_path: Path) -> None:
    on_sqlite.add("one")
    on_sqlite.database.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(tmp_path / "things.db", copy)
    database = Database(f"sqlite:///{copy}/things.db", readonly=True)
    with database.reading() as session:
        assert session.execute(select(THINGS.c.name)).scalars().all() == ["one"]
    with pytest.raises(Unavailable, match="reading only"):
        database.commit(lambda _: None)
    database.close()
    assert [path.name for path in copy.iterdir()] == ["things.db"]


def test_an_auditor_reads_the_file_of_a_running_service(on_sqlite: Things) -> None:
    on_sqlite.add("one")
    database = Database(on_sqlite.url, readonly=True)
    with database.reading() as session:
        assert session.execute(select(THINGS.c.name)).scalars().all() == ["one"]
    database.close()


def test_shredding_leaves_nothing_of_a_deleted_row_in_the_files(on_sqlite: Things, tmp_path: Path) -> None:
    secret = "a-secret-that-must-go" * 20
    on_sqlite.add(secret)
    on_sqlite.database.commit(lambda s: s.execute(THINGS.delete()) and None)
    assert secret.encode() in _bytes_of(tmp_path)
    on_sqlite.database.shred()
    assert secret.encode() not in _bytes_of(tmp_path)


def test_shredding_on_postgres_returns_at_once(postgres_url: str) -> None:
    things = Things(postgres_url)
    things.database.shred()
    things.database.close()


def test_a_commit_is_synced_and_the_files_are_the_owners_alone(on_sqlite: Things, tmp_path: Path) -> None:
    def pragmas(names: list[str]) -> list[object]:
        return on_sqlite.database.commit(
            lambda s: [s.connection().exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
        )

    names = [
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "secure_delete",
        "busy_timeout",
        "recursive_triggers",
    ]
    assert pragmas(names) == ["wal", 2, 1, 1, 30_000, 1]
    Database(f"sqlite:///{tmp_path}/fresh.db").close()
    assert (tmp_path / "fresh.db").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="No such file"):
        Database(f"sqlite:///{tmp_path}/none/space.db")


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())

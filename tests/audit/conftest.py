"""A space that was played once, and copies of it to be tampered with."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dataspace.audit.audit import audit
from dataspace.audit.export import export
from dataspace.audit.report import Report
from dataspace.audit.sources import Source
from dataspace.proof.verify import Outcome
from tests.audit.scene import Scene, played
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures

ANSWERS = 590  # with the ten entries before them: two full tiles and a partial one


@dataclass(frozen=True)
class Copy:
    """A copy of the played home, or of the evidence exported from it, its key and an older checkpoint."""

    folder: Path
    vkey: str
    older: str

    def audit(self, source: Source, **known: Any) -> Report:
        return audit(source, self.vkey, **known)

    def execute(self, sql: str, *values: Any) -> None:
        """Run SQL as a thief with root would: without the triggers."""
        with closing(sqlite3.connect(self.folder / "dataspace.db")) as database, database:
            names = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in names:
                database.execute(f'DROP TRIGGER "{name}"')
            database.execute(sql, values)

    def one(self, sql: str) -> Any:
        with closing(sqlite3.connect(self.folder / "dataspace.db")) as database:
            return database.execute(sql).fetchone()[0]

    def flip(self, name: str, at: int) -> None:
        """Change one byte of a file."""
        data = bytearray((self.folder / name).read_bytes())
        data[at] ^= 1
        (self.folder / name).write_bytes(data)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """The played home, closed, and the evidence exported from it beside it."""
    folder = tmp_path_factory.mktemp("audit")
    scene = played(folder / "home", 100)
    older = scene.checkpoint()
    scene.answer(ANSWERS - 100)
    scene.database.close()
    export(scene.home, folder / "evidence")
    return Copy(folder, scene.vkey, older)


@pytest.fixture
def home(original: Copy, tmp_path: Path) -> Copy:
    shutil.copytree(
        original.folder / "home", tmp_path / "home", ignore=shutil.ignore_patterns("keys", "*.lock")
    )
    return Copy(tmp_path / "home", original.vkey, original.older)


@pytest.fixture
def evidence(original: Copy, tmp_path: Path) -> Copy:
    shutil.copytree(original.folder / "evidence", tmp_path / "evidence")
    return Copy(tmp_path / "evidence", original.vkey, original.older)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A space in use, with twenty answers."""
    made = played(tmp_path / "live")
    yield made
    made.database.close()


def failed(report: Report) -> set[int]:
    """The numbers of the steps that failed."""
    return {step.number for step in report.steps if step.outcome is Outcome.FAILED}


def told(report: Report) -> str:
    """The findings as lines."""
    return "\n".join(str(finding) for finding in report.findings)

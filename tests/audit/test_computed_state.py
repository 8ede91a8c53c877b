"""Tables that only some routes fill, against the ledger: every column that entries imply, changed once."""

import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from dataspace.audit.check_db import as_lines, check_db, exit_code
from dataspace.client.encrypted import Keys
from dataspace.client.joining import joint
from dataspace.settings import Settings
from tests.audit.test_check_db import connect, other, state_findings
from tests.keyservice.scene import scene
from tests.neighbours import DISTRICTS, EPSILON, neighbours
from tests.simulator import people

COLUMNS = {
    "joint_part": ("agreement", "job_sha256", "content", "entry"),
    "sealed_job": ("id", "agreement", "plan_sha256", "result_sha256", "entry"),
}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Settings]:
    """Closed spaces, by the table that each has a row of."""
    folder = tmp_path_factory.mktemp("computed")
    with neighbours(folder, ("east", "west")) as zones:
        spaces = {name: zone.sdk for name, zone in zones.items()}
        agreements = {name: zone.agreement.id for name, zone in zones.items()}
        count = [{"kind": "count"}]
        joint(spaces, agreements, Keys.create(), dimensions=DISTRICTS, measures=count, epsilon=EPSILON)
        found = {"joint_part": zones["east"].space.settings}
    with scene(folder / "sealed") as stage:
        agreed = stage.agreed(people(600))
        agreed.total(agreed.groups(district_1=1))
        found["sealed_job"] = stage.space.settings
    return found


@pytest.fixture
def settings(homes: dict[str, Settings], table: str, tmp_path: Path) -> Settings:
    shutil.copytree(homes[table].home, tmp_path / "home", ignore=shutil.ignore_patterns("*.lock"))
    home = tmp_path / "home"
    moved = replace(homes[table], home=home, database=f"sqlite:///{home}/dataspace.db")
    return replace(moved, keys=f"file:{home}/keys")


@pytest.mark.parametrize("table", COLUMNS)
def test_a_space_is_what_its_entries_imply(settings: Settings, table: str) -> None:
    assert table in COLUMNS
    assert exit_code(check_db(settings)) == 0


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in COLUMNS.items() for column in columns]
)
def test_a_changed_column_is_named_with_its_row(settings: Settings, table: str, column: str) -> None:
    with closing(connect(settings)) as database, database:
        row, value = database.execute(f'SELECT rowid, "{column}" FROM "{table}" LIMIT 1').fetchone()
        changed = other(value, column)
        database.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (changed, row))
    report = check_db(settings)
    assert any(line.startswith(table) for line in state_findings(report)), as_lines(report)

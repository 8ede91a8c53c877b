"""The architecture, held by tests: floors, file sizes, zones as data."""

import subprocess
import sys
from pathlib import Path

import pytest

from dataspace import errors

ROOT = Path(__file__).parents[1]
# A migration is a list of tables as they were, and is never read across.
SOURCES = sorted(path for path in (ROOT / "dataspace").rglob("*.py") if path.parent.name != "versions")


def test_imports_point_down_only() -> None:
    run = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_a_room_one_can_see_across(source: Path) -> None:
    assert len(source.read_text().splitlines()) <= 300


def test_no_python_file_names_a_zone() -> None:
    zones = {path.parent.name for path in (ROOT / "zones").glob("*/zone.toml")}
    assert zones >= {"government", "finance", "healthcare"}
    naming = [str(source) for source in SOURCES for zone in zones if zone in source.read_text().lower()]
    assert not naming


def test_the_table_of_the_error_tree_is_complete() -> None:
    drawn = errors.__doc__ or ""
    for name in [name for name, value in vars(errors).items() if isinstance(value, type)]:
        if name not in {"Any", "ClassVar"}:
            assert name in drawn

"""Audits by several processes: the same findings as by one, whoever reads what, and whoever dies."""

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import wait

import pytest

from dataspace.audit import walk, workers
from dataspace.audit.audit import Means
from dataspace.audit.report import Report
from dataspace.audit.sources import Evidence, Home
from dataspace.audit.stretch import Reader, Reading, Stretch
from dataspace.audit.workers import Workers
from tests.audit.conftest import Copy, told
from tests.audit.scene import Scene

TWO = Means(jobs=2)
_readings = Workers.readings

# What is changed in a copy of the home: findings of every kind, in all three stretches of one bundle.
CHANGES = {
    "nothing": "SELECT 1",
    "records": "UPDATE ledger_record SET record = replace(record, 'units', 'Units') WHERE \"index\" > 250",
    "leaves": 'UPDATE ledger_entry SET leaf_hash = zeroblob(32) WHERE "index" % 200 = 17',
    "entries": 'DELETE FROM ledger_entry WHERE "index" > 580',
    "missing records": 'DELETE FROM ledger_record WHERE "index" IN (3, 300)',
    "the policy": "UPDATE policy_bundle SET content = x'00'",
    "an input": "UPDATE policy_input SET content = '{}'",
    "types": "UPDATE ledger_record SET record = x'00' WHERE \"index\" = 400",
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make stretches of one bundle, and let workers have all of them."""
    monkeypatch.setattr(walk, "BUNDLES", 1)
    monkeypatch.setattr(walk, "WORTH", 0)
    monkeypatch.setattr(Workers, "readings", _opened)


def _opened(
    self: Workers, stretches: Iterable[Stretch], read: Callable[[Stretch], Reading]
) -> Iterator[tuple[Stretch, Reading]]:
    wait(self._opened)
    yield from _readings(self, stretches, read)


def _without_memory(report: Report) -> tuple[object, ...]:
    return report.steps, report.findings, report.checkpoint, report.size, report.interrupted


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("what", CHANGES)
def test_two_processes_find_what_one_finds(home: Copy, what: str) -> None:
    home.execute(CHANGES[what])
    one, two = home.audit(Home(home.folder)), home.audit(Home(home.folder), means=TWO)
    assert _without_memory(two) == _without_memory(one)
    assert one.memory == two.memory


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("source", [Evidence, Home])
def test_workers_read_all_but_the_first_stretch(
    source: type[Evidence] | type[Home], request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy: Copy = request.getfixturevalue(source.__name__.lower())
    here, read = [], Reader.read

    def noted(self: Reader, stretch: Stretch) -> Reading:
        here.append(stretch.first)
        return read(self, stretch)

    monkeypatch.setattr(Reader, "read", noted)
    report = copy.audit(source(copy.folder), means=TWO)
    assert report.ok, told(report)
    assert here == [0]


def test_an_audit_ends_though_its_workers_die(evidence: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    def dying(
        self: Workers, stretches: Iterable[Stretch], read: Callable[[Stretch], Reading]
    ) -> Iterator[tuple[Stretch, Reading]]:
        for found in _opened(self, stretches, read):
            for child in list(self._pool._children):
                child.kill()
            yield found

    monkeypatch.setattr(walk, "BUNDLES", 1)
    monkeypatch.setattr(walk, "WORTH", 0)
    monkeypatch.setattr(Workers, "readings", dying)
    evidence.flip("tile/0/001", 40)
    two = evidence.audit(Evidence(evidence.folder), means=TWO)
    assert two.findings == evidence.audit(Evidence(evidence.folder)).findings


def test_a_small_log_starts_no_process(home: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(Workers, "__init__", start)
    assert home.audit(Home(home.folder), means=TWO).ok


def test_an_open_database_is_read_in_its_own_process(scene: Scene) -> None:
    assert workers.told(Home.of(scene.database)) is None
    assert scene.audit(Home.of(scene.database), means=TWO).ok


def test_a_worker_that_reads_files_loads_no_database_library() -> None:
    script = (
        "import sys, dataspace.audit.workers, dataspace.audit.evidence; sys.exit('sqlalchemy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0

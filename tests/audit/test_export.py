"""An exported folder: whole, self-contained, and refused when it would lie."""

import hashlib
import json
from pathlib import Path

import pytest

from dataspace.audit.export import export, export_url
from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Home
from dataspace.errors import Conflict, Unavailable, VerificationError
from tests.audit.conftest import Copy, told
from tests.audit.scene import BUNDLE, DECIDED, INPUT, POLICY, Scene, played


def test_what_is_exported_passes_the_same_audit(home: Copy, tmp_path: Path) -> None:
    export(home.folder, tmp_path / "out")
    report = home.audit(Evidence(tmp_path / "out"), since=home.older)
    assert report.ok, told(report)
    assert report.steps[:6] == home.audit(Home(home.folder)).steps[:6]


def test_a_running_space_is_exported_through_its_database(scene: Scene, tmp_path: Path) -> None:
    export(scene.database, tmp_path / "out")
    assert scene.audit(Evidence(tmp_path / "out")).size == 30


def test_a_space_is_exported_by_the_url_of_its_database(scene: Scene, tmp_path: Path) -> None:
    export_url(f"sqlite:///{scene.home / 'dataspace.db'}", scene.home, tmp_path / "out")
    assert scene.audit(Evidence(tmp_path / "out")).size == 30


def test_a_space_on_postgresql_is_exported_by_its_url_with_its_anchors(
    tmp_path: Path, postgres_url: str
) -> None:
    scene = played(tmp_path / "home", url=postgres_url)
    line = {"kind": "file", "checkpoint": scene.checkpoint(), "consistency": [], "facts": {}}
    (scene.home / "anchors.jsonl").write_text(json.dumps(line) + "\n")
    export_url(postgres_url, scene.home, tmp_path / "out")
    report = scene.audit(Evidence(tmp_path / "out"))
    scene.database.close()
    assert (report.size, report.ok) == (30, True)
    assert report.steps[Stage.ANCHORED - 1].detail == "1 anchors, the largest of size 30"


def test_a_database_that_does_not_answer_is_not_exported(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://nobody@/none?host={tmp_path}"
    with pytest.raises(Unavailable):
        export_url(url, tmp_path, tmp_path / "out")


def test_policies_and_inputs_lie_under_their_digests(evidence: Copy) -> None:
    assert (evidence.folder / "policies" / POLICY).read_bytes() == BUNDLE
    line = json.loads((evidence.folder / "inputs.jsonl").read_bytes())
    assert line == {"digest": DECIDED["input"], "input": INPUT}
    assert hashlib.sha256(line["input"].encode()).hexdigest() == line["digest"]


def test_the_folder_tells_how_to_check_it(evidence: Copy) -> None:
    text = (evidence.folder / "README.md").read_text()
    assert "dataspace audit" in text
    assert "600 entries" in text


def test_an_erased_record_is_not_in_it(scene: Scene, tmp_path: Path) -> None:
    scene.database.commit(lambda session: scene.log.erase(session, 17, "a test"))
    export(scene.database, tmp_path / "out")
    indexes = [
        json.loads(line)["index"] for line in (tmp_path / "out/records.jsonl").read_bytes().splitlines()
    ]
    assert indexes == [index for index in range(31) if index != 17]
    report = scene.audit(Evidence(tmp_path / "out"))
    assert report.ok, told(report)


def test_a_folder_that_holds_something_is_left_alone(home: Copy, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("dear")
    with pytest.raises(Conflict):
        export(home.folder, tmp_path)
    assert (tmp_path / "mine").read_text() == "dear"


def test_a_home_without_a_database_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"PostgreSQL .* DATASPACE_DATABASE"):
        export(tmp_path, tmp_path / "out")


def test_a_log_with_a_hole_is_not_exported(home: Copy, tmp_path: Path) -> None:
    home.execute('DELETE FROM ledger_entry WHERE "index" = 17')
    with pytest.raises(VerificationError, match="entry 17 is missing"):
        export(home.folder, tmp_path / "out")
    assert not (tmp_path / "out/checkpoint").exists()


def test_a_wrong_home_is_exported_as_it_is_and_stays_wrong(home: Copy, tmp_path: Path) -> None:
    home.execute(
        'UPDATE ledger_record SET record = replace(record, \'"units":1\', \'"units":2\') WHERE "index" = 17'
    )
    export(home.folder, tmp_path / "out")
    assert "entry 17: the record does not match its leaf" in told(home.audit(Evidence(tmp_path / "out")))

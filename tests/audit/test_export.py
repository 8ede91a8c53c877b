"""An exported folder: whole, self-contained, and refused when it would lie."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.audit.export import export, export_url
from dataspace.audit.report import Stage
from dataspace.audit.sources import Evidence, Home, Remote
from dataspace.errors import Conflict, Unavailable, VerificationError
from tests.audit.conftest import Copy, told
from tests.audit.decided import BUNDLE, POLICY
from tests.audit.published import published
from tests.audit.scene import Scene, played

__all__ = ["published"]  # a fixture


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


def test_policies_lie_under_their_digests(evidence: Copy) -> None:
    assert (evidence.folder / "policies" / POLICY).read_bytes() == BUNDLE


def test_inputs_lie_in_the_order_of_their_entries(evidence: Copy) -> None:
    lines = [json.loads(line) for line in (evidence.folder / "inputs.jsonl").read_bytes().splitlines()]
    assert [line["entry"] for line in lines] == [4, 6, *range(10, 600)]
    assert {hashlib.sha256(line["input"].encode()).hexdigest() == line["digest"] for line in lines} == {True}


def test_what_was_published_is_in_the_folder(published: Scene, tmp_path: Path) -> None:
    export(published.database, tmp_path / "out")
    with Evidence(tmp_path / "out") as folder, Home.of(published.database) as home:
        assert list(folder.published()) == list(home.published())
        assert [token.authority for one in folder.published() for token in one.timestamps] == ["a", "b"]
        assert folder.rotations() == home.rotations() == []
    keys = json.loads((tmp_path / "out/keys.json").read_bytes())
    assert [key["role"] for key in keys["adopted"]] == ["post-quantum"]


def test_a_range_of_a_folder_is_what_the_whole_says_of_it(evidence: Copy) -> None:
    with Evidence(evidence.folder) as source:
        records, inputs = source.records(0, 600), source.decision_inputs(0, 600)
        for start, end in ((590, 600), (17, 300), (0, 5), (256, 512), (599, 700), (256, 512)):
            assert source.records(start, end) == {at: records[at] for at in range(start, min(end, 600))}
            assert source.decision_inputs(start, end) == {
                at: text for at, text in inputs.items() if start <= at < end
            }


def test_a_source_opens_again_in_another_process(evidence: Copy, home: Copy) -> None:
    database = Home.at(f"sqlite:///{home.folder}/dataspace.db", home.folder)
    remote = Remote("http://127.0.0.1:1", "token")
    for source in (
        Evidence(evidence.folder),
        Home(home.folder),
        database,
        remote,
        Remote("http://127.0.0.1:1"),
    ):
        found = source.again()
        assert found
        made = found[0](*found[1])
        assert type(made) is type(source)
        assert made.again() == found
    for source in (Evidence(evidence.folder), Home(home.folder), database):
        make, texts = source.again() or (Home, ())
        with make(*texts) as again:
            assert len(again.records(0, 600)) == 600


def test_an_open_database_stays_in_its_process(scene: Scene) -> None:
    assert Home.of(scene.database).again() is None


def test_a_token_is_in_no_text_of_its_source() -> None:
    assert "secret" not in repr(Remote("http://127.0.0.1:1", "secret"))


@pytest.mark.parametrize("name", ["published.jsonl", "inputs.jsonl"])
def test_a_folder_of_an_older_program_says_what_it_lacks(evidence: Copy, name: str) -> None:
    (evidence.folder / name).unlink()
    report = evidence.audit(Evidence(evidence.folder))
    assert report.exit_code == 0
    assert f"holds no {name}: it was exported by an older program" in str(report.not_checked)


@pytest.mark.parametrize("name", ["published.jsonl", "rotations.jsonl", "inputs.jsonl"])
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200))
def test_noise_in_a_file_of_evidence_is_refused_with_one_error(
    name: str, noise: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "checkpoint").write_text("x")
    (folder / name).write_bytes(noise + b"\n")
    read: dict[str, Callable[[Evidence], Any]] = {
        "published.jsonl": lambda source: list(source.published()),
        "rotations.jsonl": lambda source: source.rotations(),
        "inputs.jsonl": lambda source: source.decision_inputs(0, 100),
    }
    with Evidence(folder) as source, pytest.raises(VerificationError):
        read[name](source)


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

"""The anchor that is a file."""

import json
import logging
from pathlib import Path

import pytest

from dataspace.errors import Conflict, Malformed, Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor, Head, open_anchor
from dataspace.ledger.anchors.file import FileAnchor
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

ROOT, OTHER = b"\1" * 32, b"\2" * 32
ORIGIN = "example.org/log"


def nothing(_: int) -> list[bytes]:
    """A file asks for no proof."""
    return []


def opened(folder: Path, origin: str = ORIGIN) -> FileAnchor:
    anchor = open_anchor(f"file:{folder}/anchors.jsonl", origin)
    assert isinstance(anchor, FileAnchor)
    assert isinstance(anchor, Anchor)
    return anchor


def test_a_head_is_published_and_found_again(tmp_path: Path) -> None:
    anchor = opened(tmp_path)
    assert anchor.latest() is None
    evidence = anchor.publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    assert opened(tmp_path).latest() == Head(5, ROOT)
    assert "anchors.jsonl" in anchor.check(evidence, Checkpoint(ORIGIN, 5, ROOT))


def test_each_line_is_evidence(tmp_path: Path) -> None:
    written = [
        opened(tmp_path).publish(Checkpoint(ORIGIN, size, ROOT), f"note {size}", nothing)
        for size in (1, 2, 3)
    ]
    lines = (tmp_path / "anchors.jsonl").read_text().splitlines()
    assert [AnchorEvidence.from_json(json.loads(line)) for line in lines] == written


def test_the_same_head_is_written_once(tmp_path: Path) -> None:
    first = opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    assert opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "another note", nothing) == first
    assert len((tmp_path / "anchors.jsonl").read_text().splitlines()) == 1


def test_le_05_a_smaller_head_is_a_rollback(tmp_path: Path) -> None:
    opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    with pytest.raises(Conflict, match="rolled back"):
        opened(tmp_path).publish(Checkpoint(ORIGIN, 4, ROOT), "note", nothing)


def test_le_14_another_root_of_the_same_size_is_a_fork(tmp_path: Path) -> None:
    opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    with pytest.raises(VerificationError, match="forked"):
        opened(tmp_path).publish(Checkpoint(ORIGIN, 5, OTHER), "note", nothing)


def test_logs_share_a_file_without_meeting(tmp_path: Path) -> None:
    opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    other = opened(tmp_path, "example.org/other")
    assert other.latest() is None
    other.publish(Checkpoint("example.org/other", 1, OTHER), "note", nothing)
    assert opened(tmp_path).latest() == Head(5, ROOT)


def test_evidence_of_other_anchors_may_lie_in_the_same_file(tmp_path: Path) -> None:
    evidence = AnchorEvidence("evm", "note", (), {"chain": 1})
    (tmp_path / "anchors.jsonl").write_text(json.dumps(evidence.to_json()) + "\n")
    assert opened(tmp_path).latest() is None
    opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    assert opened(tmp_path).latest() == Head(5, ROOT)


def test_cr_09_a_torn_line_was_never_there(tmp_path: Path) -> None:
    opened(tmp_path).publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    with (tmp_path / "anchors.jsonl").open("a") as file:
        file.write('{"kind": "fi')
    assert opened(tmp_path).latest() == Head(5, ROOT)
    opened(tmp_path).publish(Checkpoint(ORIGIN, 6, ROOT), "note", nothing)
    assert opened(tmp_path).latest() == Head(6, ROOT)
    assert len((tmp_path / "anchors.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize("line", ["{}", "x", "[1]", '{"kind": "file"}', "[" * 10000])
def test_a_file_of_something_else_is_unavailable(tmp_path: Path, line: str) -> None:
    (tmp_path / "anchors.jsonl").write_text(line + "\n")
    with pytest.raises(Unavailable):
        opened(tmp_path).latest()


def test_evidence_that_is_not_in_the_file_does_not_hold(tmp_path: Path) -> None:
    anchor = opened(tmp_path)
    evidence = anchor.publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)
    wrong = [
        Checkpoint(ORIGIN, 5, OTHER),
        Checkpoint(ORIGIN, 4, ROOT),
        Checkpoint("example.org/other", 5, ROOT),
    ]
    for checkpoint in wrong:
        with pytest.raises(VerificationError):
            anchor.check(evidence, checkpoint)
    with pytest.raises(VerificationError):
        anchor.check(AnchorEvidence("evm", "note", (), {}), Checkpoint(ORIGIN, 5, ROOT))


def test_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        opened(tmp_path / "nowhere").publish(Checkpoint(ORIGIN, 5, ROOT), "note", nothing)


def test_it_says_at_start_that_it_anchors_to_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dataspace"):
        opened(tmp_path)
    assert "proves nothing" in caplog.text


@pytest.mark.parametrize("url", ["", "file:", "ftp:x", "evm", "evm:", "evm:http://127.0.0.1:8545"])
def test_a_url_of_another_form_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        open_anchor(url, ORIGIN)

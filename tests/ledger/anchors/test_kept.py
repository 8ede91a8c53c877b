"""The file of evidence."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from dataspace.errors import Unavailable
from dataspace.ledger.anchors.kept import Kept
from dataspace.proof.receipt import AnchorEvidence

ORIGIN = "example.org/log"


def evidence(size: int, note: str = "", origin: str = ORIGIN) -> AnchorEvidence:
    return AnchorEvidence("evm", f"{origin}\n{size}\n{note}", (), {"size": size})


def filled(path: Path, sizes: list[int]) -> Kept:
    kept = Kept(path, ORIGIN)
    for size in sizes:
        kept.append(evidence(size, "x" * (size * 7919 % 500)))
    return kept


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "kept", ORIGIN)
    assert kept.last() is None
    assert list(kept.after()) == []


def test_what_is_appended_is_read_in_order(tmp_path: Path) -> None:
    kept = filled(tmp_path / "kept", [1, 5, 9])
    assert [one.facts["size"] for one in kept.after()] == [1, 5, 9]
    last = kept.last()
    assert last
    assert last.facts["size"] == 9


@settings(max_examples=40)
@given(some.lists(some.integers(1, 60), max_size=25), some.integers(0, 61))
def test_whatever_the_sizes_are_the_larger_ones_are_found(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], after: int
) -> None:
    kept = filled(tmp_path_factory.mktemp("kept") / "kept", sorted(sizes))
    assert [one.facts["size"] for one in kept.after(after)] == [one for one in sorted(sizes) if one > after]


def test_cr_09_a_torn_line_was_never_there(tmp_path: Path) -> None:
    kept = filled(tmp_path / "kept", [1, 5])
    with (tmp_path / "kept").open("ab") as file:
        file.write(b'{"checkpoint":"' + b"x" * 5000)
    assert [one.facts["size"] for one in kept.after()] == [1, 5]
    kept.append(evidence(9))
    assert [one.facts["size"] for one in kept.after(1)] == [5, 9]


def test_a_file_that_is_all_torn_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"{")
    assert Kept(tmp_path / "kept", ORIGIN).last() is None
    assert [one.facts["size"] for one in filled(tmp_path / "kept", [3]).after()] == [3]


def test_lines_of_another_log_are_passed_over(tmp_path: Path) -> None:
    kept = filled(tmp_path / "kept", [1])
    kept.append(evidence(2, origin="example.org/other"))
    assert kept.last() == evidence(1, "x" * 419)
    assert [one.facts["size"] for one in kept.after()] == [1]


def test_a_line_that_is_none_is_passed_over_at_the_end_and_told_within(tmp_path: Path) -> None:
    kept = filled(tmp_path / "kept", [1])
    with (tmp_path / "kept").open("ab") as file:
        file.write(b"[]\n")
    assert kept.last() == evidence(1, "x" * 419)
    with pytest.raises(Unavailable, match="none"):
        list(kept.after())


def test_a_folder_that_is_missing_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        Kept(tmp_path / "nowhere" / "kept", ORIGIN).append(evidence(1))

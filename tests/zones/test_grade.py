from pathlib import Path

import pytest

from dataspace.table import Column, Type
from dataspace.zones.grade import Grading, grade, highest, joined
from dataspace.zones.pack import Pack, load_packs

PACKS = load_packs(Path(__file__).parents[2] / "zones")
GOVERNMENT = PACKS["government"]


def columns(pack: Pack, *categories: str) -> list[Column]:
    return [pack.column(category, Type.TEXT, category) for category in categories]


def graded(
    pack: Pack, *categories: str, subjects: int = 500, precision: dict[str, int] | None = None
) -> Grading:
    return grade(columns(pack, *categories), pack, subjects=subjects, rows=2000, precision=precision or {})


def test_a_harmless_pair_is_sensitive_together() -> None:
    assert graded(GOVERNMENT, "person_name", "sex").level == 3
    assert graded(GOVERNMENT, "email", "sex").level == 3
    together = graded(GOVERNMENT, "person_name", "email", "sex")
    assert (together.level, together.columns) == (4, (4, 4, 2))
    first = together.reasons[0]
    assert (first.columns, first.level, first.clause.document) == (
        ("person_name", "email"),
        4,
        "GB/T 35273-2020",
    )


def test_age_sex_and_place_single_people_out() -> None:
    assert graded(GOVERNMENT, "age", "sex").level == 2
    assert graded(GOVERNMENT, "age", "sex", "region").columns == (3, 3, 3)


def test_many_subjects_raise_the_level() -> None:
    assert graded(GOVERNMENT, "person_name", subjects=999_999).level == 3
    assert graded(GOVERNMENT, "person_name", subjects=1_000_000).level == 4
    assert graded(GOVERNMENT, "resident_id", subjects=10_000_000).level == 5


def test_rows_are_subjects_when_nothing_marks_them() -> None:
    columns_ = columns(GOVERNMENT, "person_name")
    assert grade(columns_, GOVERNMENT, subjects=0, rows=1_000_000, precision={}).level == 4


def test_precise_places_are_graded_higher() -> None:
    assert graded(GOVERNMENT, "coordinate", precision={"coordinate": 3}).level == 3
    assert graded(GOVERNMENT, "coordinate", precision={"coordinate": 4}).level == 4
    assert graded(GOVERNMENT, "coordinate").level == 3


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_no_rule_lowers_a_level(pack: Pack) -> None:
    everything = [pack.column(field.category, Type.TEXT, field.category) for field in pack.fields]
    found = grade(
        everything,
        pack,
        subjects=10**8,
        rows=10**9,
        precision=dict.fromkeys((column.name for column in everything), 9),
    )
    assert all(level >= column.level for level, column in zip(found.columns, everything, strict=True))
    assert found.level == max(found.columns)
    assert all(reason.level <= len(pack.levels) for reason in found.reasons)


@pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)
def test_every_column_has_a_reason_with_a_clause_in_both_languages(pack: Pack) -> None:
    found = graded(pack, *(field.category for field in pack.fields))
    assert {name for reason in found.reasons for name in reason.columns} == {
        field.category for field in pack.fields
    }
    documents = {document.id for document in pack.documents}
    for reason in found.to_json()["reasons"]:
        assert reason["clause"]["document"] in documents
        assert reason["what"]["zh"]
        assert reason["what"]["en"]


def test_a_level_that_the_provider_raised_is_kept() -> None:
    column = Column("x", Type.TEXT, "sex", level=4)
    assert grade([column], GOVERNMENT, subjects=1, rows=1, precision={}).level == 4


def test_rules_alone_can_grade() -> None:
    found = grade(
        columns(GOVERNMENT, "age", "sex", "region"), GOVERNMENT.grading, subjects=1, rows=1, precision={}
    )
    assert found.level == 3


def test_the_highest_level_wins() -> None:
    listed = [Column("a", Type.TEXT, level=2), Column("b", Type.TEXT, level=4)]
    assert highest(listed) == 4
    assert joined([3, 1]) == 3
    assert highest([]) == 1
    assert grade([], GOVERNMENT, subjects=0, rows=0, precision={}) == Grading(1, (), ())

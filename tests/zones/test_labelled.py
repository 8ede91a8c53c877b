"""Classification against columns that somebody labelled; precision and recall are to be 98 in 100, each."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from dataspace.zones.classify import classify
from dataspace.zones.pack import load_packs
from dataspace.zones.schema import FREE_TEXT, GENERAL, UNKNOWN_IDENTIFIER
from tests.zones import labelled
from tests.zones.labelled import NOTHING, Labelled, identifiers, look_alikes
from tests.zones.shared_labels import shared_columns

PACKS = load_packs(Path(__file__).parents[2] / "zones")
UNEXPLAINED = {GENERAL, FREE_TEXT, UNKNOWN_IDENTIFIER}


def judged(columns: Iterable[Labelled]) -> list[tuple[str, str, str]]:
    """Return name, label and category of each column in each of its zones."""
    return [
        (column.sampled.name, column.label, category(column, zone))
        for column in columns
        for zone in column.zones
    ]


def category(column: Labelled, zone: str) -> str:
    found = classify([column.sampled], [column.sampled.name], PACKS[zone].fields)[0].column.category
    return NOTHING if found in UNEXPLAINED else found


def shares(found: list[tuple[str, str, str]]) -> tuple[float, float, list[tuple[str, str, str]]]:
    """Return precision, recall, and what was taken for something else."""
    right = sum(label == told != NOTHING for _, label, told in found)
    told, labelled = (sum(one[place] != NOTHING for one in found) for place in (2, 1))
    return right / max(told, 1), right / max(labelled, 1), [one for one in found if one[1] != one[2]]


def test_the_fixture_is_large_and_of_all_categories() -> None:
    labelled, alike = list(identifiers()), list(look_alikes())
    assert len(labelled) >= 120
    assert len(alike) >= 60
    wanted = {field.category for pack in PACKS.values() for field in pack.fields} - UNEXPLAINED
    assert wanted == {column.label for column in labelled}


def test_made_up_columns_are_found_and_look_alikes_are_not() -> None:
    precision, recall, wrong = shares(judged([*identifiers(), *look_alikes()]))
    assert precision >= 0.98, wrong
    assert recall >= 0.98, wrong


def test_real_columns_are_found_and_nothing_else() -> None:
    precision, recall, wrong = shares(judged(shared_columns()))
    assert precision >= 0.98, wrong
    assert recall >= 0.98, wrong


def test_no_look_alike_has_a_strong_proposal() -> None:
    for column in look_alikes():
        found = classify([column.sampled], [column.sampled.name], PACKS["finance"].fields)[0]
        assert not found.strong, column.sampled.name


@pytest.mark.parametrize(
    ("name", "zone", "values", "wanted"),
    [
        ("HBsAg", "healthcare", ("阴性", "阳性"), "special_disease"),
        ("梅毒抗体", "healthcare", ("阴性", "阳性"), "special_disease"),
        ("CYZD1", "healthcare", ("肺炎", "胃炎"), "diagnosis"),
        ("HGB(g/L)", "healthcare", ("120", "135"), "measurement"),
        ("CSNY", "healthcare", ("19610203", "19850930"), "birth_date"),
        ("医保卡编号", "healthcare", ("H000000001", "H000000002"), "insurance_no"),
        ("OVD_DAYS", "finance", ("0", "31"), "credit_history"),
        ("OPEN_BRCH_NM", "finance", ("中山支行", "滨河支行"), "account_opening"),
        ("JYSJ", "finance", ("20240305080500", "20231231235959"), "date"),
        ("注册资本(万元)", "government", ("50.00", "1200.00"), "amount"),
        ("婚否", "government", ("已婚", "离异"), "marital_status"),
        ("mz", "government", ("汉族", "壮族"), "ethnicity"),
    ],
)
def test_the_words_of_exports_are_known(name: str, zone: str, values: tuple[str, ...], wanted: str) -> None:
    """Banks, hospitals and offices abbreviate: these went by as general, and would have left as they are."""
    found = labelled.column(name, [*values] * 30, wanted, (zone,))
    assert category(found, zone) == wanted

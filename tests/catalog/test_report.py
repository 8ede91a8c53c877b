"""The report: what is told of a registration, to whom, and that its digest is in the entry."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from dataspace.catalog.models import DatasetVersion
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.catalog.report import report_sha256
from dataspace.errors import NotFound, Unprocessable
from dataspace.participants.models import Role
from tests.simulator import ZONES, Simulator, people, simulated

TERMS = OfferTerms(price=1)


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space with the zones' own thresholds."""
    with simulated(tmp_path_factory.mktemp("home"), zones=str(ZONES)) as space:
        yield space


def crowd(rows: int) -> bytes:
    """Return people of whom many share district and age."""
    lines = [f"P{n:06d},区 {n % 2},{30 + n % 3},{3000 + n % 50}" for n in range(rows)]
    return ("number,district,age,income\n" + "\n".join(lines) + "\n").encode()


def test_every_column_has_class_level_clause_method_and_quality(zoned: Simulator) -> None:
    provider = zoned.provider()
    registered = zoned.registered(provider, crowd(400), subjects=["number"])
    found = zoned.service.catalogue.report(provider, registered.dataset)
    assert [column["name"] for column in found.report["columns"]] == ["number", "district", "age", "income"]
    for column in found.report["columns"]:
        assert {"category", "level", "graded_level", "clause", "method", "attribute"} <= column.keys()
        assert column["quality"]["completeness_ppm"] == 1_000_000
        assert column["proposed"]["evidence"]
    risk = found.report["deidentification"]
    assert risk["passes"]
    assert risk["grade"] == 3
    assert risk["after"]["k"] >= risk["thresholds"]["k"]
    assert (found.report["rows"], found.report["subjects"]) == (400, 400)
    assert found.report["grading"]["reasons"][0]["clause"]["document"]
    zoned.audit()


def test_its_digest_is_in_the_entry_and_its_sample_leaves_by_the_methods(zoned: Simulator) -> None:
    provider = zoned.provider()
    registered = zoned.registered(provider, crowd(402), subjects=["number"])
    found = zoned.service.catalogue.report(provider, registered.dataset)
    record = zoned.service.receipts.entries(zoned.operator, registered.entry, 1)[0]["record"]
    assert record["report_sha256"] == found.sha256 == report_sha256(found.report)
    assert found.sample
    ages = {row[2] for row in found.sample["rows"]}
    assert ages <= {"[30, 40)"}
    numbers = {row[0] for row in found.sample["rows"]}
    assert not numbers & {f"P{n:06d}" for n in range(402)}


def test_no_cell_of_a_sample_lies_in_plain_and_none_is_left_after_withdrawal(zoned: Simulator) -> None:
    provider = zoned.provider()
    registered = zoned.registered(provider, crowd(404), subjects=["number"])
    with zoned.service.space.database.reading() as session:
        row = session.get_one(DatasetVersion, (registered.dataset, 1))
    assert "区 1" not in json.dumps(row.report, ensure_ascii=False)
    assert zoned.service.catalogue.sample(registered.dataset, 1)
    zoned.service.registrar.withdraw(provider, registered.dataset)
    found = zoned.service.catalogue.report(provider, registered.dataset)
    assert found.sample is None
    assert report_sha256(found.report) == found.sha256
    zoned.audit()


def test_a_report_is_its_providers_the_operators_and_the_auditors(zoned: Simulator) -> None:
    registered = zoned.registered(zoned.provider(), crowd(406), subjects=["number"])
    auditor = zoned.member(Role.AUDITOR)
    for caller in (zoned.operator, auditor):
        assert zoned.service.catalogue.report(caller, registered.dataset).version == 1
    for caller in (zoned.provider(), zoned.consumer()):
        with pytest.raises(NotFound):
            zoned.service.catalogue.report(caller, registered.dataset)
    with pytest.raises(NotFound):
        zoned.service.catalogue.report(auditor, registered.dataset, 2)


def test_a_bounded_auditor_reads_the_reports_of_its_zones(zoned: Simulator) -> None:
    registered = zoned.registered(zoned.provider(), crowd(408), subjects=["number"])
    for zone, seen in (("finance", False), ("government", True)):
        name = zoned.member(Role.AUDITOR)
        zoned.service.membership.change(zoned.operator, name.id, zones=[zone])
        bounded = type(name)(name.id, name.roles, frozenset({zone}))
        if seen:
            assert zoned.service.catalogue.report(bounded, registered.dataset)
        else:
            with pytest.raises(NotFound):
                zoned.service.catalogue.report(bounded, registered.dataset)


def test_what_columns_are_together_raises_their_level_and_says_why(zoned: Simulator) -> None:
    provider = zoned.provider()
    lines = [f"王小{'明红强'[n % 3]},1381234{n:04d},{n % 5}" for n in range(300)]
    upload = zoned.upload(provider, ("姓名,手机号,n\n" + "\n".join(lines)).encode())
    checked = zoned.service.approvals.check(provider, upload.id, Registration("x", TERMS))
    reasons = checked.report["grading"]["reasons"]
    assert any({"姓名", "手机号"} <= set(reason["columns"]) for reason in reasons)
    assert all(reason["clause"]["text"] and reason["what"]["zh"] for reason in reasons)


def test_a_listing_is_kept_shown_and_held_to_its_limits(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, crowd(410)).id
    listing = {
        "title_en": "Income by district",
        "frequency": "yearly",
        "needs": ["收入分析"],
        "contact": "数据资源部 data@example.com 021-12345678",
        "coverage": {"start": "2024-01-01", "end": "2024-12-31", "region": "上海市"},
        "examples": [{"title": "人数", "sql": "SELECT COUNT(*) FROM data"}],
        "dictionary": {"income": {"zh": "收入", "unit": "元"}},
    }
    for wrong in (
        {"needs": ["x"] * 7},
        {"dictionary": {"nothing": {"zh": "无"}}},
        {"frequency": "sometimes"},
        {"unheard": "of"},
        {"subtitle": "x" * 111},
    ):
        with pytest.raises(Unprocessable):
            zoned.service.registrar.confirm(provider, upload, Registration("x", TERMS, listing=wrong))
    registration = Registration("收入", TERMS, subjects=("number",), listing=listing)
    registered = zoned.service.registrar.confirm(provider, upload, registration)
    assert zoned.service.catalogue.listing(registered.dataset).product == listing
    zoned.audit()


def test_an_offer_may_be_stricter_than_the_columns_and_never_laxer(space: Simulator) -> None:
    provider = space.provider()
    upload = space.upload(provider, people(45)).id

    def confirm(**terms: object) -> str:
        offer = OfferTerms(price=1, **terms)  # type: ignore[arg-type]
        return space.service.registrar.confirm(provider, upload, Registration("x", offer)).dataset

    refused: list[dict[str, Any]] = [
        {"methods": {"age": {"method": "keep", "parameters": {}}}},
        {"methods": {"age": {"parameters": {}}}},
        {"methods": {"nobody": {"method": "suppress"}}},
        {"methods": {"age": {"method": "mask", "parameters": {"width": 3}}}},
        {"sample": 0},
    ]
    for wrong in refused:
        with pytest.raises(Unprocessable):
            confirm(**wrong)
    dataset = confirm(methods={"age": {"method": "suppress"}}, sample=50)
    offer = space.service.catalogue.listing(dataset).offers[0]
    assert offer.methods == {"age": {"method": "suppress", "parameters": {}}}
    assert offer.sample == 50
    found = space.service.catalogue.report(provider, dataset)
    assert found.report["sampled_percent"] == 50
    assert found.report["columns"][2]["offered"] == offer.methods["age"]
    space.audit()

"""What a provider may not register alone: measured, refused, lifted by a second person for exactly that."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataspace.app import open_service
from dataspace.catalog.models import Approval, DatasetVersion, Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.catalog.report import report_sha256
from dataspace.errors import Conflict, NotFound, PolicyDenied, Unprocessable
from dataspace.participants.access import Caller
from dataspace.participants.models import Role, Status
from tests.simulator import ZONES, Simulator, people, simulated

ROWS = Registration("区县收入", OfferTerms(price=1), subjects=("number",))
IDS = Registration("a list", OfferTerms(price=1), corrections={"证件": {"category": "general"}})


@pytest.fixture(scope="module")
def zoned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space with the zones' own thresholds."""
    with simulated(tmp_path_factory.mktemp("home"), zones=str(ZONES)) as space:
        yield space


def singled(rows: int) -> bytes:
    """Return rows about four people, fewer than any class may have, each alone with its age and district."""
    lines = [f"P{n % 4:06d},区 {n % 4},{20 + 15 * (n % 4)},{3000 + n}" for n in range(rows)]
    return ("number,district,age,income\n" + "\n".join(lines) + "\n").encode()


def numbered(rows: int) -> bytes:
    """Return resident identity numbers, all with the right check digit."""
    lines = [f"{_resident(n)},{n % 7}" for n in range(rows)]
    return ("证件,n\n" + "\n".join(lines) + "\n").encode()


def refused(space: Simulator, provider: Caller, upload: str, registration: Registration) -> set[str]:
    """Return the codes with which a registration is denied."""
    with pytest.raises(PolicyDenied) as caught:
        space.service.registrar.confirm(provider, upload, registration)
    return {reason["code"] for reason in caught.value.facts["reasons"]}


def version(space: Simulator, dataset: str) -> DatasetVersion:
    with space.service.space.database.reading() as session:
        return session.get_one(DatasetVersion, (dataset, 1))


def entry(space: Simulator, index: int | None) -> dict[str, Any]:
    assert index is not None
    return dict(space.service.receipts.entries(space.operator, index, 1)[0]["record"])


def test_up_21_rows_that_single_people_out_are_not_published(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(60)).id
    checked = zoned.service.approvals.check(provider, upload, ROWS)
    assert checked.report["deidentification"]["before"]["unique_subjects"] == 4
    assert not checked.report["deidentification"]["passes"]
    assert checked.liftable
    assert refused(zoned, provider, upload, ROWS) == {"release-above-threshold"}
    zoned.audit()


def test_up_21_the_override_is_a_second_persons_and_an_entry(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(61)).id
    asked = zoned.service.approvals.ask(provider, upload, ROWS, "已公开")
    granted = zoned.service.approvals.answer(zoned.operator, asked.id, granted=True)
    assert entry(zoned, granted.entry)["codes"] == ["release-above-threshold"]
    registered = zoned.service.registrar.confirm(provider, upload, ROWS)
    record, row = entry(zoned, registered.entry), version(zoned, registered.dataset)
    assert (record["approval"], record["lifted"]) == (asked.id, ["release-above-threshold"])
    assert row.release == {}
    assert row.report["approval"]["by"] == zoned.operator.id
    assert record["report_sha256"] == row.report_sha256 == report_sha256(row.report)
    zoned.audit()


def test_up_21_nobody_is_its_own_second_person(zoned: Simulator) -> None:
    both = zoned.member(Role.PROVIDER, Role.OPERATOR)
    asked = zoned.service.approvals.ask(both, zoned.upload(both, singled(62)).id, ROWS, "why not")
    with pytest.raises(PolicyDenied, match="not-a-second-person"):
        zoned.service.approvals.answer(both, asked.id, granted=True)
    zoned.audit()


def test_up_21_an_approval_is_of_exactly_one_registration(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(63)).id
    asked = zoned.service.approvals.ask(provider, upload, ROWS, "why not")
    zoned.service.approvals.answer(zoned.operator, asked.id, granted=True)
    for other in (
        replace(ROWS, title="another"),
        replace(ROWS, offer=OfferTerms(price=2)),
        replace(ROWS, corrections={"income": {"level": 3}}),
    ):
        assert refused(zoned, provider, upload, other) == {"release-above-threshold"}
    assert zoned.service.registrar.confirm(provider, upload, ROWS).new
    zoned.audit()


@pytest.mark.parametrize("change", [{"status": Status.SUSPENDED}, {"roles": [Role.AUDITOR]}])
def test_up_21_the_word_of_who_is_no_operator_any_more_counts_no_more(
    zoned: Simulator, change: dict[str, Any]
) -> None:
    provider, second = zoned.provider(), zoned.member(Role.OPERATOR)
    upload = zoned.upload(provider, singled(64 + len(str(change)))).id
    asked = zoned.service.approvals.ask(provider, upload, ROWS, "why not")
    zoned.service.approvals.answer(second, asked.id, granted=True)
    zoned.service.membership.change(zoned.operator, second.id, **change)
    assert refused(zoned, provider, upload, ROWS) == {"release-above-threshold"}
    zoned.audit()


def test_up_21_what_was_rejected_stays_refused(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(64)).id
    asked = zoned.service.approvals.ask(provider, upload, ROWS, "why not")
    rejected = zoned.service.approvals.answer(zoned.operator, asked.id, granted=False)
    assert entry(zoned, rejected.entry)["kind"] == "approval.rejected"
    assert refused(zoned, provider, upload, ROWS) == {"release-above-threshold"}
    with pytest.raises(Conflict):
        zoned.service.approvals.answer(zoned.operator, asked.id, granted=True)
    assert zoned.service.approvals.ask(provider, upload, ROWS, "why not").state == "rejected"
    zoned.audit()


def test_data_without_rows_on_offer_needs_no_second_person(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(65)).id
    aggregates = replace(ROWS, offer=OfferTerms(price=1, forms=(Form.AGGREGATE,)))
    registered = zoned.service.registrar.confirm(provider, upload, aggregates)
    report = version(zoned, registered.dataset).report
    assert (report["deidentification"]["grade"], report["sample"]) == (4, "")
    with pytest.raises(NotFound):
        zoned.service.approvals.ask(provider, upload, ROWS, "gone")
    zoned.audit()


def test_large_classes_pass_alone(zoned: Simulator) -> None:
    provider = zoned.provider()
    lines = [f"P{n:06d},区 {n % 2},{30 + n % 3},{3000 + n % 50}" for n in range(400)]
    upload = zoned.upload(provider, ("number,district,age,income\n" + "\n".join(lines)).encode())
    assert zoned.service.registrar.confirm(provider, upload.id, ROWS).new
    zoned.audit()


def test_up_20_numbers_of_persons_are_not_called_general(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, numbered(300)).id
    codes = refused(zoned, provider, upload, IDS)
    assert "category-contradicted" in codes
    asked = zoned.service.approvals.ask(provider, upload, IDS, "合成数据")
    assert set(asked.asked) == codes
    zoned.service.approvals.answer(zoned.operator, asked.id, granted=True)
    registered = zoned.service.registrar.confirm(provider, upload, IDS)
    assert set(entry(zoned, registered.entry)["lifted"]) == codes
    assert version(zoned, registered.dataset).report["contradicted"] == ["证件"]
    assert zoned.service.rules.rules(provider) == [], "what values contradict is not learnt"
    zoned.audit()


def persons(rows: int, *, visits: int = 1) -> bytes:
    """Return people by name, mobile number and age, each with so many rows."""
    lines = [
        f"{'王李张刘陈'[n % 5]}{'伟芳娜敏静'[n // 5 % 5]}{'强磊军洋勇'[n // 25 % 5]},"
        f"139{n * 7919 % 10**8:08d},{20 + n % 60},{n * visits + visit}"
        for n in range(rows)
        for visit in range(visits)
    ]
    return ("姓名,手机,年龄,n\n" + "\n".join(lines) + "\n").encode()


@pytest.mark.parametrize("column", ["姓名", "手机", "年龄"])
def test_up_20_a_person_without_a_check_digit_is_not_called_general_either(
    zoned: Simulator, column: str
) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, persons(120)).id
    general = Registration("名单", OfferTerms(price=1), corrections={column: {"category": "general"}})
    assert "category-contradicted" in refused(zoned, provider, upload, general)


def test_up_20_no_rule_of_old_and_no_recogniser_hides_a_person(zoned: Simulator) -> None:
    provider = zoned.provider()
    harmless = ("姓名,n\n" + "\n".join(f"{n % 9},{n}" for n in range(200)) + "\n").encode()
    corrected = Registration("x", OfferTerms(price=1), corrections={"姓名": {"category": "general"}})
    zoned.service.registrar.confirm(provider, zoned.upload(provider, harmless).id, corrected)
    for number in range(4):
        title = {"zh": "码", "en": "code"}
        shadow = {
            "category": f"code{number}",
            "title": title,
            "level": 3,
            "method": "keep",
            "attribute": "other",
        }
        shadow |= {"names": ["手机", "年龄", "姓名"], "pattern": ".{1,30}"}
        zoned.service.rules.add(provider, "government", shadow)
    upload = zoned.upload(provider, persons(121))
    codes = refused(zoned, provider, upload.id, Registration("x", OfferTerms(price=1)))
    assert "category-contradicted" in codes
    checked = zoned.service.approvals.check(provider, upload.id, Registration("x", OfferTerms(price=1)))
    assert "姓名" in checked.report["contradicted"]


@pytest.mark.parametrize("subjects", [(), ("n",), ("手机", "n")])
def test_up_21_rows_are_not_passed_off_as_subjects(zoned: Simulator, subjects: tuple[str, ...]) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, persons(20, visits=10)).id
    one_row_each = Registration("就诊", OfferTerms(price=1), subjects=subjects)
    assert "category-contradicted" in refused(zoned, provider, upload, one_row_each)
    checked = zoned.service.approvals.check(provider, upload, replace(one_row_each, subjects=("手机",)))
    assert checked.report["contradicted"] == []


def test_up_20_no_person_is_named_where_everybody_reads(zoned: Simulator) -> None:
    provider, text = zoned.provider(), "联系人：王小明 13812345678"
    upload = zoned.upload(provider, people(400)).id
    for where, named in {
        "title": replace(ROWS, title=text),
        "description": replace(ROWS, description=text),
        r"listing\.needs\[0\]": replace(ROWS, listing={"needs": [text]}),
    }.items():
        with pytest.raises(Unprocessable, match=f"{where} seems to hold personal data") as caught:
            zoned.service.registrar.confirm(provider, upload, named)
        assert "13812345678" not in str(caught.value) + str(caught.value.facts)


def test_up_20_a_header_that_is_a_row_is_not_published(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, b"13812345678,n\n13912345678,1\n" * 30).id
    with pytest.raises(Unprocessable, match="columns"):
        zoned.service.registrar.confirm(provider, upload, Registration("x", OfferTerms(price=1)))


def test_up_20_a_file_named_after_a_person_is_acknowledged_and_that_is_recorded(zoned: Simulator) -> None:
    provider = zoned.provider()
    upload = zoned.upload(provider, singled(66), filename="13812345678.csv").id
    aggregates = replace(ROWS, offer=OfferTerms(price=1, forms=(Form.AGGREGATE,)))
    with pytest.raises(Unprocessable, match="acknowledged"):
        zoned.service.registrar.confirm(provider, upload, aggregates)
    read = replace(aggregates, acknowledged=("filename",))
    registered = zoned.service.registrar.confirm(provider, upload, read)
    assert version(zoned, registered.dataset).report["acknowledged"] == ["filename"]
    zoned.audit()


def test_a_level_goes_down_by_a_second_person_and_never_unmeasured(zoned: Simulator) -> None:
    provider = zoned.provider()
    lines = [f"P{n:06d},区 {n % 2},{30 + n % 3},{3000 + n % 50}" for n in range(410)]
    upload = zoned.upload(provider, ("number,district,age,income\n" + "\n".join(lines)).encode()).id
    lower = replace(ROWS, level=1)
    assert refused(zoned, provider, upload, lower) == {"level-lowered"}
    asked = zoned.service.approvals.ask(provider, upload, lower, "去标识化后")
    zoned.service.approvals.answer(zoned.operator, asked.id, granted=True)
    registered = zoned.service.registrar.confirm(provider, upload, lower)
    row = version(zoned, registered.dataset)
    assert row.level == 1 == max(column["level"] for column in row.columns)
    assert row.report["grading"]["level"] > 1
    risky = zoned.upload(provider, singled(67)).id
    assert refused(zoned, provider, risky, lower) == {"level-lowered", "release-above-threshold"}
    both = zoned.service.approvals.ask(provider, risky, lower, "why not")
    zoned.service.approvals.answer(zoned.operator, both.id, granted=True)
    assert refused(zoned, provider, risky, lower) == {"level-lowered"}
    zoned.audit()


def test_who_sees_an_approval(zoned: Simulator) -> None:
    provider = zoned.provider()
    asked = zoned.service.approvals.ask(provider, zoned.upload(provider, singled(68)).id, ROWS, "why not")
    for caller in (provider, zoned.operator, zoned.member(Role.AUDITOR)):
        assert asked.id in [one.id for one in zoned.service.approvals.approvals(caller)]
    stranger = zoned.provider()
    assert zoned.service.approvals.approvals(stranger) == []
    with pytest.raises(NotFound):
        zoned.service.approvals.approval(stranger, asked.id)
    with pytest.raises(NotFound):
        zoned.service.approvals.answer(stranger, asked.id, granted=True)
    with pytest.raises(PolicyDenied, match="role-missing"):
        zoned.service.approvals.answer(zoned.member(Role.AUDITOR), asked.id, granted=True)


def test_what_needs_no_approval_or_has_no_basis_is_not_asked_for(space: Simulator) -> None:
    provider = space.provider()
    upload = space.upload(provider, people(37)).id
    with pytest.raises(Conflict, match="nothing is to be approved"):
        space.service.approvals.ask(provider, upload, ROWS, "why not")
    for basis in (" ", "x" * 2001, "王小明先生同意"):
        with pytest.raises(Unprocessable):
            space.service.approvals.ask(provider, upload, ROWS, basis)
    low = replace(ROWS, offer=OfferTerms(price=1, min_group=2))
    with pytest.raises(PolicyDenied, match="group-limit-below-zone"):
        space.service.approvals.ask(provider, upload, low, "why not")


def test_an_approval_is_none_of_what_the_zone_says_from_now_on(tmp_path: Path) -> None:
    zones = tmp_path / "zones"
    shutil.copytree(ZONES, zones)
    with simulated(tmp_path / "home", zones=str(zones)) as space:
        provider = space.provider()
        upload = space.upload(provider, singled(70)).id
        asked = space.service.approvals.ask(provider, upload, ROWS, "x")
        space.service.approvals.answer(space.operator, asked.id, granted=True)
    pack = zones / "government" / "zone.toml"
    pack.write_text(pack.read_text() + "\n# changed\n")
    with open_service(space.settings, space.clock) as service:
        assert service.approvals.check(provider, upload, ROWS).codes == ["release-above-threshold"]


def test_another_report_than_the_second_person_saw_is_found(tmp_path: Path) -> None:
    with simulated(tmp_path / "home", zones=str(ZONES)) as space:
        provider = space.provider()
        upload = space.upload(provider, singled(71)).id
        asked = space.service.approvals.ask(provider, upload, ROWS, "x")
        space.service.approvals.answer(space.operator, asked.id, granted=True)
        space.service.registrar.confirm(provider, upload, ROWS)
        space.audit()

        def forge(session: Any) -> None:
            row = session.get_one(Approval, asked.id)
            row.report = {**row.report, "level": 1}
            session.add(row)

        space.service.space.database.commit(forge)
        with pytest.raises(AssertionError, match="what was approved of its report"):
            space.audit()


def test_an_answer_that_the_database_alone_knows_is_found(tmp_path: Path) -> None:
    with simulated(tmp_path / "home", zones=str(ZONES)) as space:
        provider = space.provider()
        asked = space.service.approvals.ask(provider, space.upload(provider, singled(69)).id, ROWS, "x")

        def forge(session: Any) -> None:
            row = session.get_one(Approval, asked.id)
            row.state, row.by = "approved", space.operator.id
            session.add(row)

        space.service.space.database.commit(forge)
        with pytest.raises(AssertionError, match=f"approval {asked.id}: no entry explains this row"):
            space.audit()


def _resident(number: int) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    body = f"310101{1960 + number % 40}{1 + number % 12:02d}{1 + number % 28:02d}{number % 1000:03d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True))
    return body + "10X98765432"[total % 11]

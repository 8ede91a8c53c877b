"""The SDK against a real service: the three journeys, errors as ours, and what it checks by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dataspace import errors
from dataspace.client import DataSpace
from dataspace.client.http import _problem
from dataspace.errors import (
    Conflict,
    DataSpaceError,
    Malformed,
    NotFound,
    PolicyDenied,
    Unavailable,
    VerificationError,
)
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.wire import PROBLEM
from tests.simulator import Simulator, people

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, DataSpaceError) and kind is not DataSpaceError
]


@contextmanager
def _speaking(space: Simulator, url: str, caller: Caller) -> Iterator[DataSpace]:
    token = space.operator_token if caller.id == space.operator.id else space.tokens[caller.id]
    with DataSpace(url, token) as sdk:
        yield sdk


def _file(folder: Path, rows: int) -> Path:
    path = folder / "people.csv"
    path.write_bytes(people(rows))
    return path


def _offered(space: Simulator, url: str, folder: Path, rows: int, **offer: Any) -> str:
    """Register a dataset through the SDK; return its offer."""
    with _speaking(space, url, space.provider()) as provider:
        upload = provider.upload(_file(folder, rows), "government")
        found = provider.confirm(upload["id"], "People", price=250, subjects=["number"], offer=offer)
        return str(found["offer"])


def test_from_a_file_to_a_verified_answer(space: Simulator, url: str, tmp_path: Path) -> None:
    offer = _offered(space, url, tmp_path, 500)
    with _speaking(space, url, space.consumer()) as consumer:
        found = [
            one for one in consumer.catalog(text="People")["dataset"] if one["hasPolicy"][0]["@id"] == offer
        ]
        assert consumer.dataset(found[0]["@id"])["rows"] == 500
        agreement = consumer.negotiate(offer, "statistics")
        assert agreement["state"] == "FINALIZED"
        answer = consumer.query(agreement["id"], "SELECT district, COUNT(*) AS n FROM data GROUP BY district")
        assert (answer.units, answer.price, answer.suppressed) == (1, 250, False)
        assert sorted(row[1] for row in answer.rows) == [166, 167, 167]
        assert answer.table.column_names == answer.columns == ["district", "n"]
        receipt = answer.receipt()
        assert consumer.verify(receipt, space.service.space.log.vkey()).ok
        assert consumer.agreement(agreement["id"])["usage"]["units"]["spent"] == 1
        assert answer.entry in {entry["index"] for entry in consumer.entries(0, 1000)}
    space.audit()


def test_a_second_person_through_the_sdk(space: Simulator, url: str, tmp_path: Path) -> None:
    lower: dict[str, Any] = {"price": 1, "subjects": ["number"], "level": 1}
    with (
        _speaking(space, url, space.provider()) as provider,
        _speaking(space, url, space.operator) as operator,
    ):
        upload = provider.upload(_file(tmp_path, 510), "government")["id"]
        checked = provider.check(upload, "People", **lower)
        assert (checked["allowed"], checked["liftable"]) == (False, True)
        assert [reason["code"] for reason in checked["reasons"]] == ["level-lowered"]
        with pytest.raises(PolicyDenied, match="level-lowered"):
            provider.confirm(upload, "People", **lower)
        asked = provider.ask_approval("已去标识化", upload, "People", **lower)
        assert asked["registration_sha256"] == checked["registration_sha256"]
        assert asked["id"] in [one["id"] for one in operator.approvals()]
        with pytest.raises(PolicyDenied, match="role-missing"):
            provider.answer_approval(asked["id"], grant=True)
        assert operator.answer_approval(asked["id"], grant=True)["state"] == "approved"
        registered = provider.confirm(upload, "People", **lower)
        found = operator.report(registered["dataset"])
        assert found["report"]["approval"]["id"] == asked["id"]
        record = next(one for one in operator.entries(registered["entry"], 1))["record"]
        assert record["report_sha256"] == found["report_sha256"]
    space.audit()


def test_a_listing_with_its_quality_and_sample(space: Simulator, url: str, tmp_path: Path) -> None:
    listing = {"frequency": "yearly", "dictionary": {"income": {"zh": "收入", "unit": "元"}}}
    with _speaking(space, url, space.provider()) as provider:
        upload = provider.upload(_file(tmp_path, 511), "government")["id"]
        found = provider.confirm(upload, "People", price=1, subjects=["number"], listing=listing)
    with _speaking(space, url, space.consumer()) as consumer:
        shown = consumer.dataset(found["dataset"])
        assert shown["product"] == listing
        assert shown["quality"]["income"]["completeness_ppm"] == 1_000_000
        assert shown["sample"]["columns"] == ["number", "district", "age", "income"]
        assert 0 < len(shown["sample"]["rows"]) <= 20
        assert shown["release"].keys() == {"k", "recoded_ppm", "withheld_ppm"}
        with pytest.raises(NotFound):
            consumer.report(found["dataset"])


def test_a_provider_teaches_its_zone(space: Simulator, url: str, tmp_path: Path) -> None:
    (tmp_path / "meters.csv").write_text("reading,n\n" + "".join(f"M{n:08d},{n}\n" for n in range(99)))
    field = {
        "category": "meter_no",
        "title": {"zh": "电表号", "en": "Meter"},
        "level": 2,
        "method": "mask",
        "pattern": "M[0-9]{8}",
    }
    with _speaking(space, url, space.provider()) as provider:
        added = provider.add_recogniser("government", **field)
        upload = provider.upload(tmp_path / "meters.csv", "government")
        assert upload["proposal"]["columns"][0]["category"] == "meter_no"
        corrections = {"n": {"category": "amount"}}
        provider.confirm(upload["id"], "Meters", price=1, corrections=corrections)
        assert [rule["category"] for rule in provider.rules()] == ["amount"]
        assert [one["id"] for one in provider.recognisers()] == [added["id"]]
        provider.remove_recogniser(added["id"])
        assert provider.recognisers() == []


def test_rows_come_as_an_arrow_table(space: Simulator, url: str, tmp_path: Path) -> None:
    offer = _offered(space, url, tmp_path, 501)
    with _speaking(space, url, space.consumer()) as consumer:
        agreement = consumer.negotiate(offer, "statistics", ["rows"])
        answer = consumer.query(agreement["id"], "SELECT district, age FROM data LIMIT 7", form="rows")
        assert answer.table.num_rows == len(answer.rows) == 7
        assert answer.columns == ["district", "age"]
        assert answer.receipt()


def test_encrypted_totals_are_those_of_the_cube(space: Simulator, url: str, tmp_path: Path) -> None:
    pytest.importorskip("tenseal")
    from dataspace.client.encrypted import Keys  # noqa: PLC0415 - only where TenSEAL is

    offer = _offered(space, url, tmp_path, 3000, forms=["encrypted"], epsilon=8_000_000)
    with _speaking(space, url, space.consumer()) as consumer:
        agreement = consumer.negotiate(offer, "statistics", ["encrypted"])
        layout = consumer.cube(
            agreement["id"], ["district"], [{"kind": "count"}], max_rows=1, epsilon=4_000_000
        )
        keys = Keys.create(layout.parameters.id)
        for _ in range(2):  # the second query goes without the key, which the agreement has pinned
            totals, answer = consumer.encrypted_totals(agreement["id"], layout, [1] * len(layout.cells), keys)
            assert abs(totals["count"] - 3000) < 300
            assert consumer.verify(answer.receipt(), space.service.space.log.vkey()).ok
    space.audit()


def test_a_refusal_is_raised_with_its_reasons_and_its_entry(
    space: Simulator, url: str, tmp_path: Path
) -> None:
    offer = _offered(space, url, tmp_path, 502, forms=["aggregate"])
    with _speaking(space, url, space.consumer()) as consumer:
        agreement = consumer.negotiate(offer, "statistics")
        with pytest.raises(PolicyDenied) as refused:
            consumer.query(agreement["id"], "SELECT district FROM data", form="rows")
        assert "form-not-agreed" in {reason["code"] for reason in refused.value.facts["reasons"]}
        assert consumer.receipt(refused.value.facts["entry"])
        with pytest.raises(NotFound):
            consumer.agreement("ag-0123456789abcdef")
    space.audit()


def test_an_errors_text_says_what_was_asked_and_what_was_wanted(space: Simulator, url: str) -> None:
    offer = space.registered(
        space.provider(), people(507), subjects=["number"], purposes=("statistics",)
    ).offer
    with (
        _speaking(space, url, space.consumer()) as consumer,
        pytest.raises(PolicyDenied, match=r"purpose-not-offered \(asked policy-making; offered statistics\)"),
    ):
        consumer.negotiate(offer, "policy-making")
    with _speaking(space, url, space.operator) as operator, pytest.raises(Malformed) as refused:
        operator.admit("x", "some-seller", ["seller"])
    assert str(refused.value).endswith(
        f"roles[0]: invalid enum value 'seller', want one of {', '.join(Role)}"
    )
    assert refused.value.facts["errors"][0]["key"] == "roles[0]"


def test_an_offer_that_is_not_automatic_waits_for_its_provider(space: Simulator, url: str) -> None:
    provider, consumer = space.provider(), space.consumer()
    offer = space.registered(provider, people(503), subjects=["number"], automatic=False).offer
    with _speaking(space, url, consumer) as ours, _speaking(space, url, provider) as theirs:
        with pytest.raises(Conflict) as waiting:
            ours.negotiate(offer, "statistics")
        negotiation = waiting.value.facts["negotiation"]
        theirs.send(negotiation, "agreement")
        ours.send(negotiation, "verification")
        assert theirs.send(negotiation, "finalization")["state"] == "FINALIZED"
        [agreement] = ours.agreements()
        assert ours.end(agreement["id"])["state"] == "TERMINATED"
        assert [one["state"] for one in theirs.negotiations()] == ["FINALIZED"]
    space.audit()


def test_an_operator_admits_over_the_sdk(space: Simulator, url: str) -> None:
    with _speaking(space, url, space.operator) as operator:
        admitted = operator.admit("某医院", "some-hospital", ["provider"])
        assert admitted["participant"]["id"] in {one["id"] for one in operator.participants()}
        with DataSpace(url, admitted["token"]) as member:
            assert member.me()["roles"] == ["provider"]
        operator.change(admitted["participant"]["id"], status="suspended")
        with DataSpace(url, admitted["token"]) as member, pytest.raises(errors.Unauthenticated):
            member.me()


def test_a_withdrawal_and_the_zones(space: Simulator, url: str) -> None:
    provider = space.provider()
    dataset = space.registered(provider, people(504), subjects=["number"]).dataset
    with _speaking(space, url, provider) as sdk:
        assert {zone["name"] for zone in sdk.zones()} == set(space.service.space.packs)
        assert sdk.withdraw(dataset)["dataset"] == dataset
        with pytest.raises(NotFound):
            sdk.dataset(dataset)
    space.audit()


def test_bad_rows_come_with_their_lines(space: Simulator, url: str, tmp_path: Path) -> None:
    path = _file(tmp_path, 30)
    path.write_bytes(path.read_bytes() + b"one,two\n")
    with _speaking(space, url, space.provider()) as provider, pytest.raises(errors.Unprocessable) as refused:
        provider.upload(path, "government")
    assert refused.value.facts["rows"][0]["line"] == 32


def test_an_answer_that_is_not_the_ledgers_is_told_apart(space: Simulator, url: str, tmp_path: Path) -> None:
    offer = _offered(space, url, tmp_path, 505)
    with _speaking(space, url, space.consumer()) as consumer:
        answer = consumer.query(consumer.negotiate(offer, "statistics")["id"], "SELECT COUNT(*) FROM data")
        assert answer.receipt()
        other = replace(answer, content=answer.content + b" ")
        for changed in (other, replace(answer, units=2), replace(answer, price=1)):
            with pytest.raises(VerificationError):
                changed.receipt()


@pytest.mark.parametrize("kind", KINDS)
def test_every_problem_comes_back_as_the_error_it_was(kind: type[DataSpaceError]) -> None:
    document = {"type": "x", "title": "y", "status": 418, "detail": "why", "code": kind.code, "limit": 3}
    error = _problem(httpx2.Response(418, json=document, headers={"content-type": PROBLEM}))
    assert (type(error), str(error), error.facts) == (kind, "why", {"limit": 3})


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(502, text="<html>bad gateway</html>"),
        httpx2.Response(500, content=b""),
        httpx2.Response(500, content=b"[", headers={"content-type": PROBLEM}),
        httpx2.Response(500, content=b"[]", headers={"content-type": PROBLEM}),
        httpx2.Response(
            500, json={"code": "internal", "detail": "x", "id": "1"}, headers={"content-type": PROBLEM}
        ),
    ],
)
def test_what_is_no_problem_of_ours_is_unavailable(response: httpx2.Response) -> None:
    assert type(_problem(response)) is Unavailable


def test_a_service_that_is_not_there_is_unavailable() -> None:
    with DataSpace("http://127.0.0.1:9", "dsp_secret") as sdk, pytest.raises(Unavailable) as gone:
        sdk.me()
    assert "secret" not in str(gone.value)


def test_an_address_without_http_is_malformed() -> None:
    with pytest.raises(Malformed):
        DataSpace("ftp://127.0.0.1")


def test_a_token_is_not_shown(url: str) -> None:
    with DataSpace(url, "dsp_secret") as sdk:
        assert "dsp_secret" not in repr(sdk) + repr(vars(sdk))


def test_an_agreement_on_something_else_is_not_verified(
    space: Simulator, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = _offered(space, url, tmp_path, 506)
    with _speaking(space, url, space.consumer()) as consumer:
        honest = consumer.agreement
        monkeypatch.setattr(consumer, "agreement", lambda name: {**honest(name), "purpose": "another"})
        with pytest.raises(VerificationError):
            consumer.negotiate(offer, "statistics")
        assert [one["state"] for one in consumer.negotiations()] == ["AGREED"]

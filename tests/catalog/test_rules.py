"""What a provider taught its zones: corrections that hold for its next files, and recognisers."""

from typing import Any

import pytest

from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import Malformed, NotFound, Refused
from tests.simulator import Simulator

METERS = b"reading,amount\n" + b"".join(b"M%08d,%d\n" % (n, n) for n in range(100))
METER: dict[str, Any] = {
    "category": "meter_no",
    "title": {"zh": "电表号", "en": "Meter number"},
    "level": 2,
    "method": "mask",
    "parameters": {"first": 1},
    "pattern": "M[0-9]{8}",
}
BANK = Registration("x", OfferTerms(price=1), corrections={"n": {"category": "amount"}})


def numbers(first: int) -> bytes:
    return b"n,k\n" + b"".join(b"%d,%d\n" % (first + n * 7919 % 1000, n % 3) for n in range(60))


def test_a_correction_holds_for_the_next_file_of_the_same_provider(space: Simulator) -> None:
    provider, other = space.provider(), space.provider()
    first = space.upload(provider, numbers(1))
    assert first.proposal["columns"][0]["category"] != "amount"
    space.service.registrar.confirm(provider, first.id, BANK)
    assert [(rule.name, rule.category) for rule in space.service.rules.rules(provider)] == [("n", "amount")]
    assert space.upload(provider, numbers(2)).proposal["columns"][0]["category"] == "amount"
    assert space.upload(other, numbers(2)).proposal["columns"][0]["category"] != "amount"
    space.service.rules.forget(provider, "government", "n")
    assert space.upload(provider, numbers(3)).proposal["columns"][0]["category"] != "amount"
    with pytest.raises(NotFound):
        space.service.rules.forget(provider, "government", "n")
    space.audit()


def test_a_recogniser_is_tried_on_the_files_that_come_after_it(space: Simulator) -> None:
    provider = space.provider()
    added = space.service.rules.add(provider, "government", METER)
    upload = space.upload(provider, METERS)
    assert upload.proposal["columns"][0]["category"] == "meter_no"
    registered = space.service.registrar.confirm(provider, upload.id, Registration("x", OfferTerms(price=1)))
    report = space.service.catalogue.report(provider, registered.dataset).report
    assert report["columns"][0]["title"] == METER["title"]
    assert [one.id for one in space.service.rules.recognisers(provider)] == [added.id]
    space.service.rules.remove(provider, added.id)
    assert space.upload(provider, METERS + b"M00000000,1\n").proposal["columns"][0]["category"] != "meter_no"
    space.audit()


def test_a_recogniser_is_its_providers_alone(space: Simulator) -> None:
    added = space.service.rules.add(space.provider(), "government", METER)
    stranger = space.provider()
    assert space.service.rules.recognisers(stranger) == []
    with pytest.raises(NotFound):
        space.service.rules.remove(stranger, added.id)
    with pytest.raises(Refused):
        space.service.rules.add(space.consumer(), "government", METER)
    with pytest.raises(NotFound):
        space.service.rules.add(stranger, "nowhere", METER)


@pytest.mark.parametrize("wrong", [{"pattern": "(a+)+$" * 200}, {"pattern": "("}, {"level": 99}, {"x": 1}])
def test_up_24_a_recogniser_that_is_none_or_may_take_for_ever_is_refused(
    space: Simulator, wrong: dict[str, Any]
) -> None:
    provider = space.provider()
    with pytest.raises(Malformed):
        space.service.rules.add(provider, "government", {**METER, **wrong})
    assert space.service.rules.recognisers(provider) == []

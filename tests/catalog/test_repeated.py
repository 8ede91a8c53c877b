"""The same bytes again: the same answer on the same terms, and on others a conflict that names them."""

from dataclasses import replace
from typing import Any

import pytest

from dataspace.catalog.register import OfferTerms, Registered, Registration
from dataspace.errors import Conflict
from tests.simulator import Simulator, people


@pytest.mark.parametrize(
    ("other", "differing"),
    [
        (
            {"price": 999, "units": 3, "epsilon": 1_000_000, "forms": ("aggregate",)},
            "price, units, epsilon, forms",
        ),
        ({"min_group": 50}, "min_group"),
        ({"exact": False}, "exact"),
        ({"purposes": ("statistics",)}, "purposes"),
        ({"methods": {"age": {"method": "suppress"}}}, "methods"),
        ({"dataset_epsilon": 300_000_000}, "dataset_epsilon"),
    ],
)
def test_up_19_the_same_bytes_on_other_terms_are_refused_and_the_terms_are_named(
    space: Simulator, other: dict[str, Any], differing: str
) -> None:
    provider = space.provider()
    first = space.registered(provider, people(70), subjects=["number"])
    with pytest.raises(Conflict, match=rf"other terms \({differing}\)") as refused:
        space.registered(provider, people(70), subjects=["number"], **other)
    assert f"are {first.dataset} version 1 already, under offer {first.offer} " in str(refused.value)
    # Nothing is lost: what was refused is confirmed on the terms that stand.
    again = space.registered(provider, people(70), subjects=["number"])
    assert (again.offer, again.new) == (first.offer, False)
    space.audit()


def test_up_19_the_same_bytes_with_other_columns_are_refused_and_the_same_act_is_repeatable(
    space: Simulator,
) -> None:
    provider = space.provider()

    def confirm(corrections: dict[str, Any], subjects: tuple[str, ...] = ("number",)) -> Registered:
        asked = Registration("x", OfferTerms(price=1), subjects=subjects, corrections=corrections)
        return space.service.registrar.confirm(provider, space.upload(provider, people(71)).id, asked)

    # The category is learnt, so that the second proposal differs: the act is still the same.
    corrected = {"district": {"category": "free_text", "method": "suppress"}}
    first, again = confirm(corrected), confirm(corrected)
    assert (again.dataset, again.offer, again.new) == (first.dataset, first.offer, False)
    with pytest.raises(Conflict, match=r"other terms \(corrections\)"):
        confirm({**corrected, "age": {"method": "suppress"}})
    with pytest.raises(Conflict, match=r"other terms \(subjects\)"):
        confirm(corrected, ())
    space.audit()


def test_up_19_the_offer_that_is_compared_is_of_the_version_with_the_bytes(space: Simulator) -> None:
    provider = space.provider()
    first = space.registered(provider, people(72), subjects=["number"])

    def second(price: int) -> Registered:
        asked = Registration("", OfferTerms(price=price), subjects=("number",), dataset=first.dataset)
        return space.service.registrar.confirm(provider, space.upload(provider, people(73)).id, asked)

    renewed = second(7)
    assert second(7) == replace(renewed, new=False)
    with pytest.raises(
        Conflict, match=rf"{first.dataset} version 2 already, under offer {renewed.offer} .*price"
    ):
        second(8)
    space.audit()

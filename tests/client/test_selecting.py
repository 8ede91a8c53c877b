"""Selectors of rows through the SDK, against a real service."""

from pathlib import Path
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.client import DataSpace
from dataspace.client.encrypted import Keys
from dataspace.client.selecting import SelectorLayout
from dataspace.errors import Malformed, Refused, TooMany, Unprocessable
from dataspace.participants.access import Caller
from dataspace.web.api.selectors import _SELECTORS
from dataspace.wire.parameters import DEFAULT_PARAMETERS, SELECTOR_PARAMETERS
from dataspace.wire.selector import Operand
from tests.simulator import Simulator, people

INCOME = Operand("income", 0, 20_000)
TOLD = {
    "layout": "sl-0011223344556677",
    "minimum": 2,
    "slots": 2,
    "complete": True,
    "parameters": SELECTOR_PARAMETERS,
    "columns": [{"name": "district", "type": "text"}],
    "rows": [["a"], ["b"]],
}


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.create(SELECTOR_PARAMETERS)


def _agreed(space: Simulator, rows: int) -> tuple[Caller, str]:
    consumer = space.consumer()
    registered = space.registered(
        space.provider(),
        people(rows),
        subjects=["number"],
        forms=("rows", "selector"),
        epsilon=50_000_000,
        dataset_epsilon=90_000_000,
        semi_honest=(consumer.id,),
    )
    return consumer, space.agreed(consumer, registered.offer, forms=[Form.ROWS, Form.SELECTOR]).id


def test_from_a_layout_to_a_total_and_what_it_may_be_off_by(
    space: Simulator, url: str, keys: Keys, tmp_path: Path
) -> None:
    consumer, agreement = _agreed(space, 300)
    keys.save(tmp_path / "keys", "a passphrase of some length")
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        layout = sdk.selector_layout(agreement, ["district"])
        kept = Keys.load(tmp_path / "keys", "a passphrase of some length")
        found = [
            sdk.selected_sum(agreement, layout, chosen, INCOME, keys=kept, epsilon=4_000_000)
            for chosen in (
                lambda subject: subject["district"] == "district 1",
                list(layout.frame().query("district == 'district 1'").index),
            )
        ]
    for one in found:
        assert (one.count, one.error) == (100, 5000.0)
        assert abs(one.value - sum(range(3001, 3300, 3))) < 20 * one.error
        assert one.mean == one.value / 100
    assert found[0].answer.entry + 1 == found[1].answer.entry
    space.audit()


def test_what_would_get_nothing_is_not_sent(space: Simulator, url: str, keys: Keys) -> None:
    consumer, agreement = _agreed(space, 301)
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        layout = sdk.selector_layout(agreement, ["district"])
        asking: dict[str, Any] = {"keys": keys, "epsilon": 1_000_000}
        for chosen in ([0], range(9), range(1, 301)):
            with pytest.raises(Refused, match="at least"):
                sdk.selected_sum(agreement, layout, chosen, INCOME, **asking)
        with pytest.raises(Malformed, match="slots 0 to 300"):
            sdk.selected_sum(agreement, layout, [301], INCOME, **asking)
        with pytest.raises(Unprocessable, match="plain modulus"):
            sdk.selected_sum(agreement, layout, range(301), Operand("income", 0, 1 << 40), **asking)
        for wrong in (0, -1, 1.0, 0.5, True, "1", None):
            with pytest.raises(Malformed, match="whole number of millionths"):
                sdk.selected_sum(agreement, layout, range(50), INCOME, **{**asking, "epsilon": wrong})
        other = {**asking, "keys": Keys.create(DEFAULT_PARAMETERS)}
        with pytest.raises(Unprocessable, match="this key is for"):
            sdk.selected_sum(agreement, layout, range(50), INCOME, **other)
    assert space.service.answers.usage(consumer, agreement)["epsilon"]["spent"] == 0


def test_he_13_a_consumer_has_one_selector_under_way_at_a_time(
    space: Simulator, url: str, keys: Keys
) -> None:
    consumer, agreement = _agreed(space, 302)
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        layout = sdk.selector_layout(agreement, ["district"])
        asking: dict[str, Any] = {"keys": keys, "epsilon": 1_000_000}
        with _SELECTORS.holding(consumer.id), pytest.raises(TooMany, match="selector queries"):
            sdk.selected_sum(agreement, layout, range(50), INCOME, **asking)
        assert sdk.selected_sum(agreement, layout, range(50), INCOME, **asking).count == 50


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": [["a"]]},
        {"rows": [["a"], ["b", "c"]]},
        {"slots": 0},
        {"minimum": "many"},
        {"minimum": 5},
        {"parameters": DEFAULT_PARAMETERS},
        {"columns": 5},
    ],
)
def test_a_layout_that_is_none_is_refused(changed: dict[str, Any]) -> None:
    assert SelectorLayout.from_json(TOLD).subjects() == [{"district": "a"}, {"district": "b"}]
    with pytest.raises(Malformed):
        SelectorLayout.from_json({**TOLD, **changed})

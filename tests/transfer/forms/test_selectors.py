"""Selectors of rows as a journey: who is selected stays unseen, too few get nothing, noise is charged."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.client.encrypted import Keys
from dataspace.client.selecting import (
    PreparedSelector,
    SelectorLayout,
    open_selector,
    prepare_selector,
    seal_selector,
)
from dataspace.errors import (
    Malformed,
    NotFound,
    PolicyDenied,
    Refused,
    Unprocessable,
    VerificationError,
)
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.ask import Answer
from dataspace.wire.parameters import DEFAULT_PARAMETERS, SELECTOR_PARAMETERS
from dataspace.wire.selector import Operand, SelectorQuery
from tests import fuzzing
from tests.simulator import Simulator, people

INCOME = Operand("income", 0, 20_000)
EPSILON = 4_000_000


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.create(SELECTOR_PARAMETERS)


def _agreed(
    space: Simulator, content: bytes, *, trusted: bool = True, **offer: Any
) -> tuple[Caller, Agreement]:
    consumer = space.consumer()
    terms = {"forms": ("rows", "selector"), "epsilon": 50_000_000, **offer}
    named = (consumer.id,) if trusted else ()
    registered = space.registered(
        space.provider(), content, subjects=["number"], semi_honest=named, dataset_epsilon=90_000_000, **terms
    )
    return consumer, space.agreed(consumer, registered.offer, forms=[Form(form) for form in terms["forms"]])


def _layout(space: Simulator, consumer: Caller, agreement: Agreement, *columns: str) -> SelectorLayout:
    found = space.service.selectors.layout(consumer, agreement.id, columns or ("district", "age"))
    return SelectorLayout.from_json(json.loads(found.content))


def _query(
    keys: Keys, layout: SelectorLayout, weights: Sequence[int], agreement: Agreement, /, **changed: Any
) -> PreparedSelector:
    errand = {"agreement": agreement.id, "epsilon": EPSILON, "expires": int(time.time()) + 600, **changed}
    return seal_selector(keys, layout, weights, errand.pop("operand", INCOME), limit=1 << 43, **errand)


def _asked(space: Simulator, consumer: Caller, agreement: Agreement, query: PreparedSelector) -> Answer:
    return space.service.selectors.answer(consumer, agreement.id, query.body)


def _spoilt(message: bytes, *path: int) -> bytes:
    """Return a message with a coefficient above its modulus, in the stream at the end of these fields."""
    if not path:
        content = bytearray(fuzzing.opened(message))
        content[97:105] = b"\xff" * 8
        return fuzzing.closed(bytes(content))
    parts = fuzzing.read(message)
    return fuzzing.write(
        [
            (tag, _spoilt(value, *path[1:]) if tag >> 3 == path[0] and isinstance(value, bytes) else value)
            for tag, value in parts
        ]
    )


def _first(layout: SelectorLayout, count: int) -> list[int]:
    return [1] * count + [0] * (layout.threshold.subjects - count)


def test_a_selected_total_is_near_the_true_one_and_its_epsilon_is_charged(
    space: Simulator, keys: Keys
) -> None:
    consumer, agreement = _agreed(space, people(600))
    layout = _layout(space, consumer, agreement)
    query = prepare_selector(
        keys,
        layout,
        layout.weights(lambda subject: subject["district"] == "district 1" and subject["age"] == "[20, 30)"),
        INCOME,
        agreement=agreement.id,
        epsilon=EPSILON,
        expires=int(time.time()) + 600,
    )
    true = [3000 + number for number in range(600) if number % 3 == 1 and number % 60 < 10]
    answer = _asked(space, consumer, agreement, query)
    assert query.selected == len(true)
    assert abs(open_selector(keys, query, answer.content) - sum(true)) < 20 * 20_000 / 4
    usage = space.service.answers.usage(consumer, agreement.id)
    assert usage["epsilon"] == {"granted": 50_000_000, "spent": EPSILON, "reserved": 0}
    assert space.kinds()[-2:] == ["query.answered", "query.answered"]
    space.audit()


def test_the_layout_is_charged_as_rows_and_in_no_order_of_the_datasets(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(1500))
    layout = _layout(space, consumer, agreement, "age")
    assert layout.complete
    assert space.service.answers.usage(consumer, agreement.id)["units"]["spent"] == 2
    ages = [row[0] for row in layout.rows]
    dataset = [f"[{20 + number % 60 // 10 * 10}, {30 + number % 60 // 10 * 10})" for number in range(1500)]
    assert sorted(ages) == sorted(dataset)
    assert ages != dataset
    assert layout.rows == _layout(space, consumer, agreement, "age").rows
    space.audit()


def test_the_rows_of_a_subject_make_one_slot_that_shows_what_they_agree_in(
    space: Simulator, keys: Keys
) -> None:
    lines = [f"P{number % 40:03d},district {number % 2},{number // 40},100" for number in range(120)]
    content = ("number,district,year,income\n" + "\n".join(lines) + "\n").encode()
    consumer, agreement = _agreed(space, content)
    layout = _layout(space, consumer, agreement, "district", "year")
    assert layout.threshold.subjects == 40
    assert {row[1] for row in layout.rows} == {None}
    assert {row[0] for row in layout.rows} == {"district 0", "district 1"}
    bounded = Operand("income", 0, 1000, max_rows=2)
    query = _query(keys, layout, [1] * 40, agreement, operand=bounded, epsilon=20_000_000)
    total = open_selector(keys, query, _asked(space, consumer, agreement, query).content)
    assert abs(total - 40 * 2 * 100) < 20 * 2000 / 20
    space.audit()


def test_too_few_selected_or_left_out_get_zero_and_no_more(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(200))
    layout = _layout(space, consumer, agreement)
    least = layout.threshold.minimum
    for count in (1, least - 1, 200 - least + 1, 199):
        query = _query(keys, layout, _first(layout, count), agreement)
        with pytest.raises(Refused, match="fewer"):
            open_selector(keys, query, _asked(space, consumer, agreement, query).content)
    query = _query(keys, layout, _first(layout, 200), agreement)
    assert open_selector(keys, query, _asked(space, consumer, agreement, query).content) > 0
    space.audit()


@pytest.mark.parametrize("weight", [2, -1])
def test_a_weight_that_is_not_0_or_1_gets_randomness(space: Simulator, keys: Keys, weight: int) -> None:
    consumer, agreement = _agreed(space, people(201))
    layout = _layout(space, consumer, agreement)
    query = _query(keys, layout, [weight, *_first(layout, 50)[1:]], agreement)
    answer = _asked(space, consumer, agreement, query)
    with pytest.raises(VerificationError, match="not computed of this selector"):
        open_selector(keys, query, answer.content)


def test_he_09_a_consumer_that_is_not_named_semi_honest_is_refused(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(202), trusted=False)
    layout = _layout(space, consumer, agreement)
    with pytest.raises(PolicyDenied) as refused:
        _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 50), agreement))
    assert {reason["code"] for reason in refused.value.facts["reasons"]} == {"consumer-not-semi-honest"}
    assert space.service.answers.usage(consumer, agreement.id)["epsilon"]["spent"] == 0
    space.audit()


def test_a_layout_needs_an_agreement_on_rows(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(203), forms=("selector",))
    with pytest.raises(PolicyDenied, match="form-not-agreed"):
        _layout(space, consumer, agreement)


def test_no_epsilon_left_is_no_answer(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(204), epsilon=5_000_000)
    layout = _layout(space, consumer, agreement)
    _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 50), agreement))
    with pytest.raises(PolicyDenied, match="epsilon-exhausted"):
        _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 50), agreement))
    space.audit()


def test_he_11_the_same_envelope_gets_the_same_answer_at_no_cost(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(205))
    layout = _layout(space, consumer, agreement)
    query = _query(keys, layout, _first(layout, 50), agreement)
    first, again = (_asked(space, consumer, agreement, query) for _ in range(2))
    assert (again.content, again.entry) == (first.content, first.entry)
    assert space.service.answers.usage(consumer, agreement.id)["epsilon"]["spent"] == EPSILON


def test_he_05_a_second_key_is_refused_once_one_is_pinned(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(206))
    layout = _layout(space, consumer, agreement)
    _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 50), agreement))
    short = _query(keys, layout, _first(layout, 50), agreement, pinned=True)
    assert open_selector(keys, short, _asked(space, consumer, agreement, short).content)
    other = Keys.create(SELECTOR_PARAMETERS)
    with pytest.raises(Unprocessable, match="another key"):
        _asked(space, consumer, agreement, _query(other, layout, _first(layout, 50), agreement))


@pytest.mark.parametrize(
    ("changed", "error", "told"),
    [
        ({"expires": 1_000_000_000}, Unprocessable, "expires"),
        ({"agreement": "ag-0123456789abcdef"}, Unprocessable, "another agreement"),
        ({"pinned": True}, Unprocessable, "not under the key"),
        ({"operand": Operand("nothing", 0, 5)}, NotFound, "nothing"),
        ({"operand": Operand("district", 0, 5)}, Malformed, "numbers"),
    ],
)
def test_he_11_what_does_not_fit_the_agreement_is_refused(
    space: Simulator, keys: Keys, changed: dict[str, Any], error: type[Exception], told: str
) -> None:
    consumer, agreement = _agreed(space, people(60))
    layout = _layout(space, consumer, agreement)
    with pytest.raises(error, match=told):
        _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 30), agreement, **changed))


def test_a_query_for_another_layout_is_refused(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(61))
    other, theirs = _agreed(space, people(61))
    layout = _layout(space, other, theirs)
    _layout(space, consumer, agreement)
    with pytest.raises(Unprocessable, match="another layout"):
        _asked(space, consumer, agreement, _query(keys, layout, _first(layout, 30), agreement))


def test_what_does_not_leave_has_no_slot_and_adds_nothing(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(1000), sample=30)
    layout = _layout(space, consumer, agreement, "district")
    seen = layout.threshold.subjects
    assert 200 < seen < 400
    query = _query(keys, layout, [1] * seen, agreement, epsilon=40_000_000)
    total = open_selector(keys, query, _asked(space, consumer, agreement, query).content)
    assert 3000 * seen - 20_000 < total < 4000 * seen + 20_000
    space.audit()


def test_pseudonyms_of_a_layout_stand_where_their_subject_does(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(1001))
    both, one = (
        _layout(space, consumer, agreement, *names) for names in (("number", "district"), ("district",))
    )
    assert [row[1:] for row in both.rows] == list(one.rows)
    assert len({row[0] for row in both.rows}) == 1001
    assert not {row[0] for row in both.rows} & {f"P{number:06d}" for number in range(1001)}


def test_a_layout_ends_at_the_row_limit_and_says_so(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(1002), row_limit=100)
    layout = _layout(space, consumer, agreement)
    assert (layout.threshold.subjects, layout.complete) == (100, False)
    query = _query(keys, layout, [1] * 100, agreement, epsilon=40_000_000)
    assert open_selector(keys, query, _asked(space, consumer, agreement, query).content) < 4100 * 100 + 20_000


def test_a_layout_of_fewer_subjects_than_the_minimum_is_refused(space: Simulator) -> None:
    consumer, agreement = _agreed(space, people(9))
    with pytest.raises(Unprocessable, match="subjects"):
        _layout(space, consumer, agreement)
    space.audit()


def test_the_clamp_is_the_operands_whatever_the_column_holds(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(63))
    layout = _layout(space, consumer, agreement)
    low = Operand("income", -10, 10, precision=2)
    query = _query(keys, layout, [1] * 63, agreement, operand=low, epsilon=40_000_000)
    total = open_selector(keys, query, _asked(space, consumer, agreement, query).content)
    assert abs(total - 63 * 1000) < 1000


def test_he_04_hostile_keys_and_ciphertexts_are_refused_and_the_next_query_is_answered(
    space: Simulator, keys: Keys
) -> None:
    consumer, agreement = _agreed(space, people(64))
    layout = _layout(space, consumer, agreement)
    good = _query(keys, layout, _first(layout, 30), agreement)
    query = SelectorQuery.decode(good.body)
    contexts = [keys.public[:-1], _spoilt(keys.public, 2, 1), Keys.create(DEFAULT_PARAMETERS).public]
    bodies = [
        replace(query, context=context, key=hashlib.sha256(context).hexdigest()).encode()
        for context in contexts
    ]
    first, second = query.vectors
    pairs = [(first[:-1], second), (first, b""), (second, first + b"\x00"), (first, _spoilt(second, 2))]
    bodies += [replace(query, vectors=vectors).encode() for vectors in pairs]
    for body in bodies:
        with pytest.raises(Malformed):
            space.service.selectors.answer(consumer, agreement.id, body)
    assert open_selector(keys, good, _asked(space, consumer, agreement, good).content)
    assert space.service.answers.usage(consumer, agreement.id)["epsilon"]["spent"] == EPSILON
    space.audit()


def test_an_agreement_is_its_consumers_alone(space: Simulator, keys: Keys) -> None:
    consumer, agreement = _agreed(space, people(62))
    layout = _layout(space, consumer, agreement)
    with pytest.raises(NotFound):
        _layout(space, space.consumer(), agreement)
    with pytest.raises(NotFound):
        _asked(space, space.consumer(), agreement, _query(keys, layout, _first(layout, 30), agreement))

"""The circuit of encrypted selectors: what it answers, and that whoever bends a selector gets nothing.

Each attack is also run against a circuit that lacks what stops it, where it succeeds.
"""

from dataclasses import replace

import pytest
import tenseal.sealapi as seal
from hypothesis import given
from hypothesis import strategies as st

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.errors import Unprocessable
from dataspace.privacy.threshold import Terms
from dataspace.wire.protobuf import fields
from dataspace.wire.selector import PARAMETERS
from dataspace.wire.threshold import BATCHES_LIMIT, Threshold
from tests.privacy import crafted
from tests.privacy.selectors import (
    MODULUS,
    answered,
    circuit,
    divided,
    encryptor,
    first,
    keys,
    naive,
    sealed,
    switched,
    threshold,
    total,
    unchecked,
    values,
)

SLOTS = PARAMETERS.slots


def test_the_head_of_the_vectors_stays_as_short_as_the_minimum_asks() -> None:
    limit = threshold(20, 40_000)
    vectors = limit.vectors(first(30, 40_000))
    assert (limit.head, len(limit.roots), len(vectors)) == (40, 39, 4)
    assert {len(slots) for slots in vectors} == {SLOTS}
    assert vectors[0] == [30] * 40 + [limit.steps(30)[-1]] * (SLOTS - 40)


@given(st.integers(1, 60), st.integers(0, 400), st.integers(0, 400))
def test_p_is_zero_exactly_where_too_few_are_selected_or_left_out(
    minimum: int, more: int, selected: int
) -> None:
    limit = threshold(minimum, minimum + more)
    selected = min(selected, limit.subjects)
    left = limit.subjects - selected
    allowed = selected >= minimum and (left >= minimum or not left)
    assert (limit.steps(selected)[-1] != 0) == limit.allows(selected) == allowed


@pytest.mark.parametrize(
    ("minimum", "subjects"), [(0, 5), (10, 9), (10, BATCHES_LIMIT * SLOTS), (5000, 9000)]
)
def test_what_does_not_fit_is_no_threshold(minimum: int, subjects: int) -> None:
    with pytest.raises(Unprocessable):
        threshold(minimum, subjects)


@pytest.mark.parametrize(("minimum", "subjects"), [(10, 100), (20, 17_000)])
def test_he_14_a_total_is_that_of_plain_integers(minimum: int, subjects: int) -> None:
    limit, operand = threshold(minimum, subjects), values(subjects)
    weights = [number % 3 % 2 for number in range(subjects)]
    expected = sum(value for value, weight in zip(operand, weights, strict=True) if weight)
    answer = answered(limit, limit.vectors(weights), operand)
    assert divided(answer, limit, sum(weights)) == expected


def test_negative_values_and_noise_are_in_the_total() -> None:
    limit = threshold()
    vector = circuit().answer(
        sealed(limit.vectors(first(50))), limit, [-7] * 100, encryptor(), noise=-1_000_000
    )
    assert divided(total(vector), limit, 50) == MODULUS - 1_000_350


@pytest.mark.parametrize("selected", [*range(10), 91, 99])
def test_fewer_than_10_selected_or_left_out_decrypt_to_exactly_0(selected: int) -> None:
    limit = threshold()
    assert answered(limit, limit.vectors(first(selected)), values(100)) == 0


@pytest.mark.parametrize("selected", [1, 19, 81, 99])
def test_fewer_than_20_selected_or_left_out_decrypt_to_exactly_0(selected: int) -> None:
    limit = threshold(20)
    assert answered(limit, limit.vectors(first(selected)), values(100)) == 0


def test_slots_of_an_answer_are_uniform_also_where_they_add_up_to_0() -> None:
    limit = threshold()
    slots = keys().open(circuit().answer(sealed(limit.vectors(first(9))), limit, values(100), encryptor()))
    shares = [slot % MODULUS / MODULUS for slot in slots]
    assert abs(sum(shares) / SLOTS - 0.5) < 0.02
    assert len(set(slots)) == SLOTS


# -- what a consumer would like to get


def test_he_09_a_selector_of_one_reads_a_subject_where_nothing_holds_it_to_a_minimum() -> None:
    limit, operand = threshold(), values(100)
    vectors = limit.vectors([0, 0, 0, 1, *[0] * 96])
    vectors[0] = [1] * SLOTS  # what stands for P; a circuit without a threshold has no such factor

    def bare(terms: Terms, _: Threshold) -> Terms:
        times = [[0] * limit.head + list(terms.values[0][limit.head :])]
        # SEAL throws on a product with zero: these add a_0 twice, which is 1.
        once = [[1] + [0] * (SLOTS - 1)]
        return Terms(times, once, once, [0] * SLOTS, -2)

    assert naive(limit, vectors, operand, bare) == operand[3]
    assert answered(limit, limit.vectors([0, 0, 0, 1, *[0] * 96]), operand) == 0


@pytest.mark.parametrize("weights", [{3: 50}, {3: 2, 5: 48}, {3: -1, **dict.fromkeys(range(10, 61), 1)}])
def test_he_09_weights_but_0_and_1_pass_the_minimum_where_no_square_is_checked(
    weights: dict[int, int],
) -> None:
    limit, operand = threshold(), values(100)
    vector = [weights.get(number, 0) for number in range(100)]
    vectors, expected = limit.vectors(vector), sum(operand[at] * weight for at, weight in weights.items())
    found = naive(limit, vectors, operand, lambda terms, limit: unchecked(terms, limit, "squares"))
    assert divided(found, limit, 50) == expected % MODULUS
    one, other = (answered(limit, vectors, operand) for _ in range(2))
    assert len({one, other, found, 0}) == 4


def test_he_09_slots_without_a_subject_count_where_they_are_not_checked() -> None:
    limit, operand = threshold(), values(100)
    vectors = limit.vectors(first(50))
    vectors[1][limit.head :] = [0, 0, 0, 1, *[0] * 96, *[1] * 49, *[0] * (limit.room - 149)]
    found = naive(limit, vectors, operand, lambda terms, limit: unchecked(terms, limit, "empty"))
    assert divided(found, limit, 50) == operand[3]
    one, other = (answered(limit, vectors, operand) for _ in range(2))
    assert len({one, other, found, 0}) == 4


def _lying(what: str) -> tuple[Threshold, list[list[int]]]:
    """Return a selector of one subject that says otherwise."""
    limit = threshold()
    vectors = limit.vectors([0, 0, 0, 1, *[0] * 96])
    honest = limit.vectors(first(50))
    head = limit.head
    match what:
        case "that fifty are selected":
            vectors[0], vectors[1][:head] = honest[0], honest[1][:head]
        case "that P is 1":
            vectors[0][head:] = [1] * (SLOTS - head)
        case "that P is 1 where its subject stands":
            vectors[0][head + 3] = 1
        case "that the last step is 1":
            vectors[1][head - 1] = 1
            vectors[0][head:] = [1] * (SLOTS - head)
        case "that the steps begin with 0 and end with 1":
            vectors[1][:head] = [0] * (head - 1) + [1]
            vectors[0][head:] = [1] * (SLOTS - head)
        case "that c differs from step to step":
            vectors[0][:head] = [50] * (head - 1) + [1]
            vectors[1][:head] = honest[1][:head]
            vectors[0][head:] = honest[0][head:]
        case _:  # everything zero, but for the subject
            vectors[0] = [0] * head + [1] * (SLOTS - head)
            vectors[1][:head] = [0] * head
    return limit, vectors


LIES = [
    "that fifty are selected",
    "that P is 1",
    "that P is 1 where its subject stands",
    "that the last step is 1",
    "that the steps begin with 0 and end with 1",
    "that c differs from step to step",
    "nothing",
]


@pytest.mark.parametrize("lie", LIES)
def test_he_09_who_says_what_is_not_so_gets_randomness(lie: str) -> None:
    limit, vectors = _lying(lie)
    selector = sealed(vectors)
    found = {total(circuit().answer(selector, limit, values(100), encryptor())) for _ in range(2)}
    assert len(found) == 2
    assert 0 not in found


@pytest.mark.parametrize("lie", LIES[:2])
def test_he_09_what_is_said_is_believed_where_it_is_not_checked(lie: str) -> None:
    limit, vectors = _lying(lie)
    operand = values(100)

    def believing(terms: Terms, limit: Threshold) -> Terms:
        times = [[0] * limit.head + list(terms.values[0][limit.head :])]
        return replace(
            terms, values=times, linear=[[-n for n in terms.squares[0]]], first=[0] * SLOTS, constant=0
        )

    found = naive(limit, vectors, operand, believing)
    power = limit.steps(50)[-1] if lie == LIES[0] else 1
    assert found * pow(power, -1, MODULUS) % MODULUS == operand[3]


def test_he_09_a_malicious_consumer_reads_every_value_with_nine_answers_whatever_their_noise() -> None:
    # Nothing here stops it: this form is for consumers named semi-honest, and its naive half is ours.
    limit, operand, asked = threshold(), values(100), []
    key = circuit().key(read_context(crafted.keys().public, PARAMETERS))

    def ask(vectors: tuple[bytes, bytes]) -> bytes:
        asked.append(vectors)
        selector = circuit().selector([read_vector(vector, PARAMETERS) for vector in vectors])
        return circuit().answer(selector, limit, operand, key, noise=1_000_000_000)

    assert crafted.read_operand(ask, limit.head)[:100] == operand
    assert len(asked) == crafted.ANSWERS


# -- what an answer tells beside its sum


def _inner(message: bytes, field: int) -> bytes:
    """Return a field of one of TenSEAL's messages."""
    found = dict(fields(message))[field]
    assert not isinstance(found, int)
    return bytes(found)


def _budget(vector: bytes) -> int:
    """Return the noise budget of an answer, as whoever has the secret key can."""
    cipher = circuit()._scheme.load(seal.Ciphertext(), _inner(vector, 0x12))
    secret = seal.SecretKey()
    circuit()._scheme.load(secret, _inner(_inner(keys()._private, 0x1A), 0x0A))
    return int(seal.Decryptor(circuit()._scheme.context, secret).invariant_noise_budget(cipher))


@pytest.mark.parametrize("operand", [[0] * 100, [1] * 100, values(100), [1 << 40] * 100], ids=len)
def test_the_noise_of_an_answer_is_that_of_the_flood_whatever_the_operand(operand: list[int]) -> None:
    limit = threshold()
    query = sealed(limit.vectors(first(50)))
    assert 4 <= _budget(circuit().answer(query, limit, operand, encryptor())) <= 6


def test_without_a_flood_the_noise_is_that_of_the_operand() -> None:
    limit = threshold()
    made = circuit().evaluate(sealed(limit.vectors(first(50))), circuit().terms(limit, values(100), 0))
    assert _budget(write_vector(switched(made), SLOTS)) > 30

"""The worker of encrypted selectors, on what a consumer may send instead of one."""

from dataclasses import replace
from typing import Any

import pytest
import tenseal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.bfv.ciphertext import read_context
from dataspace.client.encrypted import Keys
from dataspace.client.selecting import open_selector
from dataspace.errors import Malformed, Refused, TooLarge, Unprocessable, VerificationError
from dataspace.sandbox import Pool
from dataspace.wire.parameters import DEFAULT_PARAMETERS
from dataspace.wire.selector import PARAMETERS, Operand, SelectorAnswer, SelectorQuery
from tests.privacy.selectors import OPERAND, first, keys, query, threshold, values, worker

LIMIT = threshold()


def request(body: bytes, **changed: Any) -> dict[str, Any]:
    return {"query": body, "context": keys().public, "minimum": 10, "values": values(100), **changed}


def bent(**changed: Any) -> bytes:
    """Return a query of which a part is another."""
    return replace(SelectorQuery.decode(query(first(50), LIMIT).body), **changed).encode()


def test_a_total_comes_with_noise_and_the_number_of_selected_without() -> None:
    asked = query(first(50), LIMIT)
    found = {open_selector(keys(), asked, worker().answer(request(asked.body))["answer"]) for _ in range(3)}
    assert len(found) == 3
    assert all(abs(total - sum(values(100)[:50])) < 40 * OPERAND.bound / 4 for total in found)


def test_he_06_answers_have_one_length_whatever_was_asked() -> None:
    one = worker().answer(request(query(first(50), LIMIT).body))["answer"]
    none = worker().answer(request(query(first(0), LIMIT).body, values=[0] * 100))["answer"]
    assert len(one) == len(none) < 1_400_000


def test_he_01_a_secret_key_is_refused_and_wiped() -> None:
    body = bytearray(bent(context=keys()._private, key="0" * 64))
    with pytest.raises(Unprocessable, match="secret key"):
        SelectorQuery.decode(body)
    assert bytes(keys()._private)[-4096:] not in bytes(body)


def test_he_02_a_context_with_galois_keys_is_refused_by_its_size_alone() -> None:
    keys_of_all_rotations = b"\x0a\x80\x80\xc0\x01" + bytes(3 << 20)
    with pytest.raises(TooLarge, match="context"):
        SelectorQuery.decode(bent(context=keys_of_all_rotations))


def test_he_02_a_context_of_another_parameter_set_is_refused() -> None:
    other = Keys.create(DEFAULT_PARAMETERS).public
    with pytest.raises(Malformed):
        read_context(other, PARAMETERS)


def test_he_03_weak_parameters_under_the_right_name_are_refused() -> None:
    weak = tenseal.context(
        tenseal.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, coeff_mod_bit_sizes=[], n_threads=1
    )
    kept = {"save_public_key": True, "save_galois_keys": False, "save_relin_keys": False}
    with pytest.raises(Malformed):
        read_context(weak.serialize(save_secret_key=False, **kept), PARAMETERS)


def test_he_05_a_query_under_another_key_is_refused() -> None:
    other = Keys.create(PARAMETERS.id)
    with pytest.raises(Unprocessable, match="key"):
        worker().answer(request(query(first(50), LIMIT, keys=other).body))
    # One who passes other ciphertexts for its own key's gets randomness.
    asked = query(first(50), LIMIT)
    stranger = SelectorQuery.decode(query(first(50), LIMIT, keys=other).body).vectors
    mixed = replace(SelectorQuery.decode(asked.body), vectors=stranger)
    content = worker().answer(request(mixed.encode()))["answer"]
    with pytest.raises(VerificationError):
        open_selector(keys(), replace(asked, binding=mixed.binding), content)


def test_he_04_a_truncated_key_is_refused() -> None:
    for cut in (0, 1, 1000, 1_000_000, len(keys().public) - 1):
        with pytest.raises(Malformed):
            worker()._circuit.key(read_context(keys().public[:cut], PARAMETERS))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 3_000_000), st.integers(1, 255))
def test_he_04_a_key_with_other_bits_is_refused_or_another_key(place: int, flipped: int) -> None:
    public = bytearray(keys().public)
    public[place % len(public)] ^= flipped
    try:
        stream = read_context(public, PARAMETERS)
    except Malformed:
        return
    worker()._circuit.key(stream)


@pytest.mark.parametrize("vectors", [1, 3])
def test_he_06_a_selector_of_another_number_of_vectors_is_refused(vectors: int) -> None:
    made = SelectorQuery.decode(query(first(50), LIMIT).body).vectors
    body = bent(vectors=(made * 2)[: 1 + vectors])
    if vectors == 1:
        assert worker().answer(request(body))
        return
    with pytest.raises(Unprocessable, match="2 vectors"):
        worker().answer(request(body))


def test_a_value_beyond_what_the_noise_is_for_is_never_answered() -> None:
    asked = query(first(50), LIMIT)
    with pytest.raises(Malformed, match="bound"):
        worker().answer(request(asked.body, values=[OPERAND.bound + 1, *values(99)]))


def test_an_answer_to_another_query_or_key_is_not_opened() -> None:
    asked, other = query(first(50), LIMIT), query(first(50), LIMIT)
    content = worker().answer(request(asked.body))["answer"]
    with pytest.raises(VerificationError, match="another query"):
        open_selector(keys(), other, content)
    with pytest.raises(VerificationError, match="another key"):
        open_selector(Keys.create(PARAMETERS.id), asked, content)


def test_he_10_an_answer_that_was_changed_on_its_way_is_not_believed() -> None:
    asked = query(first(50), LIMIT)
    found = SelectorAnswer.decode(worker().answer(request(asked.body))["answer"])
    for changed in (replace(found, selected=found.total), replace(found, layout="sl-" + "0" * 16)):
        with pytest.raises(VerificationError):
            open_selector(keys(), asked, changed.encode())


def test_too_few_are_told_as_such_when_the_service_was_asked_all_the_same() -> None:
    asked = query(first(9), LIMIT)
    with pytest.raises(Refused, match="fewer"):
        open_selector(keys(), asked, worker().answer(request(asked.body))["answer"])


def test_a_worker_of_a_pool_answers_within_its_memory() -> None:
    pool = Pool("dataspace.privacy.evaluation:SelectorEvaluator", workers=1, memory=2 << 30, deadline=60.0)
    asked = query(first(50), LIMIT)
    try:
        content = pool.call("answer", request(asked.body))["answer"]
        with pytest.raises(Malformed):
            pool.call("answer", request(b"DSLQ\x01"))
        assert pool.call("answer", request(asked.body))
    finally:
        pool.close()
    assert open_selector(keys(), asked, content)


@pytest.mark.parametrize(
    "operand",
    [
        Operand("income", 5, 5),
        Operand("income", 0, 1 << 41),
        Operand("income", 0, 1 << 40, max_rows=64),
        Operand("income", 0, 5, precision=7),
        Operand("income", 0, 5, max_rows=0),
        Operand("", 0, 5),
    ],
)
def test_an_operand_out_of_range_is_none(operand: Operand) -> None:
    with pytest.raises(Malformed):
        Operand.from_json(operand.to_json())

import hashlib
import random
from dataclasses import replace

import numpy as np
import pytest
import tenseal

from dataspace.client.encrypted import Errand
from dataspace.client.layout import Layout
from dataspace.errors import Malformed, NotFound, TooLarge, Unprocessable
from dataspace.privacy.cube import Builder, Cube
from dataspace.privacy.encrypted import Evaluator
from dataspace.sandbox import Pool
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.parameters import DEFAULT_PARAMETERS
from tests.fuzzing import Fuzzer
from tests.hostile import cube_query, foreign
from tests.privacy.scene import (
    AGREEMENT,
    CUBE,
    PARAMETERS,
    SPEC,
    answer,
    ask,
    cube,
    evaluator,
    keys,
    prepare,
    query,
)

ADMIT = {"parameters": DEFAULT_PARAMETERS}


def _slots(body: bytes, **sizes: int) -> list[int]:
    """Return what an unmodified TenSEAL client decrypts, with a size of its choice."""
    [vector, *_] = EncryptedAnswer.decode(body).vectors
    rewritten = vector.replace(b"\x0a\x02\x80\x40", bytes([0x0A, 0x02, *_two(sizes["size"])]), 1)
    found: list[int] = tenseal.bfv_vector_from(keys()._context, rewritten).decrypt()
    return found


def _weighed(table: Cube, weights: list[int]) -> bytes:
    """Return a query whose totals may be anything modulo t."""
    layout = Layout.from_json(table.layout(CUBE))
    within = dict.fromkeys(layout.bounds, PARAMETERS.plain_modulus)
    return keys().prepare(layout, weights, Errand(AGREEMENT, 2_000_000_000), within).body


def _two(size: int) -> bytes:
    return bytes([size & 127 | 128, size >> 7])


@pytest.mark.parametrize("cells", [1, 700, 8192])
def test_he_14_totals_equal_those_of_plain_integers(cells: int) -> None:
    chance = random.Random(cells)
    counts, sums, weights = (
        [chance.randint(-reach, reach) for _ in range(cells)] for reach in (3000, 5_000_000, 12)
    )
    expected = [sum(map(int.__mul__, column, weights)) for column in (counts, sums)]
    assert list(ask(cube(counts, sums), weights).values()) == expected


def test_from_exact_cells_to_totals_that_only_the_consumer_reads() -> None:
    few = [40 + number for number in range(300)]
    cells = {"keys": [[f"c{n}"] for n in range(300)], "subjects": few, "count": few, "sums": {"amount": few}}
    table = Cube.from_bytes(Builder().build({"cells": cells, "spec": SPEC, "min_group": 10})["cube"])
    query = prepare(table, [1] * len(table.keys))
    totals = keys().decrypt(answer(table, query.body), query)
    assert totals == {name: sum(column) for name, column in table.values.items()}


def test_a_measure_whose_values_are_all_zero_is_answered() -> None:
    assert ask(cube([0, 0], [5, 6]), [3, -1]) == {"count": 0, "sum(amount)": 9}


def test_weights_that_are_all_zero_are_answered() -> None:
    assert ask(cube([1, 2], [5, 6]), [0, 0]) == {"count": 0, "sum(amount)": 0}


def test_a_pinned_context_serves_a_query_that_carries_none() -> None:
    table = cube([7, 8], [1, 1])
    body = replace(EncryptedQuery.decode(prepare(table, [1, 1]).body), context=b"").encode()
    assert len(answer(table, body, keys().public)) > 400_000
    assert len(body) < 220_000
    with pytest.raises(Malformed, match="none is pinned"):
        answer(table, body)


def test_qy_21_answers_have_one_size_whatever_was_asked_and_of_whatever_cube() -> None:
    tables = [cube([0] * 5000, list(range(5000))), cube([1], [0]), cube([9] * 8192, [1 << 38] * 8192)]
    asked = [(table, [weight] * len(table.keys)) for table in tables for weight in (0, 1, -1)]
    answers = [answer(table, _weighed(table, weights)) for table, weights in asked]
    assert len(set(map(len, answers))) == 1
    # A naive answer has a slot for each cell that is left, and says so; ours has all slots, whatever is left.
    naive = [tenseal.bfv_vector(keys()._context, weights).serialize() for _, weights in asked[::3]]
    assert list(map(_size, naive)) == [5000, 1, 8192]
    assert {_size(EncryptedAnswer.decode(body).vectors[0]) for body in answers} == {8192}


def _size(vector: bytes) -> int:
    return int(tenseal.bfv_vector_from(keys()._context, vector).size())


def test_he_09_slots_are_uniform_whatever_size_is_claimed() -> None:
    table = cube([1000] * 8192, [1] * 8192)
    body = answer(table, prepare(table, [1] * 8192).body)
    slots = np.array([slot % PARAMETERS.plain_modulus for slot in _slots(body, size=8192)], float)
    slots /= PARAMETERS.plain_modulus
    assert abs(slots.mean() - 0.5) < 0.02
    assert abs(slots.std() - 12**-0.5) < 0.01
    assert abs(np.corrcoef(slots[:-1], slots[1:])[0, 1]) < 0.06
    for size in (1, 2, 4096):
        assert _slots(body, size=size)[0] % PARAMETERS.plain_modulus != 1000


def test_he_09_two_answers_to_one_query_share_nothing_but_the_total() -> None:
    table = cube([41], [1])
    body = prepare(table, [1]).body
    first, second = (_slots(answer(table, body), size=8192) for _ in range(2))
    assert sum(first) % PARAMETERS.plain_modulus == sum(second) % PARAMETERS.plain_modulus == 41
    assert not set(first) & set(second)


def test_he_01_a_context_with_a_secret_key_is_refused_with_a_warning() -> None:
    with pytest.raises(Unprocessable, match="make a new key"):
        evaluator().admit({**ADMIT, "context": keys()._private})


def test_he_01_an_envelope_with_a_secret_key_is_wiped() -> None:
    private = keys()._private
    key = hashlib.sha256(private).hexdigest()
    body = bytearray(replace(query(), context=private, key=key).encode())
    with pytest.raises(Unprocessable, match="secret key"):
        EncryptedQuery.decode(body)
    assert bytes(body[-len(private) :]) == bytes(len(private))


def test_he_02_a_context_of_other_parameters_is_refused() -> None:
    small = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    public = small.serialize(save_secret_key=False, save_galois_keys=False, save_relin_keys=False)
    with pytest.raises(Malformed):
        evaluator().admit({**ADMIT, "context": public})


def test_he_02_galois_and_relinearisation_keys_are_refused_unread() -> None:
    with pytest.raises(TooLarge, match="want at most 600000"):
        evaluator().admit({**ADMIT, "context": keys().public + b"\x2a\x80\x80\x40" + bytes(1 << 20)})


def test_he_02_parameters_come_from_the_list_only() -> None:
    with pytest.raises(Unprocessable, match="unknown parameter set"):
        evaluator().admit({"parameters": "bfv-32768-t60", "context": keys().public})


@pytest.mark.parametrize(
    "blob",
    [
        b"",
        b"\x0a\x01\x01",
        b"\x0a\x01\x01\x12\x00",
        bytes(1000),
        b"\x80" * 400,
        random.Random(4).randbytes(400_000),
    ],
)
def test_he_04_blobs_that_are_no_ciphertext_are_refused(blob: bytes) -> None:
    with pytest.raises(Malformed):
        answer(cube([1], [1]), replace(query(), vector=blob).encode())


def test_he_04_mutations_never_crash_the_worker() -> None:
    table, seen = cube([1, 2, 3], [4, 5, 6]).to_bytes(), {"answered": 0, "refused": 0}
    pool = Pool("dataspace.privacy.encrypted:Evaluator", workers=1, memory=2 << 30, deadline=10)
    try:
        fuzzer = Fuzzer(random.Random(7), foreign())
        for _ in range(320):
            body = cube_query(fuzzer, context=True)
            try:
                pool.call("answer", {"query": body, "context": b"", "cube_id": CUBE, "cube": table})
                seen["answered"] += 1
            except Malformed:  # anything else, such as Unavailable for a crash, fails the test
                seen["refused"] += 1
    finally:
        pool.close()
    # Coefficients that were changed within their modulus are a ciphertext like any other.
    assert seen["answered"] < 40 < seen["refused"]


def test_he_05_a_query_under_a_key_that_was_not_pinned_is_refused() -> None:
    other = replace(query(), key="0" * 64, context=b"")
    with pytest.raises(Unprocessable, match="not under the key"):
        answer(cube([1], [1]), other.encode(), keys().public)


def test_a_query_for_another_cube_is_refused() -> None:
    with pytest.raises(Unprocessable, match="another cube"):
        answer(cube([1], [1]), replace(query(), cube="cb-" + "0" * 16).encode())


def test_a_measure_that_the_cube_does_not_have_is_not_found() -> None:
    with pytest.raises(NotFound):
        answer(cube([1], [1]), replace(query(), measures=("sum(salary)",)).encode())


def test_a_cube_that_changed_is_encoded_anew() -> None:
    assert [ask(cube([value], [0]), [1])["count"] for value in (5, 6)] == [5, 6]


def test_evicted_cubes_are_forgotten() -> None:
    worker = Evaluator()
    request = {"query": prepare(cube([1], [1]), [1]).body, "context": b"", "cube_id": CUBE}
    worker.answer({**request, "cube": cube([1], [1]).to_bytes()})
    worker.evict({"cube_id": CUBE})
    assert not worker._operands._held


def test_the_answer_names_its_query() -> None:
    found = EncryptedAnswer.decode(answer(cube([1, 1, 1], [1, 1, 1]), query().encode()))
    assert (found.binding, found.key, found.cube) == (query().binding, query().key, CUBE)
    assert query().agreement == AGREEMENT

"""What a consumer may try with TenSEAL: each attack against the obvious service, then against ours."""

import random
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import tenseal

from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.client.encrypted import Keys
from dataspace.client.layout import Layout, limits
from dataspace.errors import Malformed, TooLarge, Unprocessable, VerificationError
from dataspace.privacy.circuit import Circuit
from dataspace.privacy.cube import Cube, build
from dataspace.privacy.spec import CubeSpec
from dataspace.privacy.suppression import Cells
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from tests.privacy import inflated
from tests.privacy.scene import CUBE, PARAMETERS, SPEC, answer, ask, cube, evaluator, keys, prepare, query

ROWS = 1000
CHANCE = random.Random(17)
SALARIES = [CHANCE.randrange(3_000, 50_000) for _ in range(ROWS - 3)] + [90_001, 90_002, 95_003]


@cache
def rotating() -> Any:
    """Return a context with Galois keys, as TenSEAL's own sums want it."""
    context = tenseal.context(tenseal.SCHEME_TYPE.CKKS, 8192, coeff_mod_bit_sizes=[60, 40, 60], n_threads=1)
    context.global_scale = 2**40
    context.generate_galois_keys()
    return context


def rewritten(vector: bytes, size: int) -> bytes:
    """Return a vector that says it has so many slots."""
    end = 2 + vector[1]
    sizes = bytes([size & 127 | 128, size >> 7])
    return b"\x0a\x02" + sizes + vector[end:]


def raw_answer(bits: int) -> bytes:
    """Return what our exact route, flood, mask and switch, makes of a raw column and an inflated query."""
    circuit = Circuit(PARAMETERS)
    key = circuit.key(read_context(keys().public, PARAMETERS))
    zero = tenseal.bfv_vector(keys()._context, [0] * PARAMETERS.slots).serialize()
    hostile = circuit.query(read_vector(inflated.inflate(zero, bits), PARAMETERS))
    return write_vector(circuit.answer(hostile, circuit.operand(SALARIES), key), PARAMETERS.slots)


def cube_answer(table: Cube, bits: int) -> bytes:
    """Return the first vector of our service's answer to an inflated query over a cube."""
    envelope = EncryptedQuery.decode(prepare(table, [0] * len(table.keys)).body)
    zero = tenseal.bfv_vector(keys()._context, [0] * PARAMETERS.slots).serialize()
    hostile = replace(envelope, vector=inflated.inflate(zero, bits))
    return EncryptedAnswer.decode(answer(table, hostile.encode())).vectors[0]


def salaries_cube() -> tuple[Cells, Cube]:
    """Return the exact counts of the salaries by bands of a thousand, and the cube of them."""
    bands = [salary // 1000 for salary in SALARIES]
    names = sorted(set(bands))
    counts = [bands.count(name) for name in names]
    cells = Cells.from_json(
        {"keys": [[name] for name in names], "subjects": counts, "count": counts, "sums": {}}
    )
    spec = {"dimensions": ["band"], "measures": [{"kind": "count"}], "max_rows": 1, "epsilon": 1_500_000}
    return cells, build(cells, CubeSpec.from_json({**spec, "presence": "exact"}), 10)


def test_he_09_partial_sums_of_rotations_give_away_every_row_of_tenseals_dot() -> None:
    weights = tenseal.ckks_vector(rotating(), [1.0] * ROWS)
    told = weights.dot([salary / 1000 for salary in SALARIES]).serialize()
    slots = tenseal.ckks_vector_from(rotating(), rewritten(told, 4096)).decrypt()
    found = [round(1000 * (slots[place] - slots[place + 1])) for place in range(ROWS)]
    assert sum(abs(one - true) <= 2 for one, true in zip(found, SALARIES, strict=True)) > 0.9 * ROWS


def test_he_09_rewriting_the_sizes_of_our_answer_gives_away_no_cell() -> None:
    table = cube(SALARIES, [1] * ROWS)
    body = answer(table, prepare(table, [1] * ROWS).body)
    [vector, _] = EncryptedAnswer.decode(body).vectors
    slots = tenseal.bfv_vector_from(keys()._context, rewritten(vector, 4096)).decrypt()
    modulus = PARAMETERS.plain_modulus
    differences = {(slots[place] - slots[place + 1]) % modulus for place in range(ROWS)}
    assert not {slot % modulus for slot in slots} & set(SALARIES)
    assert not differences & set(SALARIES)


def test_he_09_inflated_noise_reads_a_raw_column_through_flood_mask_and_switch() -> None:
    answers = {bits: raw_answer(bits) for bits in (inflated.LOW, inflated.HIGH)}
    assert inflated.read_operand(Circuit(PARAMETERS), answers)[:ROWS] == SALARIES


def test_he_09_inflated_noise_reads_of_a_cube_what_was_released_and_nothing_else() -> None:
    cells, table = salaries_cube()
    answers = {bits: cube_answer(table, bits) for bits in (inflated.LOW, inflated.HIGH)}
    found = inflated.read_operand(Circuit(PARAMETERS), answers)
    shown = table.values["count"]
    assert tuple(found[: len(shown)]) == shown
    assert not any(found[len(shown) :])
    exact = dict(zip(cells.keys, cells.count, strict=True))
    hidden = [key for key, few in exact.items() if few < 10]
    assert hidden
    assert not set(hidden) & set(table.keys)
    # And what it has is noised, each value by itself: an attack learns less than the layout's words told.
    assert sum(exact[key] != value for key, value in zip(table.keys, shown, strict=True)) > len(shown) / 5


def test_he_09_one_weight_chooses_a_row_of_a_naive_operand_and_a_noised_cell_of_ours() -> None:
    context, place = keys()._context, 123
    chosen = [int(slot == place) for slot in range(ROWS)]
    naive = tenseal.bfv_vector(context, chosen) * SALARIES
    assert sum(naive.decrypt()) % PARAMETERS.plain_modulus == SALARIES[place]
    cells, table = salaries_cube()
    subjects = dict(zip(cells.keys, cells.subjects, strict=True))
    prepared = prepare(table, [1] + [0] * (len(table.keys) - 1))
    assert keys().decrypt(answer(table, prepared.body), prepared)["count"] == table.values["count"][0]
    assert all(subjects[key] >= 10 for key in table.keys)


def test_he_01_tenseal_takes_a_secret_key_and_we_refuse_it() -> None:
    assert tenseal.context_from(keys()._private, n_threads=1).is_private()
    with pytest.raises(Unprocessable, match="secret key"):
        evaluator().admit({"parameters": PARAMETERS.id, "context": keys()._private})


def test_he_02_tenseal_takes_keys_of_any_size_and_we_refuse_them_unread() -> None:
    huge = rotating().serialize(save_secret_key=False, save_galois_keys=True, save_relin_keys=False)
    assert len(huge) > 20 * PARAMETERS.context_limit
    assert tenseal.context_from(huge, n_threads=1).has_galois_keys()
    with pytest.raises(TooLarge):
        evaluator().admit({"parameters": PARAMETERS.id, "context": huge})


def test_he_03_seal_works_with_weak_parameters_and_we_know_none() -> None:
    small = tenseal.context(
        tenseal.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, coeff_mod_bit_sizes=[36, 36, 37], n_threads=1
    )
    public = small.serialize(save_secret_key=False, save_galois_keys=False, save_relin_keys=False)
    assert tenseal.bfv_vector(tenseal.context_from(public, n_threads=1), [5]).size() == 1
    with pytest.raises(Malformed):
        evaluator().admit({"parameters": PARAMETERS.id, "context": public})
    with pytest.raises(Unprocessable):
        evaluator().admit({"parameters": "bfv-4096-t20", "context": public})
    with pytest.raises(Unprocessable, match="a cube is not asked"):
        answer(cube([1], [1]), replace(query(), parameters="bfv-16384-t45").encode())


def test_he_04_tenseal_takes_nothing_for_a_ciphertext_and_we_refuse_it() -> None:
    assert tenseal.bfv_vector_from(keys()._context, b"").size() == 0
    with pytest.raises(Malformed):
        answer(cube([1], [1]), replace(query(), vector=b"").encode())


def test_he_05_tenseal_decrypts_what_another_key_made_and_we_do_not() -> None:
    foreign = Keys.create().seal([7] * 8192)
    naive = tenseal.bfv_vector_from(keys()._context, foreign).decrypt()
    assert len(naive) == 8192
    assert naive[:3] != [7, 7, 7]
    with pytest.raises(VerificationError, match="not computed under this key"):
        keys().open(foreign)


_CRASH = """
import tenseal
context = tenseal.context(tenseal.SCHEME_TYPE.BFV, 8192, plain_modulus=1032193, n_threads=1)
context.generate_galois_keys()
vector = tenseal.bfv_vector(context, [1, 2, 3]).serialize()
tenseal.bfv_vector_from(context, vector[3:]).sum()
"""


def test_he_06_a_vector_without_sizes_ends_a_naive_service_and_is_refused_by_ours() -> None:
    naive = subprocess.run([sys.executable, "-c", _CRASH], check=False, capture_output=True, timeout=60)
    assert naive.returncode < 0  # by a signal
    with pytest.raises(Malformed):
        answer(cube([1], [1]), replace(query(), vector=query().vector[4:]).encode())


def test_he_10_an_answer_changed_on_its_way_is_another_total_for_tenseal_and_none_for_us() -> None:
    table = cube([41], [1])
    prepared = prepare(table, [1])
    honest = EncryptedAnswer.decode(answer(table, prepared.body))
    more = tenseal.bfv_vector_from(keys()._context, honest.vectors[0]) + [10_000] * 8192
    naive = sum(more.decrypt()) % PARAMETERS.plain_modulus
    assert naive != 41
    changed = replace(honest, vectors=(more.serialize(), honest.vectors[1])).encode()
    with pytest.raises(VerificationError):
        keys().decrypt(changed, prepared)


def test_he_14_a_naive_sum_wraps_around_silently_and_ours_is_refused_before() -> None:
    half = PARAMETERS.plain_modulus // 2
    naive = tenseal.bfv_vector(keys()._context, [1, 1]) * [half, half] + [half, half]
    assert naive.decrypt() == [-1, -1]
    table = cube([1, 1], [half, half])
    layout = Layout.from_json(table.layout(CUBE))
    with pytest.raises(Unprocessable, match="might pass"):
        limits(layout, [1, 1])
    assert ask(cube([1, 1], [half // 4, half // 4]), [1, 1])["sum(amount)"] == half // 4 * 2
    assert SPEC["max_rows"] == 2

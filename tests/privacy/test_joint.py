"""Parts of joint statistics: uniform alone, exact together; the attacks succeed where there are no masks."""

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dataspace.bfv.ciphertext import write_vector
from dataspace.client.encrypted import Keys
from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.joint import ADD, SUBTRACT, Adder, Masker, mask, noised, stream
from dataspace.privacy.suppression import Cells
from dataspace.wire.joint import TAIL, Job, Measure
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from tests.privacy.scene import keys

PARAMETERS = parameter_set(DEFAULT_PARAMETERS)
T = PARAMETERS.plain_modulus
PEERS = ("a", "b", "c")
JOB = Job(
    id="0" * 32,
    peers=PEERS,
    coordinator="a",
    agreements={peer: f"ag-{place:016x}" for place, peer in enumerate(PEERS)},
    rows=dict.fromkeys(PEERS, 10_000),
    dimensions=("n",),
    cells=tuple((number,) for number in range(40)),
    measures=(Measure(), Measure("amount", 0, 100)),
    max_rows=1,
    epsilon=3_000_000,
    key="0" * 64,
    expires=2_000_000_000,
)


def _masks(peers: Sequence[str]) -> dict[str, list[tuple[bytes, int]]]:
    """Return what each peer masks with, as the smaller and the larger name of each pair do."""
    found: dict[str, list[tuple[bytes, int]]] = {peer: [] for peer in peers}
    for first, second in combinations(sorted(peers), 2):
        seed = secrets.token_bytes(32)
        found[first].append((seed, ADD))
        found[second].append((seed, SUBTRACT))
    return found


def _table(subjects: dict[int, int]) -> dict[str, Any]:
    few = list(subjects.values())
    return {
        "keys": [[number] for number in subjects],
        "subjects": few,
        "count": few,
        "sums": {"amount": [50 * n for n in few]},
    }


def _added(parts: Sequence[Any]) -> list[int]:
    return [sum(values) % T for values in zip(*(part.tolist() for part in parts), strict=True)]


def _spread(values: Sequence[int]) -> float:
    """Return Pearson's chi-square of 64 equal classes: 63 in the mean, with a deviation of 11."""
    found = Counter(value * 64 // T for value in values)
    mean = len(values) / 64
    return sum((found[number] - mean) ** 2 / mean for number in range(64))


@pytest.mark.parametrize("peers", [PEERS[:2], PEERS, tuple("abcdefgh")])
def test_masks_of_all_peers_add_up_to_nothing(peers: tuple[str, ...]) -> None:
    masks, values = _masks(peers), list(range(-500, 500))
    parts = [mask(values, masks[peer], PARAMETERS) for peer in peers]
    assert _added(parts) == [len(peers) * value % T for value in values]


def test_a_part_alone_and_all_parts_but_one_are_uniform() -> None:
    masks, values = _masks(PEERS), [120] * 8192
    parts = [mask(values, masks[peer], PARAMETERS) for peer in PEERS]
    for chosen in (parts[:1], parts[1:2], parts[:2], parts[1:]):
        assert _spread(_added(chosen)) < 63 + 6 * 11
    # The naive part, without masks, is all in one class.
    assert _spread(mask(values, [], PARAMETERS).tolist()) > 100_000


def test_a_mask_is_a_function_of_its_seed_and_below_the_modulus() -> None:
    seed = secrets.token_bytes(32)
    long = stream(seed, 70_000, PARAMETERS)
    assert len(long) == 70_000
    assert int(long.max()) < T
    assert (stream(seed, 70_000, PARAMETERS) == long).all()
    assert (stream(secrets.token_bytes(32), 70_000, PARAMETERS) != long).sum() > 69_990
    assert len(stream(seed, 0, PARAMETERS)) == 0
    # Rejection keeps the words in their order: what both derive is the same, whatever is dropped.
    assert (stream(seed, 100, PARAMETERS) == long[:100]).all()


def test_malformed_masks_are_refused() -> None:
    for seed, sign in ((bytes(16), ADD), (bytes(32), 0), (bytes(32), 2)):
        with pytest.raises(Malformed):
            mask([1], [(seed, sign)], PARAMETERS)


def test_a_cell_with_too_few_subjects_adds_noise_alone() -> None:
    table = Cells.from_json(_table({number: 300 if number % 4 else 9 for number in range(39)}))
    counts = noised(table, JOB, "a", 10)[:40]
    for number, count in enumerate(counts):
        expected = 300 if number % 4 and number < 39 else 0
        assert abs(count - expected) < 40, number


def test_cells_that_were_not_asked_for_do_not_come_and_the_order_is_the_jobs() -> None:
    job = replace(JOB, cells=((3,), (77,), (1,)), measures=(Measure(),))
    table = Cells.from_json({**_table({1: 1000, 2: 2000, 3: 3000}), "sums": {}})
    three, none, one = noised(table, job, "a", 10)
    assert (abs(three - 3000) < 40, abs(none) < 40, abs(one - 1000) < 40) == (True, True, True)


def test_text_and_number_and_truth_are_different_cells() -> None:
    job = replace(JOB, cells=((1,), ("1",), (True,)), measures=(Measure(),))
    table = Cells.from_json({"keys": [["1"]], "subjects": [500], "count": [500], "sums": {}})
    assert [abs(value) > 200 for value in noised(table, job, "a", 10)] == [False, True, False]


def test_every_call_draws_its_own_noise_of_the_jobs_scale() -> None:
    job = replace(JOB, cells=tuple((number,) for number in range(2000)), epsilon=300_000)
    empty = Cells.from_json({"keys": [], "subjects": [], "count": [], "sums": {"amount": []}})
    one, two = noised(empty, job, "a", 10), noised(empty, job, "a", 10)
    assert one != two
    for start, measure in ((0, JOB.measures[0]), (2000, JOB.measures[1])):
        mean = float(np.abs(one[start : start + 2000]).mean())
        assert (
            0.85 < mean / job.noise(measure) < 1.15
        )  # the mean distance from 0 of Laplace noise is its scale


def test_no_value_passes_its_reach() -> None:
    reach = JOB.reach(JOB.measures[0], "a")
    assert reach == 10_000 + TAIL * JOB.noise(JOB.measures[0])
    table = Cells.from_json(_table({1: 20_000}))  # more than the job was told: it was checked before
    assert noised(table, JOB, "a", 10)[1] == reach


def test_cells_that_break_the_sensitivity_are_refused() -> None:
    right = _table({1: 100})
    for changed in (
        {**right, "count": [101]},
        {**right, "sums": {"amount": [10_001]}},
        {**right, "sums": {}},
        {**right, "keys": [[1, 2]]},
    ):
        with pytest.raises(Malformed):
            noised(Cells.from_json(changed), JOB, "a", 10)


def _vectors(keys: Keys, masks: list[list[Any]], table: dict[str, Any]) -> list[bytes]:
    """Return a zone's part by the two processes that make it."""
    asked = {"cells": table, "job": JOB.encode(), "peer": "a", "min_group": 10, "masks": masks}
    values = Masker().part(asked)["values"]
    sealed = {"values": values, "parameters": DEFAULT_PARAMETERS, "context": keys.public}
    return Adder().encrypt(sealed)["vectors"]


def test_parts_add_up_under_encryption_and_one_alone_tells_nothing() -> None:
    masks, table = _masks(PEERS), _table(dict.fromkeys(range(40), 400))
    parts = [_vectors(keys(), [list(one) for one in masks[peer]], table) for peer in PEERS]
    assert [len(part) for part in parts] == [1, 1, 1]
    [total] = Adder().add({"parameters": DEFAULT_PARAMETERS, "parts": parts})["vectors"]
    opened = keys().open(total)
    assert all(abs(value - 1200) < 60 for value in opened[:40])
    assert not any(opened[80:])
    for part in parts:
        alone = keys().open(write_vector(part[0], PARAMETERS.slots))[:40]
        # Uniform, one is so small with a chance of 2e-6, and two of 40 in any part with one of 8e-9.
        assert sum(abs(value) < 10**6 for value in alone) <= 1
    [naive] = _vectors(keys(), [], table)
    assert all(abs(value - 400) < 60 for value in keys().open(write_vector(naive, PARAMETERS.slots))[:40])


def test_the_sum_is_half_as_long_as_a_part_and_exact_to_the_limit() -> None:
    adder, top = Adder(), T // 2 // 16 - 1
    words = np.array([top] * 8192, np.uint64).astype("<u8").tobytes()
    sealed = {"values": words, "parameters": DEFAULT_PARAMETERS, "context": keys().public}
    parts = [adder.encrypt(sealed)["vectors"] for _ in range(16)]
    [total] = adder.add({"parameters": DEFAULT_PARAMETERS, "parts": parts})["vectors"]
    assert len(total) < 230_000 < len(parts[0][0])
    assert keys().open(total) == [16 * top] * 8192


def test_he_04_ciphertexts_that_are_none_are_refused_with_one_error() -> None:
    adder = Adder()
    words = {"values": bytes(8), "parameters": DEFAULT_PARAMETERS, "context": keys().public}
    [right] = adder.encrypt(words)["vectors"]
    assert adder.check({"parameters": DEFAULT_PARAMETERS, "vectors": [right]}) == {"vectors": 1}
    for wrong in (b"", right[:-1], right + b"\0", secrets.token_bytes(len(right)), bytes(len(right))):
        with pytest.raises(Malformed):
            adder.check({"parameters": DEFAULT_PARAMETERS, "vectors": [right, wrong]})
        with pytest.raises(Malformed):
            adder.add({"parameters": DEFAULT_PARAMETERS, "parts": [[right], [wrong]]})
    with pytest.raises(Malformed, match="another number"):
        adder.add({"parameters": DEFAULT_PARAMETERS, "parts": [[right], [right, right]]})


def test_he_01_a_context_with_a_secret_key_is_refused() -> None:
    with pytest.raises(Unprocessable, match="secret key"):
        Adder().admit({"parameters": DEFAULT_PARAMETERS, "context": bytearray(keys()._private)})
    with pytest.raises(Malformed):
        Adder().admit({"parameters": DEFAULT_PARAMETERS, "context": b""})

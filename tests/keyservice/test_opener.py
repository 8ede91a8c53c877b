"""What the key service opens, and what it does not: each attack succeeds against one that only decrypts."""

import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.bfv.sealed import slot_weights
from dataspace.errors import Malformed, Refused, Unprocessable, VerificationError
from dataspace.keyservice.opener import Opener, _subjects
from dataspace.proof.canonical import canonical
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.manifest import Manifest
from dataspace.wire.sealed import RESULT_MAGIC, Plan
from tests.keyservice.local import Local, csv, one_hot, rows

TABLE = rows(20_000)
INCOME = {f"district {d}": sum(row[2] for row in TABLE if row[1] == f"district {d}") for d in range(3)}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Local:
    return Local.make(tmp_path_factory.mktemp("local"), csv(TABLE))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Local:
    return Local.make(tmp_path_factory.mktemp("other"), csv(TABLE))


@pytest.fixture(scope="module")
def opener() -> Opener:
    return Opener()


def ask(opener: Opener, local: Local, plan: Plan, result: bytes) -> list[int]:
    found: list[int] = opener.open(local.request(plan, result))["totals"]
    return found


def test_a_weighted_total_is_the_plans_but_for_its_noise(local: Local, opener: Opener) -> None:
    group = {local.cell("district 0"): 3, local.cell("district 2"): -2}
    plan = local.plan(group, epsilon=100_000_000)
    exact = 3 * INCOME["district 0"] - 2 * INCOME["district 2"]
    assert local.naive(local.computed(plan)) == [exact]
    [total] = ask(opener, local, plan, local.computed(plan))
    assert abs(total - exact) < 200_000 * 3 / 100 * 20


def test_negative_values_and_several_groups_add_up(local: Local, opener: Opener) -> None:
    plan = local.plan(*({cell: 1} for cell in range(3)), measure="debt", epsilon=100_000_000)
    totals = ask(opener, local, plan, local.computed(plan))
    exact = [sum(row[3] for row in TABLE if [row[1]] == labels) for labels in local.manifest.facts.cells]
    assert all(abs(total - right) < 5000 / 100 * 20 for total, right in zip(totals, exact, strict=True))


def test_a_count_needs_no_ciphertext(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1, 1: 1, 2: 1}, measure="count", epsilon=100_000_000)
    [total] = ask(opener, local, plan, b"")
    assert abs(total - len(TABLE)) < 2
    with pytest.raises(VerificationError):
        ask(opener, local, plan, local.computed(local.plan({0: 1})))


def test_subjects_of_the_largest_manifest_are_counted_in_a_worker(local: Local) -> None:
    """A set of them takes gigabytes, and every dataset's answers wait behind it."""
    each = 400_000
    pairs = np.arange(3 * each, dtype="<u4") // 2  # the halves of two cells are the same subjects
    facts = msgspec.structs.replace(local.manifest.facts, subjects=[each] * 3, min_group=each * 2)
    manifest = msgspec.structs.replace(local.manifest, facts=facts, pairs=pairs.tobytes())
    [group] = local.plan({0: 1, 1: 1, 2: 1}).groups
    tracemalloc.start()
    try:
        assert _subjects(group, 1, manifest, facts.min_group) == 3 * each // 2
        assert tracemalloc.get_traced_memory()[1] < 4 * len(pairs) * 4
    finally:
        tracemalloc.stop()


def test_he_08_no_total_is_opened_without_noise_and_none_twice_alike(local: Local, opener: Opener) -> None:
    plan = local.plan({local.cell("district 0"): 1})
    result = local.computed(plan)
    totals = {ask(opener, local, plan, result)[0] for _ in range(5)}
    assert len(totals) > 1
    assert local.naive(result) == [INCOME["district 0"]]


def test_noise_of_a_tiny_epsilon_is_an_answer_that_json_can_carry(local: Local, opener: Opener) -> None:
    """One that fails would have spent the dataset's epsilon, and be charged to nobody."""
    plan = local.plan({local.cell("district 0"): 800_000}, epsilon=1)
    totals = [ask(opener, local, plan, local.computed(plan))[0] for _ in range(5)]
    assert canonical(totals)
    assert {abs(total) for total in totals} & {(1 << 53) - 1}


def test_a_plan_of_many_groups_takes_the_room_of_one(local: Local, opener: Opener) -> None:
    """A worker that ends for want of memory has spent the dataset's epsilon, and nobody is charged."""
    cells = len(local.manifest.facts.counts)
    many = local.with_facts(counts=[400_000] * cells)
    plan = many.plan(*({cell: 1} for cell in range(cells)), measure="count")
    tracemalloc.start()
    try:
        ask(opener, many, plan, b"")
        assert tracemalloc.get_traced_memory()[1] < 8 * 400_000 * cells * 3
    finally:
        tracemalloc.stop()


def test_he_09_one_row_is_not_opened_as_a_groups_total(local: Local, opener: Opener) -> None:
    forged = local.weighted({0: one_hot(5)})
    assert local.naive(forged)[0] in {row[2] for row in TABLE}
    with pytest.raises(VerificationError):
        ask(opener, local, local.plan(dict.fromkeys(range(3), 1)), forged)


def _forged(local: Local, other: Local) -> dict[str, bytes]:
    """Results that are not of the plan "everybody, once"; each decrypts to something else."""
    honest = local.computed(local.plan({0: 1, 1: 1, 2: 1}))
    values, tags = (bytes(part) for part in split_parts(honest, RESULT_MAGIC))
    full = slot_weights([1, 1, 1], local.manifest.facts.counts, 3).tolist()
    return {
        "scaled": local.computed(local.plan({0: 2, 1: 2, 2: 2})),
        "other weights": local.computed(local.plan({0: 1, 1: 2, 2: 1})),
        "a group left out": local.computed(local.plan({0: 1, 2: 1})),
        "a row left out": local.weighted({0: [0, *full[1:]], 1: full, 2: full}),
        "a block twice": local.weighted({0: full, 1: [2 * one for one in full], 2: full}),
        "one block": local.weighted({1: full}),
        "another measure": local.computed(local.plan({0: 1, 1: 1, 2: 1}, measure="debt")),
        "another dataset": other.computed(other.plan({0: 1, 1: 1, 2: 1})),
        "values for tags": join_parts(RESULT_MAGIC, [values, values]),
        "tags for values": join_parts(RESULT_MAGIC, [tags, values]),
    }


NAMES = [
    *("scaled", "other weights", "a group left out", "a row left out", "a block twice", "one block"),
    *("another measure", "another dataset", "values for tags", "tags for values"),
]


@pytest.mark.parametrize("name", NAMES)
def test_he_09_a_result_of_another_plan_is_refused_by_its_tags(
    local: Local, other: Local, opener: Opener, name: str
) -> None:
    with pytest.raises(VerificationError):
        ask(opener, local, local.plan({0: 1, 1: 1, 2: 1}), _forged(local, other)[name])


def test_he_09_swapped_blocks_are_refused_by_their_tags(local: Local, opener: Opener) -> None:
    weights = slot_weights([1, 1, 1], local.manifest.facts.counts, 3).tolist()
    swapped = local.weighted({0: weights, 2: weights})
    # As if the rows of block 2 were those of block 1: the places of the tags tell.
    plan = local.plan(dict.fromkeys(range(3), 1))
    assert local.naive(swapped) != local.naive(local.computed(plan))
    with pytest.raises(VerificationError):
        ask(opener, local, plan, swapped)


def test_he_07_a_result_that_was_added_to_is_refused(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1})
    values, tags = split_parts(local.computed(plan), RESULT_MAGIC)
    changed = bytearray(values)
    changed[0:6] = (int.from_bytes(changed[0:6], "little") // 2).to_bytes(6, "little")
    with pytest.raises(VerificationError):
        ask(opener, local, plan, join_parts(RESULT_MAGIC, [bytes(changed), bytes(tags)]))


def test_a_group_of_too_few_subjects_is_refused(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1})
    strict = local.with_facts(min_group=7_000)
    assert local.naive(local.computed(plan))
    with pytest.raises(Refused, match="7000 subjects"):
        ask(opener, strict, plan, local.computed(plan))
    both = local.plan({0: 1, 1: 1})
    ask(opener, strict, both, local.computed(both))


def test_a_small_group_does_not_hide_in_a_large_one_by_its_weight(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1_000_000, 1: 1, 2: 1})
    with pytest.raises(Refused):
        ask(opener, local.with_facts(min_group=7_000), plan, local.computed(plan))


def test_a_limit_of_the_platforms_own_is_refused_whatever_the_data(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1}, min_group=11)
    with pytest.raises(Refused, match="sealed for groups of 10"):
        ask(opener, local, plan, local.computed(plan))


def test_a_total_that_could_wrap_is_refused_before_it_is_opened(local: Local, opener: Opener) -> None:
    plan = local.plan({0: 1 << 30})
    with pytest.raises(Unprocessable, match="could pass"):
        ask(opener, local, plan, b"")


def test_a_cell_that_is_not_there_is_refused(local: Local, opener: Opener) -> None:
    with pytest.raises(Unprocessable, match="3 cells"):
        ask(opener, local, local.plan({3: 1}), b"")


@settings(max_examples=30)
@given(noise=st.binary(max_size=300))
def test_noise_is_refused_with_one_error(local: Local, opener: Opener, noise: bytes) -> None:
    with pytest.raises(Malformed):
        ask(opener, local, local.plan({0: 1}), noise)
    with pytest.raises(Malformed):
        Manifest.decode(noise)


@settings(max_examples=40)
@given(data=st.data())
def test_a_manifest_that_was_changed_is_refused_with_one_error(local: Local, data: st.DataObject) -> None:
    facts = msgspec.json.encode(local.manifest.facts)
    at = data.draw(st.integers(0, len(facts) - 1))
    changed = facts[:at] + bytes([data.draw(st.integers(0, 255))]) + facts[at + 1 :]
    whole = local.manifest.encode().replace(facts, changed)
    try:
        Manifest.decode(whole)
    except Malformed:
        return

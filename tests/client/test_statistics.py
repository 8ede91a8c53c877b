"""Encrypted statistics through the SDK and a real service, against the same numbers in the clear."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from dataspace.client import DataSpace
from dataspace.client.encrypted import Keys
from dataspace.client.keyring import KeyRing
from dataspace.errors import Malformed, NotFound, Unprocessable
from dataspace.wire.parameters import SELECTOR_PARAMETERS
from tests.simulator import Simulator

ROWS = 4000
EPSILON = 90_000_000


@pytest.fixture(scope="module")
def people() -> list[tuple[str, str, int, int, int | None]]:
    """Return number, district, age, height and income, which follows from the others but for some."""
    chance = random.Random(11)
    found = []
    for number in range(ROWS):
        age, height = chance.randrange(20, 80), chance.randrange(150, 200)
        income = 1000 + 40 * age + 10 * height + chance.randrange(-100, 100)
        found.append(
            (f"P{number}", f"district {number % 3}", age, height, None if number % 50 == 0 else income)
        )
    return found


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing.create()


@pytest.fixture(scope="module")
def asking(space: Simulator, url: str, people: list[Any]) -> Iterator[tuple[DataSpace, str]]:
    lines = ["number,district,age,height,income"]
    lines += [",".join("" if value is None else str(value) for value in row) for row in people]
    measured = {name: {"aggregable": True} for name in ("age", "height", "income")}
    staged = space.upload(provider := space.provider(), "\n".join(lines).encode() + b"\n")
    with DataSpace(url, space.tokens[provider.id]) as sdk:
        terms = {"forms": ["encrypted"], "epsilon": 900_000_000, "units": 1000}
        done = sdk.confirm(
            staged.id, "People", price=1, subjects=["number"], corrections=measured, offer=terms
        )
    consumer = space.consumer()
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        yield sdk, sdk.negotiate(done["offer"], "statistics", ["encrypted"])["id"]


def test_a_count_of_everybody_is_one_unit_and_one_for_the_cube(
    asking: tuple[DataSpace, str], ring: KeyRing
) -> None:
    space, agreement = asking
    found = space.encrypted_count(agreement, keys=ring, epsilon=EPSILON)
    assert abs(found.value - ROWS) < 10 * found.error + 1
    assert (found.units, found.epsilon, len(found.receipts())) == (2, EPSILON, 1)
    assert space.encrypted_count(agreement, keys=ring, epsilon=EPSILON).epsilon == 0


def test_groups_share_a_query_as_far_as_they_fit(asking: tuple[DataSpace, str], ring: KeyRing) -> None:
    space, agreement = asking
    found = space.encrypted_count(agreement, keys=ring, by=["district"], epsilon=EPSILON)
    assert [group.key for group in found] == [(f"district {n}",) for n in range(3)]
    assert all(abs(group.value - ROWS / 3) < 10 * group.error + 1 for group in found)
    assert found.units == 2  # the cube, and one query for all three


def test_a_mean_is_of_the_rows_that_have_a_value(
    asking: tuple[DataSpace, str], ring: KeyRing, people: list[Any]
) -> None:
    space, agreement = asking
    wanted: dict[str, Any] = {"by": ["district"], "where": {"district": ["district 1", "district 2"]}}
    found = space.encrypted_mean(agreement, "income", keys=ring, bounds=(0, 8000), epsilon=EPSILON, **wanted)
    for group in found:
        [name] = group.key
        true = np.mean([row[4] for row in people if row[1] == name and row[4] is not None])
        assert abs(group.value - true) < 8 * group.error
        assert 0 < group.error < 2
    assert len(found.groups) == 2


def test_from_an_estimate_to_an_answer_that_costs_and_errs_as_it_said(
    asking: tuple[DataSpace, str], ring: KeyRing
) -> None:
    space, agreement = asking
    how: dict[str, Any] = {"bounds": (0, 8000), "epsilon": EPSILON - 3}
    before = space.estimate_encrypted(agreement, "mean", "income", points=10, **how)
    found = space.encrypted_mean(agreement, "income", keys=ring, **how)
    assert (found.units, found.epsilon) == (before["units"], before["epsilon"]) == (2, EPSILON - 3)
    [mean] = [measure for measure in before["measures"] if measure["name"] == "mean(income)"]
    # No mean is as far from 0 as its bound, which is all that is known before.
    assert found.error < mean["wide"] / before["rows"] < 0.5
    assert (mean["per_row"], before["rows"]) == (True, ROWS)
    assert before["needed"] < EPSILON
    after = space.estimate_encrypted(agreement, "mean", "income", **how)
    assert (after["units"], after["epsilon"], after["again"]) == (1, 0, True)
    assert after["words"]["en"].startswith(f"about {after['left']['units']} more aggregates at +-")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("mean",), "no mean of 0 columns"),
        (("median", "age"), "no median of 1 columns: want one of count of 0, sum of 1"),
        (("regression", "age"), "a regression is of a column on one or more others"),
        (("sum", "age"), "age"),
    ],
)
def test_a_statistic_that_is_none_has_no_estimate(
    asking: tuple[DataSpace, str], asked: tuple[str, ...], said: str
) -> None:
    space, agreement = asking
    with pytest.raises(Malformed, match=said):
        space.estimate_encrypted(agreement, *asked)


def test_a_variance_and_a_covariance(asking: tuple[DataSpace, str], ring: KeyRing, people: list[Any]) -> None:
    space, agreement = asking
    known = [row for row in people if row[4] is not None]
    found = space.encrypted_variance(agreement, "income", keys=ring, bounds=(0, 8000), epsilon=EPSILON)
    assert abs(found.value - np.var([row[4] for row in known])) < 8 * found.error
    bounds = {"age": (0, 120), "income": (0, 8000)}
    both = space.encrypted_covariance(agreement, "age", "income", keys=ring, bounds=bounds, epsilon=EPSILON)
    wanted = np.cov([row[2] for row in known], [row[4] for row in known], bias=True)[0, 1]
    assert abs(both.value - wanted) < 8 * both.error


def test_a_histogram_in_bins(asking: tuple[DataSpace, str], ring: KeyRing, people: list[Any]) -> None:
    space, agreement = asking
    found = space.encrypted_histogram(agreement, "age", bands="30,60", keys=ring, epsilon=EPSILON)
    assert [group.key[0] for group in found] == ["< 30", ">= 60", "[30, 60)"]
    assert (
        abs(found["[30, 60)"].value - sum(30 <= row[2] < 60 for row in people))
        < 10 * found.groups[0].error + 1
    )
    frame = found.to_pandas()
    assert list(frame.columns) == ["value", "error"]
    assert frame.index.name == "age"
    assert frame.attrs["units"] == found.units


def test_what_was_asked_wrongly_is_told_before_anything_is_charged(
    asking: tuple[DataSpace, str], ring: KeyRing
) -> None:
    space, agreement = asking
    spent = space.agreement(agreement)["usage"]
    with pytest.raises(Malformed, match="the bins of age have a width and bands"):
        space.encrypted_histogram(agreement, "age", width=10, bands="30", keys=ring, epsilon=EPSILON)
    with pytest.raises(Unprocessable, match="no key for bfv-8192-t40"):
        space.encrypted_count(agreement, keys=Keys.create(SELECTOR_PARAMETERS), epsilon=EPSILON - 1)
    with pytest.raises(Malformed, match="the keys are NoneType: want Keys or a KeyRing"):
        space.encrypted_count(agreement, keys=cast("Keys", None), epsilon=EPSILON - 1)
    assert space.agreement(agreement)["usage"] == spent


def test_a_regression_of_two_columns(asking: tuple[DataSpace, str], ring: KeyRing, people: list[Any]) -> None:
    space, agreement = asking
    bounds = {"age": (0, 80), "height": (0, 200), "income": (0, 8000)}
    found = space.encrypted_regression(
        agreement, "income", ["age", "height"], keys=ring, bounds=bounds, epsilon=EPSILON
    )
    known = np.array([row[2:] for row in people if row[4] is not None], float)
    design = np.column_stack([np.ones(len(known)), known[:, :2]])
    wanted, *_ = np.linalg.lstsq(design, known[:, 2], rcond=None)
    assert [group.key[0] for group in found] == ["(intercept)", "age", "height"]
    for group, true in zip(found, wanted, strict=True):
        assert abs(group.value - true) < 8 * group.error


def test_what_passes_one_modulus_is_asked_under_two(
    asking: tuple[DataSpace, str], ring: KeyRing, people: list[Any]
) -> None:
    space, agreement = asking
    how: dict[str, Any] = {"bounds": (0, 8000), "precision": 5, "epsilon": EPSILON}
    found = space.encrypted_sum(agreement, "income", keys=ring, **how)
    assert abs(found.value - sum(row[4] or 0 for row in people)) < 8 * found.error
    assert (found.units, len(found.answers)) == (3, 2)
    spent = space.agreement(agreement)["usage"]["units"]["spent"]
    with pytest.raises(Unprocessable, match="plain modul"):
        space.encrypted_sum(agreement, "income", keys=ring.of("bfv-8192-t40"), **how)
    assert space.agreement(agreement)["usage"]["units"]["spent"] == spent


def test_what_cannot_be_asked_is_refused(asking: tuple[DataSpace, str], ring: KeyRing) -> None:
    space, agreement = asking
    with pytest.raises(NotFound, match="no cell where district is 'nowhere'"):
        space.encrypted_count(agreement, keys=ring, where={"district": "nowhere"}, epsilon=EPSILON)
    with pytest.raises(Malformed, match="want a pair"):
        space.encrypted_mean(agreement, "income", keys=ring, bounds={"age": (0, 9)})
    with pytest.raises(Malformed, match="whole number of millionths"):
        space.encrypted_mean(agreement, "income", keys=ring, bounds=(0, 9), epsilon="1e6")  # type: ignore[arg-type]
    with pytest.raises(Malformed):
        space.encrypted_regression(agreement, "age", ["age"], keys=ring, bounds=(0, 9))
    with pytest.raises(Unprocessable, match="35 sums"):
        space.encrypted_regression(agreement, "age", list("abcdef"), keys=ring, bounds=(0, 9))


def test_a_key_ring_is_one_file(tmp_path: Path, ring: KeyRing) -> None:
    ring.save(tmp_path / "ring", "eleven herons in the reeds")
    read = KeyRing.load(tmp_path / "ring", "eleven herons in the reeds")
    assert [one.id for one in read] == [one.id for one in ring]
    single = Keys.create()
    single.save(tmp_path / "one", "a")
    assert [one.id for one in KeyRing.load(tmp_path / "one", "a")] == [single.id]


def test_the_whole_ledger_is_right(space: Simulator, asking: tuple[DataSpace, str]) -> None:
    del asking
    space.audit()

"""What a newcomer gets wrong, and the words it is told so in: before anything is sent, or charged."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataspace.client import DataSpace
from dataspace.client.encrypted import Keys
from dataspace.client.estimating import low_high, millionths
from dataspace.client.joining import joint, prepare_joint
from dataspace.client.keyring import KeyRing
from dataspace.client.layout import Layout
from dataspace.client.sealed import SealedKeys
from dataspace.client.selecting import SelectorLayout
from dataspace.errors import (
    DataSpaceError,
    Malformed,
    NotFound,
    PolicyDenied,
    Refused,
    Unavailable,
    Unprocessable,
    VerificationError,
)
from dataspace.privacy import noised
from dataspace.proof.key import Verifier
from dataspace.sealing.terms import Measure, Terms
from dataspace.transfer.forms.expectation import sentence
from dataspace.wire.compact import integer
from dataspace.wire.joint import Measure as JointMeasure
from dataspace.wire.parameters import DEFAULT_PARAMETERS, SELECTOR_PARAMETERS
from dataspace.wire.selector import LEAST_EPSILON, Operand
from tests.client.test_selecting import TOLD
from tests.simulator import Simulator, people
from tests.transfer.blinding import consumer_of

MUCH = 20_000_000  # so that noise hides no group
AWAY = "http://127.0.0.1:9"
INCOME = Operand("income", 0, 20_000)
ASKED: dict[str, Any] = {"dimensions": {"district": ["A"]}, "measures": [{"kind": "count"}], "epsilon": 10**6}
AGREEMENTS = {"north": "ag-0123456789abcdef", "south": "ag-0123456789abcdef"}
LAYOUT = Layout("cb-1", KeyRing.create().of(DEFAULT_PARAMETERS).parameters, ("d",), (("a",),), {}, {})


@pytest.fixture(scope="module")
def ring() -> KeyRing:
    return KeyRing.create()


@pytest.fixture
def away() -> Iterator[DataSpace]:
    with DataSpace(AWAY) as space:
        yield space


class _Rows(DataSpace):
    """A service that says how many rows there are and nothing else."""

    def joint_rows(self, agreement: str) -> int:
        return len(agreement)


def _zones(**asked: Any) -> Any:
    return prepare_joint(dict.fromkeys(AGREEMENTS, _Rows(AWAY)), AGREEMENTS, **{**ASKED, **asked})


@pytest.mark.parametrize("keys", ["keys", None, SealedKeys.create()], ids=["text", "none", "sealed"])
def test_keys_of_another_kind_are_malformed(away: DataSpace, keys: Any) -> None:
    layout = SelectorLayout.from_json(TOLD)
    acts = (
        lambda: away.selected_sum("ag-1", layout, [0, 1], INCOME, keys=keys, epsilon=10**6),
        lambda: _zones(keys=keys),
        lambda: away.encrypted_totals("ag-1", LAYOUT, [1], keys),
        lambda: away.encrypted_count("ag-1", keys=keys),
    )
    for act in acts:
        with pytest.raises(Malformed, match="want Keys or a KeyRing"):
            act()


def test_sealed_totals_want_sealed_keys(away: DataSpace, ring: KeyRing) -> None:
    for keys in (ring, next(iter(ring))):
        with pytest.raises(Malformed, match=f"the keys are {type(keys).__name__}: want SealedKeys"):
            away.sealed_total("ag-1", "income", epsilon=10**6, keys=keys, keyservice="")  # type: ignore[arg-type]
        with pytest.raises(Malformed, match="want SealedKeys"):
            away.sealed_layout("ag-1", keys, keyservice="")  # type: ignore[arg-type]


def test_a_ring_is_taken_where_one_pair_is(ring: KeyRing, away: DataSpace) -> None:
    assert _zones(keys=ring).job.key == ring.of(DEFAULT_PARAMETERS).id
    with pytest.raises(Unavailable):
        away.encrypted_totals("ag-1", LAYOUT, [1], ring)
    layout, wanted = SelectorLayout.from_json(TOLD), {"epsilon": 10**6}
    with pytest.raises(Unprocessable, match=rf"want one of Keys\.create\('{SELECTOR_PARAMETERS}'\)"):
        away.selected_sum("ag-1", layout, [0, 1], INCOME, keys=ring, **wanted)
    both = KeyRing(*ring, Keys.create(SELECTOR_PARAMETERS))
    with pytest.raises(Unavailable):  # it was sent
        away.selected_sum("ag-1", layout, [0, 1], INCOME, keys=both, **wanted)


@pytest.fixture
def few(
    space: Simulator, url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[DataSpace, str]]:
    """Return an agreement on three units, or as many as are asked for."""
    path = tmp_path / "people.csv"
    path.write_bytes(people(300))
    provider, consumer = space.provider(), space.consumer()
    with DataSpace(url, space.tokens[provider.id]) as sdk:
        upload = sdk.upload(path, "government")
        offer = {"epsilon": 90_000_000, "forms": ["encrypted"], "units": getattr(request, "param", 3)}
        income = {"income": {"aggregable": True}}
        done = sdk.confirm(upload["id"], "Few", price=1, subjects=["number"], offer=offer, corrections=income)
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        yield sdk, str(sdk.negotiate(done["offer"], "statistics", ["encrypted"])["id"])


def _spent(space: DataSpace, agreement: str) -> tuple[int, int]:
    usage = space.agreement(agreement)["usage"]
    return usage["units"]["spent"], usage["epsilon"]["spent"]


@pytest.mark.parametrize("few", [2], indirect=True)
def test_a_question_that_the_units_do_not_last_for_sends_no_query(
    few: tuple[DataSpace, str], ring: KeyRing
) -> None:
    space, agreement = few
    # Each group's sum has 35 bits and more: each is a query.
    how: dict[str, Any] = {"keys": next(iter(ring)), "bounds": (0, 1_000_000), "by": ["district"]}
    with pytest.raises(
        PolicyDenied, match=r"this takes [23] units for encrypted queries.* has 1 left"
    ) as denied:
        space.encrypted_mean(agreement, "income", **how, epsilon=MUCH)
    assert denied.value.facts["reasons"] == ["units-exhausted"]
    assert _spent(space, agreement) == (1, MUCH)  # the cube, whose cells tell how many queries there are
    one = space.encrypted_mean(
        agreement, "income", **how | {"by": []}, where={"district": "district 1"}, epsilon=MUCH
    )
    assert (one.units, one.epsilon) == (1, 0)


def test_with_a_unit_left_no_new_cube_is_made_and_a_known_one_is_asked(
    few: tuple[DataSpace, str], ring: KeyRing
) -> None:
    space, agreement = few
    space.encrypted_count(agreement, keys=ring, epsilon=MUCH)
    with pytest.raises(PolicyDenied, match=r"this takes 2 units for a new cube and a query.* has 1 left"):
        space.encrypted_count(agreement, keys=ring, epsilon=MUCH, by=["district"])
    assert _spent(space, agreement) == (2, MUCH)
    assert space.encrypted_count(agreement, keys=ring, epsilon=MUCH).units == 1


@pytest.mark.parametrize("few", [2], indirect=True)
def test_a_cube_that_another_process_made_is_asked_with_the_last_unit(
    few: tuple[DataSpace, str], space: Simulator, url: str, ring: KeyRing
) -> None:
    sdk, agreement = few
    sdk.cube(agreement, [], [{"kind": "count"}], max_rows=1, epsilon=MUCH)
    with DataSpace(url, space.tokens[sdk.agreement(agreement)["consumer"]]) as other:
        assert other.encrypted_count(agreement, keys=ring, epsilon=MUCH).units == 1


def test_a_zone_that_is_away_or_has_no_such_agreement_is_named(
    space: Simulator, url: str, ring: KeyRing
) -> None:
    consumer = space.consumer()
    with DataSpace(url, space.tokens[consumer.id]) as here, DataSpace(AWAY) as south:
        with pytest.raises(Unavailable, match=r"south: the service at 127\.0\.0\.1:9 did") as gone:
            joint({"north": _Rows(AWAY), "south": south}, AGREEMENTS, ring, patience=0, **ASKED)
        assert gone.value.facts["peer"] == "south"
        with pytest.raises(NotFound, match="north: ") as swapped:
            joint({"north": here, "south": _Rows(AWAY)}, AGREEMENTS, ring, **ASKED)
        assert swapped.value.facts["peer"] == "north"


def test_a_zone_that_comes_back_is_asked_again_for_its_rows(ring: KeyRing) -> None:
    class Late(_Rows):
        asked = 0

        def joint_rows(self, agreement: str) -> int:
            self.asked += 1
            if self.asked == 1:
                raise Unavailable("the service is started again")
            return len(agreement)

    late = Late(AWAY)
    found = prepare_joint({"north": _Rows(AWAY), "south": late}, AGREEMENTS, ring, **ASKED)
    assert (late.asked, found.job.rows["south"]) == (2, len(AGREEMENTS["south"]))
    with pytest.raises(Unavailable, match="south: "):
        prepare_joint({"north": _Rows(AWAY), "south": Late(AWAY)}, AGREEMENTS, ring, patience=0, **ASKED)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"epsilon": "1"}, "epsilon is '1': want a whole number of millionths"),
        ({"epsilon": 2}, "epsilon is 2, want an integer from 9"),
        ({"dimensions": ["district"]}, "want dimensions={'district': "),
        ({"dimensions": {"district": "A"}}, "want dimensions={'district': "),
        ({"dimensions": {"district": [object()]}}, "its values are texts"),
        ({"measures": ["count"]}, r"want measures=\[\{'kind': 'count'\}\]"),
        ({"measures": {"kind": "count"}}, r"want measures=\[\{'kind': 'count'\}\]"),
        ({"cells": [("A", 1)]}, "want cells of 1 values each"),
        ({"cells": ["A"]}, "want cells of 1 values each"),
        ({"max_rows": "3"}, "max_rows is '3', want an integer from 1 to 1000"),
    ],
)
def test_a_joint_question_of_the_wrong_shape_is_malformed(ring: KeyRing, asked: Any, told: str) -> None:
    with pytest.raises(Malformed, match=told):
        _zones(keys=ring, **asked)


def test_numbers_beyond_their_range_are_named_with_column_and_value() -> None:
    high = {"kind": "sum", "column": "income", "low": 0, "precision": 0}
    for value, told in (
        (1 << 50, str(1 << 50)),
        ("10", "'10'"),
        ([0], "of type list"),
        ("x" * 99, "of type str"),
    ):
        with pytest.raises(Malformed, match=f"high of income is {told}, want an integer from "):
            JointMeasure.from_json({**high, "high": value})
    with pytest.raises(Malformed, match="high of income is '10'"):
        Operand.from_json({**vars(INCOME), "high": "10"})
    with pytest.raises(Malformed, match="an integer of 40000 bits"):
        integer((1 << 40_000) - 1, "rows", 0, 9)
    for bounds in (("0", "10000"), (0, 1.5), (False, True), (0,), 5):
        with pytest.raises(Malformed, match=r"the bounds of income are .*: want a pair of whole numbers"):
            low_high(bounds, "income")


def test_no_items_are_no_set(away: DataSpace) -> None:
    with pytest.raises(Malformed, match="no items: want at least one"):
        away.intersect("ag-1", [], identifier="number")


def test_a_column_that_is_not_there_is_told_with_those_near_it(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 4500, "lookup")
    with (
        DataSpace(url, space.tokens[consumer.caller.id]) as sdk,
        pytest.raises(NotFound, match="no column 'numbr'; near it: 'number'"),
    ):
        sdk.lookup(consumer.agreement.id, ["P000001"], identifier="numbr")


def test_bins_that_cut_classes_are_told_how_wide_these_are(
    space: Simulator, url: str, tmp_path: Path, ring: KeyRing
) -> None:
    path = tmp_path / "people.csv"
    path.write_bytes(people(300))
    provider, consumer = space.provider(), space.consumer()
    with DataSpace(url, space.tokens[provider.id]) as sdk:
        upload = sdk.upload(path, "government")
        offer = {"epsilon": 90_000_000, "forms": ["encrypted", "aggregate"]}
        done = sdk.confirm(upload["id"], "Classes", price=1, subjects=["number"], offer=offer)
    with DataSpace(url, space.tokens[consumer.id]) as sdk:
        agreement = sdk.negotiate(done["offer"], "statistics", ["encrypted", "aggregate"])["id"]
        with pytest.raises(Refused, match="multiples of 10, the width of its classes"):
            sdk.encrypted_histogram(agreement, "age", bands="18,40,60", keys=ring)
        with pytest.raises(Unprocessable, match=r"want bounds=\{'income': \(low, high\)\}"):
            sdk.query(agreement, "SELECT AVG(income) AS mean FROM data", epsilon=1_000_000)


def test_one_more_count_is_not_many() -> None:
    assert sentence([], [500], 1, 90)["en"] == "about 1 more count at +-5 % in a group of 90 rows"
    assert sentence([], [500], 2, 90)["en"] == "about 2 more counts at +-5 % in a group of 90 rows"


def test_an_epsilon_that_is_all_noise_is_refused_before_it_is_charged(away: DataSpace) -> None:
    assert LEAST_EPSILON == noised.LEAST_EPSILON
    keys, layout = KeyRing(Keys.create(SELECTOR_PARAMETERS)), SelectorLayout.from_json(TOLD)
    told = f"epsilon is 1 millionths: want at least {LEAST_EPSILON}"
    with pytest.raises(Malformed, match=told):
        away.selected_sum("ag-1", layout, [0, 1], INCOME, keys=keys, epsilon=1)
    with pytest.raises(Malformed, match=told):
        away.sealed_total("ag-1", "income", epsilon=1, keys=SealedKeys.create(), keyservice="")
    assert millionths(LEAST_EPSILON, LEAST_EPSILON) == LEAST_EPSILON


def test_what_is_no_verifier_key_is_told_how_one_is_written() -> None:
    for key in ("x", "", "name+abc"):
        with pytest.raises(VerificationError, match=r"want name\+8 hex digits\+base64, as `dataspace key`"):
            Verifier.parse(key)


def test_a_sealed_column_is_a_measure_or_a_dimension() -> None:
    measure = Measure("income", 0, 9)
    with pytest.raises(Malformed, match="column 'income' is there twice"):
        Terms("government", (measure,), ("income",))
    with pytest.raises(Malformed, match="max_rows is 0: want 1 to 1000"):
        Terms("government", (measure,), max_rows=0)
    for text in ("income", "income:0:9:two"):
        with pytest.raises(DataSpaceError, match="column:low:high:decimals"):
            Measure.parse(text)

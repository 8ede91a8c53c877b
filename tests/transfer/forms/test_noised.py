"""Aggregates with noise on every number: near the true ones, bounded, charged whatever comes of them."""

import math
import statistics
from typing import Any

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, NotFound, PolicyDenied, TooLarge, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.privacy.noise import add_noise
from dataspace.privacy.noised import Noise
from dataspace.privacy.suppression import CELLS_LIMIT
from dataspace.transfer.ask import Ask, Computed
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.forms.noised import NoisedAnswers
from dataspace.transfer.pace import Pace
from tests.simulator import Simulator
from tests.transfer.noised import COUNTS, agreed, ask, spent, told

BOUNDS = {"income": (0, 10_000)}
NO_NOISE: list[dict[str, Any]] = [
    *({"epsilon": bad} for bad in (0, -1, 1e-300, math.nan, math.inf, "1", "NaN", True, None, 1.0, 10**12)),
    *({"max_rows": bad} for bad in (0, -1, 1.5, "3", 10**6, None, math.nan)),
    {"bounds": []},
    {"bounds": {1: [0, 1]}},
    *({"bounds": {"income": bad}} for bad in (5, [5, 5], [0.0, 1.0], [1], None)),
    *({"bounds": {"income": [0, bad]}} for bad in (math.nan, math.inf, 1 << 60, "9")),
    *({"mechanism": bad} for bad in ("", "exact", None, 1, ["laplace"])),
    {"seed": 1},
]


@pytest.fixture(scope="module")
def one(space: Simulator) -> tuple[Caller, Agreement]:
    """A consumer and an agreement for what is refused before it costs anything."""
    return agreed(space, 602)


def test_every_count_has_noise_and_is_near_the_true_one(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1800)
    found = told(ask(space, consumer, agreement, epsilon=2_000_000))
    counts = dict(found["rows"])
    assert set(counts) == {"district 0", "district 1", "district 2"}
    assert all(abs(count - 600) < 30 for count in counts.values())
    assert found["noise"]["measures"][0]["scale"] == 1.0
    assert spent(space, consumer, agreement) == (1, 2_000_000)
    space.audit()


def test_sums_and_averages_are_of_clamped_values_under_a_condition(space: Simulator) -> None:
    consumer, agreement = agreed(space, 3001)
    sql = "SELECT SUM(income) AS total, AVG(income) AS mean, COUNT(income) AS n FROM data WHERE age >= 50"
    [[total, mean, n]] = told(
        ask(space, consumer, agreement, sql, epsilon=8_000_000, bounds={"income": [0, 4000]})
    )["rows"]
    incomes = [min(3000 + number, 4000) for number in range(3001) if 20 + number % 60 >= 50]
    assert abs(n - len(incomes)) < 20
    assert abs(total - sum(incomes)) < 60_000
    assert abs(mean - statistics.mean(incomes)) < 60
    space.audit()


def test_an_order_is_of_keys_and_columns_stand_as_they_were_asked_for(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1802)
    sql = "SELECT COUNT(*) AS n, district FROM data GROUP BY district ORDER BY district DESC"
    found = told(ask(space, consumer, agreement, sql))
    assert [column["name"] for column in found["columns"]] == ["n", "district"]
    assert [row[1] for row in found["rows"]] == ["district 2", "district 1", "district 0"]


def test_gaussian_noise_is_charged_as_epsilon_at_a_delta_that_is_told(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1803)
    found = told(ask(space, consumer, agreement, epsilon=4_000_000, mechanism="gaussian"))
    assert found["noise"]["delta_exponent"] == 10
    assert all(abs(count - 601) < 150 for _, count in found["rows"])
    assert spent(space, consumer, agreement) == (1, 4_000_000)
    space.audit()


def test_a_group_of_too_few_is_never_there(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1200, min_group=90)
    sql = "SELECT age, COUNT(*) FROM data WHERE district = 'district 0' GROUP BY age"
    assert told(ask(space, consumer, agreement, sql))["rows"] == []
    space.audit()


def test_qy_12_an_answer_with_nothing_in_it_is_an_answer_and_costs_the_same(space: Simulator) -> None:
    consumer, agreement = agreed(space, 600)
    for number, condition in enumerate(("income > 1000000", "income = 3000", "income < 3599"), 1):
        ask(space, consumer, agreement, f"SELECT COUNT(*) FROM data WHERE {condition}", epsilon=500_000)
        assert spent(space, consumer, agreement) == (number, number * 500_000)
    assert space.kinds()[-3:] == ["query.answered"] * 3
    space.audit()


def test_qy_12_an_average_of_nobody_is_null_and_no_error(space: Simulator) -> None:
    consumer, agreement = agreed(space, 601)
    sql = "SELECT AVG(income) AS mean FROM data WHERE income > 1000000"
    assert told(ask(space, consumer, agreement, sql, bounds=BOUNDS))["rows"] == []


def test_qy_05_all_but_one_is_answered_with_noise_that_hides_the_one(space: Simulator) -> None:
    consumer, agreement = agreed(space, 900)
    exact = {"all": 900, "but one": 899}
    assert exact["all"] - exact["but one"] == 1  # The naive service: the difference is the one.
    found = [
        told(ask(space, consumer, agreement, sql, epsilon=1_000_000))["rows"][0][0]
        for sql in ("SELECT COUNT(*) FROM data", "SELECT COUNT(*) FROM data WHERE income <> 3000")
    ]
    scale = 2.0
    # Two draws of that scale: their difference says little of a difference of one.
    assert abs(found[0] - found[1]) < 60 * scale
    space.audit()


def test_qy_07_averaging_a_question_gives_the_same_noise_every_time(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1000)
    naive = [add_noise([1000], sensitivity=1, epsilon=100_000)[0] for _ in range(2000)]
    assert abs(statistics.mean(naive) - 1000) < 2  # Fresh noise for each is averaged away.
    first = ask(space, consumer, agreement, "SELECT COUNT(*) AS n FROM data", epsilon=500_000)
    for _ in range(5):
        again = ask(space, consumer, agreement, "select  count( * )  as n\nfrom data", epsilon=500_000)
        assert (again.content, again.entry) == (first.content, first.entry)
    assert spent(space, consumer, agreement) == (1, 500_000)
    space.audit()


@pytest.mark.parametrize("noise", NO_NOISE)
def test_qy_11_qy_23_what_is_no_noise_is_malformed_and_costs_nothing(
    space: Simulator, one: tuple[Caller, Agreement], noise: Any
) -> None:
    consumer, agreement = one
    with pytest.raises(Malformed):
        ask(space, consumer, agreement, "SELECT SUM(income) FROM data", **{"bounds": BOUNDS, **noise})
    assert spent(space, consumer, agreement) == (0, 0)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ([0], "the bounds of income are"),
        ([0, 1.5], "the high bound of income is not an integer"),
        ([9, 3], "the low bound of income, 9, is not below the high one, 3"),
    ],
)
def test_a_bound_that_is_none_is_named_with_its_column(bounds: Any, said: str) -> None:
    with pytest.raises(Malformed, match=said):
        Noise.from_json({"epsilon": 1_000_000, "bounds": {"income": bounds}})


@pytest.mark.parametrize(
    ("sql", "bounds"),
    [
        ("SELECT SUM(income) FROM data", {}),
        ("SELECT COUNT(income) FROM data", BOUNDS),
        ("SELECT SUM(income) FROM data", {"income": [0, 10], "age": [0, 9]}),
        ("SELECT district FROM data GROUP BY district", {}),
    ],
)
def test_what_is_summed_has_bounds_and_nothing_else_has(
    space: Simulator, one: tuple[Caller, Agreement], sql: str, bounds: Any
) -> None:
    consumer, agreement = one
    with pytest.raises(Unprocessable):
        ask(space, consumer, agreement, sql, bounds=bounds)


def test_anothers_agreement_is_not_found(space: Simulator, one: tuple[Caller, Agreement]) -> None:
    with pytest.raises(NotFound):
        ask(space, space.consumer(), one[1])


def test_an_offer_without_exact_aggregates_answers_with_noise_alone(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1804, exact=False)
    with pytest.raises(PolicyDenied) as refused:
        space.query(consumer, agreement.id, COUNTS)
    assert "noise-required" in {reason["code"] for reason in refused.value.facts["reasons"]}
    assert len(told(ask(space, consumer, agreement))["rows"]) == 3
    space.audit()


def test_a_hidden_column_groups_no_noised_answer_either(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1805)
    with pytest.raises(PolicyDenied):
        ask(space, consumer, agreement, "SELECT number, COUNT(*) FROM data GROUP BY number")
    assert space.kinds()[-1] == "query.refused"


def test_a_subject_counts_with_so_many_rows_as_it_may(space: Simulator) -> None:
    lines = ["number,district,age,income"]
    lines += [f"P{number},east,30,10" for number in range(300) for _ in range(1 if number else 400)]
    content = ("\n".join(lines) + "\n").encode()
    registered = space.registered(
        space.provider(), content, subjects=["number"], forms=("aggregate",), epsilon=9_000_000
    )
    consumer = space.consumer()
    agreement = space.agreed(consumer, registered.offer)
    [[n]] = told(ask(space, consumer, agreement, "SELECT COUNT(*) FROM data", epsilon=4_000_000))["rows"]
    assert abs(n - 300) < 30  # and not 699
    space.audit()


def test_qy_21_what_is_computed_takes_a_multiple_of_one_time(space: Simulator) -> None:
    consumer, agreement = agreed(space, 1807)
    service = space.service.noised
    now, slept = [0.0], list[float]()

    def seconds(works: float, sql: str) -> float:
        """Return how long an answer takes when each look at the clock is so much later than the last."""

        def look() -> float:
            now[0] += works
            return now[0]

        pools = service._engine, service._noiser
        paced = NoisedAnswers(service._space, *pools, pace=Pace(look, slept.append))
        began = len(slept)
        paced.query(consumer, agreement.id, sql, {"epsilon": 1_000})
        return works + sum(slept[began:])

    quick, slow = (f"SELECT COUNT(*) FROM data WHERE income > {bound}" for bound in (3000, 3001))
    # The naive service tells each as soon as it is done: the attacker sees 3 ms or 70.
    assert [round(seconds(works, sql), 6) for works, sql in ((0.003, quick), (0.07, slow))] == [0.1, 0.1]
    assert round(seconds(0.13, quick + " AND age < 50"), 6) == 0.2
    # What was answered before is told at once: its time tells nothing that is not known.
    assert seconds(0.5, quick) == 0.5
    assert len(slept) == 3
    space.audit()


def test_qy_21_a_refusal_of_what_was_computed_is_paced_too(space: Simulator) -> None:
    consumer, agreement = agreed(space, CELLS_LIMIT + 1)
    slept, service = list[float](), space.service.noised
    pools = service._engine, service._noiser
    paced = NoisedAnswers(service._space, *pools, pace=Pace(lambda: 7.0, slept.append))
    sql = "SELECT income, COUNT(*) FROM data GROUP BY income"
    with pytest.raises(TooLarge):
        paced.query(consumer, agreement.id, sql, {"epsilon": 1000})
    assert slept == [0.1]
    # How many groups there are was told: that costs what the answer would have.
    assert spent(space, consumer, agreement) == (0, 1000)
    space.audit()


def test_qy_22_what_was_revoked_while_it_was_computed_is_not_released_and_costs_nothing(
    space: Simulator,
) -> None:
    consumer, agreement = agreed(space, 1806)
    ask(space, consumer, agreement)
    with space.service.space.database.reading() as session:
        case = read_case(session, space.service.space, consumer, agreement.id)

    def compute(_: object) -> Computed:
        space.service.negotiator.end(consumer, agreement.id)
        return Computed(
            b"{}", "application/json", {"rows": 0, "smallest_group": 99, "complement": 99}, charge
        )

    charge = Charge(1, 500_000)
    asked = Ask(Form.AGGREGATE, "0" * 64, (), charge, kept=True)
    with pytest.raises(PolicyDenied) as refused:
        Conductor(space.service.space).conduct(case, asked, compute)
    assert refused.value.facts["entry"]
    assert spent(space, consumer, agreement) == (1, 1_000_000)
    usage = space.service.answers.usage(consumer, agreement.id)
    assert (usage["units"]["reserved"], usage["epsilon"]["reserved"]) == (0, 0)
    # And what it was answered before is not given again either.
    with pytest.raises(PolicyDenied):
        ask(space, consumer, agreement)
    space.audit()

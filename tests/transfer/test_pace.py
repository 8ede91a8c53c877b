from collections.abc import Callable
from functools import partial

import pytest

from dataspace.errors import Conflict, PolicyDenied
from dataspace.transfer.pace import Pace


def ended(began: float, ends: float) -> float:
    """Return when something of a bucket of 100 ms, that was received and done at these times, is told."""
    told = [ends]
    pace = Pace(lambda: ends, lambda seconds: told.append(ends + seconds))
    with pace.kept(100, began):
        pass
    return round(told[-1] - began, 6)


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.0, 0.1), (0.003, 0.1), (0.0999, 0.1), (0.101, 0.2), (0.15, 0.2)]
)
def test_qy_21_what_took_more_or_less_is_told_at_the_same_time(seconds: float, told: float) -> None:
    assert ended(7.0, 7.0 + seconds) == told


def test_qy_21_a_refusal_is_told_when_an_answer_would_be() -> None:
    slept: list[float] = []
    pace = Pace(lambda: 5.04, slept.append)
    with pytest.raises(Conflict), pace.kept(100, 5.0):
        raise Conflict("x")
    assert slept == [pytest.approx(0.06)]


class Work:
    """A clock that goes on by 0.1 ms with each row that is looked at, and by what is slept."""

    def __init__(self) -> None:
        self.time = 7.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def look(self, rows: int) -> None:
        self.time += rows / 10_000


def read_size(ask: Callable[[Work], None]) -> int:
    """Return how many rows a group has that is too small to be told, by when its refusal comes."""
    work = Work()
    began = work.now()
    with pytest.raises(PolicyDenied):
        ask(work)
    return round((work.now() - began) * 10_000)


def test_qy_21_the_time_of_a_naive_refusal_is_the_size_of_a_hidden_group_and_ours_is_one_time() -> None:
    def naive(rows: int, work: Work) -> None:
        work.look(rows)
        raise PolicyDenied("too few subjects")

    def ours(rows: int, work: Work) -> None:
        with Pace(work.now, work.sleep).kept(100, work.now()):
            naive(rows, work)

    sizes = range(1, 10)
    assert [read_size(partial(naive, rows)) for rows in sizes] == [*sizes]
    assert {read_size(partial(ours, rows)) for rows in sizes} == {1000}

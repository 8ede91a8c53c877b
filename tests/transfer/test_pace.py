import pytest

from dataspace.errors import Conflict
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

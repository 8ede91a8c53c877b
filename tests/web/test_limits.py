"""Limits on what is under way at once."""

from contextlib import ExitStack

import pytest

from dataspace.errors import TooMany
from dataspace.web.limits import Limiter


def test_one_participant_has_at_most_its_share() -> None:
    limiter = Limiter("queries", each=2, total=3)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(limiter.holding("a"))
        with pytest.raises(TooMany, match="at most 2 of one participant, 3 of all"), limiter.holding("a"):
            pass
        held.enter_context(limiter.holding("b"))
        with pytest.raises(TooMany), limiter.holding("c"):
            pass
    with limiter.holding("a"), limiter.holding("a"), limiter.holding("c"):
        pass


def test_what_failed_is_not_held_any_more() -> None:
    limiter = Limiter("queries", each=1, total=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="x"), limiter.holding("a"):
            raise ValueError("x")

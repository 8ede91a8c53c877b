"""Limits on what is under way at once."""

from contextlib import ExitStack

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.errors import TooMany
from dataspace.sandbox.waiting import _asker
from dataspace.web.limits import Limiter
from tests.simulator import Simulator
from tests.web.words import bearer


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


def test_a_refusal_says_when_there_might_be_room_by_what_lasted_lately() -> None:
    limiter = Limiter("queries", each=1, total=2)
    limiter._durations.extend([4.0, 8.0])
    with limiter.holding("a"), pytest.raises(TooMany, match="about 6 seconds") as refused:
        limiter._enter("a")
    assert refused.value.facts["retry_after"] == 6


def test_he_13_the_workers_are_told_whose_calls_they_are() -> None:
    limiter = Limiter("queries", each=1, total=1)
    with limiter.holding("pt-1"):
        assert _asker.get() == "pt-1"
    assert not _asker.get()


def test_he_13_who_floods_is_told_when_to_come_again_and_others_are_answered(
    space: Simulator, client: TestClient[Litestar]
) -> None:
    flooding, other = space.consumer(), space.consumer()
    path, body = (
        "/api/agreements/ag-0123456789abcdef/queries",
        {"sql": "SELECT COUNT(*) FROM data", "form": "aggregate"},
    )
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(space.service.limits.queries.holding(flooding.id))
        refused = client.post(path, headers=bearer(space, flooding), json=body)
        answered = client.post(path, headers=bearer(space, other), json=body)
    assert (refused.status_code, answered.status_code) == (429, 404)
    assert f"try again in about {refused.headers['retry-after']} seconds" in refused.json()["detail"]

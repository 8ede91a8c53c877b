"""What is spent when two processes of one home try the same job: a restart, and the old one still there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataspace.errors import Conflict, Refused
from dataspace.keyservice.store import Job, Store

_JOB = Job("sj-1", "c", "p", "r", 1_000_000)


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    first, second = (Store(tmp_path / "keyservice.db") for _ in range(2))
    first.keep("c", b"head", 1_000_000)
    yield first, second
    first.close()
    second.close()


def test_a_job_that_is_given_back_twice_gives_its_epsilon_back_once(stores: tuple[Store, Store]) -> None:
    for store in stores:
        assert store.begin(_JOB) is None
    for store in stores:
        store.abandon(_JOB, forged=False)
    stores[0].begin(_JOB)
    with pytest.raises(Refused, match="0 millionths"):
        stores[1].begin(Job("sj-2", "c", "p", "r", 1_000_000))


def test_a_job_that_was_opened_twice_has_one_answer(stores: tuple[Store, Store]) -> None:
    """Two that both leave would be two draws of noise for one epsilon."""
    for store in stores:
        assert store.begin(_JOB) is None
    kept = [store.finish(_JOB, answer) for store, answer in zip(stores, (b"1", b"2"), strict=True)]
    assert kept == [b"1", b"1"]


def test_an_answer_to_a_job_that_was_given_back_does_not_leave(stores: tuple[Store, Store]) -> None:
    for store in stores:
        store.begin(_JOB)
    stores[0].abandon(_JOB, forged=False)
    with pytest.raises(Conflict):
        stores[1].finish(_JOB, b"2")

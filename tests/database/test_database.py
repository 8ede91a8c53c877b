"""Acts commit in groups: each whole or not at all, and none because of another."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session

from dataspace.database import BATCH, Database, stage
from dataspace.errors import Conflict, Malformed, NotFound, Unavailable
from tests.database.conftest import THINGS, Things, add


def _refuse(session: Session) -> None:
    add(session, "refused")
    raise NotFound("no")


def _twice(session: Session) -> None:
    add(session, "one")
    add(session, "one")


def test_an_act_returns_its_result_once_it_is_committed(things: Things) -> None:
    assert things.add("one") == 0
    assert things.names() == ["one"]
    assert things.integrator.calls == ["open", ["one"]]


def test_acts_that_wait_together_share_a_batch_and_each_gets_its_own_result(things: Things) -> None:
    futures = things.together(lambda s: add(s, "one"), lambda s: add(s, "two"), lambda s: add(s, "three"))
    assert [future.result() for future in futures] == [0, 1, 2]
    assert things.integrator.calls[2:] == ["open", ["one", "two", "three"]]


def test_an_act_that_raises_is_rolled_back_alone_with_what_it_staged(things: Things) -> None:
    one, refused, two = things.together(lambda s: add(s, "one"), _refuse, lambda s: add(s, "two"))
    assert isinstance(refused.exception(), NotFound)
    assert (one.result(), two.result()) == (0, 1)
    assert things.names() == ["one", "two"]
    assert things.integrator.calls[-1] == ["one", "two"]
    assert "reload" not in things.integrator.calls


def test_an_act_that_breaks_a_constraint_is_a_conflict_and_is_rolled_back_alone(things: Things) -> None:
    broken, two = things.together(_twice, lambda s: add(s, "two"))
    assert isinstance(broken.exception(), Conflict)
    assert (two.result(), things.names()) == (0, ["two"])


@pytest.mark.parametrize("act", [_refuse, _twice])
def test_a_lone_act_that_fails_leaves_nothing(things: Things, act: object) -> None:
    with pytest.raises((NotFound, Conflict)):
        things.database.commit(act)  # type: ignore[arg-type]
    assert things.names() == []
    assert things.integrator.calls == ["open"]
    things.add("after")
    assert things.names() == ["after"]


def test_an_orm_flush_that_fails_undoes_its_act_alone(things: Things) -> None:
    def flush(session: Session) -> None:
        add(session, "one")
        with session.begin_nested():
            session.execute(insert(THINGS).values(name="two"))
        session.execute(insert(THINGS).values(name="two"))

    failed, fine = things.together(flush, lambda s: add(s, "two"))
    assert isinstance(failed.exception(), Conflict)
    assert (fine.result(), things.names()) == (0, ["two"])


def test_a_failed_integration_fails_every_act_and_reloads_before_the_next_batch(things: Things) -> None:
    things.integrator.failing = RuntimeError("broken")
    futures = things.together(lambda s: add(s, "one"), _refuse, lambda s: add(s, "two"))
    assert [type(future.exception()) for future in futures] == [Unavailable, NotFound, Unavailable]
    assert isinstance(futures[0].exception().__cause__, RuntimeError)  # type: ignore[union-attr]
    assert things.integrator.calls[-1] == "reload"
    things.integrator.failing = None
    things.add("after")
    assert things.names() == ["after"]


def test_the_reason_an_integrator_gives_reaches_the_caller(things: Things) -> None:
    things.integrator.failing = Unavailable("the clock is behind")
    with pytest.raises(Unavailable, match="the clock is behind"):
        things.add("one")


def test_a_transaction_the_database_gave_up_fails_the_batch(things: Things) -> None:
    def lose(session: Session) -> None:
        session.connection().connection.driver_connection.rollback()  # type: ignore[union-attr]

    with pytest.raises(Unavailable):
        things.database.commit(lose)
    lost, other = things.together(lose, lambda s: add(s, "one"))
    assert isinstance(lost.exception(), Unavailable)
    assert isinstance(other.exception(), Unavailable)
    assert things.names() == []


def test_an_act_that_swallows_an_error_of_the_database_does_not_seem_to_succeed(things: Things) -> None:
    def swallow(session: Session) -> None:
        add(session, "one")
        with suppress(DBAPIError):
            session.connection().exec_driver_sql("SELECT no_such_column")

    if things.database.dialect == "sqlite":
        things.database.commit(swallow)
        assert things.names() == ["one"]
    else:
        with pytest.raises(Unavailable):
            things.database.commit(swallow)
        assert things.names() == []


@pytest.mark.parametrize("end", [Session.commit, Session.rollback])
def test_an_act_cannot_end_its_transaction(things: Things, end: object) -> None:
    name = end.__name__  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="an act must not"):
        things.database.commit(lambda session: (add(session, "one"), getattr(session, name)()))
    assert things.names() == []


def test_an_act_cannot_commit_another(things: Things) -> None:
    with pytest.raises(RuntimeError, match="must not commit another"):
        things.database.commit(lambda _: things.add("one"))


def test_an_interrupt_of_the_thread_that_writes_fails_the_batch_and_wedges_nothing(things: Things) -> None:
    def interrupt(_: Session) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        things.database.commit(interrupt)
    things.add("after")
    assert things.names() == ["after"]


def test_32_threads_lose_nothing_and_mix_nothing_up(things: Things) -> None:
    def work(worker: int) -> list[str]:
        names = [f"{worker}-{number}" for number in range(10)]
        for name in names:
            if name.endswith("5"):
                with pytest.raises(NotFound):
                    things.database.commit(_refuse)
            else:
                things.add(name)
        return [name for name in names if not name.endswith("5")]

    with ThreadPoolExecutor(32) as pool:
        want = [name for names in pool.map(work, range(32)) for name in names]
    assert sorted(things.names()) == sorted(want)
    staged = [name for call in things.integrator.calls if isinstance(call, list) for name in call]
    assert staged == things.names()


def test_a_batch_is_bounded(on_sqlite: Things) -> None:
    with ThreadPoolExecutor(BATCH + 40) as pool:
        list(pool.map(on_sqlite.add, map(str, range(BATCH + 40))))
    assert max(len(call) for call in on_sqlite.integrator.calls if isinstance(call, list)) <= BATCH
    assert len(on_sqlite.names()) == BATCH + 40


def test_reading_sees_one_snapshot_beside_the_writer(things: Things) -> None:
    things.add("one")
    with things.database.reading() as session:
        before = session.execute(select(THINGS.c.name)).scalars().all()
        things.add("two")
        assert session.execute(select(THINGS.c.name)).scalars().all() == before
    assert things.names() == ["one", "two"]


def test_reading_cannot_write(things: Things) -> None:
    with pytest.raises(Unavailable), things.database.reading() as session:
        session.execute(insert(THINGS).values(name="one"))
    assert things.names() == []


def test_close_finishes_what_waits_and_refuses_what_comes_later(things: Things) -> None:
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(things.add, str(number)) for number in range(8)]
        closing = threading.Thread(target=things.database.close)
        closing.start()
        outcomes = [future.exception() for future in futures]
        closing.join()
    with pytest.raises(Unavailable, match="closed"):
        things.add("late")
    with pytest.raises(Unavailable, match="closed"):
        things.names()
    done = sum(outcome is None for outcome in outcomes)
    assert all(outcome is None or isinstance(outcome, Unavailable) for outcome in outcomes)
    reopened = Database(things.url)
    with reopened.reading() as session:
        assert len(session.execute(select(THINGS.c.name)).all()) == done
    reopened.close()


def test_a_database_needs_no_integrator(on_sqlite: Things) -> None:
    on_sqlite.database.close()
    on_sqlite.database = Database(on_sqlite.url)
    assert on_sqlite.database.commit(lambda session: stage(session, "ignored")) == 0


@pytest.mark.parametrize(
    "url",
    ["", "sqlite://", "sqlite:///:memory:", "mysql://localhost/x", "postgresql://localhost/x", "data.db"],
)
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(Malformed, match="database setting"):
        Database(url)

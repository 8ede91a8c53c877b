"""The budget under attack: races, sockpuppets, promises, crashes, a database from yesterday."""

import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from dataspace.app import open_service, open_space
from dataspace.catalog.models import Dataset, Form
from dataspace.errors import Conflict, DataSpaceError, PolicyDenied, Unavailable, Unprocessable
from dataspace.ledger.models import LedgerRecord
from dataspace.membership.admit import Membership
from dataspace.negotiation.promise import promised
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant, Role
from dataspace.transfer.ask import Answer, Ask, Computed
from dataspace.transfer.budget import Charge, budget_of
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.forms.noised import NoisedAnswers
from dataspace.transfer.mark import FILE, Mark
from dataspace.transfer.pace import Pace
from tests.simulator import Simulator, people, simulated
from tests.transfer.noised import COUNTS, agreed, ask, spent, state

CLIENTS = 100
FACTS = {"rows": 0, "smallest_group": 99, "complement": 99}


def _codes(refused: Any) -> set[str]:
    return {reason["code"] for reason in refused.value.facts["reasons"]}


def _together(act: Callable[[int], bool]) -> int:
    """Do something for a hundred clients at once; return how often it was done."""
    barrier = threading.Barrier(CLIENTS)

    def one(number: int) -> bool:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(one, range(CLIENTS)))


def _conducted(conductor: Conductor, case: Case, number: int) -> bool:
    """Ask a question of its own for a tenth of an epsilon; return whether it was answered."""
    charge = Charge(1, 100_000)
    with suppress(PolicyDenied, Conflict):
        conductor.conduct(
            case,
            Ask(Form.AGGREGATE, f"{number:064x}", (), charge, noised=True),
            lambda _: Computed(b"{}", "application/json", FACTS, charge),
        )
        return True
    return False


def test_qy_09_of_a_hundred_at_once_exactly_as_many_win_as_the_epsilon_is_enough_for(
    space: Simulator,
) -> None:
    consumer, agreement = agreed(space, 300, epsilon=700_000, units=CLIENTS + 1, exact=False)
    with space.service.space.database.reading() as session:
        case = read_case(session, space.service.space, consumer, agreement.id)
    conductor = Conductor(space.service.space)

    def naive_left() -> int:
        with space.service.space.database.reading() as session:
            budget = budget_of(session, agreement)
            return budget.epsilon - budget.epsilon_spent

    taken: list[int] = []

    def naive(_: int) -> bool:
        # Read, then write: between the two the others read the same.
        if (left := naive_left()) - sum(taken) < 100_000:
            return False
        time.sleep(0.05)
        taken.append(min(left, 100_000))
        return True

    assert _together(naive) > 7

    assert _together(lambda number: _conducted(conductor, case, number)) == 7
    assert spent(space, consumer, agreement) == (7, 700_000)
    assert state(space, consumer, agreement) == "SUSPENDED"
    space.audit()


def test_qy_09_accounts_of_one_legal_entity_that_race_win_together_as_often_as_one(space: Simulator) -> None:
    consumer, agreement = agreed(space, 310, epsilon=700_000, units=CLIENTS + 1, exact=False)
    accounts = [consumer, *(space.consumer() for _ in range(3))]
    theirs = [agreement, *(space.agreed(one, agreement.offer) for one in accounts[1:])]
    for one in accounts:
        space.service.membership.change(space.operator, one.id, entity="91110000100000000X")
    with space.service.space.database.reading() as session:
        cases = [
            read_case(session, space.service.space, one, found.id)
            for one, found in zip(accounts, theirs, strict=True)
        ]
    left, lock = dict.fromkeys(range(4), 700_000), threading.Lock()

    def naive(number: int) -> bool:
        # Without a race, and for each account by itself.
        with lock:
            left[number % 4] -= 100_000
            return left[number % 4] >= 0

    assert _together(naive) == 28
    conductor = Conductor(space.service.space)
    assert _together(lambda number: _conducted(conductor, cases[number % 4], number)) == 7
    used = [spent(space, one, found) for one, found in zip(accounts, theirs, strict=True)]
    assert [sum(parts) for parts in zip(*used, strict=True)] == [7, 700_000]
    space.audit()


def test_qy_08_accounts_of_one_legal_entity_share_one_privacy_budget(space: Simulator) -> None:
    consumer, agreement = agreed(space, 301, epsilon=2_000_000)
    puppet, stranger = space.consumer(), space.consumer()
    theirs = {one.id: space.agreed(one, agreement.offer) for one in (puppet, stranger)}
    # The naive service counts accounts: each of them has a whole budget of its own.
    naive = [space.service.answers.usage(one, found.id) for one, found in [(puppet, theirs[puppet.id])]]
    assert naive[0]["epsilon"]["granted"] - naive[0]["epsilon"]["spent"] == 2_000_000
    for one in (consumer, puppet):
        space.service.membership.change(space.operator, one.id, entity="91110000100000000X")
    ask(space, consumer, agreement, epsilon=1_500_000)
    with pytest.raises(PolicyDenied) as refused:
        ask(space, puppet, theirs[puppet.id], "SELECT COUNT(*) FROM data", epsilon=600_000)
    assert "epsilon-exhausted" in _codes(refused)
    ask(space, stranger, theirs[stranger.id], epsilon=1_500_000)
    space.audit()


@pytest.mark.parametrize("exact", [True, False])
def test_qy_08_the_same_question_of_two_accounts_of_one_entity_has_one_noise(
    space: Simulator, exact: bool
) -> None:
    consumer, agreement = agreed(space, 302 + exact, exact=exact)
    puppet, stranger = space.consumer(), space.consumer()
    theirs = {one.id: space.agreed(one, agreement.offer) for one in (puppet, stranger)}
    for one, written in ((consumer, "9111 0000 1000 0000 0x"), (puppet, "91110000100000000X")):
        space.service.membership.change(space.operator, one.id, entity=written)
    first = ask(space, consumer, agreement)
    again = ask(space, puppet, theirs[puppet.id], COUNTS.lower())
    other = ask(space, stranger, theirs[stranger.id])
    assert again.content == first.content
    assert again.entry != first.entry
    assert spent(space, puppet, theirs[puppet.id]) == (1, 0)
    # Who is somebody else pays for noise of its own.
    assert other.content != first.content
    assert spent(space, stranger, theirs[stranger.id]) == (1, 1_000_000)
    space.audit()


def test_qy_08_two_accounts_of_one_entity_that_ask_at_once_have_one_noise_and_pay_for_it_once(
    space: Simulator,
) -> None:
    consumer, agreement = agreed(space, 305)
    puppet = space.consumer()
    theirs = space.agreed(puppet, agreement.offer)
    for one in (consumer, puppet):
        space.service.membership.change(space.operator, one.id, entity="91110000100000000X")
    service, first = space.service.noised, list[Answer]()
    # While the second is computed, the first is answered.
    pace = Pace(sleep=lambda _: first.append(ask(space, consumer, agreement)))
    paced = NoisedAnswers(service._space, service._engine, service._noiser, pace=pace)
    second = paced.query(puppet, theirs.id, COUNTS, {"epsilon": 1_000_000})
    assert [answer.content for answer in first] == [second.content]
    assert spent(space, consumer, agreement) == (1, 1_000_000)
    assert spent(space, puppet, theirs) == (1, 0)
    assert space.service.answers.usage(puppet, theirs.id)["epsilon"]["reserved"] == 0
    space.audit()


def test_an_entity_is_told_as_a_digest_alone(space: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    consumer = space.consumer()
    found = space.service.membership.change(space.operator, consumer.id, entity="91310000MA1FL0000Q")
    assert len(found.entity) == 64
    with space.service.space.database.reading() as session:
        records = [row.record for row in session.exec(select(LedgerRecord))]
        stored = session.get_one(Participant, consumer.id)
    assert f'"entity_sha256":"{found.entity}"' in records[-1]
    assert not any("91310000MA1FL0000Q" in text for text in [*records, caplog.text, repr(stored)])
    with pytest.raises(PolicyDenied):
        space.service.membership.change(consumer, consumer.id, entity="other")
    with pytest.raises(Unprocessable):
        space.service.membership.change(space.operator, consumer.id, entity="x" * 101)
    space.audit()


def _offered(space: Simulator, rows: int, **offer: Any) -> tuple[str, str]:
    terms = {"forms": ("aggregate",), "epsilon": 1_000_000, "dataset_epsilon": 2_000_000, **offer}
    registered = space.registered(space.provider(), people(rows), subjects=["number"], **terms)
    return registered.dataset, registered.offer


def test_qy_10_one_consumer_cannot_use_up_what_another_was_granted(space: Simulator) -> None:
    _, offer = _offered(space, 303)
    hog, other = space.consumer(), space.consumer()
    theirs = {one.id: space.agreed(one, offer) for one in (hog, other)}
    ask(space, hog, theirs[hog.id], epsilon=1_000_000)
    with pytest.raises(PolicyDenied):
        ask(space, hog, theirs[hog.id], "SELECT COUNT(*) FROM data", epsilon=100)
    with pytest.raises(PolicyDenied) as refused:
        space.agreed(space.consumer(), offer)
    assert _codes(refused) == {"dataset-epsilon-promised"}
    assert ask(space, other, theirs[other.id], epsilon=1_000_000).units == 1
    space.audit()


def test_qy_10_of_many_who_agree_at_once_no_more_are_promised_than_there_is(space: Simulator) -> None:
    dataset, offer = _offered(space, 304)
    consumers = [space.consumer() for _ in range(8)]
    barrier = threading.Barrier(len(consumers))

    def agree(consumer: Caller) -> bool:
        barrier.wait()
        with suppress(PolicyDenied, Conflict):
            space.agreed(consumer, offer)
            return True
        return False

    with ThreadPoolExecutor(len(consumers)) as pool:
        assert sum(pool.map(agree, consumers)) == 2
    with space.service.space.database.reading() as session:
        promise = promised(session, dataset, consumers[0].id)
        assert promise.others + promise.own == session.get_one(Dataset, dataset).epsilon == 2_000_000
    space.audit()


def test_qy_10_what_was_promised_since_a_request_is_not_promised_again_by_its_provider(
    space: Simulator,
) -> None:
    _, offer = _offered(space, 305, automatic=False)
    negotiations = [space.service.negotiator.request(space.consumer(), offer, "statistics") for _ in range(3)]
    provider = Caller(negotiations[0].provider, frozenset({Role.PROVIDER}))
    for found in negotiations[:2]:
        space.service.negotiator.agree(provider, found.id)
    with pytest.raises(Conflict, match="dataset-epsilon-promised"):
        space.service.negotiator.agree(provider, negotiations[2].id)
    space.audit()


def test_the_last_unit_suspends_and_either_side_may_still_end(space: Simulator) -> None:
    consumer, agreement = agreed(space, 306, units=2)
    ask(space, consumer, agreement)
    assert state(space, consumer, agreement) == "FINALIZED"
    last = ask(space, consumer, agreement, "SELECT COUNT(*) FROM data")
    assert state(space, consumer, agreement) == "SUSPENDED"
    assert space.kinds()[-2:] == ["query.answered", "agreement.suspended"]
    with pytest.raises(PolicyDenied) as refused:
        space.query(consumer, agreement.id, COUNTS)
    assert {"units-exhausted", "agreement-not-finalized"} <= _codes(refused)
    assert ask(space, consumer, agreement, "SELECT COUNT(*) FROM data").entry == last.entry
    provider = Caller(agreement.provider, frozenset({Role.PROVIDER}))
    assert space.service.negotiator.end(provider, agreement.id).state == "TERMINATED"
    with pytest.raises(PolicyDenied):
        ask(space, consumer, agreement, "SELECT COUNT(*) FROM data")
    space.audit()


def test_the_last_epsilon_suspends_only_who_needs_some_for_every_question(space: Simulator) -> None:
    consumer, agreement = agreed(space, 307, epsilon=1_000_000, exact=False)
    lenient, exact = agreed(space, 308, epsilon=1_000_000)
    for one, found in ((consumer, agreement), (lenient, exact)):
        ask(space, one, found, epsilon=1_000_000)
    assert state(space, consumer, agreement) == "SUSPENDED"
    assert space.query(lenient, exact.id, COUNTS).units == 1
    space.audit()


def test_qy_24_a_database_from_before_noise_was_drawn_draws_no_more(tmp_path: Path) -> None:
    home, backup = tmp_path / "home", tmp_path / "backup.db"
    with simulated(home) as space:
        consumer, agreement = agreed(space, 309, epsilon=1_000_000)
        space.service.space.database.shred()
        shutil.copy(home / "dataspace.db", backup)
        first = ask(space, consumer, agreement, epsilon=1_000_000)
        settings = space.settings
    for left in home.glob("dataspace.db*"):
        left.unlink()
    shutil.copy(backup, home / "dataspace.db")
    # The naive service has forgotten what it answered: whole budget, new noise, an average of two.
    with open_service(settings) as service:
        usage = service.answers.usage(consumer, agreement.id)
        assert usage["epsilon"]["spent"] == 0
        with pytest.raises(Unavailable, match="rolled back"):
            service.noised.query(consumer, agreement.id, COUNTS, {"epsilon": 1_000_000})
    assert Mark(home).read() == first.entry + 1
    with open_space(settings) as opened, pytest.raises(Unavailable, match="rolled back"):
        Membership(opened).admit(space.operator, "late", "late", [Role.CONSUMER], None)


def test_qy_24_a_mark_that_cannot_be_read_is_an_error_and_it_only_rises(tmp_path: Path) -> None:
    mark = Mark(tmp_path)
    assert mark.read() == 0
    mark.reach(7)
    mark.reach(3)
    assert mark.read() == 7
    (tmp_path / FILE).write_bytes(b"torn")
    with pytest.raises(DataSpaceError):
        mark.read()

"""The same question, the same bytes: after a repetition, a race, a crash; and never after a withdrawal."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from dataspace.app import initialise, open_service, open_space
from dataspace.audit.audit import audit
from dataspace.audit.sources import Home
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import PolicyDenied
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from dataspace.transfer.ask import Answer, Ask, Computed
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.models import Budget, Repeatable
from dataspace.transfer.repeat import Repeats
from tests.running import script
from tests.simulator import PASSWORD, Simulator, people
from tests.transfer.noised import COUNTS, agreed, ask, spent

FACTS = {"rows": 0, "smallest_group": 99, "complement": 99}


def _case(space: Simulator, consumer: Caller, agreement: str) -> Case:
    with space.service.space.database.reading() as session:
        return read_case(session, space.service.space, consumer, agreement)


def _kept(space: Simulator, agreement: str) -> list[Repeatable]:
    with space.service.space.database.reading() as session:
        return list(session.exec(select(Repeatable).where(Repeatable.agreement == agreement)))


def test_qy_07_the_same_question_at_once_is_answered_once_and_charged_once(space: Simulator) -> None:
    consumer, agreement = agreed(space, 400)
    barrier = threading.Barrier(6)

    def one(_: int) -> tuple[bytes, int]:
        barrier.wait()
        answer = ask(space, consumer, agreement)
        return answer.content, answer.entry

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(one, range(6)))) == 1
    assert spent(space, consumer, agreement) == (1, 1_000_000)
    usage = space.service.answers.usage(consumer, agreement.id)
    assert (usage["units"]["reserved"], usage["epsilon"]["reserved"]) == (0, 0)
    space.audit()


def test_another_epsilon_or_mechanism_is_another_question(space: Simulator) -> None:
    consumer, agreement = agreed(space, 401)
    first = ask(space, consumer, agreement)
    assert ask(space, consumer, agreement, epsilon=1_000_001).entry != first.entry
    assert ask(space, consumer, agreement, mechanism="gaussian").entry != first.entry
    assert ask(space, consumer, agreement, max_rows=2).entry != first.entry
    assert spent(space, consumer, agreement) == (4, 4_000_001)


def test_what_is_kept_is_sealed_and_gone_with_the_dataset(space: Simulator) -> None:
    consumer, agreement = agreed(space, 402)
    answer = ask(space, consumer, agreement)
    [kept] = _kept(space, agreement.id)
    assert b"district" in answer.content
    assert b"district" not in kept.content
    assert kept.sha256 == answer.sha256
    provider = Caller(agreement.provider, frozenset({Role.PROVIDER}))
    space.service.registrar.withdraw(provider, agreement.dataset)
    assert _kept(space, agreement.id) == []
    with pytest.raises(PolicyDenied):
        ask(space, consumer, agreement)
    space.audit()


def test_what_expires_is_asked_anew_and_swept(space: Simulator) -> None:
    consumer, agreement = agreed(space, 403)
    case = _case(space, consumer, agreement.id)
    until = space.clock() + timedelta(minutes=5)
    asked = Ask(Form.AGGREGATE, "a" * 64, (), Charge(1, 1000), kept=True, until=until)

    def conduct() -> int:
        made = Computed(b"{}", "application/json", FACTS, asked.charge)
        return Conductor(space.service.space).conduct(case, asked, lambda _: made).entry

    first = conduct()
    assert conduct() == first
    space.clock.forward(minutes=6)
    assert Repeats(space.service.space).find(None, case, "a" * 64) is None
    Repeats(space.service.space).sweep()
    assert _kept(space, agreement.id) == []
    assert conduct() != first


def test_an_answer_of_an_ended_or_expired_agreement_is_not_given_again(space: Simulator) -> None:
    consumer, agreement = agreed(space, 404, days=1)
    digest = "b" * 64
    case = _case(space, consumer, agreement.id)
    asked = Ask(Form.AGGREGATE, digest, (), Charge(1, 1000), kept=True)
    made = Computed(b"{}", "application/json", FACTS, asked.charge)
    Conductor(space.service.space).conduct(case, asked, lambda _: made)
    repeats = Repeats(space.service.space)
    assert repeats.find(None, case, digest)
    assert repeats.find(None, case, "c" * 64) is None
    lapsed = space.clock.now
    space.clock.forward(days=2)
    assert repeats.find(None, case, digest) is None
    space.clock.now = lapsed
    space.service.negotiator.end(consumer, agreement.id)
    assert repeats.find(None, _case(space, consumer, agreement.id), digest) is None


_ASKING = """
import sys
from pathlib import Path
from dataspace.app import open_service
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from tests.transfer.noised import COUNTS

consumer = Caller(sys.argv[2], frozenset({Role.CONSUMER}))
with open_service(Settings(home=Path(sys.argv[1]))) as service:
    answer = service.noised.query(consumer, sys.argv[3], COUNTS, {"epsilon": 1_000_000})
    print(answer.entry, answer.sha256, flush=True)
"""


class _Home:
    """A space with one agreement, and a consumer that asks in a process of its own."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        admission = initialise(self.settings, "operator", "operator", PASSWORD)
        assert admission
        operator = Caller(admission.member.id, frozenset({Role.OPERATOR}))
        with open_service(self.settings) as service:
            provider, self.consumer = (
                Caller(
                    service.membership.admit(operator, role, role, [role], None).member.id, frozenset({role})
                )
                for role in (Role.PROVIDER, Role.CONSUMER)
            )
            staging = service.uploads.stage(provider, "government")
            staging.write(people(600))
            staging.finish()
            upload = service.uploads.read(provider, "government", "people.csv", staging)
            offer = OfferTerms(price=1, forms=(Form.AGGREGATE,), epsilon=3_000_000)
            registration = Registration("people", offer, subjects=("number",))
            registered = service.registrar.confirm(provider, upload.id, registration)
            found = service.negotiator.request(self.consumer, registered.offer, "statistics")
            service.negotiator.verify(self.consumer, found.id)
            self.agreement = str(found.agreement)
            self.key = service.space.log.vkey()

    def killed(self, point: str) -> None:
        """Ask in a process that is killed at `point`, before it tells anything."""
        arguments = [str(self.settings.home), self.consumer.id, self.agreement]
        run = script(_ASKING, arguments, {"DATASPACE_CRASH_AT": point})
        assert (run.returncode, run.stdout) == (137, ""), run.stderr

    def ask(self) -> Answer:
        """Ask a service that was opened anew."""
        with open_service(self.settings) as service:
            return service.noised.query(self.consumer, self.agreement, COUNTS, {"epsilon": 1_000_000})

    def budget(self) -> tuple[int, int]:
        """Return what is spent, and what is reserved, of epsilon."""
        with open_space(self.settings) as space, space.database.reading() as session:
            found = session.get_one(Budget, self.agreement)
            return found.epsilon_spent, found.epsilon_reserved


def test_cr_04_what_was_reserved_when_the_service_was_killed_stays_charged(tmp_path: Path) -> None:
    home = _Home(tmp_path / "home")
    # A service that noted the charge with the answer alone would give a killed question back for nothing.
    home.killed("query.reserved")
    assert home.budget() == (0, 1_000_000)
    assert home.ask()
    assert home.budget() == (1_000_000, 1_000_000)
    assert audit(Home(home.settings.home), home.key).ok


def test_cr_05_what_was_computed_when_the_service_was_killed_is_there_and_charged_once(
    tmp_path: Path,
) -> None:
    home = _Home(tmp_path / "home")
    home.killed("query.answered")
    assert home.budget() == (1_000_000, 0)
    assert home.ask() == home.ask()
    # The naive service would draw noise anew and charge a second time.
    assert home.budget() == (1_000_000, 0)
    assert audit(Home(home.settings.home), home.key).ok

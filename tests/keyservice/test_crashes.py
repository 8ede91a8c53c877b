"""A platform killed while it takes a sealed dataset in, or answers of one: whole after it, charged once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataspace.participants.access import Caller
from dataspace.transfer.models import Budget
from tests.keyservice.scene import Agreed, Scene, Stand, spent_of, stand
from tests.running import script
from tests.simulator import people

_CHILD = """
import json, sys
from pathlib import Path
from dataspace.app import open_service
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings

home, zones, keyservice, caller, act = sys.argv[1:6]
with open_service(Settings(home=Path(home), zones=zones, keyservice=keyservice)) as service:
    if act == "register":
        provider = Caller(caller, frozenset({Role.PROVIDER}))
        staging = service.uploads.stage(provider, "government")
        staging.write(Path(sys.argv[6]).read_bytes())
        staging.finish()
        service.sealing.register(provider, "government", staging, Registration("sealed", OfferTerms(100)))
    else:
        consumer = Caller(caller, frozenset({Role.CONSUMER}))
        service.sealed.total(consumer, act, json.loads(sys.argv[6]))
"""


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path) as found:
        yield found


def killed(platform: Stand, point: str, caller: Caller, *arguments: str) -> None:
    """Act in a process of its own, which is killed at a named point."""
    settings = platform.settings
    words = [str(settings.home), settings.zones, settings.keyservice, caller.id, *arguments]
    run = script(_CHILD, words, {"DATASPACE_CRASH_AT": point})
    assert run.returncode == 137, run.stderr


def test_cr_02_a_container_that_was_taken_and_not_registered_is_swept(platform: Stand) -> None:
    with platform.opened() as stage:
        provider, path = stage.space.provider(), stage.sealed(people(300)).container
        assert stored(stage) == set()
    killed(platform, "sealed.before_row", provider, "register", str(path))
    # A start that swept nothing would keep it for ever: no row names it.
    assert len(stored(stage)) == 1
    with platform.opened() as stage:
        assert stored(stage) == set()
        assert "dataset.registered" not in stage.space.kinds()
        stage.space.audit()
        stage.registered(provider, path.read_bytes())
        assert len(stored(stage)) == 1
        stage.space.audit()


@pytest.mark.parametrize(
    ("point", "charged"), [("sealed.computed", (0, 1_000_000)), ("query.answered", (1_000_000, 0))]
)
def test_cr_04_cr_05_a_total_that_was_cut_off_is_charged_once_and_answered_when_it_is_asked_again(
    platform: Stand, point: str, charged: tuple[int, int]
) -> None:
    with platform.opened() as stage:
        agreed = stage.agreed(people(300))
        groups = agreed.groups(district_0=1)
    asked = {"measure": "income", "groups": groups, "epsilon": 1_000_000, "key": agreed.keys.public}
    killed(platform, point, agreed.consumer, agreed.agreement.id, json.dumps(asked))
    with platform.opened() as stage:
        agreed.scene = stage
        assert budget(agreed) == charged
        answer = agreed.total(groups)
        assert len(agreed.opened(answer.content)["totals"]) == 1
        assert agreed.total(groups) == answer
        # What was reserved stays so: given back, a question that is killed in time would cost nothing.
        assert budget(agreed) == (1_000_000, charged[1])
        assert stage.space.kinds().count("sealed.computed") == 1
        assert spent_of(agreed) == 1_000_000
        stage.space.audit()


def stored(stage: Scene) -> set[str]:
    """The containers that lie in a platform's home."""
    return {path.name for path in stage.space.settings.home.rglob("up-*.sealed")}


def budget(agreed: Agreed) -> tuple[int, int]:
    with agreed.scene.space.service.space.database.reading() as session:
        found = session.get_one(Budget, agreed.agreement.id)
        return found.epsilon_spent, found.epsilon_reserved

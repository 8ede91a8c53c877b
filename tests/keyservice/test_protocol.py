"""What the key service asks of a request before it opens anything: of the real process, over HTTP."""

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import select

from dataspace.app import initialise, log_key, open_service
from dataspace.errors import Conflict, DataSpaceError, Malformed, Refused, Unavailable, VerificationError
from dataspace.keyservice.home import Home
from dataspace.keyservice.store import FAILURES, Store
from dataspace.settings import Settings
from dataspace.transfer.models import Budget, Repeatable, SealedJob
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.hpke import PUBLIC_SIZE, key_id
from dataspace.wire.keyservice import KEEP, OPEN, Message
from dataspace.wire.sealed import RESULT_MAGIC
from tests.keyservice.asked import announced, naive, posted, signed
from tests.keyservice.scene import TERMS, Agreed, Scene, key_service, scene, spent_of
from tests.running import free_port
from tests.simulator import PASSWORD, people

SUM = sum((3000 + n) * 100 for n in range(0, 9_000, 3))  # of district 0
_UNUSABLE = b"\xff" * PUBLIC_SIZE


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.fixture(scope="module")
def agreed(stage: Scene) -> Agreed:
    return stage.agreed(people(9_000))


def forged(agreed: Agreed) -> bytes:
    """A sum of the right size over the wrong rows."""
    plan = agreed.plan(agreed.groups(district_0=1))
    values, _ = split_parts(agreed.computed(plan), RESULT_MAGIC)
    _, tags = split_parts(agreed.computed(agreed.plan(agreed.groups(district_1=1))), RESULT_MAGIC)
    return join_parts(RESULT_MAGIC, [bytes(values), bytes(tags)])


def test_he_07_what_is_in_the_ledger_is_opened(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_0=1))
    opened = agreed.open(plan, agreed.computed(plan))
    assert len(agreed.opened(opened.encode())["totals"]) == 1


def test_the_length_of_an_answer_tells_the_platform_no_digits_and_no_sign(agreed: Agreed) -> None:
    told = {}
    for weight in (1, 1000, -1):
        plan = agreed.plan(agreed.groups(district_0=weight))
        opened = agreed.open(plan, agreed.computed(plan))
        told[str(agreed.opened(opened.encode())["totals"])] = len(opened.attachments[0])
    assert len({len(totals) for totals in told}) == 3  # as long as these the naive answers are
    assert len(set(told.values())) == 1


def test_he_07_the_same_job_again_gets_the_same_answer(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_0=5))
    result = agreed.computed(plan)
    first = agreed.open(plan, result)
    spent = spent_of(agreed)
    assert agreed.open(plan, result).encode() == first.encode()
    assert spent_of(agreed) == spent


@pytest.mark.parametrize(
    "ledger",
    [
        {"plan_sha256": "0" * 64},
        {"result_sha256": "0" * 64},
        {"agreement": "ag-0000000000000000"},
        {"dataset": "ds-0000000000000000"},
        {"version": 2},
    ],
    ids=lambda ledger: next(iter(ledger)),
)
def test_he_07_what_the_ledger_does_not_have_is_not_opened(agreed: Agreed, ledger: dict[str, Any]) -> None:
    plan = agreed.plan(agreed.groups(district_0=7))
    request = signed(agreed, OPEN, *agreed.asking(plan, agreed.computed(plan), **ledger)).encode()
    assert naive(agreed, request) == [7 * SUM]
    with pytest.raises(Refused, match="the ledger does not have"):
        posted(agreed, request)


def test_he_07_a_receipt_of_another_ledger_is_not_believed(agreed: Agreed, tmp_path: Path) -> None:
    mine = Settings(home=tmp_path / "other")
    initialise(mine, "operator", "operator", PASSWORD)
    plan = agreed.plan(agreed.groups(district_0=11))
    result = agreed.computed(plan)
    with open_service(mine) as service:

        def act(session: Any) -> int:
            from dataspace.proof.canonical import canonical  # noqa: PLC0415

            return service.space.log.append(
                session, "sealed.computed", job="sj-1",
                agreement=plan.agreement, dataset=plan.dataset, version=1,
                plan_sha256=sha256(canonical(plan.to_json())).hexdigest(),
                result_sha256=sha256(result).hexdigest(), policy="0" * 64, input="0" * 64,
            )  # fmt: skip

        entry = service.space.database.commit(act)
        with service.space.database.reading() as session:
            receipt = service.space.log.receipt(session, entry).to_bytes()
    told = {"job": "sj-1", "plan": plan.to_json()}
    request = signed(agreed, OPEN, told, [result, receipt, base64.b64decode(agreed.keys.public)]).encode()
    assert naive(agreed, request) == [11 * SUM]
    with pytest.raises(Refused, match="the ledger does not have"):
        posted(agreed, request)


def test_he_07_one_job_is_not_opened_for_two_results(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_0=13))
    agreed.open(plan, agreed.computed(plan), job="sj-twice")
    another = agreed.plan(agreed.groups(district_0=14))
    with pytest.raises(Conflict, match="another plan or result"):
        agreed.open(another, agreed.computed(another), job="sj-twice")


def test_he_07_forgeries_lock_the_dataset_until_its_keeper_unlocks_it(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_0=1))
    request = signed(agreed, OPEN, *agreed.asking(plan, forged(agreed), job="sj-forged")).encode()
    assert naive(agreed, request) == [SUM]
    before = spent_of(agreed)
    for attempt in range(FAILURES):
        with pytest.raises(Refused, match="not of the plan"):
            agreed.open(plan, forged(agreed), job=f"sj-forged-{attempt}")
    another = agreed.plan(agreed.groups(district_1=3))
    with pytest.raises(Refused, match="locked"):
        agreed.open(another, agreed.computed(another))
    assert spent_of(agreed) == before
    store = Store(agreed.scene.ours.database)
    store.unlock(agreed.head.id)
    store.close()
    agreed.open(another, agreed.computed(another))


def test_he_11_a_request_that_came_before_is_not_answered(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_0=19))
    request = signed(agreed, OPEN, *agreed.asking(plan, agreed.computed(plan))).encode()
    assert naive(agreed, request) == naive(agreed, request) == [19 * SUM]
    assert posted(agreed, request)
    with pytest.raises(Conflict, match="came before"):
        posted(agreed, request)


@pytest.mark.parametrize("seconds", [-1, 100_000])
def test_he_11_a_request_that_expired_or_lives_too_long_is_refused(agreed: Agreed, seconds: int) -> None:
    plan = agreed.plan(agreed.groups(district_0=23))
    told, attachments = agreed.asking(plan, agreed.computed(plan))
    request = signed(agreed, OPEN, told, attachments, seconds=seconds).encode()
    assert naive(agreed, request) == [23 * SUM]
    with pytest.raises(Refused, match="expired"):
        posted(agreed, request)


def test_a_request_that_another_signed_is_refused(agreed: Agreed) -> None:
    stranger = Ed25519PrivateKey.generate()
    request = signed(agreed, KEEP, {}, [agreed.head.encode()], sign=stranger.sign)
    with pytest.raises(Refused, match="not of the platform"):
        posted(agreed, request.encode())


def test_what_a_stranger_or_a_replay_brings_is_refused_before_it_is_read(agreed: Agreed) -> None:
    """A quarter of a gigabyte for each request would else be read and hashed first."""
    stranger, big = Ed25519PrivateKey.generate(), bytes(50_000_000)
    heads = {
        name: signed(agreed, KEEP, {}, [big], sign=sign).encode()[: -len(big)]
        for name, sign in (("stranger", stranger.sign), ("platform", None))
    }
    # The naive key service reads a message whole: of these it has not even the beginning of one.
    with pytest.raises(Malformed):
        naive(agreed, heads["stranger"])
    assert b"not of the platform" in announced(agreed, heads["stranger"], len(big))
    with pytest.raises(Unavailable, match="422"):  # read whole, and no container
        posted(agreed, heads["platform"] + big)
    assert b"came before" in announced(agreed, heads["platform"], len(big))


def test_an_attachment_that_was_exchanged_is_refused(agreed: Agreed) -> None:
    request = signed(agreed, KEEP, {}, [agreed.head.encode()])
    for other in (b"another", bytes(len(agreed.head.encode()))):
        whole = join_parts(b"DSKS\x01", [request.content, request.signature, other])
        with pytest.raises(DataSpaceError):
            posted(agreed, whole)
        with pytest.raises(Malformed):
            Message.decode(whole)


def test_a_report_that_the_platform_made_is_not_the_manifests(agreed: Agreed) -> None:
    """The platform cannot sign for the provider: a report of its own names another key than the manifest."""
    from dataspace.wire.sealed import Head, report_message  # noqa: PLC0415

    mine = Ed25519PrivateKey.generate()
    told = {**json.loads(agreed.head.report), "provider_key": mine.public_key().public_bytes_raw().hex()}
    report = json.dumps({**told, "min_group": 1}).encode()
    head = Head(report, mine.sign(report_message(report)), agreed.head.manifest)
    head.check()
    with pytest.raises(Unavailable, match="422"):
        agreed.scene.client.ask(KEEP, {}, [head.encode()])


def test_noise_is_refused_by_the_process_which_lives_on(agreed: Agreed) -> None:
    for noise in (b"", b"noise", b"DSKS\x01\x00", b"DSKS\x01\x02" + bytes(8), bytes(100_000)):
        with pytest.raises(DataSpaceError):
            agreed.scene.client._exchange("POST", "/requests", noise)
    with urllib.request.urlopen(f"http://127.0.0.1:{agreed.scene.port}/key", timeout=10) as answer:
        assert answer.read().decode() == str(agreed.scene.ours.identity.public)


def test_qy_08_the_datasets_own_epsilon_is_the_key_services_whatever_the_platform_says(stage: Scene) -> None:
    agreed = stage.agreed(people(3_000), replace(TERMS, epsilon=1_500_000))
    first, second = agreed.plan(agreed.groups(district_0=1)), agreed.plan(agreed.groups(district_1=1))
    agreed.open(first, agreed.computed(first))
    with pytest.raises(Refused, match="500000 millionths of epsilon left"):
        agreed.open(second, agreed.computed(second))


def test_he_10_an_answer_that_was_changed_is_not_opened(agreed: Agreed) -> None:
    plan = agreed.plan(agreed.groups(district_2=3))
    message = agreed.open(plan, agreed.computed(plan))
    changed = message.content.replace(b'"epsilon":1000000', b'"epsilon":1000001')
    other = join_parts(b"DSKS\x01", [changed, message.signature, *message.attachments])
    with pytest.raises(VerificationError):
        Message.decode(other).check(
            agreed.scene.ours.identity.public.verify, str(message.statement["format"])
        )
    with pytest.raises(VerificationError):
        agreed.keys.open(message.attachments[0], b"another use")


def test_qy_08_a_key_that_nothing_can_be_sealed_to_spends_nothing_of_the_dataset(agreed: Agreed) -> None:
    """A consumer would else spend a dataset's epsilon to the end, and be charged nothing: no answer comes."""
    unusable: Any = SimpleNamespace(id=key_id(_UNUSABLE), public=base64.b64encode(_UNUSABLE).decode())
    agreed.scene.client.send_manifest(agreed.payload())
    theirs, before = replace(agreed, keys=unusable), spent_of(agreed)
    plan = theirs.plan(agreed.groups(district_0=17))
    with pytest.raises(Unavailable, match="422"):
        theirs.open(plan, agreed.computed(plan))
    with pytest.raises(Malformed, match="no public key"):
        theirs.total(agreed.groups(district_0=17))
    assert spent_of(agreed) == before


def test_cr_05_without_the_key_service_nothing_is_charged_and_the_same_job_is_asked_for_later(
    tmp_path: Path,
) -> None:
    with scene(tmp_path) as stage:
        agreed = stage.agreed(people(3_000))
        groups, away = agreed.groups(district_0=1), stage.space.service.sealed._keyservice
        port, away.url = away.url, "http://127.0.0.1:9"
        with pytest.raises(Unavailable, match="key service does not answer"):
            agreed.total(groups)
        assert budget_of(agreed) == (0, 0, 0, 0)
        away.url = port
        answer = agreed.total(groups)
        assert agreed.total(groups) == answer
        assert budget_of(agreed) == (1, 0, 1_000_000, 0)
        assert stage.space.kinds().count("sealed.computed") == 1
        with stage.space.service.space.database.reading() as session:
            assert len(session.exec(select(SealedJob)).all()) == 1
            assert len(session.exec(select(Repeatable)).all()) == 1
        stage.space.audit()


def test_a_key_service_that_died_before_it_answered_opens_the_job_again(stage: Scene) -> None:
    agreed = stage.agreed(people(3_000))
    plan = agreed.plan(agreed.groups(district_0=1))
    first = agreed.open(plan, agreed.computed(plan))
    store = Store(stage.ours.database)
    with store._writing() as act:
        act.execute("UPDATE job SET answer = NULL")
    store.close()
    spent = spent_of(agreed)
    assert agreed.open(plan, agreed.computed(plan)).encode() != first.encode()
    assert spent_of(agreed) == spent


def test_another_key_service_at_the_address_is_not_spoken_to(stage: Scene, tmp_path: Path) -> None:
    other, port = Home.create(tmp_path / "impostor", log_key(stage.space.settings)), free_port()
    with key_service(other.folder, port):
        client = stage.client
        client.url = f"http://127.0.0.1:{port}"
        with pytest.raises(Unavailable, match="another key"):
            client.ask(KEEP, {}, [])


def budget_of(agreed: Agreed) -> tuple[int, int, int, int]:
    with agreed.scene.space.service.space.database.reading() as session:
        found = session.get(Budget, agreed.agreement.id)
        assert found
        return found.units_spent, found.units_reserved, found.epsilon_spent, found.epsilon_reserved

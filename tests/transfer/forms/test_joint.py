"""Joint statistics of services that run in this process: the sum alone, charged once by each zone."""

import hashlib
import math
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlmodel import select

from dataspace.bfv.ciphertext import write_vector
from dataspace.catalog.models import Form
from dataspace.client import DataSpace
from dataspace.client.encrypted import Keys
from dataspace.client.joining import JointQuestion, joint, prepare_joint
from dataspace.errors import (
    Conflict,
    DataSpaceError,
    Malformed,
    NotFound,
    PolicyDenied,
    TooMany,
    Unavailable,
    Unprocessable,
    VerificationError,
)
from dataspace.privacy.joint import Adder, mask
from dataspace.transfer.budget import budget_of
from dataspace.transfer.forms import coordinate
from dataspace.transfer.forms import joint as joint_answers
from dataspace.transfer.forms.joint import JointAnswers
from dataspace.transfer.forms.peers import Peers
from dataspace.transfer.models import JointPart, JointSum
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.part import Part, Request
from tests.neighbours import DISTRICTS, EPSILON, MEASURES, Neighbour, neighbours, settled
from tests.postgres import postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]  # fixtures

NAMES = ("east", "north", "south")
ROWS = 600
T = parameter_set(DEFAULT_PARAMETERS).plain_modulus

Zones = dict[str, Neighbour]


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zones]:
    with neighbours(tmp_path_factory.mktemp("zones"), NAMES, ROWS) as found:
        yield found
        for zone in found.values():
            zone.space.audit()


@pytest.fixture(scope="module")
def keys() -> Keys:
    return Keys.create()


def _spaces(zones: Zones) -> dict[str, Any]:
    agreements = {name: zone.agreement.id for name, zone in zones.items()}
    return {"spaces": {name: zone.sdk for name, zone in zones.items()}, "agreements": agreements}


def _asked(zones: Zones, keys: Keys, **changed: Any) -> JointQuestion:
    asked = {"dimensions": DISTRICTS, "measures": MEASURES, "epsilon": EPSILON, **changed}
    return prepare_joint(keys=keys, **_spaces(zones), **asked)


def _of_another(zone: Neighbour) -> Neighbour:
    """Return a zone as another consumer of it has it, with an agreement on the same offer."""
    consumer = zone.space.consumer()
    agreement = zone.space.agreed(consumer, zone.agreement.offer, forms=[Form.JOINT])
    sdk = DataSpace(zone.url, zone.space.tokens[consumer.id])
    return replace(zone, consumer=consumer, agreement=agreement, sdk=sdk)


def _joint(zone: Neighbour) -> JointAnswers:
    assert zone.space.service.joint
    return zone.space.service.joint


def _part(zone: Neighbour, question: JointQuestion) -> Any:
    """Ask one zone alone."""
    return _joint(zone).part(zone.consumer, zone.agreement.id, question.request)


def _rows(zone: Neighbour, table: Any, job: str) -> list[Any]:
    with zone.space.service.space.database.reading() as session:
        return list(session.exec(select(table).where(table.job == job)).all())


def _all(zone: Neighbour, table: Any) -> list[Any]:
    with zone.space.service.space.database.reading() as session:
        return list(session.exec(select(table)).all())


def _spent(zone: Neighbour) -> tuple[int, int]:
    with zone.space.service.space.database.reading() as session:
        budget = budget_of(session, zone.agreement)
        assert (budget.units_reserved, budget.epsilon_reserved) == (0, 0)
        return budget.units_spent, budget.epsilon_spent


def _opened(keys: Keys, part: Part) -> list[int]:
    """Decrypt one part, as a coordinator could that has the consumer's secret key."""
    slots = parameter_set(DEFAULT_PARAMETERS).slots
    return [value % T for vector in part.vectors for value in keys.open(write_vector(vector, slots))][
        : part.length
    ]


def test_the_totals_are_those_of_all_zones_within_their_noise(zones: Zones, keys: Keys) -> None:
    table = _asked(zones, keys).ask()
    for place in range(3):
        numbers = [n for z in range(3) for n in range(ROWS + z) if n % 3 == place]
        for measure, exact in (("count", len(numbers)), ("sum(income)", sum(3000 + n for n in numbers))):
            assert abs(table.values(measure)[place] - exact) < 12 * table.error(measure), measure
    assert all(math.isclose(mean, 3300, rel_tol=0.2) for mean in table.values("mean(income)"))
    frame = table.to_pandas()
    assert list(frame["district"]) == DISTRICTS["district"]
    assert {"count", "error of count", "sum(income)", "mean(income)", "error of mean(income)"} <= set(frame)
    assert table.error("count") == pytest.approx(math.sqrt(6))  # three draws of Laplace noise of scale 1
    for name, zone in zones.items():
        report = zone.sdk.verify(table.receipts()[name], zone.space.service.space.log.vkey())
        assert report.ok, report


def test_each_zone_charges_once_however_often_a_job_is_sent(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    before = {name: _spent(zone) for name, zone in zones.items()}
    first, again = question.ask(), question.ask()
    assert first.totals == again.totals
    for name, zone in zones.items():
        assert _spent(zone) == (before[name][0] + 1, before[name][1] + EPSILON)
        one, two = first.zones[name], again.zones[name]
        assert (one.entry, one.sha256, one.units, one.epsilon) == (two.entry, two.sha256, 1, EPSILON)
        assert (two.units, two.epsilon, two.price) == (0, 0, 0)


def test_the_same_job_at_once_is_one_part(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    for zone in zones.values():
        (units, epsilon), again = _spent(zone), [zone] * 4
        with ThreadPoolExecutor(4) as pool:
            views = list(pool.map(lambda each: _part(each, question), again))
        assert len({(view.entry, view.sha256) for view in views}) == 1
        assert _spent(zone) == (units + 1, epsilon + EPSILON)


def test_a_space_asks_with_others_and_adds_up_itself(zones: Zones, keys: Keys) -> None:
    agreements = {name: zone.agreement.id for name, zone in zones.items()}
    others = {name: zone.sdk for name, zone in zones.items() if name != "south"}
    asked: dict[str, Any] = {"dimensions": DISTRICTS, "measures": MEASURES[:1], "epsilon": EPSILON}
    table = zones["south"].sdk.joint(agreements, others, keys, **asked)
    assert table.job.coordinator == "south"
    assert joint(keys=keys, **_spaces(zones), **asked).cells == table.cells
    with pytest.raises(Malformed, match="one for this zone"):
        zones["south"].sdk.joint(agreements, {**others, "south": zones["south"].sdk}, keys, **asked)


def test_without_every_part_there_is_no_answer_and_the_missing_are_named(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    coordinator = _joint(zones["east"]).coordinator
    with pytest.raises(NotFound):
        coordinator.sum(zones["east"].consumer, question.job.id)
    _part(zones["east"], question)
    _part(zones["south"], question)
    with pytest.raises(Conflict, match="north") as missing:
        coordinator.sum(zones["east"].consumer, question.job.id)
    assert missing.value.facts["missing"] == ["north"]
    with pytest.raises(Unprocessable, match="east adds up"):
        _joint(zones["south"]).coordinator.sum(zones["south"].consumer, question.job.id)
    assert set(question.ask().zones) == set(NAMES)


def test_parts_are_delivered_again_to_a_coordinator_that_comes_back_and_charged_once(
    zones: Zones, keys: Keys
) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1], coordinator="south")
    before = {name: _spent(zone) for name, zone in zones.items()}
    zones["south"].server.close()
    with pytest.raises(Unavailable) as away:
        question.ask(patience=0)
    assert away.value.facts["peer"] == "south"
    assert [_part(zones[name], question).delivered for name in ("east", "north")] == [False, False]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(question.ask)
        zones["south"].start()
        table = waiting.result()
    assert [zone.epsilon for zone in table.zones.values()] == [0, 0, EPSILON]  # south's was the first
    for name, (units, epsilon) in before.items():
        assert _spent(zones[name]) == (units + 1, epsilon + EPSILON)


def test_lo_05_a_consumer_that_fills_its_place_leaves_the_others_theirs(
    zones: Zones, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    south, theirs = zones["south"], _of_another(zones["south"])

    def served_after_many() -> bool:
        """Let one consumer have as many parts as it can, where three have room; then ask as the other."""
        held = sum(len(row.content) for row in _all(zones["east"], JointSum) if row.peer == "south")
        monkeypatch.setattr(coordinate, "_PEER_BYTES", held + size * 7 // 2)
        with suppress(TooMany):
            for _ in range(4):
                _part(south, _asked(zones, keys, measures=MEASURES[:1]))
        question = _asked({**zones, "south": theirs}, keys, measures=MEASURES[:1])
        return bool(_part(theirs, question).delivered)

    _part(south, _asked(zones, keys, measures=MEASURES[:1]))
    size = len(_all(south, JointPart)[-1].content)
    # Naive: the coordinator alone counts, all consumers of a peer together.
    assert not served_after_many()
    kept = sum(len(row.content) for row in _all(south, JointPart) if row.agreement == south.agreement.id)
    monkeypatch.setattr(joint_answers, "_CONSUMER_BYTES", kept + size * 3 // 2)
    assert served_after_many()
    before = _spent(south)
    with pytest.raises(TooMany, match="your joint statistics"):
        _part(south, _asked(zones, keys, measures=MEASURES[:1]))
    assert _spent(south) == before
    # Another account of its legal entity has the same place.
    for account in (south.consumer, theirs.consumer):
        south.space.service.membership.change(south.space.operator, account.id, entity="one entity")
    with pytest.raises(TooMany, match="your joint statistics"):
        _part(theirs, _asked({**zones, "south": theirs}, keys, measures=MEASURES[:1]))
    theirs.sdk.close()


def test_lo_05_parts_that_are_asked_for_at_once_do_not_pass_the_place_of_a_consumer(
    zones: Zones, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    south = _of_another(zones["south"])
    first, one, other = (_asked({**zones, "south": south}, keys, measures=MEASURES[:1]) for _ in range(3))
    _part(south, first)
    size = len(_rows(south, JointPart, first.job.id)[0].content)
    monkeypatch.setattr(joint_answers, "_CONSUMER_BYTES", size * 3 // 2)
    compute = JointAnswers._compute

    def interrupted(*asked: Any) -> Any:
        """Compute one part after the other one was made, for which there was place when both were begun."""
        monkeypatch.setattr(JointAnswers, "_compute", compute)
        _part(south, other)
        return compute(*asked)

    monkeypatch.setattr(JointAnswers, "_compute", interrupted)
    with pytest.raises(TooMany, match="your joint statistics"):
        _part(south, one)
    assert _spent(south) == (2, 2 * EPSILON)
    assert not _rows(south, JointPart, one.job.id)
    south.sdk.close()


def test_au_09_a_sum_is_for_the_consumer_that_asked(zones: Zones, keys: Keys) -> None:
    question, east = _asked(zones, keys, measures=MEASURES[:1]), zones["east"]
    _part(east, question)
    for other in (east.space.consumer(), east.provider, east.space.operator):
        with pytest.raises(NotFound):
            _joint(east).coordinator.sum(other, question.job.id)
        with pytest.raises(NotFound):
            _joint(east).part(other, east.agreement.id, question.request)


def test_coordinator_and_consumer_together_open_nothing_but_uniform_numbers(zones: Zones, keys: Keys) -> None:
    first, second = (_asked(zones, keys) for _ in range(2))
    tables = [question.ask() for question in (first, second)]
    opened: list[dict[str, list[int]]] = []
    for question, table in zip((first, second), tables, strict=True):
        rows = _rows(zones["east"], JointSum, question.job.id)
        opened.append({row.peer: _opened(keys, Part.decode(row.content)) for row in rows})
        totals = [value for measure in question.job.measures for value in table.totals[measure.name]]
        added = [sum(values) % T for values in zip(*opened[-1].values(), strict=True)]
        assert added == [total % T for total in totals]
        for peer, values in opened[-1].items():
            # Of a plain part every value would lie within its reach of zero: by chance one in a million does.
            reach = max(question.job.reach(measure, peer) for measure in question.job.measures)
            assert sum(min(value, T - value) <= reach for value in values) <= 1
    assert all(
        one != two for peer in NAMES for one, two in zip(opened[0][peer], opened[1][peer], strict=True)
    )


def test_without_masks_coordinator_and_consumer_read_every_zone(
    zones: Zones, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Peers, "seeds", lambda *_: [])
    question = _asked(zones, keys)
    question.ask()
    for row in _rows(zones["east"], JointSum, question.job.id):
        count, *_ = _opened(keys, Part.decode(row.content))
        assert abs(count - ROWS / 3) < 40, row.peer  # the zone's own people, but for its noise


def _forged(
    zones: Zones, question: JointQuestion, change: Callable[[Part], Part], signer: str = "north"
) -> bytes:
    """Return north's part of a question, changed, and signed by a peer."""
    [row] = _rows(zones["north"], JointPart, question.job.id)
    return _joint(zones[signer])._peers.signed(change(Part.decode(row.content))).encode()


def _other(part: Part) -> Part:
    return replace(part, key=hashlib.sha256(b"another key").hexdigest())


FORGERIES: dict[str, Callable[[Part], Part]] = {
    "another key": _other,
    "garbage": lambda part: replace(part, vectors=(secrets.token_bytes(len(part.vectors[0])),)),
    "cut off": lambda part: replace(part, vectors=(part.vectors[0][:-1],)),
    "two ciphertexts": lambda part: replace(part, vectors=part.vectors * 2),
    "no ciphertext": lambda part: replace(part, vectors=()),
    "another length": lambda part: replace(part, length=part.length + 1),
    "another job": lambda part: replace(part, job_sha256="0" * 64),
    "fewer peers": lambda part: replace(part, peers=("east", "north")),
    "peers of its own": lambda part: replace(part, peers=("east", "north", "nobody")),
    "other keys of the peers": lambda part: replace(part, peers_sha256="0" * 64),
    "a long life": lambda part: replace(part, expires=part.expires + 10**6),
    "the past": lambda part: replace(part, expires=1),
    "a stranger": lambda part: replace(part, peer="nobody"),
}


def _flipped(stream: bytes) -> bytes:
    middle = len(stream) // 2
    return stream[:middle] + bytes([stream[middle] ^ 1]) + stream[middle + 1 :]


@pytest.fixture(scope="module")
def waiting(zones: Zones, keys: Keys) -> JointQuestion:
    """A question whose coordinator waits for north's part alone; north has it, and could not deliver it."""
    question = _asked(zones, keys, measures=MEASURES[:1])
    for name in ("east", "south"):
        _part(zones[name], question)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peers, "deliver", lambda *_: None)
        _part(zones["north"], question)
    return question


def _put(zones: Zones, job: str, peer: str, body: bytes) -> httpx2.Response:
    return httpx2.put(f"{zones['east'].url}/joint/{job}/parts/{peer}", content=body)


@pytest.mark.parametrize("name", FORGERIES)
def test_he_05_a_part_that_is_not_what_it_says_is_refused(
    zones: Zones, waiting: JointQuestion, name: str
) -> None:
    answer = _put(zones, waiting.job.id, "north", _forged(zones, waiting, FORGERIES[name]))
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed"), answer.text


def test_he_04_bytes_that_are_no_part_are_refused(zones: Zones, waiting: JointQuestion) -> None:
    right = _forged(zones, waiting, lambda part: part)
    for body in (
        b"",
        b"DSJP\x01",
        secrets.token_bytes(5000),
        right[:-1],
        right + b"\0",
        _flipped(right),
        b"{}",
    ):
        assert _put(zones, waiting.job.id, "north", body).json()["code"] == "malformed"
    assert _put(zones, waiting.job.id, "north", bytes(6 << 20)).status_code == 413


def test_a_part_signed_by_another_peer_or_by_none_is_refused(zones: Zones, waiting: JointQuestion) -> None:
    for body in (
        _forged(zones, waiting, lambda part: part, signer="south"),
        replace(Part.decode(_forged(zones, waiting, lambda part: part)), signature=bytes(64)).encode(),
    ):
        assert _put(zones, waiting.job.id, "north", body).json()["code"] == "malformed"


def test_he_11_a_part_of_another_job_is_refused(zones: Zones, keys: Keys, waiting: JointQuestion) -> None:
    other = _asked(zones, keys, measures=MEASURES[:1])
    _part(zones["north"], other)
    theirs = _forged(zones, other, lambda part: part)
    renamed = _forged(zones, other, lambda part: replace(part, job=waiting.job.id))
    for body in (theirs, renamed):
        assert _put(zones, waiting.job.id, "north", body).json()["code"] == "malformed"
    # It is right where it belongs, once and again; and nobody else's place takes it.
    assert [_put(zones, other.job.id, "north", theirs).status_code for _ in range(2)] == [204, 204]
    assert _put(zones, other.job.id, "south", theirs).status_code == 400
    second = _forged(zones, other, lambda part: replace(part, vectors=_resealed(part)))
    assert _put(zones, other.job.id, "north", second).status_code == 409


def _resealed(part: Part) -> tuple[bytes, ...]:
    """Return another fresh ciphertext, as a peer would have that forgot the job and computed it again."""
    told = {
        "values": bytes(8 * part.length),
        "parameters": DEFAULT_PARAMETERS,
        "context": Keys.create().public,
    }
    return tuple(Adder().encrypt(told)["vectors"])


def test_a_zone_that_encrypts_something_else_is_noticed_by_the_consumer(
    zones: Zones, waiting: JointQuestion
) -> None:
    # A peer can spoil a sum, as it can lie about its data; it cannot make it look like one.
    body = _forged(zones, waiting, lambda part: replace(part, vectors=_resealed(part)))
    assert _put(zones, waiting.job.id, "north", body).status_code == 204
    with pytest.raises((VerificationError, Conflict)):
        waiting.ask()


def test_another_job_of_the_same_id_is_a_conflict(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    _part(zones["south"], question)
    changed = replace(question.job, epsilon=EPSILON + 1)
    with pytest.raises(Conflict, match="another job of this id"):
        _part(zones["south"], replace(question, request=Request(changed, keys.public).encode()))


def _refused(zones: Zones, keys: Keys, kind: type[DataSpaceError], match: str, **changed: Any) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    job = replace(question.job, **changed)
    before = zones["south"].space.kinds()
    with pytest.raises(kind, match=match):
        _joint(zones["south"]).part(
            zones["south"].consumer, zones["south"].agreement.id, Request(job, keys.public).encode()
        )
    assert zones["south"].space.kinds() == before  # nothing was computed, and nothing charged


def test_a_job_that_does_not_fit_is_refused_before_anything_is_computed(zones: Zones, keys: Keys) -> None:
    agreements = {name: zone.agreement.id for name, zone in zones.items()}
    now = int(zones["south"].space.clock().timestamp())  # which stands still
    _refused(zones, keys, Unprocessable, "expires", expires=now + 90_000)
    _refused(zones, keys, Unprocessable, "expires", expires=now - 1)
    _refused(zones, keys, Unprocessable, "says fewer", rows=dict.fromkeys(NAMES, 10))
    _refused(zones, keys, Unprocessable, "might pass", rows=dict.fromkeys(NAMES, 1 << 39))
    _refused(
        zones, keys, Unprocessable, "another agreement", agreements={**agreements, "south": "ag-" + "0" * 16}
    )
    _refused(zones, keys, Malformed, "coordinator", coordinator="nobody")
    _refused(zones, keys, Malformed, "digest of the context", key="0" * 64)
    _refused(zones, keys, NotFound, "column", dimensions=("nothing",))
    strange = {"peers": ("east", "south", "west"), "rows": dict.fromkeys(("east", "south", "west"), ROWS + 9)}
    west = {"east": agreements["east"], "south": agreements["south"], "west": "ag-" + "1" * 16}
    _refused(zones, keys, Unprocessable, "'west' is no peer", **strange, agreements=west)


def test_a_total_that_might_wrap_is_refused_before_anything_is_sent(zones: Zones, keys: Keys) -> None:
    large = {"kind": "sum", "column": "income", "low": 0, "high": 5_000_000, "precision": 3}
    with pytest.raises(Unprocessable, match="lower its precision"):
        _asked(zones, keys, measures=[large])


def test_he_01_a_secret_key_is_refused_and_named(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    body = Request(question.job, keys._private).encode()
    with pytest.raises(Unprocessable, match="secret key"):
        _joint(zones["south"]).part(zones["south"].consumer, zones["south"].agreement.id, body)


def test_an_agreement_has_one_key(zones: Zones, keys: Keys) -> None:
    _part(zones["south"], _asked(zones, keys, measures=MEASURES[:1]))
    with pytest.raises(Unprocessable, match="another key"):
        _part(zones["south"], _asked(zones, Keys.create(), measures=MEASURES[:1]))


def test_a_hidden_column_and_a_form_that_was_not_agreed_are_refused_with_an_entry(
    zones: Zones, keys: Keys
) -> None:
    south = zones["south"]
    with pytest.raises(PolicyDenied):
        _part(south, _asked(zones, keys, measures=MEASURES[:1], dimensions={"number": ["P000001"]}))
    assert south.space.kinds()[-1] == "query.refused"
    plain = south.space.agreed(south.consumer, south.agreement.offer, forms=[Form.AGGREGATE])
    question = _asked({**zones, "south": replace(south, agreement=plain)}, keys, measures=MEASURES[:1])
    with pytest.raises(PolicyDenied, match="form-not-agreed"):
        _joint(south).part(south.consumer, plain.id, question.request)


def test_naive_masks_of_equal_seeds_would_tell_the_difference_of_two_jobs() -> None:
    # Why a seed is of one job: the same mask twice, and the parts' difference is that of the values.
    parameters, seed = parameter_set(DEFAULT_PARAMETERS), secrets.token_bytes(32)
    one, two = (mask(values, [(seed, 1)], parameters) for values in ([7, 9], [5, 5]))
    assert ((one.astype(int) - two.astype(int)) % T).tolist() == [2, 4]


def test_seeds_are_of_one_pair_and_one_job_and_cancel(zones: Zones, keys: Keys) -> None:
    jobs = [_asked(zones, keys, measures=MEASURES[:1]).job for _ in range(2)]
    seeds = {(name, job.id): _joint(zone)._peers.seeds(job) for name, zone in zones.items() for job in jobs}
    for job in jobs:
        signs: dict[bytes, list[int]] = {}
        for name in NAMES:
            for seed, sign in seeds[name, job.id]:
                signs.setdefault(seed, []).append(sign)
        assert len(signs) == 3
        assert all(sorted(two) == [-1, 1] for two in signs.values())
    assert not {s for s, _ in seeds["east", jobs[0].id]} & {s for s, _ in seeds["east", jobs[1].id]}


def test_a_withdrawn_datasets_parts_are_gone_and_the_sum_never_comes(zones: Zones, keys: Keys) -> None:
    east = settled("east", zones["east"].space, zones["east"].url, ROWS + 50)
    question = _asked({**zones, "east": east}, keys, measures=MEASURES[:1])
    _part(east, question)
    assert _rows(east, JointSum, question.job.id)
    east.space.service.registrar.withdraw(east.provider, east.dataset)
    assert not _rows(east, JointPart, question.job.id)
    assert not _rows(east, JointSum, question.job.id)
    with pytest.raises(DataSpaceError):
        question.ask()
    east.sdk.close()


def test_expired_jobs_are_swept(zones: Zones, keys: Keys) -> None:
    question = _asked(zones, keys, measures=MEASURES[:1])
    question.ask()
    for zone in zones.values():
        zone.space.clock.forward(hours=25)
    with pytest.raises(Conflict, match="expired"):
        _joint(zones["east"]).coordinator.sum(zones["east"].consumer, question.job.id)
    assert all(_joint(zone).sweep() for zone in zones.values())
    for zone in zones.values():
        assert not _rows(zone, JointPart, question.job.id)
        assert not _rows(zone, JointSum, question.job.id)


def test_zones_and_their_coordinator_may_be_on_postgresql(
    tmp_path: Path, postgres_url: str, keys: Keys
) -> None:
    with neighbours(tmp_path, NAMES[:2], 300, {"east": postgres_url}) as zones:
        assert _asked(zones, keys).ask().job.coordinator == "east"
        test_each_zone_charges_once_however_often_a_job_is_sent(zones, keys)
        test_the_same_job_at_once_is_one_part(zones, keys)
        test_expired_jobs_are_swept(zones, keys)
        for zone in zones.values():
            zone.space.audit()

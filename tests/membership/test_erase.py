"""Erasure: what an entry said is gone for real, that it was erased is an entry, and old receipts verify."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from dataspace.errors import Conflict, NotFound, Refused, Unavailable, Unprocessable
from dataspace.ledger.models import LedgerRecord
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.policy.models import PolicyInput
from dataspace.proof.record import SALT_SIZE
from dataspace.proof.verify import verify_receipt
from dataspace.transfer.models import Budget
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.simulator import Simulator, people, simulated

BASIS = "PIPL article 47, request 2026-117"
COUNT = "SELECT COUNT(*) FROM data"


@pytest.fixture(params=["sqlite", "postgres"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Simulator]:
    """A space on SQLite, and one on PostgreSQL."""
    chosen = {}
    if request.param == "postgres":
        chosen = {"database": request.getfixturevalue("postgres_url")}
    with simulated(tmp_path / "home", **chosen) as simulator:
        yield simulator


def _asked(space: Simulator) -> tuple[Caller, Agreement, int]:
    """Let a consumer ask; return it, its agreement, and the entry of the answer."""
    consumer = space.consumer()
    offer = space.registered(space.provider(), people(150), subjects=["number"]).offer
    agreement = space.agreed(consumer, offer)
    return consumer, agreement, space.query(consumer, agreement.id, COUNT).entry


def _traces(space: Simulator, entry: int) -> list[bytes]:
    """Return what tells of an entry: its salts, its record, its query, its decision's input."""
    with space.service.space.database.reading() as session:
        stored = session.get_one(LedgerRecord, entry)
        fields = space.service.space.log.receipt(session, entry).record.fields
        asked = session.get_one(PolicyInput, fields["input"])
        salts = [stored.salts[at : at + SALT_SIZE] for at in range(0, len(stored.salts), SALT_SIZE)]
        told = [stored.record, fields["query_sha256"], fields["input"], asked.content]
        return [*salts, *(text.encode() for text in told)]


def _held(home: Path, traces: list[bytes]) -> list[int]:
    """Return which traces are in any file of the home."""
    contents = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    return [at for at, trace in enumerate(traces) if any(trace in content for content in contents)]


def _inputs(session: Session, space: Simulator, entry: int) -> Any:
    record = space.service.space.log.record(session, entry)
    assert record
    return session.exec(select(PolicyInput).where(PolicyInput.digest == record.fields["input"])).all()


def test_le_17_no_file_of_the_home_holds_a_byte_of_what_was_erased(tmp_path: Path) -> None:
    with simulated(tmp_path / "home") as space:
        _, _, entry = _asked(space)
        traces = _traces(space, entry)
        assert _held(space.settings.home, traces) == list(range(len(traces)))
        space.service.erasure.erase(space.operator, entry, BASIS)
        assert _held(space.settings.home, traces) == []
        space.audit()
    assert _held(space.settings.home, traces) == []


def test_le_17_record_salts_and_input_go_in_the_act_that_says_so(either: Simulator) -> None:
    consumer, agreement, entry = _asked(either)
    kept = either.query(consumer, agreement.id, "SELECT AVG(income) FROM data").entry
    with either.service.space.database.reading() as session:
        digest = _inputs(session, either, entry)[0].digest
    said = either.service.erasure.erase(either.operator, entry, BASIS)
    with either.service.space.database.reading() as session:
        log = either.service.space.log
        assert log.record(session, entry) is None
        assert session.get(PolicyInput, digest) is None
        assert _inputs(session, either, kept)
        record = log.record(session, said)
    assert record
    told = {name: record.fields[name] for name in ("kind", "entry", "basis")}
    assert told == {"kind": "entry.erased", "entry": entry, "basis": BASIS}
    either.audit()


def test_le_17_a_receipt_from_before_still_verifies(space: Simulator) -> None:
    consumer, _, entry = _asked(space)
    receipt = space.service.receipts.receipt(consumer, entry).to_bytes()
    space.service.erasure.erase(space.operator, entry, BASIS)
    assert verify_receipt(receipt, space.service.space.log.vkey()).ok
    with pytest.raises(NotFound):
        space.service.receipts.receipt(consumer, entry)
    space.audit()


def test_who_oversees_the_log_is_told_which_entry_erased_it_and_nobody_else(space: Simulator) -> None:
    consumer, _, entry = _asked(space)
    said = space.service.erasure.erase(space.operator, entry, BASIS)
    with pytest.raises(NotFound, match=f"erased by entry {said}"):
        space.service.receipts.receipt(space.operator, entry)
    with pytest.raises(NotFound, match=r"^there is no such entry$"):
        space.service.receipts.receipt(consumer, entry)
    assert space.service.receipts.erased(space.operator, 0, 1000)[entry] == said
    assert space.service.receipts.erased(consumer, 0, 1000) == {}


def test_an_input_that_another_record_names_stays(space: Simulator) -> None:
    _, agreement, entry = _asked(space)
    log, database = space.service.space.log, space.service.space.database
    with database.reading() as session:
        record = log.record(session, entry)
    assert record
    fields = {name: value for name, value in record.fields.items() if name not in ("kind", "time")}

    def again(session: Session) -> int:
        session.get_one(Budget, agreement.id).units_spent += fields["units"]
        return log.append(session, "query.answered", **fields)

    other = database.commit(again)
    space.service.erasure.erase(space.operator, entry, BASIS)
    with database.reading() as session:
        assert _inputs(session, space, other)
    space.audit()


def test_an_interrupted_erasure_is_finished_by_asking_again(tmp_path: Path) -> None:
    with simulated(tmp_path / "home") as space:
        _, _, entry = _asked(space)
        traces = _traces(space, entry)[:-3]  # salts and record, which the log deletes by itself
        database = space.service.space.database
        said = database.commit(lambda session: space.service.space.log.erase(session, entry, BASIS))
        assert _held(space.settings.home, traces)
        with pytest.raises(Conflict, match="erased already") as again:
            space.service.erasure.erase(space.operator, entry, BASIS)
        assert again.value.facts["erased_by"] == said
        assert not _held(space.settings.home, traces)


def test_an_erasure_that_readers_hold_up_says_so(space: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, entry = _asked(space)
    monkeypatch.setattr("dataspace.database.PATIENCE", 1)
    with space.service.space.database.reading() as session:
        session.exec(select(LedgerRecord.index)).first()
        with pytest.raises(Unavailable, match="not yet out of the database's files: ask again"):
            space.service.erasure.erase(space.operator, entry, BASIS)
    with pytest.raises(Conflict):
        space.service.erasure.erase(space.operator, entry, BASIS)
    space.audit()


@pytest.mark.parametrize("kind", ["log.created", "policy.adopted", "key.adopted", "entry.erased"])
def test_what_the_log_itself_needs_is_not_erased(space: Simulator, kind: str) -> None:
    if kind == "entry.erased":
        _, _, entry = _asked(space)
        space.service.erasure.erase(space.operator, entry, BASIS)
    size = len(space.kinds())
    index = next(
        one["index"]
        for one in space.service.receipts.entries(space.operator, 0, 1000)
        if one["record"]["kind"] == kind
    )
    with pytest.raises(Unprocessable, match=f"entry {index} is {kind}"):
        space.service.erasure.erase(space.operator, index, BASIS)
    assert len(space.kinds()) == size


def test_what_is_not_there_is_not_erased(space: Simulator) -> None:
    with pytest.raises(NotFound, match="there is no entry 100000"):
        space.service.erasure.erase(space.operator, 100_000, BASIS)


@pytest.mark.parametrize("basis", ["", "   ", "x" * 501, "a\nb", "a\u202eb"])
def test_an_erasure_needs_a_legal_basis(space: Simulator, basis: str) -> None:
    _, _, entry = _asked(space)
    with pytest.raises(Unprocessable, match="legal basis"):
        space.service.erasure.erase(space.operator, entry, basis)
    with space.service.space.database.reading() as session:
        assert space.service.space.log.record(session, entry)


@pytest.mark.parametrize("role", [Role.PROVIDER, Role.CONSUMER, Role.AUDITOR])
def test_only_an_operator_erases(space: Simulator, role: Role) -> None:
    with pytest.raises(Refused):
        space.service.erasure.erase(space.member(role), 3, BASIS)

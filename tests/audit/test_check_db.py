"""The database of a real space against its ledger: every column of every table, changed once, is named.

Or it stands in UNIMPLIED, with the reason why no entry speaks of it: a new
column is in one of the two, or the test fails.
"""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session, select

from dataspace import tables
from dataspace.audit.check_db import as_lines, check_db, check_db_command, exit_code
from dataspace.audit.report import Report, Stage
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import DataSpaceError, Unavailable
from dataspace.ledger.models import LedgerCheckpoint, LedgerCosignature, LedgerTimestamp, WitnessedLog
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.proof.note import split
from dataspace.proof.verify import Outcome
from dataspace.settings import Settings
from dataspace.transfer.acknowledge import Received
from dataspace.transfer.models import ConsumerKey, Nonce
from tests.audit.published import TIME, WITNESSES
from tests.postgres import postgres_server, postgres_url
from tests.privacy.scores import linear
from tests.simulator import Simulator, people, simulated

__all__ = ["postgres_server", "postgres_url"]  # fixtures

MODEL = linear([311, -27])
MOMENT = "a moment beside the entry's: the entry's own time counts"
WORDS = "words for people, of which no entry speaks: an entry forgets nothing"
SECRET = "a secret, or wrapped by one: what is wrong with it shows when it is used"
PLACE = "where a file lies; its digest is in the entry"
_FLAGS = {"automatic", "cosigned", "exact", "releasable"}
# Compared as all others; the tests beside their routes change each column once, where such rows are made.
ELSEWHERE = {"joint_part", "sealed_job"}
UNIMPLIED = {
    "participant.name": WORDS,
    "participant.login": WORDS,
    "participant.password_hash": SECRET,
    "participant.created": MOMENT,
    "credential.id": "an entry tells whose token it was, and no more",
    "credential.token_sha256": SECRET,
    "credential.created": MOMENT,
    "portal_session.*": "a login of today; rights are in the participant's row",
    "upload.*": "what waits for its provider's word has no entry yet",
    "source.*": "where a provider's files come from; what came is in its registration",
    "column_rule.*": "what was corrected once, to be proposed again; what is registered is in the entry",
    "recogniser.*": "as column_rule",
    "approval.upload": "the upload is gone; its bytes are in the entry by their digest",
    "approval.basis": WORDS,
    "approval.report": "what the second person saw; of what was registered the report says the same",
    "approval.created": MOMENT,
    "prepared.*": "computed again from the version whenever it is not there",
    "dataset.title": WORDS,
    "dataset.description": WORDS,
    "dataset.listing": WORDS,
    "dataset.created": MOMENT,
    "dataset_version.size": "the length of the sealed file, whose digest is in the entry",
    "dataset_version.path": PLACE,
    "dataset_version.created": MOMENT,
    "dataset_key.wrapped": SECRET,
    "negotiation.created": MOMENT,
    "negotiation.updated": MOMENT,
    "agreement.key": SECRET,
    "agreement.created": MOMENT,
    "budget.units_reserved": "set aside for a query that runs, or that a crash left: it only lessens",
    "budget.epsilon_reserved": "as units_reserved",
    "cube.path": PLACE,
    "cube.smallest": "what the zone and the offer promise; a cube's cells are in its digest",
    "cube.created": MOMENT,
    "cube_grant.created": MOMENT,
    "consumer_key.agreement": "which key was pinned no entry says: the consumer holds it",
    "consumer_key.created": MOMENT,
    "nonce.*": "spent once, so that a query is answered once; no entry speaks of it",
    "consumer_key.parameters": "as consumer_key.agreement",
    "dataset.epsilon": "what the provider promised; what is spent of it the entries of answers say",
    "dataset_version.sealed": "what the container says of itself; its digest is in the entry",
    "released.content": SECRET,
    "released.created": MOMENT,
    "repeatable.dataset": "as the agreement's",
    "repeatable.media_type": "how the bytes are read; their digest is in the entry",
    "repeatable.content": SECRET,
    "repeatable.created": MOMENT,
    "repeatable.expires": MOMENT,
    "lookup_table.*": "computed again from the version whenever it is not there",
    "intersection.*": "under way: its answer has an entry",
    "score_model.name": WORDS,
    "score_model.features": "a part of the content, whose digest is in the entry",
    "score_model.link": "as features",
    "score_model.precision": "as features",
    "score_model.output": "as features",
    "score_model.content": SECRET,
    "score_model.created": MOMENT,
    "joint_sum.*": "parts of other services' answers, each with an entry there",
    "policy_bundle.adopted": MOMENT,
    "ledger_checkpoint.published": MOMENT,
    "ledger_checkpoint.cosigned": "whether the service's own quorum was met; an auditor counts by another",
    "ledger_timestamp.authority": "a name for reading: who signed is in the token",
    "ledger_key.name": "a name in the key store; the key itself is in the entry",
    "ledger_head.id": "there is one",
    "cube_grant.cube": "as cube.id",
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A space in which everything happened, closed."""
    home = tmp_path_factory.mktemp("check") / "home"
    with simulated(home) as space:
        _play(space)
    return space.settings


def _play(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    auditor = space.member(Role.AUDITOR)
    space.service.membership.change(space.operator, auditor.id, zones=["finance"])
    space.service.membership.issue_token(space.operator, consumer.id)
    space.service.membership.revoke_token(consumer, space.tokens[consumer.id])
    terms: dict[str, Any] = {"forms": tuple(Form), "epsilon": 9_000_000}
    offer = space.registered(provider, people(200), subjects=["number"], **terms)
    agreement = space.agreed(consumer, offer.offer)
    answer = space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    space.query(consumer, agreement.id, "SELECT district FROM data LIMIT 10", Form.ROWS)
    spec = {
        "dimensions": ["district"],
        "measures": [{"kind": "count"}],
        "max_rows": 1,
        "epsilon": 4_000_000,
    }
    space.service.encrypted.cube(consumer, agreement.id, spec)
    model, told = "late payment", MODEL.to_json()
    space.service.models.register(provider, agreement.dataset, model, told, releasable=True)
    space.service.acknowledgements.acknowledge(consumer, [Received(answer.entry, answer.sha256)])
    _approve(space, provider)
    gone = space.registered(provider, people(201), subjects=["number"])
    space.service.registrar.withdraw(provider, gone.dataset)
    _publish(space, agreement.id)


def _approve(space: Simulator, provider: Caller) -> None:
    """Register at a lower level what a second person approves."""
    upload, lower = space.upload(provider, people(202)), Registration("x", OfferTerms(price=1), level=1)
    asked = space.service.approvals.ask(provider, upload.id, lower, "a test")
    space.service.approvals.answer(space.operator, asked.id, granted=True)
    space.service.registrar.confirm(provider, upload.id, lower)


def _publish(space: Simulator, agreement: str) -> None:
    """Publish the head, and add by hand what takes others: a witness, an authority, a client's key."""
    space.service.publisher.publish()
    digest, now = hashlib.sha256(b"context").hexdigest(), space.clock()

    def act(session: Session) -> None:
        row = session.exec(select(LedgerCheckpoint)).one()
        key, line = str(WITNESSES[0].cosigner), WITNESSES[0].line(row.note)
        imprint = hashlib.sha256(split(row.note)[0].encode()).digest()
        session.add(LedgerCosignature(size=row.size, key=key, line=line, time=TIME))
        session.add(LedgerTimestamp(size=row.size, authority="a test", token=imprint))
        session.add(WitnessedLog(origin="localhost/dataspace", size=row.size, root=row.root, note=row.note))
        pinned = ConsumerKey(
            agreement=agreement,
            parameters="bfv-8192-t40",
            key_id=digest,
            context=b"context",
            created=now,
        )
        session.add(pinned)
        session.add(Nonce(agreement=agreement, nonce="n", created=now))

    space.service.space.database.commit(act)


@pytest.fixture
def settings(original: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(original.home, tmp_path / "home", ignore=shutil.ignore_patterns("*.lock"))
    return replace(original, home=tmp_path / "home", database=f"sqlite:///{tmp_path}/home/dataspace.db")


def connect(settings: Settings) -> sqlite3.Connection:
    database = sqlite3.connect(settings.home / "dataspace.db")
    for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        database.execute(f'DROP TRIGGER "{name}"')
    return database


def state_findings(report: Report) -> list[str]:
    return [str(finding) for finding in report.findings if finding.step == Stage.STATE]


def test_a_real_space_is_what_its_entries_imply(settings: Settings) -> None:
    report = check_db(settings)
    assert exit_code(report) == 0, as_lines(report)
    assert as_lines(report).splitlines()[-1].startswith("RIGHT: ")


def _columns() -> Iterator[tuple[str, str]]:
    for name, table in tables.metadata.tables.items():
        # The log itself is steps 2 to 6.
        if name not in {"ledger_entry", "ledger_record", "ledger_node", *ELSEWHERE}:
            yield from ((name, column.name) for column in table.columns)


def _is_unimplied(table: str, column: str) -> bool:
    return bool({f"{table}.{column}", f"{table}.*"} & UNIMPLIED.keys())


def test_every_reason_is_of_a_column_that_is_there() -> None:
    known = {f"{table}.{column}" for table, column in _columns()} | {f"{table}.*" for table, _ in _columns()}
    assert UNIMPLIED.keys() <= known


@pytest.mark.parametrize(
    ("table", "column"), [pair for pair in _columns() if not _is_unimplied(*pair)], ids="{}".format
)
def test_a_changed_column_is_named_with_its_row(settings: Settings, table: str, column: str) -> None:
    with closing(connect(settings)) as database, database:
        row, value = database.execute(f'SELECT rowid, "{column}" FROM "{table}" LIMIT 1').fetchone()
        changed = other(value, column)
        database.execute(f'UPDATE "{table}" SET "{column}" = ? WHERE rowid = ?', (changed, row))
    report = check_db(settings)
    assert exit_code(report) == 1, as_lines(report)
    # Notes speak for themselves: a signature that fails is told before any state is looked at.
    signed = column in {"checkpoint", "note"}
    assert signed or any(line.startswith(table) for line in state_findings(report)), as_lines(report)


def other(value: Any, column: str) -> Any:
    """Return another value of the same type, and of the same form where one is read."""
    if value is None:
        return "2026-01-01 00:00:00.000000" if column in {"revoked", "withdrawn"} else "x"
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:]
    if isinstance(value, int):
        return 1 - value if column in _FLAGS else value + 1000
    return _other_text(value)


def _other_text(value: str) -> str:
    if value[:4].isdecimal() and value[4:5] == "-":
        return f"{int(value[:4]) + 1}{value[4:]}"
    if value[:1] in {"[", "{"}:
        document = json.loads(value)
        more = {**document, "x": 1} if isinstance(document, dict) else [*document, *(document or ["x"])]
        return json.dumps(more)
    return f"x{value[1:]}" if value[:1] != "x" else f"y{value[1:]}"


def test_the_running_service_is_checked_beside_it(tmp_path: Path) -> None:
    with simulated(tmp_path / "home") as space:
        space.agreed(
            space.consumer(), space.registered(space.provider(), people(50), subjects=["number"]).offer
        )
        assert exit_code(check_db(space.settings)) == 0


def test_a_service_on_postgresql_is_checked_beside_it(tmp_path: Path, postgres_url: str) -> None:
    with simulated(tmp_path / "home", database=postgres_url) as space:
        offer = space.registered(space.provider(), people(50), subjects=["number"])
        space.agreed(space.consumer(), offer.offer)
        space.service.publisher.publish()
        report = check_db(space.settings)
        assert exit_code(report) == 0, as_lines(report)
        assert [report.steps[stage - 1].outcome for stage in (Stage.PUBLISHED, Stage.DECISIONS)] == [
            Outcome.PASSED,
            Outcome.PASSED,
        ]
        assert str(postgres_url) not in as_lines(report)


def test_the_differences_are_printed_and_end_with_1(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(connect(settings)) as database, database:
        database.execute("UPDATE budget SET units = 7")
    assert check_db_command(settings) == 1
    printed = capsys.readouterr().out
    assert "units is 7, the entries imply" in printed
    assert "WRONG: 1 differences between the tables and what" in printed


def test_a_home_that_is_none_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataSpaceError):
        check_db(Settings(home=tmp_path / "none"))
    with pytest.raises(Unavailable):
        check_db(Settings(home=tmp_path / "none", keys=f"file:{tmp_path}"))

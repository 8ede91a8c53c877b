"""A whole space for a test, arranged in a line or two; `audit` is how every journey test ends."""

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlmodel import Session

from dataspace.app import initialise, open_service
from dataspace.audit.audit import audit
from dataspace.audit.evidence import ANCHORS
from dataspace.audit.sources import Home
from dataspace.catalog.models import Form, Upload
from dataspace.catalog.register import OfferTerms, Registered, Registration
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller, caller_of_token, hash_password
from dataspace.participants.models import Participant, Role
from dataspace.settings import Settings
from dataspace.transfer.conduct import Answer
from dataspace.web.service import Service

PASSWORD = "correct horse battery"
ZONES = Path(__file__).parents[1] / "zones"
_NO_RISK = {"k": 1, "l": 1}  # every other measure may be all of a million


class Clock:
    """Time that moves when the test says so, and a microsecond at every look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class Simulator:
    """A served space, its first operator, and short words for the acts of the others."""

    service: Service
    settings: Settings
    operator: Caller
    operator_token: str
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    def member(self, *roles: Role, login: str = "") -> Caller:
        """Admit a participant; its token is in `tokens` by its id."""
        name = login or f"member-{len(self.tokens)}"
        admission = self.service.membership.admit(self.operator, name, name, roles)
        self.tokens[admission.member.id] = admission.token
        give_password(self.service, admission.member.id)
        with self.service.space.database.reading() as session:
            return caller_of_token(session, admission.token)

    def provider(self) -> Caller:
        return self.member(Role.PROVIDER)

    def consumer(self) -> Caller:
        return self.member(Role.CONSUMER)

    def registered(
        self,
        provider: Caller,
        content: bytes,
        *,
        zone: str = "government",
        subjects: Sequence[str] = (),
        **offer: Any,
    ) -> Registered:
        """Upload and confirm a CSV."""
        upload = self.upload(provider, content, zone=zone)
        terms = OfferTerms(**{"price": 100, **offer})
        return self.service.registrar.confirm(
            provider, upload.id, Registration("a dataset", terms, subjects=tuple(subjects))
        )

    def upload(
        self, provider: Caller, content: bytes, *, zone: str = "government", filename: str = "test.csv"
    ) -> Upload:
        """Upload a file; it waits to be confirmed."""
        staging = self.service.uploads.stage(provider, zone)
        staging.write(content)
        staging.finish()
        return self.service.uploads.read(provider, zone, filename, staging)

    def agreed(
        self, consumer: Caller, offer: str, purpose: str = "statistics", forms: Sequence[Form] = ()
    ) -> Agreement:
        """Negotiate an automatic offer to its end."""
        negotiation = self.service.negotiator.request(consumer, offer, purpose, forms)
        self.service.negotiator.verify(consumer, negotiation.id)
        assert negotiation.agreement
        return self.service.negotiator.agreement(consumer, negotiation.agreement)

    def query(self, consumer: Caller, agreement: str, sql: str, form: Form = Form.AGGREGATE) -> Answer:
        return self.service.answers.query(consumer, agreement, sql, form)

    def kinds(self) -> list[str]:
        """The kinds of all entries, in order."""
        return [
            str(entry["record"]["kind"]) for entry in self.service.receipts.entries(self.operator, 0, 1000)
        ]

    def audit(self) -> None:
        """Audit the whole ledger and the database against it; fail with the report."""
        home, database = self.settings.home, self.service.space.database
        source = Home(home) if database.dialect == "sqlite" else Home.of(database, home / ANCHORS)
        report = audit(source, self.service.space.log.vkey())
        assert report.ok, report


_hashed = cache(hash_password)


def give_password(service: Service, participant: str) -> None:
    """Let a participant log in with `PASSWORD`, whose slow hash is computed once for all of them."""
    hashed = _hashed(PASSWORD)

    def act(session: Session) -> None:
        session.get_one(Participant, participant).password_hash = hashed

    service.space.database.commit(act)


@contextmanager
def simulated(home: Path, **settings: Any) -> Iterator[Simulator]:
    """Make a space in `home` and open it: fearless zones and single workers, unless `settings` say else."""
    chosen = Settings(home=home, **{"zones": str(fearless_zones()), "workers": 1, **settings})
    admission = initialise(chosen, "operator", "operator")
    assert admission
    clock = Clock()
    clock.now = datetime.now(UTC)
    with open_service(chosen, clock) as service:
        with service.space.database.reading() as session:
            operator = caller_of_token(session, admission.token)
        give_password(service, operator.id)
        yield Simulator(service, chosen, operator, admission.token, clock)


@cache
def fearless_zones() -> Path:
    """Return the zones with thresholds that everything passes: for tests of a few rows, of other things."""
    folder = Path(tempfile.mkdtemp(prefix="zones-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    shutil.copytree(ZONES, folder, dirs_exist_ok=True)
    for pack in folder.glob("*/zone.toml"):
        pack.write_text(fearless(pack.read_text()))
    return folder


def fearless(zone: str) -> str:
    """Return a zone.toml whose table `risk` lets everything pass."""
    head, found, rest = zone.partition("[risk]\n")
    risk, blank, rest = rest.partition("\n\n")
    lowered = re.sub(r"^(\w+) = \d+", _fearless, risk, flags=re.MULTILINE)
    return head + found + lowered + blank + rest


def _fearless(line: "re.Match[str]") -> str:
    return f"{line[1]} = {_NO_RISK.get(line[1], 1_000_000)}"


def people(rows: int, districts: int = 3) -> bytes:
    """Return a CSV of so many people, one row each: number, district, age, income."""
    lines = ["number,district,age,income"]
    lines += [
        f"P{number:06d},district {number % districts},{20 + number % 60},{3000 + number}"
        for number in range(rows)
    ]
    return ("\n".join(lines) + "\n").encode()

"""A small space with a real log, written as the journeys write it: entries and rows in one transaction."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlmodel import Session

from dataspace import tables
from dataspace.audit.audit import audit
from dataspace.audit.report import Report
from dataspace.audit.sources import Source
from dataspace.catalog.models import Dataset, DatasetKey
from dataspace.catalog.terms import offer_json
from dataspace.database import Database
from dataspace.keys.file import FileKeys
from dataspace.ledger.kinds import KINDS
from dataspace.ledger.log import Log
from dataspace.ledger.models import triggers
from dataspace.negotiation.models import Agreement
from dataspace.participants.models import Credential, Participant
from dataspace.policy.models import PolicyBundle, PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.transfer.models import Acknowledgement, Budget, Cube, CubeGrant
from tests.audit import decided
from tests.audit.decided import (
    AGREEMENT,
    BUNDLE,
    CONSUMER,
    DATASET,
    EPSILON,
    NEGOTIATION,
    OFFER,
    POLICY,
    PRICE,
    PROVIDER,
    START,
    UNITS,
)
from tests.audit.rows import COLUMNS, REPORT, SHA, SPEC, cube_row, negotiation_row, registered

ORIGIN = "example.com/space"
INPUT = decided.ANSWERED.text
DECIDED = decided.ANSWERED.fields
CONCLUDED, FIRST_ANSWER = 6, 9  # the indexes of entries


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()


@dataclass
class Clock:
    """A clock that a test sets."""

    now: datetime = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


class Scene:
    """A home with its database and log; every act is one transaction."""

    def __init__(self, home: Path, keys: Path | None = None, url: str = "") -> None:
        home.mkdir(parents=True)
        url = url or f"sqlite:///{home}/dataspace.db"
        self.home, self.clock = home, Clock()
        store = self.keys = FileKeys(keys or home / "keys")
        if keys is None:
            store.create("log")
        create_tables(url)
        self.log = Log(ORIGIN, store, clock=self.clock)
        self.database = Database(url, self.log)

    @property
    def vkey(self) -> str:
        return self.log.vkey()

    def append(self, kind: str, *rows: Any, **fields: Any) -> int:
        """Commit an entry together with rows."""

        def act(session: Session) -> int:
            for row in rows:
                session.add(row)
                session.flush()
            return self.entry(session, kind, fields)

        return self.database.commit(act)

    def entry(self, session: Session, kind: str, fields: Mapping[str, Any]) -> int:
        """Append an entry with those of `fields` that its kind has."""
        return self.log.append(session, kind, **{name: fields[name] for name in KINDS[kind]})

    def found(self) -> None:
        """Adopt a policy, admit a provider, who is the operator too, and a consumer: entries 1 to 3."""
        bundle = PolicyBundle(digest=POLICY, content=BUNDLE, adopted=self.clock())
        inputs = [PolicyInput(digest=one.fields["input"], content=one.text) for one in decided.ALL]
        self.append("policy.adopted", bundle, *inputs, digest=POLICY, revision="1")
        for name, roles in ((PROVIDER, ["operator", "provider"]), (CONSUMER, ["consumer"])):
            row = Participant(id=name, name=name, login=name, roles=",".join(roles), created=self.clock())
            token = Credential(id=f"cr-{name}", participant=name, token_sha256=name, created=self.clock())
            self.append("participant.admitted", row, token, participant=name, roles=roles, by=PROVIDER)

    def register(self) -> int:
        """Register the dataset and its offer: entry 4."""
        offer, rows = registered(self.clock())
        return self.append(
            "dataset.registered",
            *rows,
            dataset=DATASET,
            version=1,
            zone="finance",
            provider=PROVIDER,
            source_sha256=SHA,
            payload_sha256=SHA,
            rows=5000,
            level=3,
            schema_sha256=digest(COLUMNS),
            offer=OFFER,
            price=PRICE,
            offer_sha256=digest(offer_json(offer)),
            report_sha256=digest(REPORT),
            approval="",
            lifted=[],
            **decided.REGISTERED.fields,
        )

    def negotiate(self) -> None:
        """Negotiate an automatic offer to its end: entries 5 to 8."""
        now, asked = self.clock(), {"units": UNITS}
        self.append("negotiation.changed", negotiation_row(asked, now), **self.moved("REQUESTED"))
        expires = now + timedelta(days=300)
        terms: dict[str, Any] = {
            "negotiation": NEGOTIATION,
            "offer": OFFER,
            "dataset": DATASET,
            "versions": [1],
            "provider": PROVIDER,
            "consumer": CONSUMER,
            "purpose": "statistics",
            "forms": ["rows", "aggregate", "encrypted"],
            "units": UNITS,
            "epsilon": EPSILON,
            "price": PRICE,
        }
        row = Agreement(
            id=AGREEMENT, **terms, expires=expires, state="FINALIZED", key=b"k", entry=CONCLUDED, created=now
        )
        self.append(
            "agreement.concluded",
            row,
            agreement=AGREEMENT,
            **terms,
            agreement_sha256=digest({"id": AGREEMENT, "offer": OFFER, "terms": asked}),
            expires=expires.isoformat(),
            **decided.CONCLUDED.fields,
        )
        self.append("negotiation.changed", **self.moved("AGREED"))

    def finalize(self) -> None:
        """Verify and finalize: entries 8 and 9 are one act."""

        def act(session: Session) -> None:
            self.entry(session, "negotiation.changed", self.moved("VERIFIED"))
            self.entry(session, "negotiation.changed", self.moved("FINALIZED"))
            session.add(Budget(agreement=AGREEMENT, units=UNITS, epsilon=EPSILON))

        self.database.commit(act)

    def moved(self, state: str) -> dict[str, Any]:
        return {
            "negotiation": NEGOTIATION,
            "offer": OFFER,
            "provider": PROVIDER,
            "consumer": CONSUMER,
            "state": state,
            "by": PROVIDER if state in ("OFFERED", "AGREED", "FINALIZED") else CONSUMER,
        }

    def answer(self, count: int = 1, **changed: Any) -> int:
        """Answer `count` queries of one unit in one act; return the first entry's index."""
        fields = {
            "agreement": AGREEMENT,
            "dataset": DATASET,
            "version": 1,
            "form": "aggregate",
            "query_sha256": SHA,
            "answer_sha256": SHA,
            "units": 1,
            "epsilon": 0,
            "price": PRICE,
            **DECIDED,
            **changed,
        }

        def act(session: Session) -> int:
            indexes = [self.entry(session, "query.answered", fields) for _ in range(count)]
            budget = session.get_one(Budget, AGREEMENT)
            budget.units_spent += count * fields["units"]
            session.add(budget)
            return indexes[0]

        return self.database.commit(act)

    def grant(self, cube: str = "cb-1", **changed: Any) -> int:
        """Build a cube and grant it to the agreement."""
        fields = {
            "cube": cube,
            "dataset": DATASET,
            "version": 1,
            "agreement": AGREEMENT,
            "spec_sha256": digest(SPEC),
            "cells_sha256": SHA,
            "units": 1,
            "epsilon": decided.CUBE_EPSILON,
            "price": PRICE,
            **decided.GRANTED.fields,
            **changed,
        }

        def act(session: Session) -> int:
            index = self.entry(session, "cube.granted", fields)
            if session.get(Cube, cube) is None:
                session.add(cube_row(cube, digest(SPEC), fields["epsilon"], self.clock()))
                session.flush()
            if session.get(CubeGrant, (cube, AGREEMENT)) is None:
                session.add(CubeGrant(cube=cube, agreement=AGREEMENT, entry=index, created=self.clock()))
            budget = session.get_one(Budget, AGREEMENT)
            budget.units_spent += fields["units"]
            budget.epsilon_spent += fields["epsilon"]
            session.add(budget)
            return index

        return self.database.commit(act)

    def withdraw(self) -> int:
        """Withdraw the dataset and destroy its key."""

        def act(session: Session) -> int:
            row = session.get_one(Dataset, DATASET)
            row.withdrawn = self.clock()
            session.add(row)
            session.delete(session.get_one(DatasetKey, (DATASET, 1)))
            fields = {"dataset": DATASET, "versions": [1], "by": PROVIDER, **decided.WITHDRAWN.fields}
            return self.entry(session, "dataset.withdrawn", fields)

        return self.database.commit(act)

    def acknowledge(self, answered: int, **changed: Any) -> int:
        """Acknowledge an answer, as its consumer."""
        fields = {
            "agreement": AGREEMENT,
            "answered": answered,
            "answer_sha256": SHA,
            "by": CONSUMER,
            **changed,
        }

        def act(session: Session) -> int:
            index = self.entry(session, "answer.acknowledged", fields)
            if session.get(Acknowledgement, answered) is None:
                session.add(Acknowledgement(answered=answered, entry=index))
            return index

        return self.database.commit(act)

    def erase(self, entry: int, basis: str = "PIPL article 47") -> int:
        """Erase a record; return the index of the entry that says so."""
        return self.database.commit(lambda session: self.log.erase(session, entry, basis))

    def checkpoint(self) -> str:
        with self.database.reading() as session:
            return self.log.checkpoint(session)

    def audit(self, source: Source, **known: Any) -> Report:
        return audit(source, self.vkey, **known)


def create_tables(url: str) -> None:
    """Make every table, and the ledger's triggers, as the migration does."""
    engine = create_engine(url)
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        for statement in triggers(engine.dialect.name):
            connection.exec_driver_sql(statement)
    engine.dispose()


def played(home: Path, answers: int = 20, url: str = "") -> Scene:
    """Return a scene in which so many queries were answered: entry 10 is the first of them."""
    scene = Scene(home, url=url)
    scene.found()
    scene.register()
    scene.negotiate()
    scene.finalize()
    scene.answer(answers)
    return scene

"""A platform, a key service in a process of its own, a provider that seals and a consumer that asks."""

import base64
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlmodel import Session

from dataspace.app import initialise, log_key, open_service
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registered, Registration
from dataspace.client.sealed import SealedKeys
from dataspace.keyservice.home import Home
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller, caller_of_token
from dataspace.proof.canonical import canonical
from dataspace.sealing.seal import SealedFile, seal
from dataspace.sealing.terms import Measure, Terms
from dataspace.settings import Settings
from dataspace.transfer.forms.keyservice import KeyServiceClient
from dataspace.wire.keyservice import KEEP, OPEN, Message, answer_info
from dataspace.wire.manifest import Manifest
from dataspace.wire.sealed import MANIFEST_INFO, Head, Plan, Report
from tests.running import DATASPACE, free_port
from tests.simulator import PASSWORD, Clock, Simulator, fearless_zones

ZONE = "government"
TERMS = Terms(ZONE, (Measure("income", 0, 200_000, 2),), ("district",), ("number",))
_PROVIDER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


@dataclass
class Scene:
    """What a test has at hand; `folder` is for files, `ours` is the key service's home."""

    space: Simulator
    ours: Home
    port: int
    folder: Path

    @property
    def client(self) -> KeyServiceClient:
        """What the platform speaks to the key service with."""
        return KeyServiceClient(self.space.service.space)

    def sealed(self, content: bytes, terms: Terms = TERMS) -> SealedFile:
        """Seal a CSV, as its provider does."""
        name = sha256(content + repr(terms).encode()).hexdigest()[:16] + str(time.monotonic_ns())
        path = self.folder / f"{name}.csv"
        path.write_bytes(content)
        pack = self.space.service.space.packs[terms.zone]
        try:
            return seal(
                path,
                self.folder / name,
                terms,
                pack=pack,
                keyservice=self.ours.identity.public,
                key=_PROVIDER,
            )
        finally:
            path.unlink()

    def registered(self, provider: Caller, container: bytes, **offer: Any) -> Registered:
        """Upload a container."""
        staging = self.space.service.uploads.stage(provider, ZONE)
        staging.write(container)
        staging.finish()
        terms = OfferTerms(**{"price": 100, "epsilon": 10_000_000, **offer})
        return self.space.service.sealing.register(provider, ZONE, staging, Registration("sealed", terms))

    def agreed(self, content: bytes, terms: Terms = TERMS, **offer: Any) -> "Agreed":
        """Seal, upload and agree."""
        container = self.sealed(content, terms).container.read_bytes()
        provider, consumer = self.space.provider(), self.space.consumer()
        registered = self.registered(provider, container, **offer)
        agreement = self.space.agreed(consumer, registered.offer)
        return Agreed(self, provider, consumer, agreement, registered, container, SealedKeys.create())


@dataclass
class Agreed:
    """A sealed dataset with a consumer's agreement on it."""

    scene: Scene
    provider: Caller
    consumer: Caller
    agreement: Agreement
    registered: Registered
    container: bytes
    keys: SealedKeys

    @property
    def head(self) -> Head:
        return Head.read(BytesIO(self.container))

    @property
    def report(self) -> Report:
        return self.head.check()

    @property
    def manifest(self) -> Manifest:
        """What the key service alone can read."""
        return Manifest.decode(self.scene.ours.identity.sealing.open(self.head.manifest, MANIFEST_INFO))

    def groups(self, **weights: int) -> list[dict[str, list[int]]]:
        """One group for each district, with weights by name."""
        cells = self.manifest.facts.cells
        return [
            {"cells": [cells.index([name.replace("_", " ")])], "weights": [weight]}
            for name, weight in weights.items()
        ]

    def plan(
        self, groups: list[dict[str, list[int]]], measure: str = "income", epsilon: int = 1_000_000
    ) -> Plan:
        return Plan.from_json(
            {
                "format": "dataspace-sealed-plan@v1",
                "agreement": self.agreement.id,
                "dataset": self.registered.dataset,
                "version": 1,
                "container": self.head.id,
                "measure": measure,
                "groups": groups,
                "epsilon": epsilon,
                "min_group": 10,
                "consumer": self.keys.id,
            }
        )

    def computed(self, plan: Plan) -> bytes:
        """What the platform's worker computes for a plan."""
        service = self.scene.space.service
        case = service.sealed._case(self.consumer, self.agreement.id)
        weights = [plan.weights(group, len(self.report.counts)) for group in plan.groups]
        return service.sealed._result(case, self.report, plan, weights)

    def asking(
        self, plan: Plan, result: bytes, *, job: str = "", **ledger: Any
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Write, as a malicious platform, what it likes into its ledger; return what it then asks."""
        content = canonical(plan.to_json())
        job = job or f"sj-{sha256(content + result).hexdigest()[:32]}"
        fields = {
            "job": job,
            "agreement": plan.agreement,
            "dataset": plan.dataset,
            "version": plan.version,
            "plan_sha256": sha256(content).hexdigest(),
            "result_sha256": sha256(result).hexdigest(),
            "policy": "0" * 64,
            "input": "0" * 64,
            **ledger,
        }
        space = self.scene.space.service.space

        def act(session: Session) -> int:
            return space.log.append(session, "sealed.computed", **fields)

        entry = space.database.commit(act)
        with space.database.reading() as session:
            receipt = space.log.receipt(session, entry).to_bytes()
        told = {"job": job, "plan": plan.to_json()}
        return told, [result, receipt, base64.b64decode(self.keys.public)]

    def open(self, plan: Plan, result: bytes, *, job: str = "", **ledger: Any) -> Message:
        """Ask the key service for what is in the ledger."""
        asked = self.asking(plan, result, job=job, **ledger)
        self.scene.client.ask(KEEP, {}, [self.head.encode()])
        return self.scene.client.ask(OPEN, *asked)

    def payload(self) -> Any:
        service = self.scene.space.service
        return service.sealed._case(self.consumer, self.agreement.id).payload(service.space)

    def total(
        self, groups: list[dict[str, list[int]]], measure: str = "income", epsilon: int = 1_000_000
    ) -> Any:
        """Ask through the platform."""
        asked = {"measure": measure, "groups": groups, "epsilon": epsilon, "key": self.keys.public}
        return self.scene.space.service.sealed.total(self.consumer, self.agreement.id, asked)

    def opened(self, answer: bytes) -> Mapping[str, Any]:
        """Open an answer as its consumer does."""
        message = Message.decode(answer)
        told = message.statement
        info = answer_info(str(told["job"]), self.agreement.id, str(told["plan_sha256"]))
        found: dict[str, Any] = msgspec.json.decode(self.keys.open(message.attachments[0], info))
        return found


@dataclass
class Stand:
    """A platform's home and its key service, which is served; the platform is opened when it is wanted."""

    settings: Settings
    token: str
    ours: Home
    port: int
    folder: Path

    @contextmanager
    def opened(self) -> Iterator[Scene]:
        """Open the platform."""
        clock = Clock()
        clock.now = datetime.now(UTC)
        with open_service(self.settings, clock) as service:
            with service.space.database.reading() as session:
                operator = caller_of_token(session, self.token)
            space = Simulator(service, self.settings, operator, self.token, clock)
            yield Scene(space, self.ours, self.port, self.folder)


@contextmanager
def stand(folder: Path, **settings: Any) -> Iterator[Stand]:
    """Make a platform, and run its key service as a process on loopback."""
    ours, port = folder / "keyservice", free_port()
    chosen = Settings(home=folder / "platform", zones=str(fearless_zones()), **settings)
    admission = initialise(chosen, "operator", "operator", PASSWORD)
    assert admission
    made = Home.create(ours, log_key(chosen))
    chosen = replace(chosen, keyservice=f"http://127.0.0.1:{port}#{made.identity.public.id}")
    with key_service(ours, port):
        yield Stand(chosen, admission.token, made, port, folder)


@contextmanager
def scene(folder: Path, **settings: Any) -> Iterator[Scene]:
    """Open a platform, and its key service as a process on loopback."""
    with stand(folder, **settings) as made, made.opened() as found:
        yield found


@contextmanager
def key_service(home: Path, port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Run `dataspace keyservice serve`, and end it, and only it."""
    command = [*DATASPACE, "keyservice", "serve", "--home", str(home), "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=sys.stderr)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urlopen(f"http://127.0.0.1:{port}/key", timeout=2):
                    break
            except (URLError, OSError, HTTPException):  # a port that nobody has can connect to itself
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def spent_of(agreed: Agreed) -> int:
    """What of a dataset's epsilon its key service has spent."""
    with closing(sqlite3.connect(agreed.scene.ours.database)) as database:
        query = "SELECT spent FROM dataset WHERE container = ?"
        return int(database.execute(query, (agreed.head.id,)).fetchone()[0])


__all__ = ["Agreed", "Form", "Scene", "scene"]

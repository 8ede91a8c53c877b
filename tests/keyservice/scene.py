"""A platform, a key service in a process of its own, a provider that seals and a consumer that asks."""

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

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
from dataspace.transfer.keyservice import KeyServiceClient
from dataspace.wire.keyservice import OPEN, Message
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
        registered = self.registered(self.space.provider(), container, **offer)
        consumer = self.space.consumer()
        agreement = self.space.agreed(consumer, registered.offer)
        return Agreed(self, consumer, agreement, registered, container, SealedKeys.create())


@dataclass
class Agreed:
    """A sealed dataset with a consumer's agreement on it."""

    scene: Scene
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

    def open(self, plan: Plan, result: bytes, *, job: str = "", **ledger: Any) -> Message:
        """Do as a malicious platform: write what it likes into its ledger, and ask the key service."""
        import base64  # noqa: PLC0415

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
        self.scene.client.send_manifest(self.payload())
        return self.scene.client.ask(OPEN, told, [result, receipt, base64.b64decode(self.keys.public)])

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
        import msgspec  # noqa: PLC0415

        from dataspace.wire.keyservice import answer_info  # noqa: PLC0415

        message = Message.decode(answer)
        told = message.statement
        info = answer_info(str(told["job"]), self.agreement.id, str(told["plan_sha256"]))
        found: dict[str, Any] = msgspec.json.decode(self.keys.open(message.attachments[0], info))
        return found


@contextmanager
def scene(folder: Path, **settings: Any) -> Iterator[Scene]:
    """Open a platform, and its key service as a process on loopback."""
    home, ours, port = folder / "platform", folder / "keyservice", free_port()
    zones = str(fearless_zones())
    chosen = Settings(home=home, zones=zones)
    admission = initialise(chosen, "operator", "operator", PASSWORD)
    assert admission
    made = Home.create(ours, log_key(chosen))
    address = f"http://127.0.0.1:{port}#{made.identity.public.id}"
    chosen = Settings(home=home, zones=zones, keyservice=address, **settings)
    clock = Clock()
    clock.now = datetime.now(UTC)
    with key_service(ours, port), open_service(chosen, clock) as service:
        with service.space.database.reading() as session:
            operator = caller_of_token(session, admission.token)
        space = Simulator(service, chosen, operator, admission.token, clock)
        yield Scene(space, made, port, folder)


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


__all__ = ["Agreed", "Form", "Scene", "scene"]

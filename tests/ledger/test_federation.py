"""Three services as processes of their own, one zone each, that witness one another under one policy file."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import httpx2
import pytest

from dataspace.app import initialise, public_keys
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.verify import verify_receipt
from dataspace.proof.witnesses import WitnessPolicy
from dataspace.settings import Settings
from tests.running import free_port, serving

_ZONES = ("government", "finance", "healthcare")
_NUMBERS = count()
_SECONDS = 60.0


@dataclass
class Member:
    """One of the three: its settings, its keys, its first operator's token, and the running process."""

    zone: str
    folder: Path
    port: int = field(default_factory=free_port)
    keys: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.zone}.example.org/ledger"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "DATASPACE_HOME": str(self.folder / self.zone),
            "DATASPACE_ORIGIN": self.origin,
            "DATASPACE_HOSTS": self.zone,
            "DATASPACE_WORKERS": "1",
            "DATASPACE_PUBLISH_SECONDS": "1",
            **more,
        }

    def make(self) -> None:
        settings = Settings.from_environment(self.environment())
        admission = initialise(settings, "operator", "operator")
        assert admission
        self.token, self.keys = admission.token, public_keys(settings)

    def start(self, **settings: str) -> None:
        log = self.folder / f"{self.zone}.log"
        environment = self.environment(DATASPACE_WITNESSES=str(self.folder / "policy"), **settings)
        self.running.enter_context(serving(environment, self.port, log))

    def grow(self) -> int:
        """Admit somebody; return the entry that says so."""
        body = {"name": "a member", "login": f"member-{next(_NUMBERS)}", "roles": ["consumer"]}
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx2.post(f"{self.url}/api/participants", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return int(answer.json()["entry"])

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path)

    def served(self) -> int:
        """Return the size of the checkpoint it serves, 0 for none."""
        answer = self.get("/ledger/checkpoint")
        return Checkpoint.open(answer.text, self.verifier).size if answer.status_code == 200 else 0

    @property
    def verifier(self) -> Verifier:
        return Verifier.parse(self.keys["log"])


def _policy(members: list[Member]) -> str:
    lines = [f"log {member.keys['log']} {member.url}" for member in members]
    for member in members:
        names = [f"{member.zone}-{at}" for at in range(2)]
        for name, vkey in zip(names, member.keys["witness"], strict=True):
            lines.append(f"witness {name} {vkey} {member.url}/witness")
        lines.append(f"group {member.zone} any {' '.join(names)}")
    return "\n".join([*lines, f"group two 2 {' '.join(member.zone for member in members)}", "quorum two", ""])


def _until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + _SECONDS
    while not reached():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Member]]:
    folder = tmp_path_factory.mktemp("federation")
    made = [Member(zone, folder) for zone in _ZONES]
    with ExitStack() as stack:
        for member in made:
            stack.enter_context(member.running)
            member.make()
        (folder / "policy").write_text(_policy(made))
        shutil.copytree(folder / "government", folder / "copy")
        for member in made:
            member.start(DATASPACE_WITNESS_FAIL="open" if member.zone == "finance" else "closed")
        yield {member.zone: member for member in made}


def test_each_log_is_cosigned_by_the_two_others(members: dict[str, Member]) -> None:
    policy = WitnessPolicy.parse((members["finance"].folder / "policy").read_text())
    for member in members.values():
        entry = member.grow()
        _until(partial(_is_cosigned, member, policy, entry))
        signed = policy.judge(member.get("/ledger/checkpoint").text).signed
        assert {name.partition("-")[0] for name in signed} == set(_ZONES) - {member.zone}
        assert len(signed) == 4  # both keys of both
        headers = {"Authorization": f"Bearer {member.token}"}
        receipt = httpx2.get(f"{member.url}/api/receipts/{entry}", headers=headers).content
        report = verify_receipt(receipt, member.keys["log"], policy=policy)
        assert (report.exit_code, report.not_checked[-1].name) == (0, "anchor"), report
        listed = member.get("/ledger/published").json()[-1]["checkpoint"]
        assert listed == member.get("/ledger/checkpoint").text


def _is_cosigned(member: Member, policy: WitnessPolicy, entry: int) -> bool:
    return member.served() > entry and policy.judge(member.get("/ledger/checkpoint").text).met


def test_each_witness_shows_the_heads_that_it_cosigned(members: dict[str, Member]) -> None:
    government = members["government"]
    _until(lambda: government.served() > 0)
    digest = sha256(government.origin.encode()).hexdigest()
    for other in (members["finance"], members["healthcare"]):
        head = Checkpoint.open(other.get(f"/witness/{digest}/checkpoint").text, government.verifier)
        assert head.size >= government.served()
    assert government.get(f"/witness/{digest}/checkpoint").status_code == 404  # never its own


def test_le_06_who_shows_a_fork_gets_no_cosignature_for_it(members: dict[str, Member]) -> None:
    government = members["government"]
    _until(lambda: government.served() > 0)
    folder = government.folder / "copy"
    fork = Member("government", folder.parent, keys=government.keys, token=government.token)
    environment = fork.environment(
        DATASPACE_HOME=str(folder), DATASPACE_WITNESSES=str(folder.parent / "policy")
    )
    log = folder.parent / "fork.log"
    with serving(environment, fork.port, log):
        # The same keys, the same first entries, and then another history, longer than the shown one.
        while fork.grow() < government.served():
            pass
        _until(lambda: log.read_text().count("no continuation") >= 2)
        assert fork.get("/ledger/checkpoint").status_code == 503
        assert fork.get("/ledger/published").json() == []
    for other in (members["finance"], members["healthcare"]):
        digest = sha256(government.origin.encode()).hexdigest()
        shown = Checkpoint.open(other.get(f"/witness/{digest}/checkpoint").text, government.verifier)
        assert shown.size <= government.get("/health").json()["entries"]


def test_without_a_quorum_fail_closed_stops_publishing_and_fail_open_goes_on(
    members: dict[str, Member],
) -> None:
    closed, opened = members["government"], members["finance"]
    _until(lambda: closed.served() == closed.get("/health").json()["entries"])
    before = closed.served()
    members["healthcare"].running.close()
    entries = [closed.grow(), opened.grow()]
    _until(lambda: "quorum" in (closed.folder / "government.log").read_text())
    _until(lambda: opened.served() > entries[1])
    # The ledger itself goes on: only what strangers are shown waits for the witnesses.
    assert closed.get("/health").json()["entries"] > before
    time.sleep(2)
    assert closed.served() == before
    assert closed.get(f"/ledger/tile/0/000.p/{before + 1}").status_code == 404
    members["healthcare"].start()
    _until(lambda: closed.served() > entries[0])

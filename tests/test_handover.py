"""Handing over by command: the log's key over a restart, and the anchor's key in the contract too."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dataspace.app import initialise, jobs, log_key, open_service, public_keys
from dataspace.audit.audit import audit
from dataspace.audit.sources import Home
from dataspace.errors import Malformed
from dataspace.handover import hand_over, hand_over_anchor
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchors import anvil, open_anchor
from dataspace.ledger.anchors.evm import deploy
from dataspace.proof.key import Verifier
from dataspace.proof.verify import AnchorChecker
from dataspace.settings import Settings
from tests.programs import need
from tests.running import DATASPACE, command, script
from tests.simulator import PASSWORD

_CHILD = """
import sys
from pathlib import Path
from dataspace.handover import hand_over_anchor
from dataspace.settings import Settings

print(hand_over_anchor(Settings(home=Path(sys.argv[1]), anchor=sys.argv[2]))[1])
"""


@dataclass(frozen=True)
class Founded:
    """A space whose head of `size` is anchored in its contract; the key `anchor/v2` is made and funded."""

    settings: Settings
    keys: FileKeys
    size: int


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home")
    assert initialise(made, "operator", "operator", PASSWORD)
    return made


@pytest.fixture
def chain(settings: Settings, tmp_path: Path) -> Iterator[anvil.Chain]:
    """Start a chain on which the space's anchor key has funds."""
    started = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert started is not None, "anvil did not start"
    with started:
        started.fund(FileKeys(settings.home / "keys").raw("anchor"))
        yield started


@pytest.fixture
def founded(chain: anvil.Chain, settings: Settings) -> Founded:
    keys = FileKeys(settings.home / "keys")
    anchored = _anchored_by(settings, deploy(chain.rpc, keys.raw("anchor"), confirmations=0))
    size = _anchored(anchored)
    keys.create("anchor/v2")
    chain.fund(keys.raw("anchor/v2"))
    return Founded(anchored, keys, size)


def test_the_command_prints_the_new_key_and_auditors_of_the_old_one_follow(
    settings: Settings, tmp_path: Path
) -> None:
    old, environment = log_key(settings), {"DATASPACE_HOME": str(settings.home)}
    done = command([*DATASPACE, "rotate", "--reason", "compromised"], environment, tmp_path)
    new = done.stdout.strip()
    assert done.returncode == 0, done.stderr
    assert new == log_key(settings) != old
    for pinned in (old, new):
        report = audit(Home(settings.home), pinned)
        assert report.ok, report


def test_each_handover_goes_to_the_next_version_of_the_key(settings: Settings) -> None:
    keys = FileKeys(settings.home / "keys")
    for version in (2, 3):
        vkey = hand_over(settings, "scheduled")[1]
        assert vkey == str(Verifier(settings.origin, keys.public_key(f"log/v{version}"))) == log_key(settings)
    assert not keys.has("log/v4")


def test_a_reason_that_is_none_is_refused(settings: Settings) -> None:
    with pytest.raises(Malformed, match="want scheduled or compromised"):
        hand_over(settings, "fun")


def test_a_file_is_no_place_that_can_be_handed_over(settings: Settings) -> None:
    with pytest.raises(Malformed, match="want evm:http"):
        hand_over_anchor(settings)


def test_ch_07_after_a_handover_the_new_key_anchors_and_the_old_one_cannot(founded: Founded) -> None:
    settings = founded.settings
    index, vkey = hand_over_anchor(settings)
    assert public_keys(settings)["anchor"] == vkey
    assert _anchored(settings) > max(index, founded.size)
    stolen = open_anchor(settings.anchor, settings.origin, founded.keys.raw("anchor"))
    latest = stolen.latest()
    assert latest is not None
    assert latest.size > index
    _audited(settings, stolen)


def test_cr_06_a_handover_killed_between_chain_and_log_is_finished_by_the_same_command(
    founded: Founded,
) -> None:
    settings = founded.settings
    before = public_keys(settings)["anchor"]
    assert _handed_over(settings, "handover.owner_changed").returncode == 137
    assert public_keys(settings)["anchor"] == before
    again = _handed_over(settings)
    assert again.returncode == 0, again.stderr
    assert public_keys(settings)["anchor"] == again.stdout.strip() != before
    assert not founded.keys.has("anchor/v3")
    assert _anchored(settings) > founded.size
    _audited(settings, open_anchor(settings.anchor, settings.origin))


def test_ch_07_after_a_theft_the_log_goes_on_in_an_entry_that_the_heir_founds(
    founded: Founded, chain: anvil.Chain
) -> None:
    hand_over_anchor(founded.settings)
    kept = founded.settings.home / "anchors.jsonl"
    kept.rename(kept.with_name("anchors-before.jsonl"))
    heir = founded.keys.raw("anchor/v2")
    new = _anchored_by(founded.settings, deploy(chain.rpc, heir, confirmations=0))
    size = _anchored(new)
    checker = open_anchor(new.anchor, new.origin)
    latest = checker.latest()
    assert latest is not None
    assert latest.size == size
    _audited(new, checker)


def _handed_over(settings: Settings, crash: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the handover in a process of its own, killed at a named point."""
    return script(_CHILD, [str(settings.home), settings.anchor], {"DATASPACE_CRASH_AT": crash})


def _anchored_by(settings: Settings, anchor: str) -> Settings:
    return Settings(home=settings.home, anchor=anchor)


def _audited(settings: Settings, checker: AnchorChecker) -> None:
    report = audit(Home(settings.home), log_key(settings), checkers={"evm": checker})
    assert report.ok, report


def _anchored(settings: Settings) -> int:
    """Publish the head and anchor it, as the periodic jobs do; return its size."""
    with open_service(settings) as service:
        assert jobs(service)
        service.publisher.publish()
        found = None
        for _ in range(100):
            found = found or service.publisher.anchor()
        assert found == service.anchors.status.anchored
        return int(found or 0)


def test_a_contract_is_deployed_by_command_and_founded_by_the_spaces_key(
    settings: Settings, chain: anvil.Chain, tmp_path: Path
) -> None:
    environment = {"DATASPACE_HOME": str(settings.home)}
    done = command([*DATASPACE, "deploy", chain.rpc, "--confirmations", "0"], environment, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "needs funds" in done.stderr
    assert _anchored(_anchored_by(settings, done.stdout.strip())) > 0

"""Handing over by command: the log's key over a restart, and the anchor's key in the contract too."""

import os
import subprocess
import sys
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
from dataspace.settings import Settings
from tests.programs import need
from tests.running import DATASPACE, command
from tests.simulator import PASSWORD

_CHILD = """
import sys
from pathlib import Path
from dataspace.handover import hand_over_anchor
from dataspace.settings import Settings

print(hand_over_anchor(Settings(home=Path(sys.argv[1]), anchor=sys.argv[2]))[1])
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(home=tmp_path / "home")
    assert initialise(made, "operator", "operator", PASSWORD)
    return made


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


def test_ch_07_after_a_handover_the_new_key_anchors_and_the_old_one_cannot(tmp_path: Path) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    with chain:
        home = Settings(home=tmp_path / "home")
        assert initialise(home, "operator", "operator", PASSWORD)
        keys = FileKeys(home.home / "keys")
        first = keys.raw("anchor")
        chain.fund(first)
        settings = Settings(home=home.home, anchor=deploy(chain.rpc, first, confirmations=0))
        size = _anchored(settings)
        keys.create("anchor/v2")
        chain.fund(keys.raw("anchor/v2"))
        index, vkey = hand_over_anchor(settings)
        assert public_keys(settings)["anchor"] == vkey
        assert _anchored(settings) > max(index, size)
        stolen = open_anchor(settings.anchor, settings.origin, first)
        latest = stolen.latest()
        assert latest is not None
        assert latest.size > index
        report = audit(Home(home.home), log_key(settings), checkers={"evm": stolen})
        assert report.ok, report


def test_cr_06_a_handover_killed_between_chain_and_log_is_finished_by_the_same_command(
    tmp_path: Path,
) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    with chain:
        home = Settings(home=tmp_path / "home")
        assert initialise(home, "operator", "operator", PASSWORD)
        keys = FileKeys(home.home / "keys")
        first = keys.raw("anchor")
        chain.fund(first)
        settings = Settings(home=home.home, anchor=deploy(chain.rpc, first, confirmations=0))
        size = _anchored(settings)
        keys.create("anchor/v2")
        chain.fund(keys.raw("anchor/v2"))
        before = public_keys(settings)["anchor"]
        assert _handed_over(settings, "handover.owner_changed").returncode == 137
        assert public_keys(settings)["anchor"] == before
        again = _handed_over(settings)
        assert again.returncode == 0, again.stderr
        assert public_keys(settings)["anchor"] == again.stdout.strip() != before
        assert not keys.has("anchor/v3")
        assert _anchored(settings) > size
        checker = open_anchor(settings.anchor, settings.origin)
        report = audit(Home(home.home), log_key(settings), checkers={"evm": checker})
        assert report.ok, report


def test_ch_07_after_a_theft_the_log_goes_on_in_an_entry_that_the_heir_founds(tmp_path: Path) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    with chain:
        home = Settings(home=tmp_path / "home")
        assert initialise(home, "operator", "operator", PASSWORD)
        keys = FileKeys(home.home / "keys")
        chain.fund(keys.raw("anchor"))
        old = Settings(home=home.home, anchor=deploy(chain.rpc, keys.raw("anchor"), confirmations=0))
        _anchored(old)
        keys.create("anchor/v2")
        chain.fund(keys.raw("anchor/v2"))
        hand_over_anchor(old)
        kept = home.home / "anchors.jsonl"
        kept.rename(tmp_path / "anchors-before.jsonl")
        new = Settings(home=home.home, anchor=deploy(chain.rpc, keys.raw("anchor/v2"), confirmations=0))
        size = _anchored(new)
        checker = open_anchor(new.anchor, new.origin)
        latest = checker.latest()
        assert latest is not None
        assert latest.size == size
        report = audit(Home(home.home), log_key(new), checkers={"evm": checker})
        assert report.ok, report


def _handed_over(settings: Settings, crash: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the handover in a process of its own, killed at a named point."""
    return subprocess.run(
        [sys.executable, "-c", _CHILD, str(settings.home), settings.anchor],
        env={**os.environ, "DATASPACE_CRASH_AT": crash},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
    settings: Settings, tmp_path: Path
) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    environment = {"DATASPACE_HOME": str(settings.home)}
    with chain:
        chain.fund(FileKeys(settings.home / "keys").raw("anchor"))
        done = command([*DATASPACE, "deploy", chain.rpc, "--confirmations", "0"], environment, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "needs funds" in done.stderr
        assert _anchored(Settings(home=settings.home, anchor=done.stdout.strip())) > 0

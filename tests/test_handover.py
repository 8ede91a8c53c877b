"""Handing over by command: the log's key over a restart, and the anchor's key in the contract too."""

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
from dataspace.settings import Settings
from tests.programs import need
from tests.running import DATASPACE, command
from tests.simulator import PASSWORD


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

"""The ledger under a program we did not write: Tessera's fsck checks the whole log, served and exported."""

import subprocess
from pathlib import Path

import pytest

from dataspace.app import initialise, log_key, open_space
from dataspace.audit.export import export
from dataspace.membership.admit import Membership
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from tests.programs import need
from tests.running import free_port, serving
from tests.simulator import PASSWORD

MEMBERS = 300  # more than a full tile


def _grown(home: Path) -> Settings:
    settings = Settings(home=home)
    admission = initialise(settings, "operator", "operator", PASSWORD)
    assert admission
    operator = Caller(admission.member.id, frozenset({Role.OPERATOR}))
    with open_space(settings) as space:
        for number in range(MEMBERS):
            login = f"member-{number:03}"
            Membership(space).admit(operator, login, login, [Role.CONSUMER], None)
    return settings


def _finds_whole(url: str, key: Path) -> bool:
    """Let the program check a log; one that finds a wrong entry says nothing and does not end by itself."""
    arguments = [need("tessera-fsck"), "--storage_url", url, "--public_key", str(key), "--ui=false"]
    try:
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and "Successfully fsck'd log" in done.stderr


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    need("tessera-fsck")
    return _grown(tmp_path_factory.mktemp("strangers") / "home")


def test_a_program_of_others_finds_the_served_log_whole(space: Settings, tmp_path: Path) -> None:
    key, port = tmp_path / "log.key", free_port()
    key.write_text(log_key(space) + "\n")
    environment = {"DATASPACE_HOME": str(space.home), "DATASPACE_WORKER": "off"}
    with serving(environment, port, tmp_path / "log"):
        assert _finds_whole(f"http://127.0.0.1:{port}/ledger/", key)


def test_a_program_of_others_finds_an_export_whole_and_a_changed_one_not(
    space: Settings, tmp_path: Path
) -> None:
    key, folder = tmp_path / "log.key", tmp_path / "evidence"
    key.write_text(log_key(space) + "\n")
    export(space.home, folder)
    assert _finds_whole(f"file://{folder}/", key)
    bundle = folder / "tile" / "entries" / "000"
    content = bytearray(bundle.read_bytes())
    content[1000] ^= 1
    bundle.write_bytes(content)
    assert not _finds_whole(f"file://{folder}/", key)

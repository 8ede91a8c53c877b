"""Uploads that outlive their service: what arrived stays, what was being read is read again."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dataspace.app import initialise, open_service, open_space
from dataspace.catalog.models import State, Upload
from dataspace.catalog.resumable import Announced
from dataspace.catalog.stored import received
from dataspace.errors import Conflict, NotFound
from dataspace.membership.admit import Membership
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from dataspace.web.service import Service
from tests.simulator import PASSWORD, Simulator, people

CONTENT = people(120)


def _announce(service: Service, provider: Caller) -> str:
    return service.resumable.create(provider, Announced("government", len(CONTENT))).id


def _push(service: Service, provider: Caller, upload: str, offset: int, body: bytes) -> Upload:
    incoming = service.resumable.resume(provider, upload, offset)
    incoming.write(body)
    return incoming.finish()


def _settled(service: Service, provider: Caller, upload: str) -> Upload:
    until = time.monotonic() + 60
    while (found := service.uploads.look(provider, upload)).state == State.READING:
        assert time.monotonic() < until, found.stage
        time.sleep(0.02)
    return found


@pytest.fixture
def home(tmp_path: Path) -> tuple[Settings, Caller]:
    """A space that nobody serves, and a provider of it."""
    chosen = Settings(home=tmp_path / "home")
    admission = initialise(chosen, "operator", "operator", PASSWORD)
    assert admission
    with open_space(chosen) as opened:
        operator = Caller(admission.member.id, frozenset({Role.OPERATOR}))
        member = Membership(opened).admit(operator, "bureau", "bureau", [Role.PROVIDER], None).member
    return chosen, Caller(member.id, frozenset({Role.PROVIDER}))


def test_up_03_an_upload_goes_on_after_a_restart(home: tuple[Settings, Caller]) -> None:
    chosen, provider = home
    with open_service(chosen) as service:
        upload = _announce(service, provider)
        _push(service, provider, upload, 0, CONTENT[:1000])
    with open_service(chosen) as service:
        assert received(service.resumable.look(provider, upload)) == 1000
        assert _push(service, provider, upload, 1000, CONTENT[1000:]).state == State.READING
        found = _settled(service, provider, upload)
        assert (found.state, found.rows) == (State.READY, 120)


def test_what_was_being_read_when_the_service_stopped_is_read_again(home: tuple[Settings, Caller]) -> None:
    chosen, provider = home
    with open_service(chosen) as service:
        upload = _announce(service, provider)
        _push(service, provider, upload, 0, CONTENT)
    with open_service(chosen) as service:
        assert _settled(service, provider, upload).state == State.READY


_CHILD = """
import sys, time
from pathlib import Path
from dataspace.app import open_service
from dataspace.catalog.resumable import Announced
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from tests.simulator import people

provider, content = Caller(sys.argv[2], frozenset({Role.PROVIDER})), people(120)
with open_service(Settings(home=Path(sys.argv[1]))) as service:
    upload = service.resumable.create(provider, Announced("government", len(content))).id
    print(upload, flush=True)
    for start, end in ((0, 500), (500, len(content))):
        incoming = service.resumable.resume(provider, upload, start)
        incoming.write(content[start:end])
        incoming.finish()
    time.sleep(60)
"""


@pytest.mark.parametrize(
    ("point", "kept"),
    [("upload.before_part:2", 500), ("upload.before_row:1", len(CONTENT))],
)
def test_cr_02_after_a_kill_an_upload_goes_on_where_it_was(
    home: tuple[Settings, Caller], point: str, kept: int
) -> None:
    chosen, provider = home
    run = subprocess.run(
        [sys.executable, "-c", _CHILD, str(chosen.home), provider.id],
        env={**os.environ, "DATASPACE_CRASH_AT": point},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 137, run.stderr
    upload = run.stdout.strip()
    with open_service(chosen) as service:
        named = {f"{upload}.lock"} | {f"{upload}.{at}.part" for at, end in ((0, 500), (500, 1)) if at < kept}
        staged = {path.name for path in (chosen.home / "staging").iterdir()}
        assert staged <= named | {f"{upload}.whole"}
        found = service.resumable.look(provider, upload)
        assert received(found) == kept
        if kept < len(CONTENT):
            _push(service, provider, upload, kept, CONTENT[kept:])
        assert _settled(service, provider, upload).rows == 120


def test_an_upload_that_is_discarded_while_it_is_read_is_gone(space: Simulator) -> None:
    provider = space.provider()
    upload = _announce(space.service, provider)
    _push(space.service, provider, upload, 0, CONTENT)
    space.service.uploads.discard(provider, upload)
    with pytest.raises(NotFound):
        space.service.uploads.look(provider, upload)
    # The reader notices at its next word, and leaves nothing.
    until = time.monotonic() + 30
    with space.service.uploads.places.claim(upload, 30):
        while left := [path for path in space.settings.home.glob("*/up-*") if path.suffix != ".lock"]:
            assert time.monotonic() < until, left
            time.sleep(0.02)


def test_what_was_discarded_while_it_came_is_not_kept(space: Simulator) -> None:
    provider = space.provider()
    upload = _announce(space.service, provider)
    incoming = space.service.resumable.resume(provider, upload, 0)
    incoming.write(CONTENT)
    space.service.uploads.discard(provider, upload)
    with pytest.raises(NotFound):
        incoming.finish()
    assert not list((space.settings.home / "staging").glob(f"{upload}.*.part"))


def test_up_04_one_at_a_time(space: Simulator) -> None:
    provider = space.provider()
    upload = _announce(space.service, provider)
    first = space.service.resumable.resume(provider, upload, 0)
    with pytest.raises(Conflict):
        space.service.resumable.resume(provider, upload, 0)
    first.discard()
    space.service.resumable.resume(provider, upload, 0).discard()


def test_stages_are_told_while_it_is_read(space: Simulator) -> None:
    provider, stages = space.provider(), set()
    upload = _announce(space.service, provider)
    _push(space.service, provider, upload, 0, CONTENT[:99])
    with pytest.raises(Conflict, match="not read yet"):
        space.service.uploads.upload(provider, upload)
    _push(space.service, provider, upload, 99, CONTENT[99:])
    while (found := space.service.uploads.look(provider, upload)).state == State.READING:
        stages.add(found.stage)
    assert stages <= {"waiting", "joining", "scanning", "classifying", "encrypting", "assessing"}
    assert len(stages) > 1
    assert (found.state, found.stage, found.progress) == (State.READY, "", 100)

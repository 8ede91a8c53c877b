"""A process killed at a named point, a disk that is full or fails: the ledger is whole after it."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dataspace import migrations
from dataspace.app import initialise, log_key, open_service, open_space
from dataspace.audit.audit import audit
from dataspace.audit.report import Report
from dataspace.audit.sources import Home
from dataspace.database import Database
from dataspace.errors import OutOfSpace, Unavailable
from dataspace.membership.admit import Membership
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from tests.programs import need
from tests.running import DATASPACE, command, script
from tests.simulator import PASSWORD

_CHILD = """
import sys
from pathlib import Path
from dataspace.app import open_space
from dataspace.handover import hand_over
from dataspace.membership.admit import Membership
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings

settings, operator = Settings(home=Path(sys.argv[1])), Caller(sys.argv[2], frozenset({Role.OPERATOR}))
with open_space(settings) as space:
    for number in range(4):
        login = f"member-{number}"
        print(Membership(space).admit(operator, login, login, [Role.CONSUMER], None).member.id, flush=True)
print(hand_over(settings, "scheduled")[1], flush=True)
"""

POINTS = [
    *(f"database.before_commit:{number}" for number in (1, 3, 5)),
    *(f"database.after_commit:{number}" for number in (2, 4, 5)),
    *(f"log.inserted:{number}" for number in (1, 5)),
    *(f"log.signed:{number}" for number in (2, 5)),
    "handover.key_made",
    "handover.committed",
]


class Space:
    """A home with its first operator and the key an auditor pinned when it was made."""

    def __init__(self, home: Path) -> None:
        self.settings = Settings(home=home)
        admission = initialise(self.settings, "operator", "operator", PASSWORD)
        assert admission
        self.operator = Caller(admission.member.id, frozenset({Role.OPERATOR}))
        self.pinned = log_key(self.settings)

    def admit(self, login: str) -> str:
        with open_space(self.settings) as space:
            return Membership(space).admit(self.operator, login, login, [Role.CONSUMER], None).member.id

    def members(self) -> set[str]:
        with open_space(self.settings) as space, space.database.reading() as session:
            rows = session.connection().exec_driver_sql("SELECT id FROM participant").all()
            return {str(row[0]) for row in rows}

    def audit(self) -> Report:
        return audit(Home(self.settings.home), self.pinned)

    def killed_at(self, point: str, source: str, caller: Caller) -> list[str]:
        """Run a script for a caller until it is killed at a named point; return what it had printed."""
        run = script(source, [str(self.settings.home), caller.id], {"DATASPACE_CRASH_AT": point})
        assert run.returncode == 137, run.stderr
        return run.stdout.split()


@pytest.fixture
def space(tmp_path: Path) -> Space:
    return Space(tmp_path / "home")


@pytest.mark.parametrize("point", POINTS)
def test_cr_03_cr_06_after_a_kill_what_was_acknowledged_is_there_and_the_ledger_is_whole(
    space: Space, point: str
) -> None:
    told = space.killed_at(point, _CHILD, space.operator)
    assert {line for line in told if line.startswith("pt-")} <= space.members()
    report = space.audit()
    assert report.ok, report
    space.admit("after-the-crash")
    assert space.audit().ok


_UPLOADING = """
import sys
from pathlib import Path
from dataspace.app import open_service
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings
from tests.simulator import people

provider = Caller(sys.argv[2], frozenset({Role.PROVIDER}))
with open_service(Settings(home=Path(sys.argv[1]))) as service:
    for number in range(2):
        staging = service.uploads.stage(provider, "government")
        staging.write(people(60 + number))
        staging.finish()
        upload = service.uploads.read(provider, "government", "people.csv", staging)
        offer = OfferTerms(price=1, forms=(Form.AGGREGATE,))
        chosen = Registration("people", offer, subjects=("number",))
        print(service.registrar.confirm(provider, upload.id, chosen).dataset, flush=True)
"""


@pytest.mark.parametrize(
    "point", ["upload.before_row:2", "database.before_commit:4", "database.after_commit:3"]
)
def test_cr_02_after_a_kill_no_file_is_there_that_nothing_names(space: Space, point: str) -> None:
    with open_space(space.settings) as opened:
        roles = [Role.PROVIDER]
        member = Membership(opened).admit(space.operator, "bureau", "bureau", roles, None).member
    provider = Caller(member.id, frozenset(roles))
    told = space.killed_at(point, _UPLOADING, provider)
    with open_service(space.settings) as service:
        assert service.uploads.sweep() == 0  # the start did it
        listed = {one.dataset for one in service.catalogue.listings()}
    assert set(told) <= listed
    assert space.audit().ok


def test_cr_06_a_migration_that_is_killed_is_made_again_from_the_start(tmp_path: Path) -> None:
    environment = {"DATASPACE_HOME": str(tmp_path / "home"), "DATASPACE_CRASH_AT": "migration.tables_made"}
    assert command([*DATASPACE, "init"], environment, tmp_path).returncode == 137
    del environment["DATASPACE_CRASH_AT"]
    assert command([*DATASPACE, "serve"], environment, tmp_path).returncode == 2
    done = command([*DATASPACE, "init"], environment, tmp_path)
    assert "token" in done.stdout, done.stderr
    migrations.ensure_current(Settings(home=tmp_path / "home").database)


def test_cr_07_a_full_disk_stops_writing_and_not_reading_and_passes(space: Space) -> None:
    with open_space(space.settings) as opened:
        with opened.database.reading() as session:
            before = opened.log.size(session)
        opened.database.shred()
        driver = _driver(opened.database)
        # SQLite's own limit: its error is the one of a full disk, at the first write that needs a page more.
        driver.execute(f"PRAGMA max_page_count = {driver.execute('PRAGMA page_count').fetchone()[0]}")
        membership, admitted = Membership(opened), 0
        with suppress(OutOfSpace):
            for number in range(10_000):
                membership.admit(space.operator, f"m-{number:04}", f"m-{number:04}", [Role.CONSUMER], None)
                admitted += 1
        assert admitted < 10_000
        with opened.database.reading() as session:
            assert opened.log.size(session) >= before + admitted
        _driver(opened.database).execute("PRAGMA max_page_count = 1000000")
        membership.admit(space.operator, "with-room-again", "with-room-again", [Role.CONSUMER], None)
    assert space.audit().ok


def _driver(database: Database) -> Any:
    """Return the writer's own connection, whose limits a test sets."""
    return database._connected().connection.driver_connection


_SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(void) { const char *flag = getenv("FSYNC_FAILS"); return flag && access(flag, F_OK) == 0; }
int fsync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""

_FAILING = """
import sys
from pathlib import Path
from dataspace.app import open_space
from dataspace.errors import Unavailable
from dataspace.membership.admit import Membership
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.settings import Settings

settings, operator = Settings(home=Path(sys.argv[1])), Caller(sys.argv[2], frozenset({Role.OPERATOR}))
flag = Path(sys.argv[3])
with open_space(settings) as space:
    def admit(login):
        try:
            print("done", Membership(space).admit(operator, login, login, [Role.CONSUMER], None).member.id)
        except Unavailable as error:
            print("refused", error)
    admit("before")
    flag.touch()
    admit("while")
    flag.unlink()
    admit("after")
    with space.database.reading() as session:
        print("reads", space.log.size(session))
"""


def test_cr_08_after_an_fsync_that_failed_nothing_is_written_until_a_restart(
    space: Space, tmp_path: Path
) -> None:
    shim, flag = tmp_path / "shim.so", tmp_path / "flag"
    (tmp_path / "shim.c").write_text(_SHIM)
    subprocess.run([need("cc"), "-shared", "-fPIC", "-o", shim, tmp_path / "shim.c", "-ldl"], check=True)
    environment = {"LD_PRELOAD": str(shim), "FSYNC_FAILS": str(flag)}
    run = script(_FAILING, [str(space.settings.home), space.operator.id, str(flag)], environment)
    assert run.returncode == 0, run.stderr
    words = [line.split()[0] for line in run.stdout.splitlines()]
    assert words == ["done", "refused", "refused", "reads"], run.stdout
    assert "the disk failed" in run.stdout
    assert space.audit().ok
    space.admit("after-the-restart")
    assert space.audit().ok


def test_cr_09_a_database_with_a_torn_page_is_not_served_and_its_audit_says_so(space: Space) -> None:
    path = space.settings.home / "dataspace.db"
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 4096 * 3 - 2048)
    with pytest.raises(Unavailable), open_space(space.settings) as opened:
        Membership(opened).admit(space.operator, "torn", "torn", [Role.CONSUMER], None)
    assert not space.audit().ok


def test_cr_09_a_file_that_is_no_database_is_named(space: Space) -> None:
    (space.settings.home / "dataspace.db").write_bytes(b"torn" * 4096)
    run = command([*DATASPACE, "serve"], {"DATASPACE_HOME": str(space.settings.home)}, space.settings.home)
    assert (run.returncode, "database" in run.stderr, "Traceback" in run.stderr) == (2, True, False)


def test_cr_09_a_lost_write_ahead_log_is_a_log_behind_its_anchor(space: Space, tmp_path: Path) -> None:
    kept, home = tmp_path / "kept", space.settings.home
    shutil.copytree(home, kept)
    space.admit("later")
    with open_space(space.settings) as opened:
        size = opened.database.commit(opened.log.size)
    shutil.copy(kept / "dataspace.db", home / "dataspace.db")
    with open_space(space.settings) as opened:
        opened.log.floor(size)
        with pytest.raises(Unavailable, match="rolled back"):
            Membership(opened).admit(space.operator, "other", "other", [Role.CONSUMER], None)


def test_cr_09_a_read_only_home_is_not_served_and_can_be_audited(space: Space) -> None:
    home = space.settings.home
    for path in [home, *home.rglob("*")]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    # Without the right to pass over modes, which root has.
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    environment = {"DATASPACE_HOME": str(home)}
    served = command([*bare, *DATASPACE, "serve", "--port", "0"], environment, home)
    audited = command([*bare, *DATASPACE, "audit", str(home), "--key", space.pinned], environment, home)
    for path in [home, *home.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    assert (served.returncode, "Traceback" in served.stderr) == (2, False), served.stderr
    assert audited.returncode == 0, audited.stdout + audited.stderr

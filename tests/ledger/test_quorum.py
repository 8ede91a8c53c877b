"""The quorum: what it keeps back, what it lets pass, and what a round that was cut off leaves to the next."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from dataspace.errors import Unavailable
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.anchors import open_anchor
from dataspace.ledger.cosign import Witnesses
from dataspace.ledger.keyring import Role
from dataspace.proof.cosignature import cosigned
from dataspace.proof.witnesses import WitnessPolicy
from tests.ledger.conftest import ORIGIN, Ledger
from tests.ledger.parties import (
    Neighbour,
    asked,
    keyed,
    neighbour,
    newest_note,
    policy_text,
    publisher,
    served_size,
)
from tests.ledger.servers import Told, answering, witnessing


@pytest.fixture
def space(ledger: Ledger, tmp_path: Path) -> Iterator["Party"]:
    made = Party(keyed(ledger), tmp_path)
    yield made
    made.stack.close()


class Party:
    """A log that asks two witnesses, of which a test can stop each."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger, self.stack = ledger, ExitStack()
        self.witnesses: list[Neighbour] = []
        self.down: set[int] = set()
        self.asked: list[int] = []
        urls = {}
        for number in range(2):
            made = neighbour(folder / f"witness-{number}", [ledger.log.vkey()], f"example.net/{number}")
            self.stack.callback(made.ledger.database.close)
            self.witnesses.append(made)
            urls[made.vkeys[Role.WITNESS_POST_QUANTUM]] = self.stack.enter_context(
                answering(self._answer(number))
            )
        self.text = policy_text(urls, 2)
        self.policy = WitnessPolicy.parse(self.text)

    def _answer(self, number: int) -> Callable[[bytes], Told]:
        told = witnessing(self.witnesses[number].witness)

        def answer(body: bytes) -> Told:
            self.asked.append(number)
            return Told(503) if number in self.down else told(body)

        return answer

    def witnesses_asked(self, *, closed: bool = True) -> Witnesses:
        return asked(self.policy, closed=closed)


def test_a_published_head_carries_the_cosignatures_of_the_quorum(space: Party) -> None:
    made = publisher(space.ledger, space.witnesses_asked())
    size = made.publish()
    keys = [witness.key for witness in space.policy.witnesses]
    assert set(cosigned(newest_note(space.ledger, made), keys)) == {str(key) for key in keys}
    assert served_size(space.ledger, made) == size
    space.ledger.grow(300)
    assert made.publish() == served_size(space.ledger, made) == space.ledger.size()


def test_a_restart_learns_the_witnesses_sizes_from_them(space: Party) -> None:
    publisher(space.ledger, space.witnesses_asked()).publish()
    space.ledger.append()
    made = publisher(space.ledger, space.witnesses_asked())
    space.asked.clear()
    made.publish()
    assert served_size(space.ledger, made) == space.ledger.size()
    assert sorted(space.asked) == [0, 0, 1, 1]  # once with size 0, once with the size that they told
    space.ledger.append()
    space.asked.clear()
    made.publish()
    assert sorted(space.asked) == [0, 1]


def test_fail_closed_keeps_back_what_the_quorum_has_not_signed(space: Party) -> None:
    made = publisher(space.ledger, space.witnesses_asked())
    space.down = {0}
    made.publish()
    with space.ledger.database.reading() as session:
        assert made.published.newest(session) is None
        assert made.published.all(session, 0, 9) == []
        with pytest.raises(Unavailable, match="quorum"):
            made.head(session)
    space.down = set()
    assert made.publish() is None  # nothing new, and the one that lay there is completed
    assert served_size(space.ledger, made) == space.ledger.size()


def test_fail_closed_serves_the_last_cosigned_head_while_the_log_grows(space: Party) -> None:
    made = publisher(space.ledger, space.witnesses_asked())
    before = made.publish()
    space.down = {0, 1}
    for _ in range(3):
        space.ledger.append()
        made.publish()
    assert served_size(space.ledger, made) == before
    space.down = set()
    space.asked.clear()
    made.publish()
    assert served_size(space.ledger, made) == space.ledger.size()
    with space.ledger.database.reading() as session:
        # Only the newest is brought to the witnesses: it holds the ones that they missed.
        assert [item.size for item in made.published.all(session, 0, 9)] == [before, space.ledger.size()]


def test_fail_open_publishes_what_the_quorum_has_not_signed(space: Party) -> None:
    made = publisher(space.ledger, space.witnesses_asked(closed=False))
    space.down = {0, 1}
    size = made.publish()
    assert served_size(space.ledger, made) == size
    with space.ledger.database.reading() as session:
        newest = made.published.newest(session)
    assert newest is not None
    assert (newest.size, newest.quorum) == (size, False)


def test_only_witnesses_whose_line_is_missing_are_asked_again(space: Party) -> None:
    made = publisher(space.ledger, space.witnesses_asked())
    space.down = {1}
    made.publish()
    space.asked.clear()
    made.publish()
    assert space.asked == [1]
    space.down = set()
    made.publish()
    space.asked.clear()
    made.publish()
    assert space.asked == []


def test_an_outage_is_told_when_it_begins_and_when_it_ends(
    space: Party, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "dataspace.published")
    made = publisher(space.ledger, space.witnesses_asked())
    space.down = {1}
    for _ in range(3):
        space.ledger.append()
        made.publish()
    told = [record.getMessage() for record in caplog.records]
    assert [text.endswith("it answered 503") for text in told] == [True, False]
    assert told[1].endswith("is not cosigned by the quorum")
    caplog.clear()
    space.down = set()
    for _ in range(2):
        made.publish()
    assert [record.getMessage().split(":")[-1] for record in caplog.records] == [" as it should be again"] * 2


def test_le_06_a_forked_log_gets_no_cosignature(
    space: Party, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = publisher(space.ledger, space.witnesses_asked())
    space.ledger.grow(5)
    made.publish()
    (tmp_path / "fork").mkdir()
    fork = Ledger(f"sqlite:///{tmp_path}/fork/space.db", tmp_path / "fork" / "unused")
    fork.keys = space.ledger.keys
    fork.reopen()
    fork.grow(space.ledger.size() + 4)
    forked = publisher(fork, space.witnesses_asked())
    forked.publish()
    with fork.database.reading() as session, pytest.raises(Unavailable, match="quorum"):
        forked.head(session)
    assert sum("no continuation" in record.getMessage() for record in caplog.records) == 2
    assert {record.levelname for record in caplog.records if "continuation" in record.getMessage()} == {
        "ERROR"
    }
    fork.database.close()


def test_what_is_anchored_is_the_newest_published_head(space: Party, tmp_path: Path) -> None:
    kept = tmp_path / "anchors.jsonl"
    anchors = Anchorage(space.ledger.database, space.ledger.log, open_anchor(f"file:{kept}", ORIGIN), kept)
    made = publisher(space.ledger, space.witnesses_asked(), anchors=anchors)
    space.down = {0}
    made.publish()
    assert made.anchor() is None  # fail-closed
    space.down = set()
    size = space.ledger.size()
    made.publish()
    assert made.anchor() == size
    assert [evidence.checkpoint for evidence in anchors.all_evidence()] == [newest_note(space.ledger, made)]
    space.ledger.append()
    assert made.anchor() is None  # not published yet
    space.ledger.clock.now += timedelta(seconds=10)
    made.publish()
    assert made.anchor() == size + 1


_CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from dataspace.database import Database
from dataspace.keys.file import FileKeys
from dataspace.ledger.cosign import Witnesses, read_policy
from dataspace.ledger.log import Log
from dataspace.ledger.publisher import Publisher

url, keys, origin, policy, now = sys.argv[1:]
store, clock = FileKeys(Path(keys)), lambda: datetime.fromisoformat(now)
log = Log(origin, store, clock=clock)
witnesses = Witnesses(read_policy(Path(policy)), "nobody")
Publisher(Database(url, log), log, store, clock=clock, witnesses=witnesses).publish()
"""


@pytest.mark.parametrize(
    "point",
    ["database.before_commit:1", "published.stored", "database.before_commit:2", "published.cosigned"],
)
def test_cr_06_after_a_kill_while_publishing_the_next_round_completes_it(
    space: Party, tmp_path: Path, point: str
) -> None:
    (tmp_path / "policy").write_text(space.text)
    space.ledger.database.close()
    now = space.ledger.clock().isoformat()
    arguments = [space.ledger.url, str(tmp_path / "keys"), ORIGIN, str(tmp_path / "policy"), now]
    killed = subprocess.run(
        [sys.executable, "-c", _CHILD, *arguments],
        env={**os.environ, "DATASPACE_CRASH_AT": point},
        timeout=60,
        check=False,
    )
    assert killed.returncode == 137
    space.ledger.open()
    made = publisher(space.ledger, space.witnesses_asked())
    made.publish()
    assert served_size(space.ledger, made) == space.ledger.size()
    assert space.policy.judge(newest_note(space.ledger, made)).met
    with space.ledger.database.reading() as session:
        assert [item.size for item in made.published.all(session, 0, 9)] == [space.ledger.size()]

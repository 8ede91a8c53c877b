"""The same audit for ever: what it prints, what it remembers, whom it tells, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dataspace.audit import herald, monitor
from dataspace.audit.herald import Event, Herald
from dataspace.audit.monitor import Monitor, Rounds, event, monitor_command, public
from dataspace.audit.order import Order
from dataspace.audit.report import Report
from dataspace.errors import Malformed
from tests.audit.conftest import Copy
from tests.audit.published import policy, publish, published
from tests.audit.scene import Scene

__all__ = ["published"]  # a fixture


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [str(one["event"]) for one in self.events]


class Watched:
    """A copy of a home that is monitored round by round."""

    def __init__(self, home: Copy, folder: Path) -> None:
        self.home, self.state, self.listener = home, folder / "state", Listener()
        self.order = Order(str(home.folder), home.vkey, save=self.state, jobs=1)
        self.alarm = folder / "state.alarm"
        self.clock = 0.0
        self.monitor = Monitor(
            Rounds(self.order), "here", self.alarm, self.listener, clock=lambda: self.clock, second_look=0.0
        )

    def round(self) -> str:
        return self.monitor.round(threading.Event()).verdict


@pytest.fixture
def watched(home: Copy, tmp_path: Path) -> Watched:
    return Watched(home, tmp_path)


def test_a_right_round_remembers_its_checkpoint_and_tells_nobody(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [watched.round(), watched.round()] == ["right", "right"]
    assert watched.state.read_text().startswith("example.com/space\n600\n")
    assert watched.listener.events == []
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("RIGHT as far as checked: 600 entries" in line for line in lines)


def test_a_finding_is_told_once_and_its_end_too(watched: Watched) -> None:
    watched.round()
    watched.home.execute("UPDATE budget SET units = 7")
    assert [watched.round(), watched.round()] == ["wrong", "wrong"]
    watched.home.execute("UPDATE budget SET units = 1000")
    assert watched.round() == "right"
    assert watched.listener.kinds == ["finding", "recovered"]
    told = watched.listener.events[0]
    assert told["findings"] == [
        {"step": 15, "place": "budget ag-1", "problem": "units is 7, the entries imply 1000"}
    ]


def test_another_finding_is_news(watched: Watched) -> None:
    watched.home.execute("UPDATE budget SET units = 7")
    watched.round()
    watched.home.execute("UPDATE budget SET units = 8")
    watched.round()
    assert watched.listener.kinds == ["finding", "finding"]


def test_a_finding_that_goes_on_is_told_again_after_a_day(watched: Watched) -> None:
    watched.home.execute("UPDATE budget SET units = 7")
    watched.round()
    watched.clock += monitor.AGAIN + 1
    watched.round()
    assert watched.listener.kinds == ["finding", "finding"]


def test_an_audit_that_cannot_be_made_is_told(watched: Watched) -> None:
    database = watched.home.folder / "dataspace.db"
    watched.round()
    database.rename(watched.home.folder / "away")
    assert watched.round() == "not-checked"
    (watched.home.folder / "away").rename(database)
    assert watched.round() == "right"
    assert watched.listener.kinds == ["not-checked", "recovered"]


def test_le_05_a_rollback_stays_an_alarm_until_its_file_is_removed(watched: Watched, home: Copy) -> None:
    watched.round()
    note = watched.state.read_text()
    # What the auditor remembers is larger than what is shown: another scene of this log would do as well.
    watched.home.execute("UPDATE ledger_head SET checkpoint = ?", home.older)
    assert watched.round() == "wrong"
    watched.home.execute("UPDATE ledger_head SET checkpoint = ?", note)
    assert [watched.round(), watched.round()] == ["wrong", "wrong"]
    assert "rollback" in json.loads(watched.alarm.read_text())["findings"][0]["problem"]
    assert watched.state.read_text() == note
    watched.alarm.unlink()
    assert watched.round() == "right"
    assert watched.listener.kinds[-1] == "recovered"


def test_an_alarm_that_cannot_be_read_is_one(watched: Watched) -> None:
    watched.alarm.write_text("{")
    assert watched.round() == "wrong"


def test_witnesses_are_given_a_moment(published: Scene, tmp_path: Path) -> None:
    published.answer(2)
    publish(published, witnesses=0)
    lines = [f"witness {one.name} {one.key}" for one in policy().witnesses]
    (tmp_path / "policy").write_text("\n".join([*lines, "group all 2 0 1 2", "quorum all", ""]))
    order = Order(str(published.home), published.vkey, policy=tmp_path / "policy", jobs=1)
    looked: list[float] = []
    monitored = Monitor(Rounds(order), "here", tmp_path / "alarm", second_look=0.0)
    look = monitored._look

    def counted() -> Any:
        looked.append(time.monotonic())
        return look()

    monitored._look = counted  # type: ignore[method-assign]
    assert monitored.round(threading.Event()).verdict == "wrong"
    assert len(looked) == 2


def test_an_event_holds_places_and_problems_within_bounds(watched: Watched) -> None:
    watched.home.execute("UPDATE budget SET units = 7")
    watched.home.execute("UPDATE participant SET name = 'somebody'")
    found = watched.monitor.round(threading.Event())
    text = json.dumps(event(found, "here"))
    assert "somebody" not in text
    assert len(text) < 20_000


def test_a_target_is_told_without_what_may_be_secret() -> None:
    assert (
        public("https://user:secret@example.com:8443/space?token=secret") == "https://example.com:8443/space"
    )


class _Hook(BaseHTTPRequestHandler):
    answers: list[int]
    got: list[Any]

    def do_POST(self) -> None:
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        status = self.answers.pop(0) if self.answers else 204
        self.send_response(status)
        if status in (301, 307):
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be silent."""


@contextmanager
def hook(*answers: int) -> Iterator[tuple[str, list[Any]]]:
    """Listen for webhooks, answer with these statuses and then 204; yield the address and what came."""
    got: list[Any] = []
    handler = type("Handler", (_Hook,), {"answers": list(answers), "got": got})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_lo_07_events_arrive_in_order_though_the_webhook_fails_first() -> None:
    with hook(500, 503) as (url, got):
        told = Herald(url, first_pause=0.01)
        told.tell({"n": 1})
        told.tell({"n": 2})
        assert told.close(20)
    assert got == [{"n": 1}, {"n": 1}, {"n": 1}, {"n": 2}]


def test_lo_07_a_redirect_is_not_followed_and_tried_again() -> None:
    with hook(307, 301) as (url, got):
        told = Herald(url, first_pause=0.01)
        told.tell({"n": 1})
        assert told.close(20)
    assert len(got) == 3


def test_lo_07_a_dead_webhook_keeps_nobody_waiting() -> None:
    with hook() as (url, _):
        pass
    told = Herald(url, first_pause=0.01)
    began = time.monotonic()
    for n in range(3 * herald.WAITING):
        told.tell({"n": n})
    assert time.monotonic() - began < 1
    assert len(told._waiting) <= herald.WAITING
    assert not told.close(0.1)


def test_lo_07_what_nobody_took_for_a_day_is_given_up() -> None:
    with hook() as (url, _):
        pass
    now = [0.0]
    told = Herald(url, first_pause=0.01, clock=lambda: now[0])
    told.tell({"n": 1})
    now[0] = herald.LIFETIME + 1
    assert told.close(20)


def test_a_webhook_is_an_address() -> None:
    with pytest.raises(Malformed):
        Herald("ftp://example.com")


@pytest.mark.parametrize(("sql", "code"), [("SELECT 1", 0), ("UPDATE budget SET units = 7", 1)])
def test_one_round_ends_with_the_code_of_its_audit(home: Copy, tmp_path: Path, sql: str, code: int) -> None:
    home.execute(sql)
    order = Order(str(home.folder), home.vkey, jobs=1)
    with hook() as (url, got):
        assert monitor_command(order, tmp_path / "state", every=1, webhook=url, once=True) == code
    assert [one["event"] for one in got] == ["finding"] * code


def test_a_mistake_of_the_auditors_is_not_told_as_the_logs(home: Copy, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        monitor_command(
            Order(str(home.folder), "no key"), tmp_path / "state", every=1, webhook=None, once=True
        )


def test_sigterm_ends_it_with_the_last_code(home: Copy, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from dataspace.audit.monitor import monitor_command; "
        "from dataspace.audit.order import Order; "
        "sys.exit(monitor_command(Order(sys.argv[1], sys.argv[2], jobs=1), Path(sys.argv[3]), "
        "every=3600, webhook=None, once=False))"
    )
    command = [sys.executable, "-c", code, str(home.folder), home.vkey, str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) as process:
        assert process.stdout is not None
        assert b"RIGHT" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_an_unexpected_error_is_a_round_that_was_not_made_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> Report:
        raise OverflowError("a value of the log's, which nobody is told")

    listener = Listener()
    found = Monitor(broken, "here", tmp_path / "alarm", listener).round(threading.Event())
    assert (found.verdict, found.code, listener.kinds) == ("not-checked", 2, ["not-checked"])
    assert "NOT CHECKED: the audit ended with OverflowError" in capsys.readouterr().out
    assert "a value of the log" not in json.dumps(listener.events)


def test_an_alarm_that_cannot_be_written_is_told_all_the_same(watched: Watched, home: Copy) -> None:
    watched.round()
    watched.home.execute("UPDATE ledger_head SET checkpoint = ?", home.older)
    watched.monitor.alarm = watched.alarm.parent / "none" / "alarm"
    assert watched.round() == "wrong"
    assert watched.listener.kinds == ["finding"]
    assert "the alarm was not written" in str(watched.listener.events[0]["line"])

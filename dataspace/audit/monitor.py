"""`dataspace monitor`: the same audit for ever, remembering; whoever is to hear of a finding is told.

Each round audits from the checkpoint of the last one that was right, prints a
line, and keeps the new checkpoint in the state file. A webhook is told when
something is found, when the audit could not be made, when that changes, and
when it is over; an alarm that goes on is told again once a day.

A rollback or a fork is never over: the log signed two histories, and showing
one of them again takes nothing back. It stands in `<state>.alarm`, and stays an
alarm in every round until the operator has removed that file.
"""

import hashlib
import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from dataspace.audit.commands import audit_and_keep
from dataspace.audit.files import read_file, replace_file
from dataspace.audit.herald import Herald, Teller
from dataspace.audit.order import Order, beside, read_authorities, read_key, read_policy
from dataspace.audit.report import Finding, Report, Stage, printable
from dataspace.errors import DataSpaceError

TOLD: Final = 50  # findings in one event
TEXT_LIMIT: Final = 300  # characters of a place or a problem
FULL: Final = 24 * 3600.0  # seconds after which the whole log is read again
AGAIN: Final = 24 * 3600.0  # seconds after which an alarm that goes on is told again
SECOND_LOOK: Final = 10.0  # seconds that witnesses are given for a checkpoint that was published just now
GRACE: Final = 15.0  # seconds for delivering what waits at the end
_ALARM_LIMIT: Final = 1 << 20
_FOREVER: Final = ("rollback:", "fork:")

Audit = Callable[[], Report]


@dataclass(frozen=True)
class Round:
    """What one round found: `right`, `wrong` or `not-checked`, and a line that tells it."""

    verdict: str
    line: str
    findings: tuple[Finding, ...] = ()
    report: Report | None = None

    @property
    def code(self) -> int:
        """The exit code."""
        return {"right": 0, "wrong": 1, "not-checked": 2}[self.verdict]

    @property
    def fingerprint(self) -> str:
        """What makes it news: its verdict and its findings, or why it could not be made."""
        told = [str(finding) for finding in self.findings] or ([] if self.verdict == "right" else [self.line])
        return hashlib.sha256(json.dumps([self.verdict, *told]).encode()).hexdigest()


@dataclass
class Monitor:
    """Rounds of `audit`; `alarm` is the file of what is never over, `teller` who is told, if anybody."""

    audit: Audit
    target: str
    alarm: Path
    teller: Teller | None = None
    clock: Callable[[], float] = time.monotonic
    second_look: float = SECOND_LOOK
    code: int = field(default=2, init=False)  # the exit code of the last round
    _last: str = field(default="", init=False)
    _told: float = field(default=0.0, init=False)
    _well: bool = field(default=True, init=False)

    def round(self, end: threading.Event) -> Round:
        """Audit once, tell of it, and return what was found."""
        found = self._look()
        if found.findings and {finding.step for finding in found.findings} == {Stage.COSIGNATURES}:
            # Published just now, and the witnesses on their way: what is wrong is so a moment later too.
            end.wait(self.second_look)
            found = self._look()
        found = self._sticky(found)
        # Before the line is seen: who reads it may end the process at once.
        self.code = found.code
        print(f"{_now()} {printable(found.line)}", flush=True)  # noqa: T201 - the command's own output
        self._tell(found)
        return found

    def _look(self) -> Round:
        try:
            report = self.audit()
        except DataSpaceError as error:
            return Round("not-checked", f"NOT CHECKED: {error}")
        except Exception as error:  # noqa: BLE001 - what is watched must not end who watches it
            # The name alone: a foreign message may hold anything.
            return Round("not-checked", f"NOT CHECKED: the audit ended with {type(error).__name__}")
        verdict = ("right", "wrong", "not-checked")[report.exit_code]
        return Round(verdict, report.verdict, report.findings, report)

    def _sticky(self, found: Round) -> Round:
        """Keep what is never over, and return the round with what was kept of those before it."""
        lasting = [finding for finding in found.findings if finding.problem.startswith(_FOREVER)]
        kept = self._kept()
        if lasting and kept is None:
            data = {"since": _now(), "findings": [_told(finding) for finding in lasting]}
            try:
                replace_file(self.alarm, (json.dumps(data, indent=2) + "\n").encode())
            except DataSpaceError as error:  # It is told all the same.
                return replace(found, line=f"{found.line}; the alarm was not written: {error}")
            return found
        if kept is None or found.verdict == "wrong":
            return found
        line = f"ALARM since {kept['since']}, until {self.alarm} is removed: {_first(kept)}; now {found.line}"
        return Round("wrong", line, tuple(_findings(kept)), found.report)

    def _kept(self) -> dict[str, Any] | None:
        if not self.alarm.exists():
            return None
        unreadable = {"since": "an unknown time", "findings": []}
        try:
            data = json.loads(read_file(self.alarm, self.alarm.name, _ALARM_LIMIT))
        except (ValueError, RecursionError, DataSpaceError):
            return unreadable  # It is there, and that is what counts.
        return data if isinstance(data, dict) and isinstance(data.get("findings"), list) else unreadable

    def _tell(self, found: Round) -> None:
        """Tell of a round that is news; a right one is news only after one that was not."""
        if self.teller is None:
            return
        well, now = found.verdict == "right", self.clock()
        news = found.fingerprint != self._last or (not well and now - self._told > AGAIN)
        if news and not (well and self._well):
            self.teller.tell(event(found, self.target))
            self._told = now
        self._last, self._well = found.fingerprint, well


def event(found: Round, target: str) -> dict[str, Any]:
    """Return what is posted: verdict, places and problems; nothing of what an entry or a row is about."""
    report = found.report
    return {
        "event": {"right": "recovered", "wrong": "finding", "not-checked": "not-checked"}[found.verdict],
        "target": target,
        "time": _now(),
        "verdict": found.verdict,
        "line": _cut(found.line),
        "size": None if report is None else report.size,
        "findings": [_told(finding) for finding in found.findings[:TOLD]],
        "more": max(0, len(found.findings) - TOLD),
        "not_checked": [] if report is None else [step.name for step in report.not_checked],
    }


def watch(monitor: Monitor, seconds: float, *, once: bool = False) -> int:
    """Run rounds, `seconds` apart, until SIGTERM or SIGINT; return the exit code of the last one.

    0 right, 1 wrong or an alarm that stands, 2 could not be checked.
    """
    with _ending() as end, suppress(_Ended):
        while not end.is_set():
            monitor.round(end)
            if once:
                break
            end.wait(seconds)
    return monitor.code


class _Ended(BaseException):
    """The process was asked to end; it goes through whatever runs."""


@contextmanager
def _ending() -> Iterator[threading.Event]:
    """Yield an event that the first signal to end sets; whatever runs then is interrupted."""
    end = threading.Event()

    def stop(*_: object) -> None:
        if not end.is_set():
            end.set()
            raise _Ended

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield end
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def public(target: str) -> str:
    """Return how a target is told: a URL without what may be in it besides its address."""
    parts = urlsplit(target)
    if parts.scheme not in ("http", "https"):
        return target
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"


def monitor_command(order: Order, state: Path, *, every: float, webhook: str | None, once: bool) -> int:
    """Audit what is ordered for ever, with `state` as its memory; return the exit code of the last round.

    Raises:
        DataSpaceError: one of the auditor's own files, or the webhook, is not what it should be.

    """
    # Once before the first round: a mistake of the auditor's would be told as the log's, for ever.
    read_key(order.vkey)
    read_policy(order.policy)
    read_authorities(order.authorities)
    herald = None if webhook is None else Herald(webhook)
    rounds = Rounds(replace(order, save=state))
    monitor = Monitor(rounds, public(order.target), state.with_name(f"{state.name}.alarm"), herald)
    try:
        return watch(monitor, every, once=once)
    finally:
        if herald is not None and not herald.close(GRACE):
            print("the webhook was not delivered", file=sys.stderr)  # noqa: T201


@dataclass
class Rounds:
    """The audit of each round: from the state on, if there is one, and once a day the whole log again.

    Going on from the last round does not look at what was read before: what is
    changed there later shows when all of it is read again.
    """

    order: Order
    clock: Callable[[], float] = time.monotonic
    _full: float | None = field(default=None, init=False)

    def __call__(self) -> Report:
        """Audit once."""
        state = self.order.save
        if state is None or not state.exists():
            return audit_and_keep(replace(self.order, since=None))
        now = self.clock()
        if self._full is None or now - self._full >= FULL:
            beside(state).unlink(missing_ok=True)
            self._full = now
        return audit_and_keep(replace(self.order, since=state))


def _told(finding: Finding) -> dict[str, Any]:
    return {"step": finding.step, "place": _cut(finding.place), "problem": _cut(finding.problem)}


def _findings(kept: dict[str, Any]) -> Iterator[Finding]:
    for one in kept["findings"]:
        if isinstance(one, dict):
            yield Finding(int(Stage.REMEMBERED), str(one.get("place")), str(one.get("problem")))


def _first(kept: dict[str, Any]) -> str:
    return next((str(finding) for finding in _findings(kept)), "what it says cannot be read")


def _cut(text: str) -> str:
    return printable(text)[:TEXT_LIMIT]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""What an audit found: numbered steps, findings that name their place, what was not checked, a verdict.

Exit codes: 0 the evidence is right, 1 it is wrong, 2 it could not be checked.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Any, Final

from dataspace.proof.verify import Outcome, Step

SHOWN: Final = 20  # findings of one step in the plain text
KEPT: Final = 1000  # findings of one step that are kept; more are counted only

Problem = tuple[int, str, str]  # a finding as data: step, place, problem


class Stage(IntEnum):
    """The steps of an audit, in the order in which they are told."""

    CHECKPOINT = 1
    ENTRIES = 2
    TILES = 3
    ROOT = 4
    RECORDS = 5
    FORM = 6
    REMEMBERED = 7
    PUBLISHED = 8
    COSIGNATURES = 9
    ANCHORED = 10
    ANCHORS = 11
    TIMES = 12
    MEANING = 13
    DECISIONS = 14
    STATE = 15


NAMES: Final = {
    Stage.CHECKPOINT: "checkpoint signature",
    Stage.ENTRIES: "entries against leaves",
    Stage.TILES: "tiles against tiles",
    Stage.ROOT: "signed root",
    Stage.RECORDS: "records against entries",
    Stage.FORM: "kinds, fields and times",
    Stage.REMEMBERED: "remembered checkpoint",
    Stage.PUBLISHED: "published checkpoints",
    Stage.COSIGNATURES: "cosignatures of witnesses",
    Stage.ANCHORED: "anchored checkpoints",
    Stage.ANCHORS: "anchors",
    Stage.TIMES: "time tokens",
    Stage.MEANING: "meaning of the entries",
    Stage.DECISIONS: "decisions, made again",
    Stage.STATE: "state of the database",
}
BRIEF: Final = {
    Stage.CHECKPOINT: "checkpoint",
    Stage.ENTRIES: "entries",
    Stage.TILES: "tiles",
    Stage.ROOT: "root",
    Stage.RECORDS: "records",
    Stage.FORM: "kinds",
    Stage.REMEMBERED: "remembered checkpoint",
    Stage.PUBLISHED: "published checkpoints",
    Stage.COSIGNATURES: "cosignatures",
    Stage.ANCHORED: "anchored checkpoints",
    Stage.ANCHORS: "anchors",
    Stage.TIMES: "time tokens",
    Stage.MEANING: "meaning",
    Stage.DECISIONS: "decisions",
    Stage.STATE: "state",
}
NEEDED: Final = (Stage.CHECKPOINT, Stage.ENTRIES, Stage.TILES, Stage.ROOT)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: at which step, where (an entry, a tile's hash, a row), and what."""

    step: int
    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


@dataclass(frozen=True)
class Report:
    """One audit. `checkpoint` is the note it ran under, to be remembered by the auditor if `ok`.

    `interrupted` says that the source stopped answering, or held what an
    audit does not read; steps after that are not checked. `memory` is what
    the next audit goes on from, beside the checkpoint; None when it could not.
    """

    target: str
    steps: tuple[Step, ...]
    findings: tuple[Finding, ...] = ()
    checkpoint: str | None = None
    size: int | None = None
    interrupted: str | None = None
    memory: bytes | None = field(default=None, repr=False)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong and what an audit is for was checked."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: right; 1: wrong; 2: could not be checked."""
        if any(step.outcome is Outcome.FAILED for step in self.steps):
            return 1
        missing = [step for step in self.steps if step.outcome is Outcome.NOT_CHECKED]
        return 2 if self.interrupted or any(step.number in NEEDED for step in missing) else 0

    @property
    def not_checked(self) -> tuple[Step, ...]:
        """The steps nobody may count on."""
        return tuple(step for step in self.steps if step.outcome is Outcome.NOT_CHECKED)

    @property
    def verdict(self) -> str:
        """The report in one line."""
        if self.exit_code == 1:
            wrong = sum(step.outcome is Outcome.FAILED for step in self.steps)
            return f"WRONG: {wrong} of {len(self.steps)} steps failed"
        if self.exit_code == 2:
            return f"NOT CHECKED: {self.interrupted or self.not_checked[0].detail}"
        missing = ", ".join(BRIEF[Stage(step.number)] for step in self.not_checked)
        rest = [*self._unjudged(), *([f"not checked: {missing}"] if missing else [])]
        sure = "RIGHT as far as checked" if rest else "RIGHT"
        return "; ".join([f"{sure}: {self.size} entries", *rest])

    def _unjudged(self) -> list[str]:
        """Return what the step on the entries' meaning says behind its counts: what it did not judge."""
        return [step.detail.partition("; ")[2] for step in self.steps if _leaves_out(step)]


def _leaves_out(step: Step) -> bool:
    return step.number == Stage.MEANING and step.outcome is Outcome.PASSED and "; " in step.detail


@dataclass
class Notebook:
    """What an audit writes down on its way: findings, what a step looked at, why one was not run."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[int] = field(default_factory=Counter)
    details: dict[Stage, str] = field(default_factory=dict)
    reasons: dict[Stage, str] = field(default_factory=dict)

    def wrong(self, stage: Stage, place: str, problem: str) -> None:
        """Write down that something is wrong."""
        self.counts[stage] += 1
        if self.counts[stage] <= KEPT:
            self.findings.append(Finding(int(stage), place, problem))

    def right(self, stage: Stage, detail: str) -> None:
        """Write down what a step that ran to its end looked at; findings may still make it fail."""
        self.details[stage] = detail

    def skip(self, stage: Stage, reason: str) -> None:
        """Write down why a step was not run; the first reason stands."""
        self.reasons.setdefault(stage, reason)

    def told(self) -> tuple[list[Problem], dict[int, int]]:
        """Return what is wrong as data for `add`, in any process: findings, and how many of each step."""
        found = [(finding.step, finding.place, finding.problem) for finding in self.findings]
        return found, dict(self.counts)

    def add(self, found: Sequence[Problem], counts: Mapping[int, int]) -> None:
        """Write down what another notebook told, behind what is in this one."""
        for step, place, problem in found:
            self.wrong(Stage(step), place, problem)
        for step, kept in Counter(step for step, _, _ in found).items():
            self.counts[step] += counts[step] - kept

    def steps(self) -> tuple[Step, ...]:
        """Return every step with its outcome: silence about one would read as success."""
        return tuple(Step(int(stage), NAMES[stage], *self._outcome(stage)) for stage in Stage)

    def _outcome(self, stage: Stage) -> tuple[Outcome, str]:
        count = self.counts[stage]
        if count:
            first = next(finding for finding in self.findings if finding.step == stage)
            return Outcome.FAILED, str(first) if count == 1 else f"{count} findings"
        if stage in self.details:
            return Outcome.PASSED, self.details[stage]
        return Outcome.NOT_CHECKED, self.reasons.get(stage, "an earlier step did not pass")


MARKS: Final = {Outcome.PASSED: "✓", Outcome.FAILED: "✗", Outcome.NOT_CHECKED: "–"}


def as_text(report: Report) -> str:
    """Return the report as plain text: what was checked step by step, findings, what was not, the verdict."""
    lines = [f"audit of {report.target}"]
    width = max(len(name) for name in NAMES.values())
    checked = [step for step in report.steps if step.outcome is not Outcome.NOT_CHECKED]
    if checked:
        lines += [""]
    lines += [f"{MARKS[step.outcome]} {step.number:2} {step.name:{width}}  {step.detail}" for step in checked]
    if report.findings:
        lines += ["", "findings", *_shown(report.findings)]
    if report.not_checked:
        lines += ["", *_missing(report)]
    # What was read may be hostile: nothing of it may steer the reader's terminal.
    return "\n".join([printable(line) for line in [*lines, "", report.verdict]]) + "\n"


def _missing(report: Report) -> Iterator[str]:
    """Return the steps that were not checked, those of one reason together; the verdict's it tells itself."""
    reasons: dict[str, list[str]] = {}
    for step in report.not_checked:
        reasons.setdefault(step.detail, []).append(f"{step.number} {BRIEF[Stage(step.number)]}")
    told = report.verdict.removeprefix("NOT CHECKED: ")
    for reason, steps in reasons.items():
        yield f"{MARKS[Outcome.NOT_CHECKED]} not checked: {', '.join(steps)}"
        if reason != told:
            yield f"    {reason}"


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as JSON-ready data."""
    return {
        "target": report.target,
        "verdict": {0: "right", 1: "wrong", 2: "not-checked"}[report.exit_code],
        "exit_code": report.exit_code,
        "size": report.size,
        "checkpoint": report.checkpoint,
        "interrupted": report.interrupted,
        "steps": [asdict(step) for step in report.steps],
        "findings": [asdict(finding) for finding in report.findings],
    }


def _shown(findings: tuple[Finding, ...]) -> Iterator[str]:
    """Return a line for each finding, and one for those of a step that are too many to read."""
    for step, group in groupby(findings, key=lambda finding: finding.step):
        found = list(group)
        yield from (f"  step {step:2}  {finding}" for finding in found[:SHOWN])
        if len(found) > SHOWN:
            yield f"  step {step:2}  ... and {len(found) - SHOWN} more, which the report as JSON lists"


def printable(line: str) -> str:
    """Return a line without what could steer a terminal."""
    return "".join(character if character.isprintable() else "�" for character in line)

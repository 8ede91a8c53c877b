"""The verification of a receipt in numbered steps, and the report of what was and what was not checked.

 1. the receipt is well formed and within its limits
 2. the pinned key of the log signed the checkpoint
 3. the record, or the part of it that is shown, leads to the entry's leaf hash
 4. the leaf is at its index under the checkpoint's root
 5. the checkpoint extends (or is extended by) one the auditor remembers
 6. the anchored checkpoint is signed by the log and covers the entry
 7. the anchor itself holds that checkpoint
 8. the witnesses that a policy asks for cosigned the checkpoint

Every checkpoint is believed under the key that was the log's at its size: the
pinned one, or one that the given rotations lead to.

A step whose evidence or checker is missing is reported as not checked, with
the reason: silence would read as success.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TypeVar

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof.canonical import parse
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.disclosure import Disclosure
from dataspace.proof.key import Verifier
from dataspace.proof.merkle import leaf_hash, verify_consistency, verify_inclusion
from dataspace.proof.receipt import FORMAT, LIMIT, AnchorEvidence, Receipt
from dataspace.proof.record import Record
from dataspace.proof.rotation import LogKeys
from dataspace.proof.witnesses import WitnessPolicy

STEPS: Final = (
    "receipt",
    "checkpoint signature",
    "record",
    "inclusion",
    "remembered checkpoint",
    "anchored checkpoint",
    "anchor",
    "cosignatures",
)

T = TypeVar("T")


class Outcome(StrEnum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not-checked"


@dataclass(frozen=True)
class Step:
    """One step of a verification; `detail` says what was found, or why it was not checked."""

    number: int
    name: str
    outcome: Outcome
    detail: str


@dataclass(frozen=True)
class Report:
    """Every step in order, and the receipt when it could be read (trust it only if `ok`)."""

    steps: tuple[Step, ...]
    receipt: Receipt | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing failed and the steps up to the inclusion passed."""
        return self.exit_code == 0

    @property
    def exit_code(self) -> int:
        """0: the entry is proved; 1: evidence is wrong; 2: it could not be checked."""
        outcomes = [step.outcome for step in self.steps]
        if Outcome.FAILED in outcomes:
            return 1
        return 2 if Outcome.NOT_CHECKED in outcomes[:4] else 0

    @property
    def not_checked(self) -> tuple[Step, ...]:
        """The steps nobody may count on."""
        return tuple(step for step in self.steps if step.outcome is Outcome.NOT_CHECKED)


class AnchorChecker(Protocol):
    """Looks at an anchor outside of the log.

    An implementation MUST get the anchored size and root from `checkpoint`,
    which is verified, and everything about which chain to trust from its own
    configuration, never from the evidence.
    """

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Return what was found, as a sentence.

        Raises:
            VerificationError: the anchor does not hold the checkpoint.
            Unavailable: it could not be asked.

        """
        ...


@dataclass(frozen=True)
class Remembered:
    """A checkpoint the auditor kept (a signed note), and the proof between it and the receipt's."""

    checkpoint: str
    consistency: tuple[bytes, ...] = ()


def verify_receipt(
    data: bytes,
    vkey: str,
    *,
    remembered: Remembered | None = None,
    anchor: AnchorChecker | None = None,
    policy: WitnessPolicy | None = None,
    rotations: Sequence[str] = (),
) -> Report:
    """Verify the bytes of a receipt under the log's pinned key; whatever they hold, return a report.

    `vkey` and `policy` come from the auditor's own configuration, never from
    the service; `rotations` may be the service's, as each is signed.

    Raises:
        VerificationError: `vkey` itself is malformed.

    """
    given = _Given(Verifier.parse(vkey), tuple(rotations), remembered, anchor, policy)
    run = _Run(data, given)
    acts = (run.read, run.open, run.rebuild, run.include, run.compare, run.open_anchored, run.ask_anchor)
    steps: list[Step] = []
    for number, (name, act) in enumerate(zip(STEPS, (*acts, run.count), strict=True), start=1):
        steps.append(Step(number, name, *_outcome(act)))
    return Report(tuple(steps), run.receipt)


def verify_growth(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that the log of `old` grew into `new`, two heads whose signatures were checked.

    Raises:
        VerificationError: `new` is smaller (a rollback), or does not contain `old` (a fork).

    """
    if old.origin != new.origin:
        raise VerificationError("the two checkpoints are of different logs")
    if new.size < old.size:
        raise VerificationError(f"rollback: the log shrank from {old.size} to {new.size} entries")
    if old.size == new.size and old.root != new.root:
        raise VerificationError(f"fork: two different roots at size {old.size}")
    if old.size > 0:
        verify_consistency(old.size, new.size, proof, old_root=old.root, new_root=new.root)


class _NotChecked(Exception):
    """Not an error: the reason why a step did not run."""


def _outcome(act: Callable[[], str]) -> tuple[Outcome, str]:
    try:
        return Outcome.PASSED, act()
    except VerificationError as error:
        return Outcome.FAILED, str(error)
    except (_NotChecked, Unavailable) as reason:
        return Outcome.NOT_CHECKED, str(reason)


@dataclass(frozen=True)
class _Given:
    """What the auditor brings: nothing of it comes out of the receipt."""

    pinned: Verifier
    rotations: tuple[str, ...]
    remembered: Remembered | None
    checker: AnchorChecker | None
    policy: WitnessPolicy | None


class _Run:
    """The state of one verification: what earlier steps established for later ones."""

    def __init__(self, data: bytes, given: _Given) -> None:
        self.receipt: Receipt | None = None
        self._data, self._auditor = data, given
        self._keys: LogKeys | None = None
        self._checkpoint: Checkpoint | None = None
        self._anchored: Checkpoint | None = None
        self._leaf: bytes | None = None

    def read(self) -> str:
        if len(self._data) > LIMIT:
            raise _NotChecked(f"the receipt has more than {LIMIT} bytes and was not read")
        try:
            self.receipt = Receipt.parse(self._data)
        except VerificationError as error:
            if _claims_format(self._data):
                raise
            raise _NotChecked(f"it is no receipt: {error}") from error
        return f"entry {self.receipt.proof.index}, {_extent(self.receipt.record)}"

    def open(self) -> str:
        keys = LogKeys.follow(self._auditor.pinned, self._auditor.rotations)
        note = _given(self.receipt, 1).proof.checkpoint
        self._checkpoint, self._keys = keys.open(note), keys
        changed = "" if keys.at(self._checkpoint.size) == self._auditor.pinned else " with a rotated key"
        return f"size {self._checkpoint.size}, signed by {keys.origin}{changed}"

    def rebuild(self) -> str:
        record = _given(self.receipt, 1).record
        self._leaf = leaf_hash(record.entry())
        hidden = "what is hidden, and " if isinstance(record, Disclosure) and record.hidden else ""
        return f"leaf hash {self._leaf.hex()}; {hidden}that the record tells the truth is not checked here"

    def include(self) -> str:
        proof, head, leaf = _given(self.receipt, 1).proof, _given(self._checkpoint, 2), _given(self._leaf, 3)
        verify_inclusion(leaf, proof.index, head.size, proof.hashes, root=head.root)
        return f"entry {proof.index} of {head.size}"

    def compare(self) -> str:
        remembered = self._auditor.remembered
        if remembered is None:
            raise _NotChecked("no remembered checkpoint was given: a rollback or a second log would not show")
        head = _given(self._checkpoint, 2)
        known = _given(self._keys, 2).open(remembered.checkpoint)
        verify_growth(*_by_size(known, head), remembered.consistency)
        return f"one log with the remembered checkpoint of size {known.size}"

    def open_anchored(self) -> str:
        evidence, head = _given(self.receipt, 1).anchor, _given(self._checkpoint, 2)
        if evidence is None:
            raise _NotChecked("the receipt holds no anchor evidence: when the entry was made is not proved")
        anchored = _given(self._keys, 2).open(evidence.checkpoint)
        if _given(self.receipt, 1).proof.index >= anchored.size:
            raise VerificationError(
                f"anchor: its checkpoint of size {anchored.size} does not cover the entry"
            )
        verify_growth(*_by_size(anchored, head), evidence.consistency)
        self._anchored = anchored
        return f"size {anchored.size}"

    def ask_anchor(self) -> str:
        evidence = _given(self.receipt, 1).anchor
        if evidence is None:
            raise _NotChecked("the receipt holds no anchor evidence")
        anchored = _given(self._anchored, 6)
        if self._auditor.checker is None:
            raise _NotChecked(f"no checker for anchors of kind {evidence.kind!r} was given")
        return self._auditor.checker.check(evidence, anchored)

    def count(self) -> str:
        policy = self._auditor.policy
        if policy is None:
            raise _NotChecked("no witness policy was given: a second log, shown to others, would not show")
        _given(self._checkpoint, 2)
        judgement = policy.judge(_given(self.receipt, 1).proof.checkpoint)
        found = f"{len(judgement.signed)} of {len(policy.witnesses)} witnesses cosigned"
        if not judgement.met:
            raise VerificationError(f"{found}, which does not meet the quorum {policy.quorum!r}")
        return f"{found}, quorum {policy.quorum!r} met"


def _extent(record: Record | Disclosure) -> str:
    if isinstance(record, Disclosure):
        return f"{len(record.shown)} of {record.count} fields shown"
    return f"{len(record.fields)} fields"


def _claims_format(data: bytes) -> bool:
    """Tell whether bytes say that they are a receipt: a wrong file is its reader's mistake, no evidence."""
    try:
        value = parse(data, limit=LIMIT)
    except VerificationError:
        return False
    return isinstance(value, dict) and value.get("format") == FORMAT


def _given(value: T | None, number: int) -> T:
    if value is None:
        raise _NotChecked(f"step {number} did not pass")
    return value


def _by_size(one: Checkpoint, other: Checkpoint) -> tuple[Checkpoint, Checkpoint]:
    return (one, other) if one.size <= other.size else (other, one)

"""Decisions made again: the bundle and the input that an entry names, and whether they give what it says.

A bundle is a program of whoever wrote the evidence. It runs as in the service,
in a WebAssembly sandbox that gives it no host function, with bounded memory and
steps; here its size is bounded too, and the time that all its decisions take
together. A bundle that is broken, or takes more, is a finding, once.

The input is held against the entry as well: a real decision attached to
another entry is as wrong as a false one. What the service refused by itself
(a failed worker, a column that no policy can free) is no decision of the
policy's: there the policy must have allowed, or is not asked.
"""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from dataspace.audit.meant import disagreement
from dataspace.audit.source import Source
from dataspace.audit.trial import tried
from dataspace.errors import DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.policy import Decision, Facts, PolicyEngine, open_bundle
from dataspace.policy.bundle import read_bundle
from dataspace.policy.decision import UNAVAILABLE
from dataspace.policy.facts import input_digest

WASM_LIMIT: Final = 4 << 20  # bytes of a bundle's module; what OPA makes of ours has 0.2 MB
WASM_SMALL: Final = 1 << 18  # bytes that are compiled in 10 seconds, whatever they are (measured)
BUNDLES: Final = 256  # bundles of one log
OPENING_SECONDS: Final = 120.0  # for all of them; one of ours takes 0.1
FREE_SECONDS: Final = 30.0  # of processor time for a bundle's decisions, beyond what each may take
EACH_SECONDS: Final = 0.02  # that a decision may take on average; ours take 0.0002

ALLOWED: Final = frozenset(
    {
        *("dataset.registered", "dataset.withdrawn", "approval.granted", "approval.rejected"),
        *("agreement.concluded", "cube.granted", "query.answered", "sealed.computed", "model.registered"),
    }
)
REFUSED: Final = frozenset({"query.refused", "negotiation.refused"})

# What the service refuses by itself whatever the policy says: before the work, or because the case changed.
_OWN: Final = frozenset({"column-forbids-use", "case-changed", UNAVAILABLE})


def _codes(kind: type[DataSpaceError]) -> frozenset[str]:
    return frozenset({kind.code}).union(*(_codes(child) for child in kind.__subclasses__()))


# What was allowed and then failed is refused with the code of the error.
_FAILED: Final = _codes(DataSpaceError)


class Replay:
    """Makes decisions again, one after the other, in any process that opened `source`.

    `counts` tells how many were made again and gave what their entry says
    (`replayed`), how many entries the service refused by itself (`own`), and
    how many were not made again: their input (`no-input`) or their bundle
    (`no-bundle`) is not there, or the bundle cannot be run (`broken`). All of
    these are findings: who shows a record whole shows what it was decided on.
    """

    def __init__(self, source: Source) -> None:
        self.counts: Counter[str] = Counter()
        self._source = source
        self._bundles: dict[str, _Bundle | None] = {}
        self._opening = 0.0

    def take(self, index: int, fields: Mapping[str, Any], content: str | None) -> str | None:
        """Make the decision of entry `index` again, if it names one; return what is wrong with it, or None.

        `fields` have the names and types of their kind; `content` is the input
        that was kept, None when it is not among those that the source shows.

        Raises:
            NotFound: this source shows no bundles.
            Unauthenticated: it would, but not for the token it was given.

        """
        if fields["kind"] not in ALLOWED | REFUSED:
            return None
        if content is None:
            self.counts["no-input"] += 1
            return "its decision's input is not there"
        try:
            return self._judge(index, fields, content)
        except VerificationError as error:
            return str(error)
        except OverflowError:
            return "the time that its decision's input says is none"

    def _judge(self, index: int, fields: Mapping[str, Any], content: str) -> str | None:
        facts = _read(content, fields["input"])
        problem = disagreement(fields, facts)
        if problem:
            return f"its decision was another's: {problem}"
        bundle = self._bundle(fields["policy"])
        if bundle is None:
            self.counts["no-bundle"] += 1
            return "its policy bundle is not there"
        decision = bundle.decide(facts)
        if decision is None:
            self.counts["broken"] += 1
            return bundle.complaint(index)
        problem = _differs(fields, decision)
        if problem is None:
            self.counts["own" if _is_own(fields) else "replayed"] += 1
        return problem

    def _bundle(self, digest: str) -> "_Bundle | None":
        """Return a bundle, opened once; None when it is not there."""
        if digest not in self._bundles:
            content = self._source.policy(digest)
            began = time.perf_counter()
            self._bundles[digest] = None if content is None else self._open(digest, content)
            self._opening += time.perf_counter() - began
        return self._bundles[digest]

    def _open(self, digest: str, content: bytes) -> "_Bundle":
        if hashlib.sha256(content).hexdigest() != digest:
            return _Bundle(digest, "its bytes have another SHA-256")
        if len(self._bundles) >= BUNDLES or self._opening > OPENING_SECONDS:
            return _Bundle(
                digest, f"an audit runs at most {BUNDLES} bundles, opened in {OPENING_SECONDS:.0f} s"
            )
        try:
            return _Bundle(digest, _too_much(content) or open_bundle(content))
        except (Malformed, Unavailable) as error:
            return _Bundle(digest, str(error))


def _too_much(content: bytes) -> str | None:
    """Return why a bundle is not to be compiled in this process, or None.

    Raises:
        Malformed: it is none.

    """
    size = len(read_bundle(content).wasm)
    if size > WASM_LIMIT:
        return f"its module has {size} bytes, want at most {WASM_LIMIT}"
    return tried(content) if size > WASM_SMALL else None


class _Bundle:
    """A bundle that is run within a budget of time, or the reason why it is not."""

    def __init__(self, digest: str, engine: PolicyEngine | str) -> None:
        self._digest = digest
        self._engine = engine
        self._made, self._spent = 0, 0.0
        self._told = False

    def decide(self, facts: Facts) -> Decision | None:
        """Return the bundle's decision; None when it cannot be run."""
        if isinstance(self._engine, str):
            return None
        began = time.thread_time()
        try:
            decision = self._engine.decide(facts)
        except (DataSpaceError, RecursionError, MemoryError):
            self._engine = "its answer cannot be read"
            return None
        self._made += 1
        self._spent += time.thread_time() - began
        if self._spent > FREE_SECONDS + self._made * EACH_SECONDS:
            self._engine = f"{self._made} of its decisions took {self._spent:.0f} seconds"
        return decision

    def complaint(self, index: int) -> str | None:
        """Return why it is not run, the first time: a thousand decisions by one bundle are one finding."""
        if self._told:
            return None
        self._told = True
        return f"the policy {self._digest}, here and after entry {index}, cannot be run: {self._engine}"


def _read(content: str, digest: str) -> Facts:
    """Return the facts that an input holds.

    Raises:
        VerificationError: it has another digest, or nothing can be decided on it.

    """
    data = content.encode(errors="surrogatepass")
    if input_digest(data) != digest:
        raise VerificationError("the input that is kept has another SHA-256 than it names")
    try:
        facts = Facts(json.loads(content))
        canonical = facts.content
    except (ValueError, TypeError, RecursionError, Malformed) as error:
        raise VerificationError("its input is none that can be decided on") from error
    if canonical != data:
        raise VerificationError("its input is not in the one form in which inputs are decided on")
    return facts


def _differs(fields: Mapping[str, Any], decision: Decision) -> str | None:
    """Return how a decision differs from what its entry says, or None."""
    codes = [reason.code for reason in decision.reasons]
    if fields["kind"] in ALLOWED:
        return None if decision.allow else f"its policy denies it: {', '.join(codes)}"
    if not _is_own(fields):
        if decision.allow:
            return f"its policy allows it, the entry says {', '.join(fields['reasons']) or 'nothing'}"
        told = ", ".join(fields["reasons"])
        return (
            None
            if codes == fields["reasons"]
            else f"its policy says {', '.join(codes)}, the entry says {told}"
        )
    if not decision.allow and fields["reasons"][0] in _FAILED:
        return f"its policy denies it: {', '.join(codes)}; the entry says that the work failed"
    return None


def _is_own(fields: Mapping[str, Any]) -> bool:
    """Return whether an entry tells a refusal that is the service's own."""
    reasons = fields.get("reasons")
    return reasons is not None and len(reasons) == 1 and reasons[0] in _OWN | _FAILED

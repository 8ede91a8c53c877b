"""What a log's entries tell, put together: who takes part, what is registered, agreed to and spent.

The entries are taken in order, and what one says is held against what those
before it said. An entry about something unknown is wrong, unless a record
before it is missing: then it cannot be judged, and is counted instead.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from dataspace.audit.report import Notebook, Stage
from dataspace.negotiation.states import TRANSITIONS, State

_NEXT: Final = frozenset((before, entered) for (before, _, _), entered in TRANSITIONS.items())
_CURSORY: Final = ("kind", "time", "policy", "input")


class Gaps(Protocol):
    """Knows whether a record before this point is not there."""

    @property
    def gaps(self) -> bool:
        """Whether one is missing."""
        ...


@dataclass
class Member:
    """A participant: its roles and its status."""

    roles: list[str]
    status: str
    entry: int


@dataclass
class Registered:
    """A dataset: its versions' fields by number, and the entry that withdrew it."""

    provider: str
    zone: str
    versions: dict[int, dict[str, Any]] = field(default_factory=dict)
    withdrawn: int | None = None


@dataclass
class Agreed:
    """An agreement: its terms, the negotiation it came from, what was spent under it, what ended it."""

    terms: dict[str, Any]
    entry: int
    units: int = 0
    epsilon: int = 0
    ended: int | None = None


@dataclass
class Negotiated:
    """A negotiation: its last state, and the agreement that came of it."""

    offer: str
    consumer: str
    state: str
    agreement: str | None = None


class History:
    """The state that the entries imply; `take` is called with every record that holds, in order."""

    def __init__(self, notebook: Notebook, origin: str, vkey: str, gaps: Gaps) -> None:
        self.participants: dict[str, Member] = {}
        self.datasets: dict[str, Registered] = {}
        self.negotiations: dict[str, Negotiated] = {}
        self.agreements: dict[str, Agreed] = {}
        self.cubes: dict[str, dict[str, Any]] = {}
        self.grants: dict[tuple[str, str], int] = {}
        self.policies: set[str] = set()
        self.unjudged = 0
        self._notebook, self._gaps = notebook, gaps
        self._log = (origin, vkey)
        self._takers = {
            "log.created": self._created,
            "policy.adopted": self._adopted,
            "participant.admitted": self._admitted,
            "participant.changed": self._changed,
            "dataset.registered": self._registered,
            "dataset.withdrawn": self._withdrawn,
            "negotiation.changed": self._negotiated,
            "agreement.concluded": self._concluded,
            "agreement.terminated": self._terminated,
            "cube.granted": self._granted,
            "query.answered": self._answered,
            "query.refused": self._refused,
        }

    def take(self, index: int, fields: dict[str, Any]) -> None:
        """Add what one entry tells; `fields` have the names and types of its kind."""
        if (index == 0) != (fields["kind"] == "log.created"):
            self._wrong(
                index, f"{fields['kind']} at index {index}: log.created, and only that, is the first entry"
            )
        digest = fields.get("policy")
        if digest is not None and digest not in self.policies:
            self._unknown(index, f"it was decided by a policy that no entry before it adopts, {digest}")
        taker = self._takers.get(fields["kind"])
        if taker is not None:
            taker(index, fields)

    def finish(self) -> None:
        """Close the step."""
        rest = f"; {self.unjudged} not judged: records before them are missing" if self.unjudged else ""
        counts = f"{len(self.datasets)} datasets, {len(self.agreements)} agreements"
        self._notebook.right(Stage.MEANING, counts + rest)

    def _created(self, index: int, fields: dict[str, Any]) -> None:
        if (fields["origin"], fields["vkey"]) != self._log:
            self._wrong(index, "it was created under another origin or key than the one given")

    def _adopted(self, index: int, fields: dict[str, Any]) -> None:
        del index
        self.policies.add(fields["digest"])

    def _admitted(self, index: int, fields: dict[str, Any]) -> None:
        if fields["participant"] in self.participants:
            self._wrong(index, f"{fields['participant']} was admitted before")
        self.participants[fields["participant"]] = Member(sorted(fields["roles"]), "active", index)

    def _changed(self, index: int, fields: dict[str, Any]) -> None:
        if fields["participant"] not in self.participants:
            self._unknown(index, f"{fields['participant']} was not admitted before")
        self.participants[fields["participant"]] = Member(sorted(fields["roles"]), fields["status"], index)

    def _registered(self, index: int, fields: dict[str, Any]) -> None:
        name, version = fields["dataset"], fields["version"]
        if fields["provider"] not in self.participants:
            self._unknown(index, f"its provider {fields['provider']} was not admitted before")
        found = self.datasets.setdefault(name, Registered(fields["provider"], fields["zone"]))
        if found.withdrawn is not None:
            self._wrong(index, f"{name} was withdrawn by entry {found.withdrawn}")
        if (fields["provider"], fields["zone"]) != (found.provider, found.zone):
            self._wrong(index, f"{name} was registered by another provider, or in another zone")
        if version != max(found.versions, default=0) + 1:
            self._unknown(index, f"version {version} of {name} does not follow the one before it")
        found.versions[version] = {
            **_facts(fields, "dataset", "version", "offer", "offer_sha256"),
            "entry": index,
        }
        found.versions[version]["offer"] = (fields["offer"], fields["offer_sha256"])

    def _withdrawn(self, index: int, fields: dict[str, Any]) -> None:
        found = self.datasets.get(fields["dataset"])
        if found is None:
            self._unknown(index, f"{fields['dataset']} was not registered before")
        elif found.withdrawn is not None:
            self._wrong(index, f"{fields['dataset']} was withdrawn before, by entry {found.withdrawn}")
        else:
            found.withdrawn = index

    def _negotiated(self, index: int, fields: dict[str, Any]) -> None:
        name, state = fields["negotiation"], fields["state"]
        found = self.negotiations.get(name)
        if found is None:
            found = self.negotiations[name] = Negotiated(fields["offer"], fields["consumer"], state)
            before = None
        else:
            before, found.state = found.state, state
        if not _may_follow(before, state):
            self._unknown(index, f"{name} goes from {before or 'nothing'} to {state}")
        if state == State.TERMINATED and found.agreement:
            self._end(index, found.agreement)

    def _concluded(self, index: int, fields: dict[str, Any]) -> None:
        name, dataset = fields["agreement"], self.datasets.get(fields["dataset"])
        if name in self.agreements:
            self._wrong(index, f"{name} was concluded before")
        if dataset is None:
            self._unknown(index, f"{fields['dataset']} was not registered before")
        elif dataset.withdrawn is not None:
            self._wrong(index, f"{fields['dataset']} was withdrawn by entry {dataset.withdrawn}")
        elif dataset.provider != fields["provider"]:
            self._wrong(index, f"{fields['provider']} is not the provider of {fields['dataset']}")
        if fields["consumer"] not in self.participants:
            self._unknown(index, f"its consumer {fields['consumer']} was not admitted before")
        negotiation = self.negotiations.get(fields["negotiation"])
        if negotiation is None:
            self._unknown(index, f"{fields['negotiation']} was not begun before")
        else:
            negotiation.agreement = name
        self.agreements[name] = Agreed(_facts(fields, "agreement", "agreement_sha256"), index)

    def _terminated(self, index: int, fields: dict[str, Any]) -> None:
        if fields["agreement"] not in self.agreements:
            self._unknown(index, f"{fields['agreement']} was not concluded before")
        self._end(index, fields["agreement"])

    def _end(self, index: int, agreement: str) -> None:
        found = self.agreements.get(agreement)
        if found is not None and found.ended is not None:
            self._wrong(index, f"{agreement} was ended before, by entry {found.ended}")
        elif found is not None:
            found.ended = index

    def _granted(self, index: int, fields: dict[str, Any]) -> None:
        known = _facts(fields, "cube", "agreement", "units", "price", "epsilon")
        if self.cubes.setdefault(fields["cube"], known) != known:
            self._wrong(index, f"{fields['cube']} was granted before with other contents")
        if (fields["cube"], fields["agreement"]) in self.grants:
            self._wrong(index, f"{fields['cube']} was granted to {fields['agreement']} before")
        self.grants[fields["cube"], fields["agreement"]] = index
        self._used(index, fields)
        self._spend(index, fields)

    def _answered(self, index: int, fields: dict[str, Any]) -> None:
        self._used(index, fields)
        self._spend(index, fields)

    def _refused(self, index: int, fields: dict[str, Any]) -> None:
        if fields["agreement"] not in self.agreements:
            self._unknown(index, f"{fields['agreement']} was not concluded before")
        self._spend(index, fields)

    def _used(self, index: int, fields: dict[str, Any]) -> None:
        """Hold an answer against the agreement it was given under."""
        found, dataset = self.agreements.get(fields["agreement"]), self.datasets.get(fields["dataset"])
        if dataset is not None and dataset.withdrawn is not None:
            self._wrong(index, f"{fields['dataset']} was withdrawn by entry {dataset.withdrawn}")
        if found is None:
            self._unknown(index, f"{fields['agreement']} was not concluded before")
            return
        if found.ended is not None:
            self._wrong(index, f"{fields['agreement']} was ended by entry {found.ended}")
        elif not self.in_force(fields["agreement"]):
            self._unknown(index, f"{fields['agreement']} was not finalized before")
        if fields["dataset"] != found.terms["dataset"] or fields["version"] not in found.terms["versions"]:
            self._wrong(
                index,
                f"{fields['agreement']} does not cover version {fields['version']} of {fields['dataset']}",
            )
        if fields.get("form", "encrypted") not in found.terms["forms"]:
            self._wrong(
                index, f"{fields['agreement']} does not cover the form {fields.get('form', 'encrypted')}"
            )
        price = found.terms["price"]
        if fields["price"] != fields["units"] * price:
            self._wrong(index, f"its price is {fields['price']}, want {fields['units']} units at {price}")

    def in_force(self, agreement: str) -> bool:
        """Return whether queries may be answered under an agreement, by the entries so far."""
        found = self.agreements[agreement]
        negotiation = self.negotiations.get(found.terms["negotiation"])
        return found.ended is None and negotiation is not None and negotiation.state == State.FINALIZED

    def _spend(self, index: int, fields: dict[str, Any]) -> None:
        found = self.agreements.get(fields["agreement"])
        if found is None:
            return
        found.units += fields["units"]
        found.epsilon += fields["epsilon"]
        for name, spent in (("units", found.units), ("epsilon", found.epsilon)):
            if spent > found.terms[name] and fields[name]:
                self._wrong(
                    index,
                    f"{name} spent under {fields['agreement']} are {spent}, granted {found.terms[name]}",
                )

    def _wrong(self, index: int, problem: str) -> None:
        self._notebook.wrong(Stage.MEANING, f"entry {index}", problem)

    def _unknown(self, index: int, problem: str) -> None:
        """Report that what an entry builds on is not there, unless a missing record may have said it."""
        if self._gaps.gaps:
            self.unjudged += 1
        else:
            self._wrong(index, problem)


def _facts(fields: dict[str, Any], *without: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in (*_CURSORY, *without)}


def _may_follow(before: str | None, state: str) -> bool:
    try:
        return (None if before is None else State(before), State(state)) in _NEXT
    except ValueError:
        return False

"""What a log's entries tell, put together: its keys and policies, who takes part, what is registered.

The entries are taken in order, and what one says is held against what those
before it said; `dealings` does so for what is negotiated, agreed to and spent.
An entry about something unknown is wrong, unless a record before it is
missing that may have told of it: then it cannot be judged, and is counted
instead. Every missing record accounts for one such thing, and no more.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dataspace.audit.adopted import AdoptedKeys
from dataspace.audit.answers import Answers
from dataspace.audit.approved import Approvals
from dataspace.audit.computed import Computations
from dataspace.audit.dealings import Dealings
from dataspace.audit.members import Members
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.told import Gaps, KeyFact, Registered, Saved, Verdicts, facts_of, later
from dataspace.errors import VerificationError
from dataspace.proof.rotation import LogKeys, Rotation

_ROLES: Final = ("post-quantum", "anchor", "witness", "witness-post-quantum")
_LOG: Final = "log"


class History:
    """The state that the entries imply; `take` is called with every record that holds, in order."""

    def __init__(self, notebook: Notebook, keys: LogKeys, gaps: Gaps) -> None:
        self.datasets: dict[str, Registered] = {}
        self.policies: dict[str, str] = {}  # until when each may be decided by; "" for the one in force
        self.adopted = AdoptedKeys()
        self.keys: list[KeyFact] = []
        self._notebook, self._log = notebook, keys
        self._verdicts = Verdicts(notebook, gaps)
        self._members = Members(self._verdicts)
        self._approvals = Approvals(self._verdicts, self._members)
        self._answers = Answers()
        self._dealings = Dealings(self._verdicts, self._members, self.datasets, self._answers)
        self._computations = Computations(self._verdicts, self._members, self.datasets, self._dealings)
        self._begun = False
        self._rotations = {one.size: one for one in keys.rotations}
        self._takers: dict[str, Callable[[int, dict[str, Any]], None]] = {
            "log.created": self._created,
            "key.adopted": self._key_adopted,
            "key.rotated": self._key_rotated,
            "policy.adopted": self._adopted,
            "entry.erased": self._erased,
            "dataset.registered": self._registered,
            "dataset.withdrawn": self._withdrawn,
            **self._members.takers,
            **self._approvals.takers,
            **self._dealings.takers,
            **self._computations.takers,
        }
        self.participants = self._members.known
        self.approvals = self._approvals.known
        self.negotiations = self._dealings.negotiations
        self.agreements = self._dealings.agreements
        self.cubes = self._dealings.cubes
        self.grants = self._dealings.grants
        self.models = self._computations.models
        self.jobs = self._computations.jobs

    @property
    def unjudged(self) -> int:
        """How many entries could not be judged, because records before them are missing."""
        return self._verdicts.unjudged

    def in_force(self, agreement: str) -> bool:
        """Return whether an agreement was finalized and not ended, by the entries so far."""
        return self._dealings.in_force(agreement)

    def take(self, index: int, fields: dict[str, Any]) -> None:
        """Add what one entry tells; `fields` have the names and types of its kind."""
        kind = fields["kind"]
        self._verdicts.reach(index)
        if (index == 0) != (kind == "log.created"):
            problem = f"{kind} at index {index}: log.created, and only that, is the first entry"
            self._verdicts.wrong(index, problem)
        if "policy" in fields:
            self._check_policy(index, fields["policy"], fields["time"])
        taker = self._takers.get(kind)
        if taker is not None:
            taker(index, fields)

    def finish(self, size: int) -> None:
        """Close the step, for a log of `size` entries."""
        self._verdicts.reach(size)
        # Of a bundle that cannot be read that is told already.
        if size and not self._begun and not self._verdicts.lost:
            self._verdicts.wrong(0, "what it says is not shown: log.created, which nobody may erase")
        for rotation in self._rotations.values():
            if rotation.size < size:
                problem = f"the log's key was rotated at size {rotation.size}, and this entry does not say so"
                self._verdicts.unknown(rotation.size, problem, f"entry {rotation.size}")
        told = "entry" if self.unjudged == 1 else "entries"
        rest = (
            f"; {self.unjudged} {told} not judged: records before them are missing" if self.unjudged else ""
        )
        counts = f"{len(self.datasets)} datasets, {len(self.agreements)} agreements"
        self._notebook.right(Stage.MEANING, counts + rest)

    def close(self) -> None:
        """Let go of what lies outside of memory."""
        self._answers.close()

    def save(self) -> Saved:
        """Return the state as a value, from which `resume` goes on."""
        return Saved(
            self.participants,
            self.datasets,
            self.negotiations,
            self.agreements,
            self.cubes,
            [(*names, index) for names, index in self.grants.items()],
            self.policies,
            self.keys,
            bytes(self._answers.acknowledged),
            self._verdicts.save(),
            self.approvals,
            self.models,
            self.jobs,
        )

    def resume(self, begin: int, saved: Saved, look: Callable[[int], Mapping[str, Any] | None]) -> None:
        """Go on with entry `begin`; `look` returns the fields of one before it, None if they are gone."""
        self.participants.update(saved.participants)
        self.datasets.update(saved.datasets)
        self.approvals.update(saved.approvals)
        self.models.update(saved.models)
        self.jobs.update(saved.jobs)
        self.policies.update(saved.policies)
        self._begun = begin > 0
        self._verdicts.resume(begin, saved.excuses)
        self._answers.resume(begin, saved.acknowledged, look)
        self._dealings.resume(saved)
        for key in saved.keys:
            self.keys.append(key)
            self.adopted.take(key.entry, {"kind": "key.adopted", "role": key.role, "vkey": key.vkey})
            if key.role == _LOG:
                self._rotations.pop(key.entry, None)

    def _check_policy(self, index: int, digest: str, time: str) -> None:
        """Hold a decision's policy against the one in force, or that of a moment before."""
        until = self.policies.get(digest)
        if until is None:
            problem = f"it was decided by a policy that no entry before it adopts, {digest}"
            self._verdicts.unknown_policy(index, problem, digest)
        elif until and time > until:
            problem = f"it was decided by a policy that was replaced by another before, {digest}"
            self._verdicts.unknown_policy(index, problem, digest)

    def _erased(self, index: int, fields: dict[str, Any]) -> None:
        if fields["entry"] == 0 and self._begun:
            self._verdicts.wrong(index, "it erases log.created, which nobody may erase")

    def _created(self, index: int, fields: dict[str, Any]) -> None:
        self._begun = True
        if (fields["origin"], fields["vkey"]) != (self._log.origin, str(self._log.keys[0])):
            self._verdicts.wrong(index, "it was created under another origin or key than the one given")

    def _key_adopted(self, index: int, fields: dict[str, Any]) -> None:
        if fields["role"] not in _ROLES:
            self._verdicts.wrong(index, f"it adopts a key for {fields['role']}, want {', '.join(_ROLES)}")
        self._note_key(index, fields, fields["vkey"])

    def _key_rotated(self, index: int, fields: dict[str, Any]) -> None:
        problem = self._rotation_problem(index, fields)
        if problem:
            self._verdicts.wrong(index, problem)
        self._note_key(index, fields, fields["new"])

    def _note_key(self, index: int, fields: dict[str, Any], vkey: str) -> None:
        self.keys.append(KeyFact(index, fields["role"], vkey))
        try:
            self.adopted.take(index, fields)
        except VerificationError as error:
            self._verdicts.wrong(index, str(error))

    def _rotation_problem(self, index: int, fields: dict[str, Any]) -> str | None:
        """Return what is wrong with an entry that rotates a key, or None."""
        if fields["role"] != _LOG:
            return f"it rotates a key of {fields['role']}: only the log's own is, others are adopted"
        known = self._rotations.pop(index, None)
        if known is None:
            return "it rotates the log's key, and no statement of both keys for this entry was shown"
        try:
            stated = Rotation.open(fields["statement"])
        except VerificationError as error:
            return str(error)
        told = (fields["old"], fields["new"], fields["reason"])
        if stated != known or told != (str(known.old), str(known.new), known.reason):
            return "it rotates the log's key otherwise than the statement that both keys signed"
        return None

    def _adopted(self, index: int, fields: dict[str, Any]) -> None:
        del index
        until = later(fields["time"])
        for digest in [one for one, lapsed in self.policies.items() if not lapsed]:
            self.policies[digest] = until
        self.policies[fields["digest"]] = ""

    def _registered(self, index: int, fields: dict[str, Any]) -> None:
        name, version, verdicts = fields["dataset"], fields["version"], self._verdicts
        self._members.act(index, fields["provider"], fields["time"], "provider", "its provider")
        found = self.datasets.setdefault(name, Registered(fields["provider"], fields["zone"]))
        if found.withdrawn is not None:
            verdicts.wrong(index, f"{name} was withdrawn by entry {found.withdrawn}")
        if (fields["provider"], fields["zone"]) != (found.provider, found.zone):
            verdicts.wrong(index, f"{name} was registered by another provider, or in another zone")
        if version != max(found.versions, default=0) + 1:
            verdicts.unknown(index, f"version {version} of {name} does not follow the one before it", name)
        self._approvals.hold(index, fields)
        if not self._dealings.offer(fields["offer"], name):
            verdicts.wrong(index, f"{fields['offer']} was an offer before")
        found.versions[version] = {
            **facts_of(fields, "dataset", "version", "offer_sha256"),
            "entry": index,
            "offer": [fields["offer"], fields["offer_sha256"]],
        }

    def _withdrawn(self, index: int, fields: dict[str, Any]) -> None:
        name = fields["dataset"]
        found = self.datasets.get(name)
        self._members.act(index, fields["by"], fields["time"], "provider", "who withdraws it")
        if found is None:
            self._verdicts.unknown(index, f"{name} was not registered before", name)
            return
        if fields["by"] != found.provider:
            self._verdicts.wrong(index, f"{fields['by']} is not the provider of {name}")
        if sorted(fields["versions"]) != sorted(found.versions):
            self._verdicts.unknown(index, f"it withdraws other versions of {name} than there are", name)
        if found.withdrawn is not None:
            self._verdicts.wrong(index, f"{name} was withdrawn before, by entry {found.withdrawn}")
        else:
            found.withdrawn = index

"""What the entries tell of dealings: negotiations, agreements, and what was answered under them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dataspace.audit.answers import GONE, NONE, Answers
from dataspace.audit.members import Members
from dataspace.audit.spending import Spending
from dataspace.audit.told import Agreed, Negotiated, Registered, Saved, Verdicts, facts_of, later
from dataspace.catalog.models import Form
from dataspace.negotiation.states import TRANSITIONS, Side, State

_FORMS: Final = frozenset(Form)
# Who may lead from one state to the next; and what a consumer does itself, being one.
_MOVES: Final[Mapping[tuple[str | None, str], frozenset[Side]]] = {
    (before, entered): frozenset(
        side for (state, _, side), led in TRANSITIONS.items() if (state, led) == (before, entered)
    )
    for (before, _, _), entered in TRANSITIONS.items()
}
_CONSUMERS: Final = frozenset({State.REQUESTED, State.ACCEPTED, State.VERIFIED})


class Dealings:
    """The negotiations, agreements and cubes, and what was spent, in the order of the entries."""

    def __init__(
        self, verdicts: Verdicts, members: Members, datasets: Mapping[str, Registered], answers: Answers
    ) -> None:
        self.negotiations: dict[str, Negotiated] = {}
        self.agreements: dict[str, Agreed] = {}
        self.cubes: dict[str, dict[str, Any]] = {}
        self.grants: dict[tuple[str, str], int] = {}
        self.takers: dict[str, Callable[[int, dict[str, Any]], None]] = {
            "negotiation.changed": self._negotiated,
            "agreement.concluded": self._concluded,
            "agreement.suspended": self._suspended,
            "agreement.terminated": self._terminated,
            "cube.granted": self._granted,
            "query.answered": self._answered,
            "query.refused": self._refused,
            "answer.acknowledged": self._acknowledged,
        }
        self._verdicts, self._members, self._datasets, self._answers = verdicts, members, datasets, answers
        self._offers: dict[str, str] = {}  # the dataset of each offer
        self._granted_to: set[str] = set()  # agreements with a cube
        self._spending = Spending(verdicts, members)

    def offer(self, offer: str, dataset: str) -> bool:
        """Note an offer of a dataset; return whether its name is new."""
        new = offer not in self._offers
        self._offers[offer] = dataset
        return new

    def resume(self, saved: Saved) -> None:
        """Go on from what the entries before told."""
        self.negotiations.update(saved.negotiations)
        self.agreements.update(saved.agreements)
        self.cubes.update(saved.cubes)
        self.grants.update({(cube, agreement): index for cube, agreement, index in saved.grants})
        self._granted_to.update(agreement for _, agreement, _ in saved.grants)
        for name, dataset in saved.datasets.items():
            self._offers.update({version["offer"][0]: name for version in dataset.versions.values()})
        for agreed in saved.agreements.values():
            self._spending.resume(agreed)

    def in_force(self, agreement: str) -> bool:
        """Return whether an agreement was finalized and not ended, by the entries so far."""
        found = self.agreements[agreement]
        negotiation = self.negotiations.get(found.terms["negotiation"])
        return found.ended is None and negotiation is not None and negotiation.state == State.FINALIZED

    def _negotiated(self, index: int, fields: dict[str, Any]) -> None:
        name, state, found = (
            fields["negotiation"],
            fields["state"],
            self.negotiations.get(fields["negotiation"]),
        )
        before = None if found is None else found.state
        parties = (fields["offer"], fields["provider"], fields["consumer"])
        if found is None:
            found = Negotiated(fields["offer"], fields["consumer"], state, fields["provider"])
            self.negotiations[name] = found
            if self._offers.get(fields["offer"]) is None:
                self._verdicts.unknown_offer(
                    index, f"{fields['offer']} was not on offer before", fields["offer"]
                )
        elif parties != (found.offer, found.provider, found.consumer):
            self._verdicts.wrong(index, f"{name} is about another offer, or between others than before")
        found.state = state
        self._check_move(index, fields, before)
        if state == State.TERMINATED and found.agreement:
            self._end(index, found.agreement)

    def _check_move(self, index: int, fields: dict[str, Any], before: str | None) -> None:
        name, state, by = fields["negotiation"], fields["state"], fields["by"]
        sides = _MOVES.get((before, state))
        if sides is None:
            self._verdicts.unknown(index, f"{name} goes from {before or 'nothing'} to {state}", name)
        elif by not in {fields[side.value] for side in sides}:
            self._verdicts.wrong(index, f"{by} cannot take {name} from {before or 'nothing'} to {state}")
        elif state in _CONSUMERS:
            self._members.act(index, by, fields["time"], Side.CONSUMER.value, "its consumer")
        elif state == State.TERMINATED:
            self._members.act(index, by, fields["time"])
        # What a provider does may be the service's doing, for an offer that is automatic: it asks nobody.

    def _concluded(self, index: int, fields: dict[str, Any]) -> None:
        name, verdicts = fields["agreement"], self._verdicts
        if name in self.agreements:
            verdicts.wrong(index, f"{name} was concluded before")
        self._check_subject(index, fields)
        self._check_negotiation(index, fields)
        if not fields["forms"] or not _FORMS.issuperset(fields["forms"]):
            verdicts.wrong(
                index, f"its forms are {', '.join(fields['forms']) or 'none'}, want of {', '.join(Form)}"
            )
        if not fields["purpose"]:
            verdicts.wrong(index, "it has no purpose")
        found = Agreed(facts_of(fields, "agreement", "agreement_sha256"), index)
        try:
            found.until = later(fields["expires"])
        except ValueError:
            verdicts.wrong(index, "when it expires is no time")
        self.agreements[name] = found
        self._spending.grant(found)

    def _check_subject(self, index: int, fields: dict[str, Any]) -> None:
        name, verdicts = fields["dataset"], self._verdicts
        dataset = self._datasets.get(name)
        if dataset is None:
            verdicts.unknown(index, f"{name} was not registered before", name)
            return
        if dataset.withdrawn is not None:
            verdicts.wrong(index, f"{name} was withdrawn by entry {dataset.withdrawn}")
        if dataset.provider != fields["provider"]:
            verdicts.wrong(index, f"{fields['provider']} is not the provider of {name}")
        if self._offers.get(fields["offer"]) != name:
            verdicts.unknown_offer(index, f"{fields['offer']} is no offer of {name}", fields["offer"])
        if not fields["versions"] or not set(fields["versions"]) <= dataset.versions.keys():
            verdicts.unknown(index, f"its versions of {name} were not registered before", name)

    def _check_negotiation(self, index: int, fields: dict[str, Any]) -> None:
        name, consumer, verdicts = fields["negotiation"], fields["consumer"], self._verdicts
        if consumer not in self._members.known:
            verdicts.unknown(index, f"its consumer {consumer} was not admitted before", consumer)
        found = self.negotiations.get(name)
        if found is None:
            verdicts.unknown(index, f"{name} was not begun before", name)
            return
        if found.agreement is not None:
            verdicts.wrong(index, f"{name} led to {found.agreement} before")
        parties = (fields["offer"], fields["provider"], fields["consumer"])
        if parties != (found.offer, found.provider, found.consumer):
            verdicts.wrong(index, f"{name} is about another offer, or between others")
        if found.state not in {State.REQUESTED, State.ACCEPTED}:
            verdicts.unknown(index, f"{name} is {found.state}, which leads to no agreement", name)
        found.agreement = fields["agreement"]

    def _terminated(self, index: int, fields: dict[str, Any]) -> None:
        found = self.agreements.get(fields["agreement"])
        if found is None:
            self._verdicts.unknown(
                index, f"{fields['agreement']} was not concluded before", fields["agreement"]
            )
            return
        if fields["by"] not in (found.terms["provider"], found.terms["consumer"]):
            self._verdicts.wrong(index, f"{fields['by']} is no party of {fields['agreement']}")
        self._members.act(index, fields["by"], fields["time"])
        self._end(index, fields["agreement"])

    def _suspended(self, index: int, fields: dict[str, Any]) -> None:
        name, reason = fields["agreement"], fields["reason"]
        found = self.agreements.get(name)
        if found is None:
            self._verdicts.unknown(index, f"{name} was not concluded before", name)
            return
        if found.ended is not None:
            self._verdicts.wrong(index, f"{name} was ended before, by entry {found.ended}")
        elif found.suspended is not None:
            self._verdicts.wrong(index, f"{name} was suspended before, by entry {found.suspended}")
        elif not self.in_force(name):
            self._verdicts.unknown(index, f"{name} was not finalized before", found.terms["negotiation"])
        self._spending.exhaust(index, name, reason, found)
        found.suspended = index

    def _end(self, index: int, agreement: str) -> None:
        found = self.agreements.get(agreement)
        if found is not None and found.ended is not None:
            self._verdicts.wrong(index, f"{agreement} was ended before, by entry {found.ended}")
        elif found is not None:
            found.ended = index

    def _granted(self, index: int, fields: dict[str, Any]) -> None:
        cube, agreement = fields["cube"], fields["agreement"]
        known = facts_of(fields, "cube", "agreement", "units", "price", "epsilon")
        if self.cubes.setdefault(cube, known) != known:
            self._verdicts.wrong(index, f"{cube} was granted before with other contents")
        if (cube, agreement) in self.grants:
            self._verdicts.wrong(index, f"{cube} was granted to {agreement} before")
        self.grants[cube, agreement] = index
        self._granted_to.add(agreement)
        self.used(index, fields, Form.ENCRYPTED)
        self._spending.spend(index, fields, Form.ENCRYPTED, self.agreements.get(fields["agreement"]))

    def _answered(self, index: int, fields: dict[str, Any]) -> None:
        form = fields["form"]
        self._answers.add(index, fields["agreement"], fields["answer_sha256"])
        if form == Form.ENCRYPTED and fields["agreement"] not in self._granted_to:
            agreement = fields["agreement"]
            problem = f"no cube was granted to {agreement} before"
            self._verdicts.unknown(index, problem, f"cube of {agreement}")
        self.used(index, fields, form)
        self._spending.spend(index, fields, form, self.agreements.get(fields["agreement"]))

    def _refused(self, index: int, fields: dict[str, Any]) -> None:
        found = self.agreements.get(fields["agreement"])
        if found is None:
            self._verdicts.unknown(
                index, f"{fields['agreement']} was not concluded before", fields["agreement"]
            )
        elif found.terms["dataset"] != fields["dataset"]:
            self._verdicts.wrong(index, f"{fields['agreement']} is not about {fields['dataset']}")
        self._spending.refuse(index, fields)
        self._spending.spend(index, fields, fields["form"], self.agreements.get(fields["agreement"]))

    def _acknowledged(self, index: int, fields: dict[str, Any]) -> None:
        answered, agreement = fields["answered"], fields["agreement"]
        found = self.agreements.get(agreement)
        if found is None:
            self._verdicts.unknown(index, f"{agreement} was not concluded before", agreement)
        elif fields["by"] != found.terms["consumer"]:
            self._verdicts.wrong(index, f"{fields['by']} is not the consumer of {agreement}")
        self._members.act(index, fields["by"], fields["time"])
        instead = self._answers.differs(answered, agreement, fields["answer_sha256"])
        if answered >= index:
            self._verdicts.wrong(index, f"it acknowledges entry {answered}, which is later")
        elif instead == GONE:
            self._verdicts.unjudge(index)
        elif instead:
            # No answer is known there: a record that is missing may be one.
            problem = f"it acknowledges entry {answered}, which is {instead}"
            if instead == NONE:
                self._verdicts.unknown(index, problem, f"entry {answered}")
            else:
                self._verdicts.wrong(index, problem)
        if answered in self._answers.acknowledged:
            self._verdicts.wrong(index, f"entry {answered} was acknowledged before")
        self._answers.acknowledged.add(min(answered, index))

    def used(self, index: int, fields: dict[str, Any], form: str) -> None:
        """Hold an answer against the agreement it was given under."""
        name, agreement, verdicts = fields["dataset"], fields["agreement"], self._verdicts
        found, dataset = self.agreements.get(agreement), self._datasets.get(name)
        if dataset is not None and dataset.withdrawn is not None:
            verdicts.wrong(index, f"{name} was withdrawn by entry {dataset.withdrawn}")
        if found is None:
            verdicts.unknown(index, f"{agreement} was not concluded before", agreement)
            return
        terms = found.terms
        if found.ended is not None:
            verdicts.wrong(index, f"{agreement} was ended by entry {found.ended}")
        elif found.suspended is not None:
            verdicts.wrong(index, f"{agreement} was suspended by entry {found.suspended}")
        elif not self.in_force(agreement):
            verdicts.unknown(index, f"{agreement} was not finalized before", terms["negotiation"])
        if name != terms["dataset"] or fields["version"] not in terms["versions"]:
            verdicts.wrong(index, f"{agreement} does not cover version {fields['version']} of {name}")
        if form not in terms["forms"]:
            verdicts.wrong(index, f"{agreement} does not cover the form {form}")
        if found.until and fields["time"] > found.until:
            verdicts.wrong(index, f"{agreement} expired at {terms['expires']}")
        if "price" in fields:
            self._spending.price(index, fields, terms["price"])
        self._check_consumer(index, terms["consumer"], fields["time"])

    def _check_consumer(self, index: int, name: str, time: str) -> None:
        member = self._members.act(index, name, time, Side.CONSUMER.value, "its consumer")
        # The service reads the status again in the transaction that writes the entry: no answer is under way.
        if member is not None and member.status != "active" and member.lately(Side.CONSUMER.value, time):
            problem = f"its consumer {name} was {member.status} by entry {member.entry}"
            self._verdicts.stale(index, problem, name, member.missing)

"""What answers and refusals cost: the price, the units of an agreement, and the privacy of a dataset."""

from typing import Any, Final

from dataspace.audit.members import Members
from dataspace.audit.told import Agreed, Verdicts
from dataspace.catalog.models import Form
from dataspace.errors import DataSpaceError
from dataspace.policy.decision import UNAVAILABLE
from dataspace.privacy.noised import LEAST_EPSILON
from dataspace.transfer.suspend import Exhausted


def _codes(kind: type[DataSpaceError]) -> set[str]:
    return {kind.code}.union(*map(_codes, kind.__subclasses__()))


# A refusal costs units when an answer was made, or a worker was stopped over it; not when the service
# refused by itself, before the work or because it failed (`transfer.conduct`).
_FREE: Final = frozenset(
    {"column-forbids-use", "case-changed", UNAVAILABLE, *_codes(DataSpaceError)} - {"too-costly"}
)

# What has no noise costs no privacy budget; and what is one answer, whatever it holds, costs one unit.
_WITHOUT_NOISE: Final = frozenset({Form.ROWS, Form.LOOKUP, Form.SCORE})
_OF_ONE_UNIT: Final = frozenset({Form.AGGREGATE, Form.ENCRYPTED, Form.SEALED, Form.JOINT})


class Spending:
    """Holds what entries cost against what agreements grant."""

    def __init__(self, verdicts: Verdicts, members: Members) -> None:
        self._verdicts, self._members = verdicts, members
        # Of each consumer and dataset: what all its agreements spent, and the most that one of them grants.
        self._epsilon: dict[tuple[str, str], list[int]] = {}

    def grant(self, agreed: Agreed) -> None:
        """Note what an agreement grants."""
        sums = self._sums(agreed)
        sums[1] = max(sums[1], agreed.terms["epsilon"])

    def resume(self, agreed: Agreed) -> None:
        """Note what an agreement granted, and what was spent under it before."""
        self.grant(agreed)
        self._sums(agreed)[0] += agreed.epsilon

    def price(self, index: int, fields: dict[str, Any], price: int) -> None:
        """Hold the price of an answer against that of a unit."""
        if fields["price"] != fields["units"] * price:
            problem = f"its price is {fields['price']}, want {fields['units']} units at {price}"
            self._verdicts.wrong(index, problem)

    def refuse(self, index: int, fields: dict[str, Any]) -> None:
        """Hold what a refusal costs against its reasons."""
        if not fields["reasons"]:
            self._verdicts.wrong(index, "it refuses without a reason")
        if fields["units"] and not _FREE.isdisjoint(fields["reasons"]):
            self._verdicts.wrong(index, f"it costs {fields['units']} units, and no answer was made")
        if fields["epsilon"] and fields["form"] in _WITHOUT_NOISE:
            self._verdicts.wrong(index, f"it costs epsilon in the form {fields['form']}")

    def exhaust(self, index: int, name: str, reason: str, agreed: Agreed) -> None:
        """Hold the reason why an agreement was suspended against what was spent under it.

        A missing record may be of an answer: then more was spent than is known.
        """
        left = {
            Exhausted.UNITS: agreed.terms["units"] - agreed.units,
            Exhausted.EPSILON: agreed.terms["epsilon"] - agreed.epsilon - LEAST_EPSILON + 1,
        }
        if reason not in left:
            self._verdicts.wrong(index, f"it suspends {name} for {reason}, want {', '.join(Exhausted)}")
        elif left[Exhausted(reason)] > 0:
            self._verdicts.unknown(index, f"it suspends {name} for {reason}, and some is left", name)

    def spend(self, index: int, fields: dict[str, Any], form: str, agreed: Agreed | None) -> None:
        """Charge an entry to the agreement it names, if that is known."""
        units, epsilon = fields["units"], fields["epsilon"]
        self._check_charge(index, fields)
        if units > 1 and form in _OF_ONE_UNIT:
            self._verdicts.wrong(index, f"it costs {units} units, and one in the form {form} costs one")
        if agreed is None:
            return
        agreed.units += units
        agreed.epsilon += epsilon
        for name, now, spent in (("units", units, agreed.units), ("epsilon", epsilon, agreed.epsilon)):
            if now and spent > agreed.terms[name]:
                problem = (
                    f"{name} spent under {fields['agreement']} are {spent}, granted {agreed.terms[name]}"
                )
                self._verdicts.wrong(index, problem)
        if epsilon:
            self._check_privacy(index, fields["time"], agreed, epsilon)

    def _check_charge(self, index: int, fields: dict[str, Any]) -> None:
        """Hold what was answered or granted against the least that it costs: a refusal alone is free."""
        if fields["kind"] != "query.refused" and not fields["units"]:
            self._verdicts.wrong(index, "it costs no unit, and nothing is answered for less than one")
        if fields["kind"] == "cube.granted" and not fields["epsilon"]:
            self._verdicts.wrong(index, "it costs no epsilon, and every cube does")

    def _check_privacy(self, index: int, time: str, agreed: Agreed, epsilon: int) -> None:
        """Hold what a consumer spent on a dataset against the most that any of its agreements grants.

        Privacy is lost once, however many agreements there are.
        """
        sums = self._sums(agreed)
        sums[0] += epsilon
        if agreed.epsilon > agreed.terms["epsilon"]:
            return  # told already
        if sums[0] > sums[1]:
            self._verdicts.wrong(index, _over(agreed.terms["consumer"], agreed, *sums))
        else:
            self._check_entity(index, time, agreed)

    def _check_entity(self, index: int, time: str, agreed: Agreed) -> None:
        """Do so for all accounts of the consumer's legal entity together.

        An account that was named one of it a moment ago may have begun to spend before.
        """
        consumer, dataset = agreed.terms["consumer"], agreed.terms["dataset"]
        accounts = self._members.accounts(consumer)
        named = [self._members.known[account] for account in accounts if len(accounts) > 1]
        if not named or any(time <= one.named_until for one in named):
            return
        sums = [self._epsilon.get((account, dataset), [0, 0]) for account in accounts]
        spent, most = sum(one[0] for one in sums), max(one[1] for one in sums)
        if spent > most:
            problem = _over(f"the entity of {consumer}", agreed, spent, most)
            self._verdicts.stale(index, problem, consumer, min(one.named_missing for one in named))

    def _sums(self, agreed: Agreed) -> list[int]:
        return self._epsilon.setdefault((agreed.terms["consumer"], agreed.terms["dataset"]), [0, 0])


def _over(who: str, agreed: Agreed, spent: int, most: int) -> str:
    return f"epsilon spent by {who} on {agreed.terms['dataset']} is {spent}, the most granted is {most}"

"""Several groups in one encrypted query: their totals as the digits of one number.

An answer is one total for each measure, so that a query for each group would be
a unit for each. But a total has 39 bits (79 under two plain moduli), and the
count of a group may need 12. So the cells of the first group weigh 1, those of
the second B, of the third B^2, and so on: with B more than twice what any
group's total can be, the totals are the digits of the answer in base B, from
-(B-1)/2 to (B-1)/2. The plan takes whatever number of groups and moduli costs
the fewest units; the service sees one vector of weights like any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dataspace.client.layout import Layout
from dataspace.errors import Unprocessable

_LEAST: Final = 1  # of a bound: also groups that are zero throughout keep a digit


@dataclass(frozen=True)
class Packed:
    """One query: the weights of all cells, and which groups its totals hold, the last digits first."""

    weights: tuple[int, ...]
    groups: tuple[int, ...]


@dataclass(frozen=True)
class Packing:
    """The queries that ask for the sums of cells of each group, under the fewest units."""

    base: int
    queries: tuple[Packed, ...]

    @classmethod
    def plan(cls, layout: Layout, groups: Sequence[Sequence[int]], capacities: Sequence[int]) -> "Packing":
        """Return the plan for groups of cells, given by their slots.

        `capacities`: what totals stay below, twice, under one plain modulus, under two, and so on.

        Raises:
            Unprocessable: the total of one group may pass all plain moduli together.

        """
        largest = max(*layout.bounds.values(), _LEAST)
        base = 2 * largest * max(map(len, groups)) + 1
        digits = [_digits(base, capacity) for capacity in capacities]
        # Units by groups in one query; the fewest, and of these the least moduli.
        costs = [
            (moduli * -(-len(groups) // fit), moduli, fit) for moduli, fit in enumerate(digits, 1) if fit
        ]
        if not costs:
            raise Unprocessable(
                "the total of a group might pass the plain moduli: choose closer bounds or a lower precision"
            )
        _, _, fit = min(costs)
        queries = []
        for start in range(0, len(groups), fit):
            places = range(start, min(start + fit, len(groups)))
            weights = [0] * len(layout.cells)
            for digit, place in enumerate(places):
                for slot in groups[place]:
                    weights[slot] = base**digit
            queries.append(Packed(tuple(weights), tuple(places)))
        return cls(base, tuple(queries))

    def unpack(self, packed: Packed, totals: Mapping[str, int]) -> dict[int, dict[str, int]]:
        """Return the total of each measure for each group of a query, by the group's place."""
        found: dict[int, dict[str, int]] = {place: {} for place in packed.groups}
        for name, total in totals.items():
            left, half = total, (self.base - 1) // 2
            for place in packed.groups:
                digit = (left + half) % self.base - half
                found[place][name], left = digit, (left - digit) // self.base
        return found


def _digits(base: int, capacity: int) -> int:
    """Return how many digits of a base fit twice below a modulus: |total| <= (base^n - 1) / 2."""
    count = 0
    while base ** (count + 1) < capacity:
        count += 1
    return count

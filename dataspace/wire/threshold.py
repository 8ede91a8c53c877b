"""What stands in the slots of an encrypted selector, so that a service can hold it to a minimum blindly.

A selector is one weight for each of n subjects, 0 or 1; c of them are selected.
With k the minimum and the roots r_1 .. r_R being 0 .. k-1 and n-1 .. n-k+1,

    P(c) = (c - r_1) (c - r_2) ... (c - r_R)     modulo the plain modulus t

is zero if fewer than k subjects are selected, or fewer than k but not none are
left out, and for no other number of them. The consumer knows c, so it computes P
itself and sends its steps along, a_0 = 1, a_m = a_(m-1) (c - r_m), all encrypted:

    vector 0        c in each of the first R+1 slots (the head), P(c) in all others
    vector 1        a_0 .. a_R in the head, then the weights of the first subjects
    vector 2 ..     zeros in the head, then the weights of the next subjects

That it computed them right is no matter of trust: each of these numbers is bound
to others by an equation of degree two, and `privacy.threshold` adds each equation,
times randomness of its own, to the answer. One that does not hold makes the
answer random. To check P is cheaper than to compute it: one product of
ciphertexts whatever k is, where a tree of products takes one for each factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dataspace.errors import Unprocessable
from dataspace.wire.parameters import ParameterSet

BATCHES_LIMIT: Final = 8  # vectors of weights of one selector: 131,000 subjects


@dataclass(frozen=True)
class Threshold:
    """A minimum of `minimum` among `subjects` subjects, and where each of these stands in the vectors."""

    minimum: int
    subjects: int
    parameters: ParameterSet

    def __post_init__(self) -> None:
        """Check that there is anything to select from, and that it fits.

        Raises:
            Unprocessable: there are fewer subjects than the minimum, or more than fit.

        """
        if not 0 < self.minimum <= self.parameters.slots // 4:
            raise Unprocessable("the minimum of a selector is a number that fits its vectors")
        if not self.minimum <= self.subjects <= BATCHES_LIMIT * self.room:
            raise Unprocessable(
                f"a selector is for {self.minimum} to {BATCHES_LIMIT * self.room} subjects",
                limit=self.minimum,
            )

    @property
    def head(self) -> int:
        """Return how many slots come before those of subjects."""
        return 2 * self.minimum

    @property
    def room(self) -> int:
        """Return how many subjects one vector has slots for."""
        return self.parameters.slots - self.head

    @property
    def batches(self) -> int:
        """Return how many vectors of weights there are."""
        return -(-self.subjects // self.room)

    @property
    def roots(self) -> tuple[int, ...]:
        """Return the numbers of selected subjects at which P is zero, one less than the head is long."""
        return (*range(self.minimum), *(self.subjects - left for left in range(1, self.minimum)))

    def allows(self, selected: int) -> bool:
        """Tell whether so many selected subjects get an answer."""
        return selected not in self.roots and 0 <= selected <= self.subjects

    def steps(self, selected: int) -> list[int]:
        """Return a_0 .. a_R modulo t; the last one is P."""
        found = [1]
        for root in self.roots:
            found.append(found[-1] * (selected - root) % self.parameters.plain_modulus)
        return found

    def rows(self, values: Sequence[int]) -> list[list[int]]:
        """Return one value for each subject as one list of all slots for each vector of weights."""
        parts = [list(values[at : at + self.room]) for at in range(0, self.subjects, self.room)]
        return [[0] * self.head + part + [0] * (self.room - len(part)) for part in parts]

    def vectors(self, weights: Sequence[int]) -> list[list[int]]:
        """Return all vectors of a selector, slot by slot."""
        selected = sum(weights)
        steps, rows = self.steps(selected), self.rows(weights)
        rows[0][: self.head] = steps
        return [[selected] * self.head + [steps[-1]] * self.room, *rows]

"""Keys of every parameter set that cubes are asked under, in one file; and totals that need more than one.

A total that may pass half of the one plain modulus is asked for under each
modulus, and put together from what it leaves modulo both (the Chinese remainder
theorem): exact up to 79 bits, at one unit for each query. What does not fit that
either is refused before anything is sent.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from dataspace.client.encrypted import Errand, Keys, Prepared
from dataspace.client.keyfile import read_key_file, write_key_file
from dataspace.client.layout import Key, Layout, limits, place
from dataspace.errors import Malformed, Unprocessable, VerificationError
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.parameters import CUBE_SETS

_MAGIC: Final = b"DSHR\x01"


@dataclass(frozen=True)
class Weighed:
    """The queries that make one total of each measure, in the order of the ring's keys (`KeyRing.weigh`)."""

    queries: tuple[tuple[Keys, Prepared], ...]
    limits: Mapping[str, int]

    def decrypt(self, answers: Sequence[bytes]) -> dict[str, int]:
        """Return the total of each measure, in units of 10^-precision.

        Raises:
            Malformed: an answer is no envelope.
            VerificationError: one answers another query, was not computed under its key,
                or a total is beyond what the weights allow.

        """
        found = [
            (keys.parameters.plain_modulus, keys.decrypt(answer, query))
            for (keys, query), answer in zip(self.queries, answers, strict=True)
        ]
        totals = {name: combined([(modulus, left[name]) for modulus, left in found]) for name in self.limits}
        for name, total in totals.items():
            if abs(total) > self.limits[name]:
                raise VerificationError(f"the total of {name} is beyond what the weights allow")
        return totals


class KeyRing:
    """A consumer's key pairs, one of each parameter set."""

    def __init__(self, *keys: Keys) -> None:
        self._keys = {one.parameters.id: one for one in keys}
        if len(self._keys) != len(keys) or not keys:
            raise Malformed("malformed key ring: want one key pair of each parameter set")

    @classmethod
    def create(cls, parameters: Sequence[str] = CUBE_SETS) -> Self:
        """Make new key pairs.

        Raises:
            Unprocessable: there is no such parameter set.

        """
        return cls(*map(Keys.create, parameters))

    @classmethod
    def holding(cls, keys: "Keys | KeyRing") -> "KeyRing":
        """Return a ring: `keys` itself, or one that holds this pair alone.

        Raises:
            Malformed: it is neither.

        """
        if not isinstance(keys, Keys | KeyRing):
            raise Malformed(f"the keys are {type(keys).__name__}: want Keys or a KeyRing")
        return keys if isinstance(keys, KeyRing) else cls(keys)

    def __iter__(self) -> Iterator[Keys]:
        return iter(self._keys.values())

    def of(self, parameters: str) -> Keys:
        """Return the key pair of a parameter set.

        Raises:
            Unprocessable: the ring has none.

        """
        if parameters not in self._keys:
            held = ", ".join(self._keys)
            raise Unprocessable(f"this key is for {held}: want one of Keys.create({parameters!r})")
        return self._keys[parameters]

    def save(self, path: Path, passphrase: str) -> None:
        """Write all key pairs to one new file that only `passphrase` opens and only its owner can read.

        Raises:
            Conflict: there is such a file already.

        """
        write_key_file(path, passphrase, join_parts(_MAGIC, [one.to_bytes() for one in self._keys.values()]))

    @classmethod
    def load(cls, path: Path, passphrase: str) -> Self:
        """Read what `save` wrote, or what `Keys.save` wrote of one pair.

        Raises:
            NotFound: there is no such file.
            Malformed: it is no key file.
            VerificationError: the passphrase is another, or the file was changed.

        """
        content = read_key_file(path, passphrase)
        parts = split_parts(content, _MAGIC) if content.startswith(_MAGIC) else [memoryview(content)]
        return cls(*map(Keys.from_bytes, parts))

    @property
    def capacities(self) -> list[int]:
        """Return what totals stay below, twice, asked under the first key alone, under the first two, ..."""
        moduli = [one.parameters.plain_modulus for one in self._asking()]
        return [math.prod(moduli[: count + 1]) for count in range(len(moduli))]

    def weigh(
        self, layout: Layout, weights: Mapping[Key, int] | Sequence[int], errands: Mapping[str, Errand]
    ) -> Weighed:
        """Return queries for the weighted totals of the layout's measures, under as few keys as they fit.

        `errands` go by the keys' ids.

        Raises:
            Malformed: a weight is no integer, or for a cell that is not there.
            Unprocessable: a total might pass all plain moduli together.

        """
        slots, count = place(layout, weights), self.units(layout, weights)
        within = limits(layout, slots, self.capacities[count - 1])
        queries = []
        for one in self._asking()[:count]:
            # Of several, each total may be anything modulo its modulus.
            own = within if count == 1 else dict.fromkeys(within, one.parameters.plain_modulus)
            queries.append((one, one.prepare(layout, slots, errands[one.id], own)))
        return Weighed(tuple(queries), within)

    def units(self, layout: Layout, weights: Mapping[Key, int] | Sequence[int]) -> int:
        """Return how many queries `weigh` makes of these weights: a unit each.

        Raises:
            Malformed: a weight is no integer, or for a cell that is not there.

        """
        slots, capacities = place(layout, weights), self.capacities
        fitting = (count for count, modulus in enumerate(capacities, 1) if _fits(layout, slots, modulus))
        return next(fitting, len(capacities))

    def _asking(self) -> list[Keys]:
        """Return the keys that cubes are asked under, in the order of their sets."""
        found = [self._keys[name] for name in CUBE_SETS if name in self._keys]
        if not found:
            raise Unprocessable(f"the key ring has no key for {' or '.join(CUBE_SETS)}: make one")
        return found


def combined(residues: Sequence[tuple[int, int]]) -> int:
    """Return the number nearest to zero that leaves each residue modulo its modulus; these are coprime."""
    whole = math.prod(modulus for modulus, _ in residues)
    total = 0
    for modulus, left in residues:
        others = whole // modulus
        total += left * others * pow(others, -1, modulus)
    total %= whole
    return total if 2 * total < whole else total - whole


def _fits(layout: Layout, slots: Sequence[int], modulus: int) -> bool:
    try:
        limits(layout, slots, modulus)
    except Unprocessable:
        return False
    return True

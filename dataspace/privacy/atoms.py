"""Answers as sets of rows, and the atoms they part a dataset into.

An atom is the rows that all answers treat alike. An answer gives each row a
number: of its group, and of the columns in which it has a value. Rows that
differed in neither stay together: no answer can tell them apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from dataspace.privacy.isolation import Subjects
from dataspace.privacy.span import Flags, Indices

COUNTS: Final = ""  # the kind of numbers of rows

Codes: TypeAlias = npt.NDArray[np.int64]
_LOOKUP: Final = 1 << 24  # what is counted by a table rather than by sorting


@dataclass(frozen=True)
class Number:
    """A number that every group of an answer has, of `kind`: of its rows with a value in `column`.

    `shown`: who has a row as it leaves has its part in the number.
    """

    kind: str = COUNTS
    column: str = ""
    shown: bool = True


@dataclass(frozen=True)
class Wording:
    """What an answer is about by its words: the conditions, each with its columns, and what groups.

    `pinned`: those of the conditions that are a column's equality with one value.
    `whole`: no group was hidden, so that the groups shown are all there are.
    """

    conditions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    group: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()
    whole: bool = False

    def explains(self, other: "Wording") -> bool:
        """Tell whether groups of the two that have the same rows have them by what they are called."""
        return self.called == other.called or self.within(other) or other.within(self)

    def within(self, other: "Wording") -> bool:
        """Tell whether each group is by its words made of groups that `other` shows, whatever the rows."""
        more = (columns for text, columns in self.conditions.items() if text not in other.conditions)
        return (
            other.whole
            and self.conditions.keys() >= other.conditions.keys()
            and other.group >= self.group.union(*more)
        )

    @property
    def called(self) -> tuple[frozenset[str], frozenset[str]]:
        """The conditions that are not pinned, and the columns that are grouped by or pinned."""
        pinned = (self.conditions[text] for text in self.pinned)
        return frozenset(self.conditions.keys() - self.pinned), self.group.union(*pinned)


@dataclass(frozen=True)
class Release:
    """An answer: for each row its group from 1, or 0 where it is in none shown; the numbers of each group.

    `filled`: of the columns that have NULLs, which rows have a value.
    """

    codes: Codes = field(repr=False)
    groups: int
    numbers: tuple[Number, ...]
    wording: Wording = Wording()
    filled: Mapping[str, Flags] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Sets:
    """The sets of atoms whose numbers of one kind were released, one row each, and the words of each."""

    members: Flags
    wordings: tuple[Wording, ...]

    def explain(self, members: Flags, wording: Wording) -> bool:
        """Tell whether it is by its words that each of these sets follows from what was released."""
        # The whole dataset is in every answer that names all its groups: that one shows what follows.
        if wording.whole and not wording.conditions:
            return True
        if any(map(wording.within, {id(words): words for words in self.wordings}.values())):
            return True
        known: dict[bytes, list[Wording]] = {}
        for row, words in zip(np.packbits(self.members, axis=1), self.wordings, strict=True):
            known.setdefault(row.tobytes(), []).append(words)
        found = (known.get(row.tobytes(), []) for row in np.packbits(members, axis=1))
        return all(any(map(wording.explains, same)) for same in found)


@dataclass(frozen=True)
class Finer:
    """The atoms once an answer has parted them: of each its old one, group and values; distinct subjects."""

    atoms: Codes
    parents: Indices
    groups: Codes
    values: Codes
    large: Flags
    subjects: Mapping[int, Subjects]

    def members(self, release: Release, place: int) -> Flags:
        """Return which atoms are in each group's number, a row for each group."""
        column, columns = release.numbers[place].column, list(release.filled)
        counted = self.groups
        if column in release.filled:
            counted = counted * (self.values >> columns.index(column) & 1)
        return np.asarray(counted[None, :] == np.arange(1, release.groups + 1)[:, None])


def numbered(keys: Codes, most: int) -> tuple[Codes, Codes]:
    """Return the distinct keys in order, and for each row the place of its own among them."""
    if most > _LOOKUP:
        names, places = np.unique(keys, return_inverse=True)
        return names, places.astype(np.int64)
    names = np.flatnonzero(np.bincount(keys, minlength=most)).astype(np.int64)
    places = np.zeros(most, np.int64)
    places[names] = np.arange(len(names))
    return names, places[keys]


def gathered(atoms: Codes, subjects: npt.NDArray[Any]) -> dict[int, Subjects]:
    """Return the subjects of each atom, of pairs of the two."""
    found: dict[int, set[int]] = {}
    for atom, subject in zip(atoms.tolist(), subjects.tolist(), strict=True):
        found.setdefault(atom, set()).add(subject)
    return {atom: frozenset(members) for atom, members in found.items()}


def wording_of(told: Mapping[str, Any]) -> Wording:
    """Return a wording from what is stored of one."""
    conditions = {text: frozenset(columns) for text, columns in told["conditions"]}
    pinned = frozenset(told.get("pinned", ()))
    return Wording(conditions, frozenset(told["group"]), pinned, whole=told.get("whole", False))

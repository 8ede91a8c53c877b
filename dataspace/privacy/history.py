"""All that was released of a dataset version, and whether one answer more isolates fewer than k subjects.

    atom     rows that everything released treats alike; distinct subjects are counted in it
    number   one released number: of the rows of a group, those of one kind that have a value
    kind     what is counted or summed: numbers of two kinds do not add up
    world    what somebody may know beside the exact numbers: the rows that leave, the cubes granted

Each number is an equation, a vector of 0 and 1 over the atoms. An answer is
refused when, in some world, the span of all numbers then holds a vector that it
did not hold before, and whose support is of fewer than k distinct subjects:
differencing, trackers and reconstruction by linear algebra are this. How many
rows there are is public, and so an equation from the start. In the worlds where
rows are known they drop out of the equations, and only what is told of the rest
counts. A cube is noised: its cells count in its worlds as if they were exact,
and excuse nothing in the others.

An answer that follows from what was given already is refused too, unless it does
so by its words: were `a OR b, but not x` answered after `a` and `b` when nobody
is x, and refused when one subject is, the refusal would tell that one apart.

What this does not see: inequalities (a sum of values that cannot be negative
bounds each), and what is known of values themselves, such as that a column is 1
in every row, whose sum is a count then.

Bounds: an answer is checked in time and memory of its rows plus (rank x atoms):
at most `ATOMS_LIMIT` atoms, `CELLS_LIMIT` residues of 4 bytes in all spans,
`SETS_LIMIT`, and a search of bounded steps (`isolation`). Beyond them an answer
is *unchecked*, which denies it, and a cube is left to its noise, which may take
no more than its share. What follows from what is there already adds nothing, and
is neither stored nor counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from dataspace.privacy.atoms import COUNTS, Codes, Finer, Release, Sets, Wording, gathered, numbered
from dataspace.privacy.isolation import Subjects, UncheckedError, isolates
from dataspace.privacy.span import Flags, Matrix, Span, drawn_prime

ATOMS_LIMIT: Final = 1 << 16
NUMBERS_LIMIT: Final = 1 << 13  # of one answer
CELLS_LIMIT: Final = 1 << 23  # rank x atoms of all spans: 1,024 numbers over 8,192 atoms, or 128 over 65,536
SETS_LIMIT: Final = 1 << 25  # numbers as they were asked for x atoms: bytes, as many as the residues take
CUBES_SHARE: Final = 2  # a cube is taken while no more than one part in so many of the room is full


@dataclass(frozen=True)
class Verdict:
    """Whether an answer isolates, could not be checked, and tells anything that did not follow already."""

    isolates: bool = False
    unchecked: bool = False
    adds: bool = False


@dataclass(frozen=True, order=True)
class World:
    """What is known beside exact numbers."""

    rows: bool = False
    cubes: bool = False


@dataclass(frozen=True)
class History:
    """What was released so far; a value: an answer makes a new one.

    `subjects`: a number below `rows` for each row, the same for the same subject;
    None where every row is one. `seen`: the rows that leave as they are, if any do.
    """

    rows: int
    subjects: npt.NDArray[Any] | None = field(repr=False)
    most: int  # rows of one subject
    prime: int = field(repr=False)
    atoms: Codes = field(repr=False)
    seen: Flags = field(repr=False)  # of each atom
    spans: Mapping[World, Mapping[str, Span]] = field(repr=False)
    sets: Mapping[str, Sets] = field(default_factory=dict, repr=False)

    @classmethod
    def begun(cls, rows: int, subjects: npt.NDArray[Any] | None = None, seen: Flags | None = None) -> Self:
        """Return the history of a dataset of which nothing was released but how many rows it has."""
        worlds = [World(), World(rows=True)] if seen is not None else [World()]
        flags = np.zeros(rows, np.bool_) if seen is None else seen
        atoms, visible = flags.astype(np.int64), np.array([False, True])
        prime = drawn_prime()
        spans: dict[World, dict[str, Span]] = {}
        for world in worlds:
            whole = np.array([[1, 0 if world.rows else 1]])
            spans[world] = {COUNTS: Span.empty(prime, 2).joined(whole, np.zeros(2, np.bool_))}
        most = 1 if subjects is None else int(np.bincount(subjects, minlength=1).max())
        sets = {COUNTS: Sets(np.ones((1, 2), np.bool_), (Wording(whole=True),))}
        return cls(rows, subjects, most, prime, atoms, visible, spans, sets)

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        spans = [span.basis.nbytes for kinds in self.spans.values() for span in kinds.values()]
        known = sum(sets.members.nbytes for sets in self.sets.values())
        return self.atoms.nbytes + sum(spans) + known + (0 if self.subjects is None else self.subjects.nbytes)

    def after(self, release: Release, minimum: int, *, judged: bool = True) -> tuple["History", Verdict]:
        """Return the history with an exact answer, and the verdict on it.

        What adds nothing leaves the history as it is; what isolates is in it all
        the same. `judged`: without it nothing is searched, for it was before.
        """
        try:
            finer = self._parted(release, minimum)
            spans, adds = self._spans_after(release, finer)
            isolating = judged and (
                self._repeats(release, finer, spans) or _any_isolates(spans, finer, minimum)
            )
        except UncheckedError:
            return self, Verdict(unchecked=True)
        new = {world: {kind: span for kind, (_, span) in kinds.items()} for world, kinds in spans.items()}
        return (self._with(release, finer, new) if adds else self), Verdict(isolating, adds=adds)

    def beside(self, release: Release) -> "History":
        """Return the history with a cube, which is noised: it counts in the worlds that know of cubes.

        Raises:
            UncheckedError: there is no room for it.

        """
        # The rest is left to exact answers: or cubes of one consumer would end those of all.
        finer = self._parted(release, 1, CUBES_SHARE)
        worlds = {replace(world, cubes=True): kinds for world, kinds in sorted(self.spans.items())}
        split = _split(self.spans, finer)
        with_cubes = {
            world: _joined(split.get(world, kinds), self._vectors(release, finer, world), finer, self.prime)
            for world, kinds in _split(worlds, finer).items()
        }
        made = replace(self, atoms=finer.atoms, seen=self.seen[finer.parents], spans={**split, **with_cubes})
        if made.rank * len(made.seen) > CELLS_LIMIT // CUBES_SHARE:
            raise UncheckedError
        return replace(made, sets={kind: _of(finer, sets) for kind, sets in self.sets.items()})

    @property
    def rank(self) -> int:
        """How many vectors there are in all spans."""
        return sum(span.rank for kinds in self.spans.values() for span in kinds.values())

    def _parted(self, release: Release, minimum: int, share: int = 1) -> Finer:
        """Return the finer atoms; raises UncheckedError beyond one part in `share` of the room."""
        numbers = release.groups * len(release.numbers)
        if numbers > NUMBERS_LIMIT:
            raise UncheckedError
        finer = self._finer(release, minimum)
        # Before anything so large is made: the spans over these atoms, and the vectors of the answer.
        atoms, kinds = len(finer.parents), {number.kind for number in release.numbers}
        vectors = max(self.rank, release.groups * len(kinds))
        known = sum(len(sets.wordings) for sets in self.sets.values())
        room = atoms <= ATOMS_LIMIT // share and atoms * vectors <= CELLS_LIMIT // share
        if not room or atoms * (known + numbers) > SETS_LIMIT:
            raise UncheckedError
        return finer

    def _finer(self, release: Release, minimum: int) -> Finer:
        width = 1 << len(release.filled)
        codes = release.codes * width
        for bit, filled in enumerate(release.filled.values()):
            codes += (filled & (release.codes > 0)).astype(np.int64) << bit
        each = (release.groups + 1) * width
        names, atoms = numbered(self.atoms * each + codes, len(self.seen) * each)
        parents, inner = np.divmod(names, each)
        groups, values = np.divmod(inner, width)
        large, subjects = self._counted(atoms, len(names), minimum)
        return Finer(atoms, parents.astype(np.intp), groups, values, large, subjects)

    def _counted(self, atoms: Codes, count: int, minimum: int) -> tuple[Flags, dict[int, Subjects]]:
        """Return which atoms have enough distinct subjects, and of the others who they are."""
        rows = np.bincount(atoms, minlength=count)
        # So many rows are enough subjects, however many rows each has.
        few = rows < minimum * self.most
        chosen = np.flatnonzero(few[atoms])
        who = chosen if self.subjects is None else self.subjects[chosen].astype(np.int64)
        pairs = np.unique(atoms[chosen] * self.rows + who)
        places, who = np.divmod(pairs, max(self.rows, 1))
        small = few & (np.bincount(places, minlength=count) < minimum)
        kept = small[places]
        return ~small, gathered(places[kept], who[kept])

    def _vectors(self, release: Release, finer: Finer, world: World) -> dict[str, Matrix]:
        found: dict[str, Matrix] = {}
        for place, number in enumerate(release.numbers):
            members = finer.members(release, place)
            if world.rows and number.shown:
                members &= ~self.seen[finer.parents]
            vectors = members.astype(np.int64)
            found[number.kind] = np.vstack([found[number.kind], vectors]) if number.kind in found else vectors
        return found

    def _spans_after(self, release: Release, finer: Finer) -> tuple["_Spans", bool]:
        """Return each span before and after, and whether any tells more."""
        found: _Spans = {}
        cells, adds = 0, False
        for world, kinds in _split(self.spans, finer).items():
            found[world] = {kind: (span, span) for kind, span in kinds.items()}
            for kind, vectors in self._vectors(release, finer, world).items():
                old = kinds.get(kind) or Span.empty(self.prime, len(finer.parents))
                found[world][kind] = (old, old.joined(vectors, finer.large))
            cells += sum(new.basis.size for _, new in found[world].values())
            adds |= any(new.rank > old.rank for old, new in found[world].values())
            if cells > CELLS_LIMIT:
                raise UncheckedError
        return found, adds

    def _repeats(self, release: Release, finer: Finer, spans: "_Spans") -> bool:
        """Tell whether a number follows from those before it, and not by its words."""
        for place, number in enumerate(release.numbers):
            if number.kind in self.sets:
                members = finer.members(release, place)
                before, _ = spans[World()][number.kind]
                follows = members.any(axis=1) & before.holds(members.astype(np.int64))
                sets = _of(finer, self.sets[number.kind])
                if follows.any() and not sets.explain(members[follows], release.wording):
                    return True
        return False

    def _with(self, release: Release, finer: Finer, spans: dict[World, dict[str, Span]]) -> "History":
        sets = {kind: _of(finer, known) for kind, known in self.sets.items()}
        for place, number in enumerate(release.numbers):
            members = finer.members(release, place)
            before = sets.get(number.kind) or Sets(members[:0], ())
            wordings = (*before.wordings, *[release.wording] * len(members))
            sets[number.kind] = Sets(np.vstack([before.members, members]), wordings)
        return replace(self, atoms=finer.atoms, seen=self.seen[finer.parents], spans=spans, sets=sets)


_Spans = dict[World, dict[str, tuple[Span, Span]]]


def _any_isolates(spans: _Spans, finer: Finer, minimum: int) -> bool:
    pairs = (pair for kinds in spans.values() for pair in kinds.values())
    return any(_isolates(old, new, finer, minimum) for old, new in pairs)


def _isolates(old: Span, new: Span, finer: Finer, minimum: int) -> bool:
    told = new.told(finer.large)
    if len(told) == len(old.told(finer.large)):
        return False
    return isolates(told, finer.subjects, minimum, new.prime, old.holds)


def _split(spans: Mapping[World, Mapping[str, Span]], finer: Finer) -> dict[World, dict[str, Span]]:
    return {
        world: {kind: span.split(finer.parents, finer.large) for kind, span in kinds.items()}
        for world, kinds in spans.items()
    }


def _joined(
    kinds: Mapping[str, Span], vectors: Mapping[str, Matrix], finer: Finer, prime: int
) -> dict[str, Span]:
    found = dict(kinds)
    for kind, more in vectors.items():
        span = found.get(kind) or Span.empty(prime, len(finer.parents))
        found[kind] = span.joined(more, finer.large)
    return found


def _of(finer: Finer, sets: Sets) -> Sets:
    return replace(sets, members=sets.members[:, finer.parents])

"""What follows from released numbers: a vector space over a prime field, in reduced echelon form.

A released number is a vector over *atoms*: sets of rows that everything released
treats alike. Whatever can be computed from the numbers by adding and scaling is
a vector of the span, and its support is the atoms it tells about.

The prime is drawn from the system for each history. A rational combination of
the vectors survives in the field unless the prime divides its denominator, and
of a denominator of n bits at most n/30 of fifty million primes are divisors. A
prime that is known can be met: forty sets whose determinant it is would look
dependent, and are not.

Pivots are at large atoms wherever there is one to choose: so the rows whose
pivot is a small atom span exactly what is told of small atoms alone.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias

import numpy as np
import numpy.typing as npt

Matrix: TypeAlias = npt.NDArray[np.int64]  # of residues
Kept: TypeAlias = npt.NDArray[np.uint32]  # the same, as they are kept
Flags: TypeAlias = npt.NDArray[np.bool_]
Indices: TypeAlias = npt.NDArray[np.intp]

_HALF: Final = 16  # bits: a product of two halves, added up 2**20 times, fits a double
_EXACT: Final = 1 << 53  # doubles hold every whole number up to it
_COLUMNS: Final = 1024  # of a product at a time: bounds what it takes beside its result
_WITNESSES: Final = (2, 3, 5, 7)  # tell primes below 3,215,031,751 from all other numbers (Jaeschke 1993)


def drawn_prime() -> int:
    """Return a random prime of 31 bits."""
    while not _is_prime(found := secrets.randbits(30) | 1 << 30 | 1):
        pass
    return found


@dataclass(frozen=True)
class Span:
    """A space of vectors over atoms; `basis`: a row for each, `pivots`: its column that no other row has."""

    prime: int = field(repr=False)
    basis: Kept = field(repr=False)
    pivots: Indices = field(repr=False)

    @classmethod
    def empty(cls, prime: int, atoms: int) -> Self:
        """Return the space of nothing but zero."""
        return cls(prime, np.zeros((0, atoms), np.uint32), np.zeros(0, np.intp))

    @property
    def rank(self) -> int:
        """The number of vectors that all others follow from."""
        return len(self.pivots)

    def reduced(self, vectors: Matrix) -> Matrix:
        """Return vectors less what the space holds of them; zero where it holds them whole."""
        vectors = np.asarray(vectors, np.int64) % self.prime
        return (vectors - product(vectors[:, self.pivots], self.basis, self.prime)) % self.prime

    def holds(self, vectors: Matrix) -> Flags:
        """Tell of each vector whether it is in the space."""
        return np.asarray(~self.reduced(vectors).any(axis=1))

    def split(self, parents: Indices, large: Flags) -> Self:
        """Return the space over finer atoms: `parents` has the old one of each new one."""
        chosen = np.full(self.basis.shape[1], -1, np.intp)
        order = np.argsort(large, kind="stable")  # the large ones last, and what comes last stays
        chosen[parents[order]] = order
        basis, pivots = self.basis[:, parents], chosen[self.pivots]
        for row in np.flatnonzero(~large[pivots]).tolist():
            columns = np.flatnonzero(large & (basis[row] != 0))
            if len(columns):
                pivots[row] = columns[0]
                clear(basis, row, int(columns[0]), self.prime)
        return type(self)(self.prime, basis, pivots)

    def joined(self, vectors: Matrix, large: Flags) -> Self:
        """Return the space with these vectors; `self` prefers the same large atoms already."""
        fresh, pivots = _echelon(self.reduced(vectors), large, self.prime)
        basis = np.vstack([self.basis, fresh.astype(np.uint32)])
        factors = basis[: self.rank, pivots]
        changed = np.flatnonzero(factors.any(axis=1))
        if len(changed):
            # A number tells mostly of few atoms more than those before it.
            wide = np.flatnonzero(fresh.any(axis=0))
            block = np.ix_(changed, wide)
            less = product(factors[changed], fresh[:, wide], self.prime)
            basis[block] = (basis[block] - less) % self.prime
        return type(self)(self.prime, basis, np.concatenate([self.pivots, pivots]))

    def told(self, large: Flags) -> Matrix:
        """Return a basis of what is told of small atoms alone."""
        return self.basis[~large[self.pivots]].astype(np.int64)


def clear(basis: "Matrix | Kept", row: int, column: int, prime: int) -> None:
    """Make `column` zero in every row but this one, where it becomes one; in place."""
    basis[row] = basis[row].astype(np.int64) * pow(int(basis[row, column]), -1, prime) % prime
    others = np.flatnonzero(basis[:, column])
    others = others[others != row]
    if len(others):
        wide = np.flatnonzero(basis[row])
        factors = basis[others, column].astype(np.int64)[:, None]
        block = np.ix_(others, wide)
        basis[block] = (basis[block] - factors * basis[row, wide] % prime) % prime


def product(left: "Matrix | Kept", right: "Matrix | Kept", prime: int) -> Matrix:
    """Return the product of two matrices of residues."""
    used = np.flatnonzero(left.any(axis=0)) if left.size else np.zeros(0, np.intp)
    found = np.zeros((left.shape[0], right.shape[1]), np.int64)
    if not len(used):
        return found
    wanted = left[:, used]
    # Of doubles either way, for they are multiplied ten times as fast.
    multiplied = _by_halves if int(wanted.max()) * prime * len(used) > _EXACT else _whole
    for first in range(0, right.shape[1], _COLUMNS):
        columns = slice(first, first + _COLUMNS)
        found[:, columns] = multiplied(wanted, right[used, columns], prime)
    return found


def _whole(left: "Matrix | Kept", right: "Matrix | Kept", prime: int) -> Matrix:
    return _residues(left.astype(np.float64) @ right.astype(np.float64), prime)


def _by_halves(left: "Matrix | Kept", right: "Matrix | Kept", prime: int) -> Matrix:
    (top, bottom), (high, low) = _halves(left), _halves(right)
    tops = _residues(top @ high, prime)
    middles = _residues(top @ low + bottom @ high, prime)
    return (((tops << _HALF) + middles) % prime * (1 << _HALF) + _residues(bottom @ low, prime)) % prime


def _halves(matrix: "Matrix | Kept") -> tuple[Any, Any]:
    return (matrix >> _HALF).astype(np.float64), (matrix & ((1 << _HALF) - 1)).astype(np.float64)


def _residues(exact: npt.NDArray[np.float64], prime: int) -> Matrix:
    return exact.astype(np.int64) % prime


def _echelon(vectors: Matrix, large: Flags, prime: int) -> tuple[Matrix, Indices]:
    """Return the vectors in reduced echelon form, without those that are zero, and their pivots."""
    basis = vectors[vectors.any(axis=1)]
    kept, pivots = [], []
    for row in range(len(basis)):
        columns = np.flatnonzero(basis[row])
        if not len(columns):
            continue
        preferred = columns[large[columns]]
        pivot = int(preferred[0] if len(preferred) else columns[0])
        clear(basis, row, pivot, prime)
        kept.append(row)
        pivots.append(pivot)
    return basis[kept], np.array(pivots, np.intp)


def _is_prime(number: int) -> bool:
    if any(number % small == 0 for small in (2, 3, 5, 7, 11, 13)):
        return False
    twos = (number - 1 & 1 - number).bit_length() - 1
    odd = number - 1 >> twos
    return all(_passes(number, pow(base, odd, number), twos) for base in _WITNESSES)


def _passes(number: int, power: int, twos: int) -> bool:
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False

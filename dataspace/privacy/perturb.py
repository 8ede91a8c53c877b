"""Numbers and dates that leave other than they are: microaggregated, with noise, shifted.

None of it is differentially private, and nothing here says so: that is for
aggregates (`noise`). What a value could leave as is spread out; which values
belong together stays visible, so the measures of risk class by the values themselves.
"""

from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Values = npt.NDArray[Any]
Codes = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_LARGEST: Final = 10**15  # beyond it a double cannot tell whole numbers apart
_HUNDREDTHS: Final = 10**13  # a decimal below it has two places that count
_EPOCH: Final = date(1970, 1, 1)
_EARLIEST: Final = (date.min - _EPOCH).days
_LATEST: Final = (date.max - _EPOCH).days


def microaggregated(values: Values, known: Bools, subjects: Codes, size: int) -> tuple[Values, Bools]:
    """Return for each value the mean of its group of at least `size` subjects next to it in order.

    Groups are as small as they can be; the last one takes the rest. Where fewer
    subjects are known in all, nothing leaves. Means of whole numbers are rounded.
    """
    usable = known & (np.abs(values.astype(np.float64)) < _LARGEST)
    rows = np.flatnonzero(usable)
    rows = rows[np.argsort(values[rows], kind="stable")]
    starts = _starts(subjects[rows], size)
    found, leaves = np.zeros_like(values), np.zeros_like(usable)
    if len(starts):
        counts = np.diff(np.append(starts, len(rows)))
        means = np.add.reduceat(values[rows].astype(np.float64), starts) / counts
        whole = np.issubdtype(values.dtype, np.integer)
        found[rows] = np.repeat(np.rint(means) if whole else means, counts).astype(values.dtype)
        leaves[rows] = True
    return found, leaves


def _starts(subjects: Codes, size: int) -> Codes:
    """Return where groups start in a sequence of subjects; none if they are fewer than `size`."""
    if len(np.unique(subjects)) < size:
        return np.empty(0, np.int64)
    if len(np.unique(subjects)) == len(subjects):
        return np.arange(len(subjects) // size) * size
    starts, seen, begin = [], set[int](), 0
    for place, subject in enumerate(subjects.tolist()):
        seen.add(subject)
        if len(seen) == size:
            starts.append(begin)
            seen, begin = set(), place + 1
    return np.array(starts, np.int64)


def with_noise(
    values: Values, known: Bools, subjects: npt.NDArray[np.uint64], scale: int, key: bytes
) -> tuple[Values, Bools]:
    """Return values with Laplace noise of that scale; decimals to hundredths.

    `subjects`: a digest of each row's. `key`: 32 bytes, of this scale alone: of two
    scales the difference would tell the value. The same value of one subject gets
    the same noise wherever it stands, and whenever it is asked for: no mean tells
    more than one of them.
    """
    decimal = not np.issubdtype(values.dtype, np.integer)
    grid, largest = (100, _HUNDREDTHS) if decimal else (1, 1 << 62)
    usable = known & (np.abs(values.astype(np.float64)) < largest)
    # On a grid: the last bits of a double would tell which value was under the noise.
    ticks = np.rint(np.where(usable, values, 0) * grid).astype(np.int64)
    noisy = ticks + _laplace(_drawn(subjects, ticks, key), scale * grid)
    return (noisy / grid if decimal else noisy), usable


def _drawn(subjects: npt.NDArray[np.uint64], ticks: Codes, key: bytes) -> npt.NDArray[np.uint64]:
    """Return two random numbers of 64 bits for each pair, the same ones for the same pair."""
    blocks = np.empty((len(ticks), 2), np.uint64)
    blocks[:, 0], blocks[:, 1] = subjects, ticks.view(np.uint64)
    # ECB, for each block stands for itself: nothing is encrypted, blocks are drawn.
    cipher = Cipher(algorithms.AES256(key), modes.ECB()).encryptor()  # noqa: S305
    return np.frombuffer(cipher.update(blocks.tobytes()), np.uint64).reshape(-1, 2)


def _laplace(drawn: npt.NDArray[np.uint64], scale: int) -> Codes:
    """Return draws of the discrete Laplace distribution: of two geometric ones the difference."""
    shares = ((drawn >> np.uint64(11)) + 0.5) / 2**53
    halves = np.floor(-np.log(shares) * scale).astype(np.int64)
    return np.asarray(halves[:, 0] - halves[:, 1])


def shifted(dates: Values, known: Bools, offsets: Codes) -> tuple[Values, Bools]:
    """Return dates, as days since 1970, moved by days; none of before year 1 or after year 9999."""
    moved = dates.astype(np.int64) + offsets
    inside = (moved >= _EARLIEST) & (moved <= _LATEST) & (dates >= _EARLIEST) & (dates <= _LATEST)
    return np.where(inside, moved, 0).astype(np.int32), known & inside


def offsets(digests: npt.NDArray[np.uint64], days: int) -> Codes:
    """Return for each digest a number from -days to days, never 0."""
    drawn = (digests % np.uint64(2 * days)).astype(np.int64) - days
    return drawn + (drawn >= 0)

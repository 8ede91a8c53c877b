"""Cells: every combination of labels is one, and none has fewer than `min_group` subjects.

Where a combination is too rare, its rows lose the label of their last dimension,
then of the one before, and so on, until they are many enough together; rows that
are not even then are left out. Of a subject with more than `max_rows` rows that
many are kept, drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dataspace.errors import TooLarge, Unprocessable
from dataspace.sealing.columns import Integers
from dataspace.wire.manifest import SUPPRESSED
from dataspace.wire.sealed import CELLS_LIMIT

_LARGEST: Final = 1 << 62


@dataclass(frozen=True)
class Arranged:
    """Rows in the order in which they are sealed, and their cells in the order of their numbers.

    `rows` are places in the file. `subjects` are the distinct subjects of each
    cell, `pairs` their numbers, cell by cell.
    """

    rows: Integers
    labels: list[list[str | None]]
    counts: list[int]
    subjects: list[int]
    pairs: bytes


def arrange(
    codes: Sequence[Integers],
    labels: Sequence[list[str | None]],
    subjects: Integers,
    *,
    max_rows: int,
    min_group: int,
    random: np.random.Generator,
) -> Arranged:
    """Return the rows of `codes` (a label's number by dimension) in cells.

    Raises:
        Unprocessable: fewer than `min_group` subjects are left.
        TooLarge: there are too many cells.

    """
    rows = _bounded(subjects, max_rows, random)
    subjects = np.unique(subjects[rows], return_inverse=True)[1]
    coded, starred = _starred([code[rows] for code in codes], labels)
    keys, kept = _merged(coded, starred, subjects, min_group)
    if not kept.any():
        raise Unprocessable(f"there are fewer than {min_group} subjects in the file")
    distinct, first, cell = np.unique(keys[kept], return_index=True, return_inverse=True)
    if len(distinct) > CELLS_LIMIT:
        raise TooLarge(f"{len(distinct)} cells, want at most {CELLS_LIMIT}: choose coarser dimensions")
    # Numbers in no order of the labels, and rows in none of the file's.
    number = random.permutation(len(distinct))
    cell = number[cell]
    order = np.lexsort((random.random(len(cell)), cell))
    told = np.argsort(number)
    shown = [_labels(coded, starred, labels, np.flatnonzero(kept)[first[at]]) for at in told]
    counts = np.bincount(cell, minlength=len(distinct))
    pairs = np.unique(np.stack([cell, subjects[kept]], axis=1), axis=0)
    return Arranged(
        rows[kept][order],
        shown,
        counts.tolist(),
        np.bincount(pairs[:, 0], minlength=len(distinct)).tolist(),
        pairs[:, 1].astype("<u4").tobytes(),
    )


def _bounded(subjects: Integers, max_rows: int, random: np.random.Generator) -> Integers:
    """Return the places of the rows that count: of each subject at most so many, drawn at random."""
    order = np.lexsort((random.random(len(subjects)), subjects))
    ordered = subjects[order]
    begins = np.searchsorted(ordered, ordered, side="left")
    return order[np.arange(len(ordered)) - begins < max_rows]


def _starred(
    codes: Sequence[Integers], labels: Sequence[list[str | None]]
) -> tuple[list[Integers], list[int]]:
    """Return the codes, and the code of what has no label; a label that looks like none is none."""
    starred = [names.index(SUPPRESSED) if SUPPRESSED in names else len(names) for names in labels]
    return [code.copy() for code in codes], starred


def _merged(
    codes: list[Integers], starred: Sequence[int], subjects: Integers, min_group: int
) -> tuple[Integers, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Take labels from the rows of cells that are too small; return each row's key, and which rows stay."""
    for place in reversed(range(len(codes))):
        small = _small(_keys(codes, starred, len(subjects)), subjects, min_group)
        codes[place][small] = starred[place]
    keys = _keys(codes, starred, len(subjects))
    return keys, ~_small(keys, subjects, min_group)


def _keys(codes: Sequence[Integers], starred: Sequence[int], rows: int) -> Integers:
    keys, size = np.zeros(rows, np.int64), 1
    for code, star in zip(codes, starred, strict=True):
        width = max(star, int(code.max(initial=0))) + 1
        size *= width
        if size > _LARGEST:
            raise TooLarge("the dimensions have too many labels: choose coarser ones")
        keys = keys * width + code
    return keys


def _small(
    keys: Integers, subjects: Integers, min_group: int
) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
    """Tell which rows are in a cell of fewer subjects than `min_group`."""
    cell = np.unique(keys, return_inverse=True)[1]
    pairs = np.unique(cell * (int(subjects.max(initial=0)) + 1) + subjects)
    distinct = np.bincount(pairs // (int(subjects.max(initial=0)) + 1))
    return np.asarray(distinct[cell] < min_group)


def _labels(
    codes: Sequence[Integers], starred: Sequence[int], labels: Sequence[list[str | None]], row: int
) -> list[str | None]:
    return [
        SUPPRESSED if code[row] == star else names[code[row]]
        for code, star, names in zip(codes, starred, labels, strict=True)
    ]

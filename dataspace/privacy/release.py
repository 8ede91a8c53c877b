"""Which rows leave as they are, which leave coarser, and which do not: k-anonymity by local recoding.

    tier 0   leaves by the methods of its columns
    tier 1   its quasi-identifiers leave as `Release.recoded` says
    tier 2   is withheld

A row's class is all rows that look like it: those whose quasi-identifiers leave
as the same values. A class is large enough with k distinct subjects and l
distinct values, as they leave, of every sensitive column. Rows whose class is
not are recoded, and classed anew among themselves; what is still in too small a
class is withheld. So whoever knows all about a subject that somebody may know
finds at least k subjects that could be it, in either tier.

A pseudonym hides nothing here, for equal values stay equal; nor does noise or a
shift: values that were drawn for a row or a subject are classed by what they
were drawn from, as if somebody could undo them. The classes are therefore the
same for every agreement. NULL is a value among others. Where no column names the
subject, each row is one.

What this does not do: classes are of single rows. Where a subject has many rows
and leaves under a pseudonym, all its rows together may be rarer than any of them.
And it is of rows alone: aggregates count rows that it withholds or recodes. What
whoever has both could subtract, the history of exact aggregates refuses (`history`).

The same SQL measures a release (`catalog.assess`) and enforces it (`transfer`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self

from dataspace.errors import Malformed
from dataspace.privacy.desensitize import COSTLY, expression, group, leaving_type, quoted
from dataspace.privacy.hierarchy import coarser, suppressed
from dataspace.table import Column, Method, Type

KEPT, RECODED, WITHHELD = 0, 1, 2

_NO_KEY: Final = bytes(32)


@dataclass(frozen=True)
class Release:
    """How rows are kept k-anonymous; one without `quasi` has nothing to enforce.

    `recoded`: for every quasi-identifier, how it leaves in tier 1.
    """

    k: int = 1
    diversity: int = 1
    quasi: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    recoded: tuple[Column, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return the release as JSON-ready data: k, l, quasi, sensitive, recoded."""
        return {
            "k": self.k,
            "l": self.diversity,
            "quasi": list(self.quasi),
            "sensitive": list(self.sensitive),
            "recoded": [column.to_json() for column in self.recoded],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; nothing at all is a release that enforces nothing.

        Raises:
            Malformed: a field is missing or of a wrong value.

        """
        if not data:
            return cls()
        try:
            release = cls(
                k=data["k"],
                diversity=data["l"],
                quasi=tuple(data["quasi"]),
                sensitive=tuple(data["sensitive"]),
                recoded=tuple(Column.from_json(column) for column in data["recoded"]),
            )
        except (KeyError, TypeError) as error:
            raise Malformed("malformed release: want k, l, quasi, sensitive and recoded") from error
        return release._checked()

    def enforced(self, columns: Sequence[Column]) -> bool:
        """Tell whether any of these columns makes classes at all."""
        return bool(_classed(self, columns))

    def second(self, columns: Sequence[Column]) -> dict[str, Column]:
        """Return for each quasi-identifier among `columns` how it leaves in tier 1.

        `columns`: as they leave in tier 0, which an offer may have made stricter
        than the release knew; tier 1 never shows more than tier 0.
        """
        recoded = {column.name: column for column in self.recoded}
        return {column.name: _coarser(column, recoded.get(column.name)) for column in _classed(self, columns)}

    def _checked(self) -> Self:
        numbers = all(type(number) is int and number >= 1 for number in (self.k, self.diversity))
        named = {column.name for column in self.recoded} == set(self.quasi)
        texts = all(isinstance(name, str) for name in (*self.quasi, *self.sensitive))
        if not (numbers and named and texts):
            raise Malformed("malformed release: want k and l from 1, and each quasi-identifier recoded")
        return self


def tiers(release: Release, columns: Sequence[Column], subjects: Sequence[str], source: str, row: str) -> str:
    """Return SQL of `(row, tier)` for every row of `source`.

    `columns`: all of the table, as they leave in tier 0. `subjects`: names, not
    quoted, none if each row is a subject. `source`: what follows FROM: a table,
    or a query in parentheses; exactly the rows that may leave, so that classes
    are not filled with others (of a sample: the sampled ones). `row`: the SQL of
    a row's number in it.

    Raises:
        Malformed: a parameter of a method is missing or out of range.

    """
    first = _keys(_classed(release, columns))
    if not release.enforced(columns):
        return f'SELECT {row} AS "row", {KEPT} AS tier FROM {source}'
    second = _keys(release.second(columns).values())
    values = _keys(column for column in columns if column.name in release.sensitive)
    parts = [f'{row} AS "row"', f"{_subject(subjects, row)} AS u"]
    parts += [f"{sql} AS {letter}{i}" for letter, keys in zip("abs", (first, second, values), strict=True)
              for i, sql in enumerate(keys)]  # fmt: skip
    enough = _enough(release, len(values))
    fine, coarse = (_names(letter, keys) for letter, keys in (("a", first), ("b", second)))
    return (
        f"WITH r AS MATERIALIZED (SELECT {', '.join(parts)} FROM {source}), "
        f"f AS ({_classes('r', fine, enough)}), "
        f"t AS MATERIALIZED (SELECT r.*, f.enough AS kept FROM r LEFT JOIN f ON {_same('r', 'f', fine)}), "
        f"g AS ({_classes('t WHERE NOT kept', coarse, enough)}) "
        f'SELECT t."row" AS "row", '
        f"CASE WHEN t.kept THEN {KEPT} WHEN g.enough THEN {RECODED} ELSE {WITHHELD} END AS tier "
        f"FROM t LEFT JOIN g ON {_same('t', 'g', coarse)}"
    )


def sampled(subjects: Sequence[str], row: str, *, percent: int, secret: bytes) -> str:
    """Return the SQL condition of the rows of so many percent of the subjects: the same ones for one secret.

    `subjects` and `row`: as in `tiers`.
    """
    texts = [f"CAST({subject} AS VARCHAR)" for subject in [*map(quoted, subjects)] or [row]]
    parts = ", chr(31), ".join(f"coalesce({text}, chr(30))" for text in texts)
    if percent == 100:
        return "TRUE"
    bound = percent * 2**32 // 100
    return f"left(sha256(concat('{secret.hex()}', {parts})), 8) < '{bound:08x}'"


def tiered_type(column: Column, second: Column | None) -> Type:
    """Return the type of a column's values from both tiers: text, unless they are of one type."""
    kinds = {leaving_type(column)}
    if second is not None and second.method is not Method.SUPPRESS:
        kinds.add(leaving_type(second))
    return kinds.pop() if len(kinds) == 1 else Type.TEXT


def tiered(column: Column, second: Column, leaving: str, *, tier: str) -> str:
    """Return SQL of a quasi-identifier's value that may leave from tier 0 or 1, of `tiered_type`.

    `leaving`: the SQL of the value in tier 0. `tier`: the SQL of the row's tier.
    """
    if second == column:
        return leaving
    recoded = expression(second, _NO_KEY)
    if tiered_type(column, second) is Type.TEXT and column.type is not Type.TEXT:
        leaving, recoded = f"CAST({leaving} AS VARCHAR)", f"CAST({recoded} AS VARCHAR)"
    return f"CASE {tier} WHEN {KEPT} THEN {leaving} WHEN {RECODED} THEN {recoded} END"


def class_key(column: Column) -> str | None:
    """Return SQL whose equal values are the column's equal leaving values, or None: all leave alike.

    Raises:
        Malformed: a parameter of the method is missing or out of range.

    """
    if column.method is Method.SUPPRESS:
        return None
    if column.method in COSTLY:
        # Drawn for a row or a subject, or one to one with the values.
        return quoted(column.name)
    if column.method in {Method.KEEP, Method.GENERALIZE}:
        return group(column)
    return expression(column, _NO_KEY)


def _coarser(column: Column, recoded: Column | None) -> Column:
    """Return the recoded column, or one that tells nothing if it would show what the column does not."""
    fits = recoded is not None and recoded.type is column.type and coarser(recoded, column)
    return recoded if recoded is not None and fits else suppressed(column)


def _classed(release: Release, columns: Sequence[Column]) -> list[Column]:
    return [column for column in columns if column.name in release.quasi]


def _keys(columns: Iterable[Column]) -> list[str]:
    return [key for column in columns if (key := class_key(column)) is not None]


def _subject(subjects: Sequence[str], row: str) -> str:
    """Return SQL of a number for each subject: one that two share makes classes smaller, never larger."""
    return f"hash({', '.join(map(quoted, subjects))})" if subjects else row


def _enough(release: Release, values: int) -> str:
    """Return SQL that tells whether a class is large enough; one without values has one: none."""
    counts = [f"greatest(count(DISTINCT s{i}), 1) >= {release.diversity}" for i in range(values)]
    if release.diversity == 1:
        counts = []
    return " AND ".join([f"count(DISTINCT u) >= {release.k}", *counts])


def _classes(source: str, keys: Sequence[str], enough: str) -> str:
    grouped = f"GROUP BY {', '.join(keys)}" if keys else ""
    return f"SELECT {', '.join([*keys, f'{enough} AS enough'])} FROM {source} {grouped}"


def _same(left: str, right: str, keys: Sequence[str]) -> str:
    return " AND ".join(f"{left}.{key} IS NOT DISTINCT FROM {right}.{key}" for key in keys) or "TRUE"


def _names(letter: str, keys: Sequence[str]) -> list[str]:
    return [f"{letter}{i}" for i in range(len(keys))]

"""The SQL that runs on a table, put together from the parts of a rendered request.

Every part is made by `conditions`, `desensitize` or `render`. Names of columns
are quoted and grouping is by position, so that no column can be called what we
call ours and take its place:

    k<i> key     n rows      c<i> rows with a value      s<i> sum
    u<i> subject d subjects  d<i> subjects with a value
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Grouping:
    """The parts of an aggregate, all SQL.

    `keys`: what each column groups by; over its name k<i>, `ranks`: what it
    sorts by, and `labels`: its leaving value. `values`: each column counted or
    summed, NULL where there is nothing to count. `sums`: the function that
    sums it, or empty. `source`: the rows it is about.
    """

    keys: Sequence[str]
    ranks: Sequence[str]
    labels: Sequence[str]
    values: Sequence[str]
    sums: Sequence[str]
    where: str
    source: str = "data"

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Grouping":
        """Read the parts from a request."""
        return cls(*(request[name] for name in ("keys", "ranks", "labels", "values", "sums", "where")))

    def of_first(self, rows: int) -> "Grouping":
        """Return the same of the first rows alone."""
        return replace(self, source=f"(SELECT * FROM data LIMIT {rows})")

    def parts(self, subjects: Sequence[str]) -> str:
        """Return SQL of the ranks and the parts of every group."""
        keys = [f"k{place}" for place in range(len(self.keys))]
        by_key = f"GROUP BY {_list(keys)}" if keys else ""
        return f"SELECT {_list(self.ranks, [self._parts()])} FROM ({self._counted(subjects)}) {by_key}"

    def by_rows(self, minimum: int, limit: int) -> str:
        """Return SQL of the groups of at least `minimum` rows, and of the totals.

        Columns: whether it is the totals, ranks, labels, rows, rows with a value, sums.
        """
        counts = ["n", *self._each("c{}")]
        totals = map("coalesce(sum({}), 0)".format, counts)
        return (
            f"WITH g AS MATERIALIZED ({self._counted(())}) "
            f"(SELECT {_list(['FALSE'], self.ranks, self.labels, counts, self._each('s{}'))} FROM g "
            f"WHERE n >= {minimum if self.keys else 0} LIMIT {limit}) UNION ALL "
            f"(SELECT {_list(['TRUE'], self._no_keys(), totals, self._no_sums())} FROM g)"
        )

    def by_subjects(self, subjects: Sequence[str], minimum: int, limit: int) -> str:
        """Return SQL of the groups of enough subjects, and of the totals.

        Columns: whether it is the totals, ranks, labels, rows, rows with a
        value, sums, parts, subjects. The parts of the totals are those of all
        other groups' rows together.
        """
        counts, parts = ["n", *self._each("c{}")], ["d", *self._each("d{}")]
        persons = [f"u{place}" for place in range(len(subjects))]
        distinct = f"(SELECT count(*) FROM (SELECT DISTINCT {_list(persons)} FROM p))"
        shown = _list(["FALSE"], self.ranks, self.labels, counts, self._each("s{}"), parts, ["d"])
        totals = _list(["TRUE"], self._no_keys(), counts, self._no_sums(), parts, [distinct])
        return (
            f"WITH p AS MATERIALIZED ({self._counted(subjects)}), "
            f"g AS MATERIALIZED (SELECT *, {self._enough(minimum)} AS e FROM ({self._merged()})), "
            f"h AS ({self._hidden(persons)}), "
            f"t AS (SELECT {_list(map('coalesce(sum({0}), 0) AS {0}'.format, counts))} FROM g) "
            f"(SELECT {shown} FROM g WHERE e LIMIT {limit}) UNION ALL (SELECT {totals} FROM t, h)"
        )

    def others(self, subjects: Sequence[str]) -> str:
        """Return SQL of the parts of the rows that the condition does not take, NULL ones included."""
        largest = _list(["1"], (f"count({value}) AS c{place}" for place, value in enumerate(self.values)))
        rest = (
            f"SELECT {largest} FROM {self.source} "
            f"WHERE NOT coalesce({self.where}, FALSE) GROUP BY {_list(subjects)}"
        )
        return f"SELECT {self._parts()} FROM ({rest})"

    def _counted(self, subjects: Sequence[str]) -> str:
        """Return SQL of rows, rows with a value and sums, by key and subject."""
        named = [f"{key} AS k{place}" for place, key in enumerate(self.keys)]
        named += [f"{subject} AS u{place}" for place, subject in enumerate(subjects)]
        values = list(enumerate(zip(self.values, self.sums, strict=True)))
        counts = [f"count({value}) AS c{place}" for place, (value, _) in values]
        sums = [f"{f'{name}({value})' if name else 'NULL'} AS s{place}" for place, (value, name) in values]
        selected = _list(named, ["count(*) AS n"], counts, sums)
        return f"SELECT {selected} FROM {self.source} {filtered(self.where)} {grouped(len(named))}"

    def _merged(self) -> str:
        """Return SQL of `p`, which is by key and subject, by key alone."""
        keys = [f"k{place}" for place in range(len(self.keys))]
        counts = map("coalesce(sum({0}), 0) AS {0}".format, ["n", *self._each("c{}")])
        sums = [f"{f'{name}(s{i})' if name else 'NULL'} AS s{i}" for i, name in enumerate(self.sums)]
        return f"SELECT {_list(keys, counts, [self._parts()], sums)} FROM p {grouped(len(keys))}"

    def _hidden(self, persons: Sequence[str]) -> str:
        """Return SQL of the parts of all rows whose group has not enough; a subject counts once."""
        same = " AND ".join(f"p.k{i} IS NOT DISTINCT FROM g.k{i}" for i in range(len(self.keys))) or "TRUE"
        largest = _list(["1"], (f"max(p.c{place}) AS c{place}" for place in range(len(self.values))))
        by_person = f"GROUP BY {_list(f'p.{person}' for person in persons)}"
        return (
            f"SELECT {self._parts()} FROM (SELECT {largest} FROM p JOIN g ON {same} WHERE NOT e {by_person})"
        )

    def _parts(self) -> str:
        return _list(["count(*) AS d"], self._each("count(*) FILTER (WHERE c{0} > 0) AS d{0}"))

    def _enough(self, minimum: int) -> str:
        """Return `suppress.enough` as SQL; without keys an empty selection is shown too, as zero."""
        every = " AND ".join([f"d >= {minimum}", *self._each(f"(d{{0}} = 0 OR d{{0}} >= {minimum})")])
        return f"({every})" if self.keys else f"(d = 0 OR {every})"

    def _no_keys(self) -> list[str]:
        return ["NULL"] * (2 * len(self.keys))

    def _no_sums(self) -> list[str]:
        return ["NULL"] * len(self.values)

    def _each(self, pattern: str) -> list[str]:
        return [pattern.format(place) for place in range(len(self.values))]


def filtered(condition: str) -> str:
    """Return the WHERE of a condition, which may be empty."""
    return f"WHERE {condition}" if condition else ""


def grouped(columns: int) -> str:
    """Return the GROUP BY of the first `columns` columns of a SELECT, which may be none."""
    return f"GROUP BY {_list(map(str, range(1, columns + 1)))}" if columns else ""


def _list(*parts: Iterable[str]) -> str:
    return ", ".join(item for part in parts for item in part)

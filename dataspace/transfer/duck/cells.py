"""The cells of a cube on a warm table: counts and clamped sums, with each subject's part bounded.

Exact values for `privacy.cube`, which suppresses and noises them: they never
leave as an answer. A subject with more than `max_rows` rows is in the cells with
so many of them, always the same: the first by a mix of the row's number, that
does not favour early rows (attack QY-14: whatever one subject brings along, it
counts no more). A sum takes values clamped to low..high and rounded to units of
10^-precision, or products of two such; a row without a value adds nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from dataspace.errors import TooLarge, Unprocessable
from dataspace.transfer.duck.data import Table
from dataspace.transfer.duck.statements import filtered

_PRIME: Final = 2_654_435_761  # Knuth's multiplicative hash of 32 bits
_LARGEST: Final = 2**62  # so that noise, which is far smaller, does not pass 64 bits either


def cells(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"keys": [[...]], "subjects": [...], "count": [...], "sums": {column: [...]}}`, by key.

    Raises:
        TooLarge: more cells than `limit`.
        Unprocessable: a sum could pass 62 bits.

    """
    sums = request["sums"]
    if any(measure["peak"] * table.rows > _LARGEST for measure in sums):
        raise Unprocessable("a sum could pass 64 bits: lower its precision or its bounds")
    found = table.all(_statement(table, request))
    if len(found) > request["limit"]:
        raise TooLarge(
            f"more than {request['limit']} cells: choose coarser dimensions", limit=request["limit"]
        )
    keys = len(request["keys"])
    found.sort(key=lambda row: [(value is None, value) for value in row[:keys]])
    columns = list(zip(*found, strict=True)) or [()] * (keys + 2 + len(sums))
    return {
        "keys": [list(row[:keys]) for row in found],
        "subjects": list(columns[keys]),
        "count": list(columns[keys + 1]),
        "sums": {measure["column"]: list(columns[keys + 2 + i]) for i, measure in enumerate(sums)},
    }


def _statement(table: Table, request: Mapping[str, Any]) -> str:
    sums = range(len(request["sums"]))
    keys = [f"k{place}" for place in range(len(request["keys"]))]
    persons = [f"u{place}" for place in range(max(len(table.subjects), 1))]
    # Where no subject has two rows, each row is one already.
    alone = table.most == 1
    each = [*keys, *persons, "1 AS n" if alone else "count(*) AS n"]
    each += [f"coalesce({f'v{place}' if alone else f'sum(v{place})'}, 0) AS s{place}" for place in sums]
    by_person = "" if alone else f"GROUP BY {', '.join([*keys, *persons])}"
    merged = [*request["labels"], "count(*)", "CAST(sum(n) AS BIGINT)"]
    merged += [f"CAST(sum(s{place}) AS BIGINT)" for place in sums]
    # Without keys all rows are one cell, which is not there either when it is empty.
    by_key = f"GROUP BY {', '.join(keys)}" if keys else "HAVING count(*) > 0"
    return (
        f"WITH b AS ({_bounded(table, request)}), "
        f"p AS (SELECT {', '.join(each)} FROM b {by_person}) "
        f"SELECT {', '.join(merged)} FROM p {by_key} LIMIT {int(request['limit']) + 1}"
    )


def _bounded(table: Table, request: Mapping[str, Any]) -> str:
    """Return SQL of the rows that count: keys, subject, values."""
    # Where no subject is declared, each row is one.
    named = zip("kuv", (request["keys"], table.subjects or ("rowid",), _values(request)), strict=True)
    selected = [f"{sql} AS {letter}{place}" for letter, parts in named for place, sql in enumerate(parts)]
    condition = filtered(request.get("where", ""))
    statement = f"SELECT {', '.join(selected)} FROM data {condition}"
    if table.most <= request["max_rows"]:
        return statement
    order = f"(rowid * {_PRIME}) % 4294967296, rowid"
    window = f"PARTITION BY {', '.join(table.subjects)} ORDER BY {order}"
    return f"{statement} QUALIFY row_number() OVER ({window}) <= {int(request['max_rows'])}"


def _values(request: Mapping[str, Any]) -> list[str]:
    return [measure["value"] for measure in request["sums"]]

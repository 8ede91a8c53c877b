"""The slots of encrypted row selectors: the subjects that an agreement may see, in an order of its own.

A subject has a slot if any of its rows leaves (`views`): what is withheld or not
of the sample has none, and adds nothing. Of each column a slot shows the value in
which all these rows of the subject agree as they leave, NULL where they differ.
Its operand is the sum of the subject's values, each clamped, over at most
`max_rows` of these rows, always the same.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa

from dataspace.errors import Unprocessable
from dataspace.privacy.desensitize import quoted
from dataspace.transfer.duck.data import Table, translated
from dataspace.transfer.duck.overlay import places

_PRIME: Final = 2_654_435_761  # Knuth's multiplicative hash of 32 bits: it favours no early rows
_LARGEST: Final = 2**63 - 1


def slots(table: Table, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"rows": JSON, "slots": how many, "complete": flag}`, or with an operand `{"values": [...]}`.

    Raises:
        Unprocessable: a sum could pass 64 bits.
        TooCostly: there is not enough memory.

    """
    operand = request.get("operand")
    if operand and operand["peak"] * table.rows > _LARGEST:
        raise Unprocessable("a sum could pass 64 bits: lower its precision or its bounds")
    marks = f"marks{table.numbered()}"
    with translated():
        table.connection.register(marks, _marks(table, request))
    try:
        return _values(table, request, marks) if operand else _rows(table, request, marks)
    finally:
        with translated():
            table.connection.unregister(marks)


def _marks(table: Table, request: Mapping[str, Any]) -> pa.Table:
    """Return for each row its place in the view, its place in the agreement's own order, and its mix."""
    beside, rows = request["view"]["beside"], np.arange(table.rows, dtype=np.uint64)
    named = {
        "place": places(table.rows, request["view"]["order"]),
        "turn": places(table.rows, request["order"]),
        "mix": rows * np.uint64(_PRIME) % np.uint64(1 << 32),
        "row": rows,
    }
    return pa.table({f"{beside}{name}": column for name, column in named.items()})


def _rows(table: Table, request: Mapping[str, Any], marks: str) -> dict[str, Any]:
    names = [f"r{place}" for place in range(len(request["select"]))]
    agreed = [
        f"CASE WHEN min({n}) = max({n}) AND count({n}) = count(*) THEN min({n}) END AS {n}" for n in names
    ]
    shown = [f"{sql} AS {name}" for sql, name in zip(request["select"], names, strict=True)]
    source = _seen(table, request, marks, shown, [])
    grouped = f"SELECT {', '.join([*agreed, 'min(turn) AS turn'])} FROM ({source}) GROUP BY {_persons(table)}"
    taken = f"SELECT * FROM ({grouped}) ORDER BY turn LIMIT {int(request['limit'])}"
    written = f"encode(string_agg(json_array({', '.join(names)}), ',' ORDER BY turn))"
    count, found = table.one(f"SELECT count(*), {written} FROM ({taken})")
    (whole,) = table.one(f"SELECT count(*) FROM ({grouped})")
    head = msgspec.json.encode(request["columns"])
    body = b'"columns":%b,"rows":[%b]' % (head, found or b"")
    return {"rows": body, "slots": count, "complete": whole == count}


def _values(table: Table, request: Mapping[str, Any], marks: str) -> dict[str, Any]:
    operand = request["operand"]
    source = _seen(table, request, marks, [], [f"{operand['value']} AS v"])
    persons = _persons(table)
    numbered = f"SELECT *, row_number() OVER (PARTITION BY {persons} ORDER BY mix, row) AS n FROM ({source})"
    summed = f"coalesce(sum(CASE WHEN n <= {int(operand['max_rows'])} THEN v END), 0)"
    found = table.all(
        f"SELECT CAST({summed} AS BIGINT) FROM ({numbered}) GROUP BY {persons} "
        f"ORDER BY min(turn) LIMIT {int(request['limit'])}"
    )
    return {"values": [value for (value,) in found]}


def _seen(table: Table, request: Mapping[str, Any], marks: str, shown: list[str], measured: list[str]) -> str:
    """Return SQL of the rows that leave, `shown` as they leave and `measured` as they are."""
    beside = request["view"]["beside"]
    place = quoted(f"{beside}place")
    view = table.views[request["view"]["name"]]
    subjects = table.subjects or (quoted(f"{beside}row"),)
    own = [f"{quoted(beside + name)} AS {name}" for name in ("turn", "mix", "row")]
    own += [f"{sql} AS u{at}" for at, sql in enumerate(subjects)]
    left = f"SELECT {', '.join([f'{place} AS p', *shown])} FROM {view.source}"
    right = f"SELECT {', '.join([f'{place} AS p', *own, *measured])} FROM data POSITIONAL JOIN {marks}"
    return f"SELECT * FROM ({left}) JOIN ({right}) USING (p)"


def _persons(table: Table) -> str:
    return ", ".join(f"u{at}" for at in range(max(len(table.subjects), 1)))

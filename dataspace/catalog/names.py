"""Names that strangers chose, made safe to show: of files and columns; and cells, safe for a spreadsheet."""

import re
import unicodedata
from collections.abc import Sequence

from dataspace.errors import Unprocessable

_FILE_NAME = 120  # characters of a file's name that are kept
_COLUMN_NAME = 64
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?\Z", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\Z")
# What a spreadsheet may take for a formula (OWASP, CSV injection), also in full width.
_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
# Words with which a name would have to be quoted in every query.
_RESERVED = frozenset(
    [
        "all",
        "and",
        "as",
        "asc",
        "between",
        "by",
        "case",
        "cast",
        "column",
        "count",
        "create",
        "cross",
        "default",
        "delete",
        "desc",
        "distinct",
        "drop",
        "else",
        "end",
        "except",
        "exists",
        "false",
        "from",
        "full",
        "group",
        "having",
        "in",
        "inner",
        "insert",
        "intersect",
        "into",
        "is",
        "join",
        "left",
        "like",
        "limit",
        "not",
        "null",
        "offset",
        "on",
        "or",
        "order",
        "outer",
        "primary",
        "references",
        "right",
        "select",
        "set",
        "sum",
        "table",
        "then",
        "to",
        "true",
        "union",
        "unique",
        "update",
        "using",
        "values",
        "when",
        "where",
        "with",
    ]
)


def display_name(raw: str) -> str:
    """Return a file's name as it may be shown: no path, no control or direction mark, no device; not empty.

    It is for people. Files are stored under generated names only.
    """
    last = re.split(r"[/\\]", raw.replace("\0", ""))[-1]
    shown = "".join(
        character
        for character in unicodedata.normalize("NFC", last)
        if unicodedata.category(character) not in _UNSAFE
    )
    shown = _shortened(shown.strip(" ."))
    if _DEVICE.match(shown):
        shown = f"_{shown}"
    return shown or "upload"


def escape_formula(cell: str) -> str:
    """Return a cell for a CSV export: what a spreadsheet would run gets an apostrophe; numbers stay."""
    start = cell.lstrip(" ")[:1]
    if start not in _FORMULA or not start or _NUMBER.match(cell):
        return cell
    return f"'{cell}"


def column_names(header: Sequence[str], limit: int) -> list[str]:
    """Return the names that columns go by: letters and digits of any script, `_`, `-`, `.` and spaces.

    Raises:
        Unprocessable: there are more columns than `limit`, or a name is empty
            or stands twice; the message names positions, for a file without a
            header has its first row's cells there.

    """
    if len(header) > limit:
        raise Unprocessable(f"the file has {len(header)} columns, want at most {limit}", columns=len(header))
    plain = [unicodedata.normalize("NFKC", name).strip() for name in header]
    if empty := [position for position, name in enumerate(plain, 1) if not name]:
        raise Unprocessable(f"columns without a name: {_positions(empty)}", columns=empty[:20])
    if twice := _repeated([name.casefold() for name in plain]):
        raise Unprocessable(
            f"columns with the name of an earlier one: {_positions(twice)}", columns=twice[:20]
        )
    if all(_NUMBER.match(name) for name in plain):
        raise Unprocessable("the first line holds only numbers, want the names of the columns")
    return _distinct([_column_name(name) for name in plain])


def _shortened(name: str) -> str:
    if len(name) <= _FILE_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    kept = f"{dot}{ending}" if stem and len(ending) <= 8 else ""
    return name[: _FILE_NAME - len(kept) - 1].rstrip() + "…" + kept


def _column_name(name: str) -> str:
    clean = re.sub(r"[^\w .-]+", "_", name)
    clean = re.sub(r"\s+", " ", clean).strip("_ .-")[:_COLUMN_NAME].strip("_ .-")
    if not clean or not (clean[0].isalpha() or clean[0] == "_"):
        clean = f"c_{clean}"
    return f"{clean}_" if clean.casefold() in _RESERVED else clean


def _distinct(names: list[str]) -> list[str]:
    """Number those that became equal: `a_b`, `a_b_2`."""
    taken: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 1
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate.casefold())
        result.append(candidate)
    return result


def _repeated(names: list[str]) -> list[int]:
    seen: set[str] = set()
    positions = []
    for position, name in enumerate(names, 1):
        if name in seen:
            positions.append(position)
        seen.add(name)
    return positions


def _positions(positions: list[int]) -> str:
    shown = ", ".join(map(str, positions[:20]))
    return f"{shown} and {len(positions) - 20} more" if len(positions) > 20 else shown

"""Where a provider says of a column what its values contradict: no mistake of one person publishes a person.

A column is contradicted when its values pass what the zone itself knows persons,
or secrets, by, and the provider takes it for something that shows more: by a
correction, by one of old that became a rule, or by a recogniser of its own.
So is the column of the subjects, when what is declared in its place counts more
subjects than it has: every class would be as large as somebody has rows.

What the zone proposes is never contradicted, and doubt is none: of a guess that
hardly any value speaks for, the provider knows better.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dataspace.privacy.risk import MILLION
from dataspace.privacy.strictness import is_laxer
from dataspace.table import Column
from dataspace.zones.pack import Pack

_PROVEN: Final = 90  # percent of confidence: a name that says so, and most values; or nearly all of them


def contradicted(
    proposal: Mapping[str, Any], zone: Pack, columns: Sequence[Column], measured: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the names of the columns whose values contradict what is said of them.

    `proposal`: of the upload. `zone`: its pack, without what the provider taught
    it. `measured`: what `assess` returned for `columns`.
    """
    why = {str(one["column"]): one for one in proposal["proposals"]}
    counted = {str(column["name"]) for column in proposal["columns"] if column["subject"]}
    exact = _names_subjects(columns, zone)
    quality = {one["column"]: one for one in measured["quality"]}
    return tuple(
        column.name
        for column in columns
        if any(_is_less(column, zone, category) for category in _proven(column, why[column.name], zone))
        or (column.name in counted and not exact and _is_outnumbered(quality[column.name], measured))
    )


def _names_subjects(columns: Sequence[Column], zone: Pack) -> bool:
    """Tell whether only columns that say whom a row is about, as the zone knows them, are the subjects."""
    telling = {field.category for field in zone.fields if field.subject}
    declared = [column for column in columns if column.subject]
    return bool(declared) and all(column.category in telling for column in declared)


def _proven(column: Column, proposal: Mapping[str, Any], zone: Pack) -> set[str]:
    """Return the categories of the zone that a column's values speak for, if it is said to be another."""
    own = {field.category for field in zone.fields}
    ruled = bool(proposal.get("ruled"))
    if column.category == proposal["category"] and column.category in own and not ruled:
        return set()
    found = {one["category"] for one in proposal.get("alternatives", []) if one["confidence"] >= _PROVEN}
    if not ruled and (proposal.get("strong") or proposal["confidence"] >= _PROVEN):
        found.add(proposal["category"])
    return found & own


def _is_less(column: Column, zone: Pack, category: str) -> bool:
    if column.category == category:
        return False
    least = zone.column(column.name, column.type, category)
    return column.level < least.level or is_laxer(column, least) or column.attribute != least.attribute


def _is_outnumbered(quality: Mapping[str, Any], measured: Mapping[str, Any]) -> bool:
    """Tell whether more subjects were counted than a column tells apart; where it is empty are one."""
    rows = measured["rows"]
    present = -(-quality["completeness_ppm"] * rows // MILLION)
    distinct = -(-(quality["uniqueness_ppm"] or 0) * present // MILLION) + (present < rows)
    return bool(measured["subjects"] > distinct)

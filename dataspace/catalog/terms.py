"""What a provider says of an upload when it confirms it, held against its zone's rules."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dataspace.catalog.models import Form, Offer, Upload
from dataspace.errors import Unprocessable
from dataspace.privacy.desensitize import expression
from dataspace.space import mint
from dataspace.table import Column, Method
from dataspace.zones.pack import Pack

_PERIODS = ("month", "quarter", "year")

# An agreement grants epsilon for so many cubes of the zone's usual cost, unless the offer says otherwise.
_CUBES = 8

# A provider may choose a stricter method than its zone's rule, never a laxer one.
_STRICTNESS = (Method.KEEP, Method.GENERALIZE, Method.MASK, Method.PSEUDONYMIZE, Method.SUPPRESS)


@dataclass(frozen=True)
class OfferTerms:
    """The terms a provider offers, completed by its zone's defaults; money in fen, epsilon in millionths."""

    price: int
    purposes: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    units: int = 1000
    epsilon: int = 0
    min_group: int = 0
    row_limit: int = 0
    days: int = 365
    automatic: bool = True


@dataclass(frozen=True)
class Registration:
    """What a provider says of an upload when it confirms it.

    `corrections` maps a column to the fields of `Column` that differ from the
    proposal: `category`, `level`, `method`, `parameters`. `dataset` is set for
    a new version of one.
    """

    title: str
    offer: OfferTerms
    description: str = ""
    subjects: tuple[str, ...] = ()
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dataset: str = ""


@dataclass(frozen=True)
class Registered:
    """A registered version; `entry` is its index in the ledger, `new` is False when it was there already."""

    dataset: str
    version: int
    offer: str
    entry: int
    new: bool


def offer_of(terms: OfferTerms, pack: Pack, now: datetime) -> Offer:
    """Return an offer of these terms, completed by the zone's defaults; it has no dataset and version yet."""
    return Offer(
        id=mint("of"),
        dataset="",
        version=0,
        purposes=list(terms.purposes or pack.facts()["purposes"]),
        forms=list(terms.forms or pack.forms),
        units=terms.units,
        epsilon=terms.epsilon or _CUBES * pack.epsilon,
        price=terms.price,
        min_group=terms.min_group or pack.min_group,
        row_limit=terms.row_limit or pack.row_limit,
        days=terms.days,
        automatic=terms.automatic,
        expires=now + timedelta(days=terms.days),
        created=now,
    )


def confirmed_columns(found: Upload, pack: Pack, registration: Registration) -> list[Column]:
    """Return the columns as their provider confirms them.

    Raises:
        Unprocessable: a subject column or a correction does not fit.

    """
    columns = [Column.from_json(column) for column in found.proposal["columns"]]
    names = {column.name for column in columns}
    unknown = sorted((set(registration.subjects) | set(registration.corrections)) - names)
    if unknown:
        raise Unprocessable(f"there is no column {unknown[0]!r} in the upload", columns=sorted(names))
    return [
        replace(
            _corrected(column, pack, registration.corrections.get(column.name, {})),
            subject=column.name in registration.subjects,
        )
        for column in columns
    ]


def _corrected(column: Column, pack: Pack, correction: Mapping[str, Any]) -> Column:
    if not correction:
        return column
    unknown = sorted(correction.keys() - {"category", "level", "method", "parameters", "aggregable"})
    if unknown:
        raise Unprocessable(f"column {column.name!r}: a correction has no field {unknown[0]!r}")
    least = pack.column(column.name, column.type, correction.get("category", column.category))
    corrected = Column.from_json({**asdict(least), **correction})
    expression(corrected, b"")  # refuses parameters that no mask can be made of
    if corrected.level < least.level or _is_laxer(corrected, least):
        raise Unprocessable(
            f"column {column.name!r}: its category needs at least level {least.level} and "
            f"{least.method} {dict(least.parameters)}, got level {corrected.level} and "
            f"{corrected.method} {dict(corrected.parameters)}"
        )
    if corrected.aggregable and not least.aggregable:
        raise Unprocessable(f"column {column.name!r}: its category is not to be summed")
    return corrected


def _is_laxer(chosen: Column, least: Column) -> bool:
    """Tell whether a method shows more than the rule's, or the same method does by its parameters."""
    if chosen.method is not least.method:
        return _STRICTNESS.index(chosen.method) < _STRICTNESS.index(least.method)
    if chosen.parameters.keys() != least.parameters.keys():
        return True
    return any(
        _rank(name, chosen.parameters[name]) < _rank(name, wanted)
        for name, wanted in least.parameters.items()
    )


def _rank(name: str, value: int | str) -> int:
    """Return how much a parameter hides: fewer characters, wider bands, longer periods hide more."""
    if isinstance(value, str):
        return _PERIODS.index(value) if value in _PERIODS else -1
    return value if name == "width" else -value

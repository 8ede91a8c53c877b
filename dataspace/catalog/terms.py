"""What a provider says of an upload when it confirms it, held against its zone's rules."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from dataspace.catalog.models import Form, Offer, Upload
from dataspace.errors import Malformed, Unprocessable
from dataspace.privacy.strictness import check_parameters, is_laxer
from dataspace.space import mint
from dataspace.table import Attribute, Column
from dataspace.zones.pack import Pack

# An agreement grants epsilon for so many cubes of the zone's usual cost, unless the offer says otherwise.
_CUBES = 8
# A dataset's own epsilon lasts for so many consumers, unless its provider says otherwise.
_CONSUMERS = 32
_CORRECTED = frozenset({"category", "level", "method", "parameters", "aggregable", "attribute"})
_METHOD = frozenset({"method", "parameters"})
# What offers had no word for before these columns: without one, the digest of an offer is what it was.
_LATER: Mapping[str, Any] = {"methods": {}, "sample": 100, "exact": True, "semi_honest": []}


@dataclass(frozen=True)
class OfferTerms:
    """The terms a provider offers, completed by its zone's defaults; money in fen, epsilon in millionths.

    `methods` maps a column to the stricter method by which it leaves under this
    offer: `method` and `parameters`. Of `sample` percent of the subjects rows leave.
    Without `exact` every aggregate has noise. `semi_honest` are the ids of the
    participants that are trusted to follow the protocol. `dataset_epsilon` is
    what all consumers together may be granted of a new dataset.
    """

    price: int
    purposes: tuple[str, ...] = ()
    forms: tuple[Form, ...] = ()
    units: int = 1000
    epsilon: int = 0
    min_group: int = 0
    row_limit: int = 0
    days: int = 365
    automatic: bool = True
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sample: int = 100
    exact: bool = True
    semi_honest: tuple[str, ...] = ()
    dataset_epsilon: int = 0


@dataclass(frozen=True)
class Registration:
    """What a provider says of an upload when it confirms it.

    `corrections` maps a column to the fields of `Column` that differ from the
    proposal: `category`, `level`, `method`, `parameters`, `attribute`,
    `aggregable`. `dataset` is set for a new version of one. `level` grades the
    whole lower than the zone does, which a second person must approve; 0 does
    not. `listing` is the record of `listing.py`. `acknowledged` are the warnings
    that the provider read: `filename`.
    """

    title: str
    offer: OfferTerms
    description: str = ""
    subjects: tuple[str, ...] = ()
    corrections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    dataset: str = ""
    level: int = 0
    listing: Mapping[str, Any] = field(default_factory=dict)
    acknowledged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registered:
    """A registered version; `entry` is its index in the ledger, `new` is False when it was there already."""

    dataset: str
    version: int
    offer: str
    entry: int
    new: bool


def offer_of(terms: OfferTerms, pack: Pack, columns: Sequence[Column], now: datetime) -> Offer:
    """Return an offer of these terms, completed by the zone's defaults; it has no dataset and version yet.

    Raises:
        Unprocessable: a method of the offer is laxer than the column's own, or it is no method.

    """
    if not 1 <= terms.sample <= 100:
        raise Unprocessable(f"the offer's sample is {terms.sample}, want 1 to 100 percent")
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
        methods=_offered_methods(terms.methods, columns),
        sample=terms.sample,
        exact=terms.exact,
        semi_honest=sorted(set(terms.semi_honest)),
        expires=now + timedelta(days=terms.days),
        created=now,
    )


def dataset_epsilon(terms: OfferTerms, pack: Pack) -> int:
    """Return what all consumers of a new dataset may be granted together, in millionths.

    Raises:
        Unprocessable: less than one agreement on the offer grants.

    """
    granted = terms.epsilon or _CUBES * pack.epsilon
    if terms.dataset_epsilon and terms.dataset_epsilon < granted:
        raise Unprocessable(
            f"the dataset's epsilon is {terms.dataset_epsilon}, want at least the {granted} of one agreement"
        )
    return terms.dataset_epsilon or _CONSUMERS * granted


def offer_json(offer: Offer) -> dict[str, Any]:
    """Return an offer as the JSON that its digest in the ledger is of.

    What offers could not say at first is only in it when it says something: the
    digests of older entries stay right.
    """
    data = offer.model_dump(mode="json")
    return {name: value for name, value in data.items() if name not in _LATER or value != _LATER[name]}


def confirmed_columns(found: Upload, pack: Pack, registration: Registration) -> list[Column]:
    """Return the columns as their provider confirms them.

    Raises:
        Unprocessable: a subject column or a correction does not fit.

    """
    columns = [Column.from_json(column) for column in found.proposal["columns"]]
    _check_names((*registration.subjects, *registration.corrections), columns)
    return [
        replace(
            _corrected(column, pack, registration.corrections.get(column.name, {})),
            subject=column.name in registration.subjects,
        )
        for column in columns
    ]


def least_of(proposed: Column, pack: Pack, category: str) -> Column:
    """Return the least that must be kept of a column that is said to be of a category.

    Of the proposed category that is the proposal: it knows the values, and may keep the year
    of dates that stayed text, or take no column of a company for a person's.

    Raises:
        Malformed: the zone has no such category.

    """
    if category == proposed.category:
        return proposed
    return pack.column(proposed.name, proposed.type, category)


def _check_names(named: Sequence[str], columns: Sequence[Column]) -> None:
    names = {column.name for column in columns}
    unknown = sorted(set(named) - names)
    if unknown:
        raise Unprocessable(f"there is no column {unknown[0]!r} in the upload", columns=sorted(names))


def _corrected(column: Column, pack: Pack, correction: Mapping[str, Any]) -> Column:
    if not correction:
        return column
    unknown = sorted(correction.keys() - _CORRECTED)
    if unknown:
        raise Unprocessable(f"column {column.name!r}: a correction has no field {unknown[0]!r}")
    try:
        least = least_of(column, pack, correction.get("category", column.category))
        # The parameters of one method mean nothing to another.
        other = correction.get("method", least.method) != least.method
        kept = {**asdict(least), "parameters": {}} if other else asdict(least)
        corrected = Column.from_json({**kept, **correction})
        check_parameters(corrected)
    except Malformed as error:
        raise Unprocessable(f"column {column.name!r}: {error}") from error
    _check_least(corrected, least)
    return corrected


def _check_least(corrected: Column, least: Column) -> None:
    """Let pass what is as strict as the zone's rule for the category, or stricter."""
    if corrected.level < least.level or is_laxer(corrected, least):
        raise Unprocessable(
            f"column {least.name!r}: its category needs at least level {least.level} and "
            f"{least.method} {dict(least.parameters)}, got level {corrected.level} and "
            f"{corrected.method} {dict(corrected.parameters)}"
        )
    if corrected.aggregable and not least.aggregable:
        raise Unprocessable(f"column {least.name!r}: its category is not to be summed")
    if least.attribute is not Attribute.OTHER and corrected.attribute is not least.attribute:
        raise Unprocessable(
            f"column {least.name!r}: its category is {least.attribute} data, got {corrected.attribute}"
        )


def _offered_methods(
    methods: Mapping[str, Mapping[str, Any]], columns: Sequence[Column]
) -> dict[str, dict[str, Any]]:
    _check_names(tuple(methods), columns)
    by_name = {column.name: column for column in columns}
    return {name: _offered_method(by_name[name], chosen) for name, chosen in methods.items()}


def _offered_method(column: Column, chosen: Mapping[str, Any]) -> dict[str, Any]:
    if chosen.keys() - _METHOD or "method" not in chosen:
        raise Unprocessable(f"column {column.name!r}: an offer's method has a method and its parameters")
    given = {"method": chosen["method"], "parameters": dict(chosen.get("parameters", {}))}
    try:
        offered = Column.from_json({**asdict(column), **given})
        check_parameters(offered)
    except Malformed as error:
        raise Unprocessable(f"column {column.name!r}: {error}") from error
    if is_laxer(offered, column):
        raise Unprocessable(
            f"column {column.name!r}: leaves by {column.method} {dict(column.parameters)}, "
            f"an offer may be stricter, got {offered.method} {given['parameters']}"
        )
    return {"method": str(offered.method), "parameters": given["parameters"]}

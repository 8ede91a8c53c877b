"""What a dataset's column is: the one description that intake, policy, queries and client share.

Standard library only: the client and every worker process read it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from dataspace.errors import Malformed


class Type(StrEnum):
    """The type of a column's values; whatever might lose a digit stays text."""

    TEXT = "text"
    INTEGER = "integer"  # 64 bits, signed
    DECIMAL = "decimal"  # IEEE 754 double
    DATE = "date"


class Method(StrEnum):
    """How values of a column leave as rows (the terms of ISO/IEC 20889).

    `dataspace.privacy.desensitize` says what each does and which parameters it takes.
    """

    KEEP = "keep"
    ROUND = "round"
    TOP_CODE = "top_code"
    GENERALIZE = "generalize"
    MICROAGGREGATE = "microaggregate"
    NOISE = "noise"
    SHIFT = "shift"
    MASK = "mask"
    PSEUDONYMIZE = "pseudonymize"
    FPE = "fpe"
    SUPPRESS = "suppress"


class Attribute(StrEnum):
    """What a column tells of the subject to somebody who looks for one (the terms of GB/T 37964-2019)."""

    IDENTIFIER = "identifier"
    QUASI = "quasi-identifier"
    SENSITIVE = "sensitive"
    OTHER = "other"


@dataclass(frozen=True)
class Column:
    """One column of a dataset version, as its provider confirmed it.

    `category` is a field of the zone's pack (`resident_id`, `amount`, ...) or
    `general`. `aggregable` allows SUM and AVG over the unmasked values.
    `subject` marks the columns that together say whom a row is about.
    `attribute` is what the measures of risk take the column for.
    """

    name: str
    type: Type
    category: str = "general"
    level: int = 1
    method: Method = Method.KEEP
    parameters: Mapping[str, int | str] = field(default_factory=dict)
    aggregable: bool = False
    subject: bool = False
    attribute: Attribute = Attribute.OTHER

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote.

        Raises:
            Malformed: a field is missing, unknown or of a wrong value.

        """
        try:
            closed = {"type": Type(data["type"]), "method": Method(data["method"])}
            attribute = Attribute(data.get("attribute", Attribute.OTHER))
            return cls(**{**data, **closed, "attribute": attribute})
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("malformed column: want the fields of a confirmed column") from error

"""What a dataset's listing says beyond its terms: the product's record, the quality of columns, a sample."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dataspace.catalog.listing import Product
from dataspace.catalog.search import Listing
from dataspace.web.schemas import Out


class SampleBody(Out):
    """A few rows as they may leave, of classes that are large enough; pseudonyms are of no agreement."""

    columns: Annotated[list[str], msgspec.Meta(examples=[["district", "age"]])]
    rows: Annotated[
        list[list[str | None]], msgspec.Meta(description="as texts", examples=[[["浦东新区", "[30, 40)"]]])
    ]

    @classmethod
    def of(cls, sample: Mapping[str, Any] | None) -> "SampleBody | None":
        """Return what is told of a sample."""
        return cls([one["name"] for one in sample["columns"]], sample["rows"]) if sample else None


Quality = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="of a column, in parts per million: how complete, unique and valid; and how fresh",
        examples=[{"completeness_ppm": 998000}],
    ),
]


def product_of(listing: Listing) -> Product:
    """Return the record of a listing, which was checked when it was registered."""
    return msgspec.convert(dict(listing.product), Product)


def quality_of(listing: Listing) -> dict[str, Quality]:
    """Return the quality of each column, by name; nothing for versions without a report."""
    return {column["name"]: column["quality"] for column in listing.report.get("columns", [])}

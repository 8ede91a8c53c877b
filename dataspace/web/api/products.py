"""What a dataset's listing says beyond its terms: the product's record, the quality of columns, a sample."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dataspace.catalog.listing import Product
from dataspace.catalog.models import Form
from dataspace.catalog.report import release_of
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


class ReleaseBody(Out):
    """How rows are kept from telling persons apart: in parts per million of the rows."""

    k: Annotated[int, msgspec.Meta(description="subjects that look alike, at least", examples=[5])]
    recoded_ppm: Annotated[int, msgspec.Meta(description="rows that leave coarser", examples=[91000])]
    withheld_ppm: Annotated[int, msgspec.Meta(description="rows that do not leave", examples=[8000])]

    @classmethod
    def of(cls, listing: Listing) -> "ReleaseBody | None":
        """Return what is told of a version's release; None where no rows leave, or none is enforced."""
        measured = listing.report.get("deidentification", {})
        release = release_of(listing.report)
        if not release or Form.ROWS not in listing.report["forms"]:
            return None
        return cls(release["k"], measured["recoded_ppm"], measured["suppressed_ppm"])


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

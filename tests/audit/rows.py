"""Rows of the played space, beside the entries that tell of them."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Offer
from dataspace.negotiation.models import Negotiation
from dataspace.proof.canonical import canonical
from dataspace.transfer.models import Cube
from tests.audit.decided import (
    AGREEMENT,
    CONSUMER,
    DATASET,
    EPSILON,
    NEGOTIATION,
    OFFER,
    PRICE,
    PROVIDER,
    UNITS,
)

SHA = "ab" * 32
COLUMNS = [{"name": "amount", "type": "integer"}]
REPORT: dict[str, Any] = {"deidentification": {"overridden": False, "release": {}}}
SPEC = {"measures": ["amount"]}
REGISTERED = 4  # the index of an entry


def registered(now: datetime) -> tuple[Offer, list[Any]]:
    """Return the offer, and the rows of the dataset with it."""
    offer = Offer(
        id=OFFER,
        dataset=DATASET,
        version=1,
        purposes=["statistics"],
        forms=["rows", "aggregate", "encrypted"],
        units=UNITS,
        epsilon=EPSILON,
        price=PRICE,
        min_group=10,
        row_limit=100,
        days=365,
        automatic=True,
        expires=now + timedelta(days=365),
        created=now,
    )
    rows = [
        Dataset(id=DATASET, provider=PROVIDER, zone="finance", title="t", description="d", created=now),
        DatasetVersion(
            dataset=DATASET,
            version=1,
            rows=5000,
            size=9,
            level=3,
            columns=COLUMNS,
            source_sha256=SHA,
            payload_sha256=SHA,
            path="up-1.sealed",
            entry=REGISTERED,
            report=REPORT,
            report_sha256=hashlib.sha256(canonical(REPORT)).hexdigest(),
            created=now,
        ),
        DatasetKey(dataset=DATASET, version=1, wrapped=b"wrapped"),
        offer,
    ]
    return offer, rows


def cube_row(cube: str, spec_sha256: str, epsilon: int, now: datetime) -> Cube:
    """Return the row of a cube."""
    return Cube(
        id=cube,
        dataset=DATASET,
        version=1,
        spec=SPEC,
        spec_sha256=spec_sha256,
        cells_sha256=SHA,
        path="p",
        epsilon=epsilon,
        smallest=10,
        created=now,
    )


def negotiation_row(terms: dict[str, Any], now: datetime) -> Negotiation:
    """Return the row of the negotiation, finalized."""
    return Negotiation(
        id=NEGOTIATION,
        offer=OFFER,
        dataset=DATASET,
        provider=PROVIDER,
        consumer=CONSUMER,
        state="FINALIZED",
        terms=terms,
        agreement=AGREEMENT,
        created=now,
        updated=now,
    )

"""A service without a history: exact aggregates, and a minimum for the selection and for what it leaves.

What attacks on aggregates succeed against, so that a test of one shows something.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import duckdb
import pyarrow.csv

from dataspace.errors import PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from tests.simulator import Simulator

Ask: TypeAlias = Callable[[str, str], float | None]  # a measure and a condition; None is a refusal


@contextmanager
def naive(content: bytes, minimum: int = 10) -> Iterator[Ask]:
    """Return a service that answers of a CSV, of which each row is a subject."""
    data = pyarrow.csv.read_csv(io.BytesIO(content))
    with duckdb.connect() as connection:
        connection.register("data", data)

        def ask(measure: str, condition: str) -> float | None:
            sql = f"SELECT {measure}, count(*) FROM data WHERE {condition}"
            ((found, taken),) = connection.execute(sql).fetchall()
            enough = min(taken, data.num_rows - taken or minimum) >= minimum
            return float(found or 0) if enough else None

        yield ask


def ours(space: Simulator, consumer: Caller, agreement: Agreement) -> Ask:
    """Return the same of a space."""

    def ask(measure: str, condition: str) -> float | None:
        where = "" if condition == "TRUE" else f"WHERE {condition}"
        try:
            answer = space.query(consumer, agreement.id, f"SELECT {measure} AS found FROM data {where}")
        except PolicyDenied:
            return None
        ((found,),) = json.loads(answer.content)["rows"]
        return float(found or 0)

    return ask


def counted(ask: Ask, condition: str) -> float | None:
    """Return how many rows a condition takes."""
    return ask("COUNT(*)", condition)

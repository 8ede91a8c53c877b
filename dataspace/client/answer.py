"""An answer as its consumer holds it, and the check that it is the one the ledger has."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.receipt import Receipt
from dataspace.wire import ARROW


@dataclass(frozen=True)
class Answer:
    """The bytes of an answer with what they cost; `price` is in fen, `entry` its index in the ledger."""

    content: bytes = field(repr=False)
    media_type: str
    entry: int
    units: int
    price: int
    _fetch: Callable[[int], bytes] = field(repr=False)

    @property
    def sha256(self) -> str:
        """The digest of the bytes, in hex."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def table(self) -> pa.Table:
        """The answer as an Arrow table, from either media type.

        Raises:
            Malformed: it is none.

        """
        if self.media_type == ARROW:
            try:
                return pa.ipc.open_stream(BytesIO(self.content)).read_all()
            except (pa.ArrowException, OSError) as error:
                raise Malformed("the answer is no Arrow stream") from error
        rows = self.rows
        return pa.table({name: [row[place] for row in rows] for place, name in enumerate(self.columns)})

    @property
    def rows(self) -> list[list[Any]]:
        """The rows as lists of values."""
        if self.media_type == ARROW:
            return [list(row.values()) for row in self.table.to_pylist()]
        return [list(row) for row in self.document()["rows"]]

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        if self.media_type == ARROW:
            return list(self.table.column_names)
        return [str(column["name"]) for column in self.document()["columns"]]

    @property
    def suppressed(self) -> bool:
        """Whether groups were left out of the answer, being too small."""
        return self.media_type != ARROW and bool(self.document().get("suppressed"))

    @property
    def withheld(self) -> bool:
        """Whether rows of the dataset leave not at all, whatever is asked: too few subjects are alike."""
        return self._told("withheld")

    @property
    def recoded(self) -> bool:
        """Whether rows of the dataset leave coarser than its columns say, for the same reason."""
        return self._told("recoded")

    def _told(self, name: str) -> bool:
        if self.media_type != ARROW:
            return self.document().get(name) is True
        return (self.table.schema.metadata or {}).get(name.encode()) == b"true"

    def document(self) -> dict[str, Any]:
        """Return an answer in JSON as it is.

        Raises:
            Malformed: it is none.

        """
        try:
            found = json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise Malformed("the answer is not JSON") from error
        if not isinstance(found, dict) or not {"rows", "columns"} <= found.keys():
            raise Malformed("the answer holds no rows and columns")
        return found

    def receipt(self) -> bytes:
        """Fetch the receipt, and return it when its record is of exactly these bytes, units and price.

        It is not verified here: `DataSpace.verify` does that, with a key from elsewhere.

        Raises:
            VerificationError: the ledger has another answer, another cost, or another entry.

        """
        data = self._fetch(self.entry)
        receipt = Receipt.parse(data)
        told = receipt.record.fields
        if receipt.proof.index != self.entry or told.get("kind") != "query.answered":
            raise VerificationError(f"the receipt is not of the answer's entry {self.entry}")
        if not hmac.compare_digest(str(told.get("answer_sha256")), self.sha256):
            raise VerificationError("the ledger has another answer than the one that was received")
        if (told.get("units"), told.get("price")) != (self.units, self.price):
            raise VerificationError("the ledger has other units or another price than the answer said")
        return data

"""The records of a log against its entries.

Each is there and hashes to its entry, or a later entry says that it was erased.
"""

import hmac
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import Records
from dataspace.errors import Malformed, TooLarge, VerificationError
from dataspace.ledger.kinds import ADDED, check_fields
from dataspace.proof.record import Record

UNEXPLAINED: Final = (
    1_000_000  # records that may be missing without an entry that explains it, before an audit stops
)
_NAMED: Final = 10  # erasures that the report names one by one

_COUNTS: Final = {"version", "rows", "level", "units", "epsilon", "price", "entry"}
_LISTS: Final = {"roles": str, "forms": str, "reasons": str, "versions": int}
_TEXTS: Final = {
    *(
        "participant",
        "by",
        "status",
        "dataset",
        "zone",
        "provider",
        "consumer",
        "offer",
        "negotiation",
        "state",
    ),
    *("agreement", "purpose", "form", "cube", "digest", "policy", "input", "origin", "vkey", "expires"),
    *("source_sha256", "payload_sha256", "schema_sha256", "offer_sha256", "spec_sha256", "cells_sha256"),
}
_TIME: Final = len("2026-01-01T00:00:00.000000Z")


class RecordCheck:
    """Checks records bundle by bundle; hands on the fields of those that hold."""

    def __init__(self, notebook: Notebook, now: datetime | None = None) -> None:
        self.held = 0
        self.erased: dict[int, int] = {}
        self._notebook = notebook
        self._missing: set[int] = set()
        self._broken = False
        self._last = ""
        self._latest = None if now is None else f"{now:%Y-%m-%dT%H:%M:%S}"

    @property
    def gaps(self) -> bool:
        """Whether a record before this point was not there, so that what it said is not known."""
        return bool(self._missing or self.erased or self._broken)

    def lose(self) -> None:
        """Note that the entries of a bundle could not be read, so that their records tell nothing."""
        self._broken = True

    def take(
        self, start: int, entries: list[bytes], records: Records
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Check the records of the entries from `start` on; yield index and fields of each that holds.

        Raises:
            TooLarge: more records are missing than an audit keeps in mind.

        """
        for index, entry in enumerate(entries, start=start):
            record = records.get(index)
            if record is None:
                self._miss(index)
                continue
            problem = _mismatch(record, entry)
            if problem or isinstance(record, VerificationError):
                self._broken = True
                self._notebook.wrong(Stage.RECORDS, f"entry {index}", str(problem))
                continue
            self.held += 1
            if self._check_form(index, record.fields):
                self._check_erasure(index, record.fields)
                yield index, record.fields

    def finish(self) -> None:
        """Report the records that nothing explains the lack of, and close the two steps."""
        for index in sorted(self._missing):
            self._notebook.wrong(
                Stage.RECORDS, f"entry {index}", "its record is missing, and no entry erases it"
            )
        named = [f"entry {index} erased by entry {by}" for index, by in sorted(self.erased.items())[:_NAMED]]
        more = len(self.erased) - len(named)
        parts = [f"{self.held} records", *named, *([f"{more} more erased"] if more else [])]
        self._notebook.right(Stage.RECORDS, "; ".join(parts))
        self._notebook.right(
            Stage.FORM, f"{self.held} records" + ("" if self._latest else "; no clock was given")
        )

    def _miss(self, index: int) -> None:
        self._missing.add(index)
        if len(self._missing) > UNEXPLAINED:
            raise TooLarge(f"more than {UNEXPLAINED} records are missing so far")

    def _check_form(self, index: int, fields: dict[str, Any]) -> bool:
        try:
            given = {name: value for name, value in fields.items() if name not in ADDED}
            check_fields(str(fields.get("kind")), given)
            _check_types(given)
            self._check_time(fields.get("time"))
        except (Malformed, VerificationError) as error:
            self._broken = True
            self._notebook.wrong(Stage.FORM, f"entry {index}", str(error))
            return False
        return True

    def _check_time(self, time: Any) -> None:
        if not isinstance(time, str) or len(time) != _TIME or not time.endswith("Z"):
            raise VerificationError("its time is not of the form 2026-01-01T00:00:00.000000Z")
        try:
            datetime.fromisoformat(time)
        except ValueError as error:
            raise VerificationError("its time is none") from error
        # Of one form and one zone, so their text has the order of the times.
        last, self._last = self._last, time
        if time < last:
            raise VerificationError(f"its time {time} is before {last}, the time of an entry before it")
        if self._latest is not None and time[: len(self._latest)] > self._latest:
            raise VerificationError(f"its time {time} lies in the future")

    def _check_erasure(self, index: int, fields: dict[str, Any]) -> None:
        if fields["kind"] != "entry.erased":
            return
        erased: int = fields["entry"]
        if erased in self._missing:
            self._missing.remove(erased)
            self.erased[erased] = index
        elif erased not in self.erased:
            problem = f"it erases entry {erased}, whose record is still there"
            self._notebook.wrong(
                Stage.RECORDS,
                f"entry {index}",
                problem if erased < index else f"it erases entry {erased}, which is later",
            )


def _mismatch(record: Record | VerificationError, entry: bytes) -> str | None:
    """Return why a record is not the one its entry commits to, or None."""
    if isinstance(record, VerificationError):
        return str(record)
    try:
        return None if hmac.compare_digest(record.entry(), entry) else "the record does not match its leaf"
    except VerificationError as error:
        return str(error)


def _check_types(fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if name in _COUNTS:
            right = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        elif name in _LISTS:
            right = isinstance(value, list) and all(type(item) is _LISTS[name] for item in value)
        else:
            right = name not in _TEXTS or isinstance(value, str)
        if not right:
            raise VerificationError(f"its field {name} is of a wrong type")

"""Erasure: what an entry says is deleted for real, and that it was is an entry (PIPL 47, GDPR 17).

One act deletes the record, its salts, the input of its decision when no other
record names that, and the answer where it is kept to be given again; the
entry's bytes stay, so every receipt and proof goes on to verify. That something
was released stays in the history of its dataset, sealed and without its digest:
without it others could isolate a person. The basis is written for ever: it names a law or a request,
never the person who asked.

What an erasure does not reach: receipts that were handed out, backups, on
PostgreSQL its write-ahead log and dead rows, and the tables of the service's
own business (agreements, datasets), which have lives of their own.
"""

import json
from collections.abc import Collection

from sqlalchemy import text
from sqlmodel import Session, col, delete, select

from dataspace.errors import Conflict, NotFound, Unavailable, Unprocessable
from dataspace.ledger.models import ERASED, LedgerEntry, LedgerRecord
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.policy.models import PolicyInput
from dataspace.space import Space

_LONGEST_BASIS = 500
# What tells of an answer beside its entry, in tables of floors above.
_ANSWERED = (
    text("DELETE FROM repeatable WHERE entry = :entry"),
    text("DELETE FROM joint_part WHERE entry = :entry"),
    text("UPDATE released SET query_sha256 = '' WHERE entry = :entry"),
)
# Without these nobody could tell whose log it is, who decided, or what was erased.
_NEEDED = ("log.created", "policy.adopted", "entry.erased")


class Erasure:
    """The operator's duty to forget."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def erase(self, caller: Caller, index: int, basis: str) -> int:
        """Erase what entry `index` says, on a legal basis; return the index of the entry that says so.

        To erase again what is erased is a conflict, and clears the database's
        files once more: so an erasure that was interrupted is finished.

        Raises:
            Refused: the caller is no operator.
            Unprocessable: the basis is none, or the log itself needs the entry.
            NotFound: there is no such entry.
            Conflict: it is erased already.
            Unavailable: it is erased, and not yet out of the database's files: ask again.

        """
        require(caller, Role.OPERATOR)
        _check_basis(basis)
        decided = self._decision_of(index)

        def act(session: Session) -> int:
            if decided:
                session.exec(delete(PolicyInput).where(col(PolicyInput.digest) == decided))
            for statement in _ANSWERED:
                session.connection().execute(statement, {"entry": index})
            return self._space.log.erase(session, index, basis)

        try:
            entry = self._space.database.commit(act)
        except NotFound as error:
            # Somebody else was first, since it was looked up.
            raise Conflict(f"what entry {index} says is erased already") from error
        self._shred(index, entry)
        return entry

    def _decision_of(self, index: int) -> str:
        """Return the digest of the decision's input that goes with the record, "" when none does."""
        with self._space.database.reading() as session:
            if index >= self._space.log.size(session):
                raise NotFound(f"there is no entry {index}")
            record = self._space.log.record(session, index)
            by = erasures(session, {index}).get(index)
            digest = str(record.fields.get("input", "")) if record else ""
            shared = digest and _named_elsewhere(session, digest, index)
        if record is None:
            self._shred(index, by)
            raise Conflict(f"what entry {index} says is erased already", erased_by=by)
        kind = str(record.fields["kind"])
        if kind in _NEEDED or kind.startswith("key."):
            raise Unprocessable(f"entry {index} is {kind}: without it the log cannot be verified")
        return "" if shared else digest

    def _shred(self, index: int, by: int | None) -> None:
        try:
            self._space.database.shred()
        except Unavailable as error:
            raise Unavailable(
                f"entry {index} is erased, and not yet out of the database's files: ask again", erased_by=by
            ) from error


def erasures(session: Session, indexes: Collection[int]) -> dict[int, int]:
    """Return which of these entries are erased, each with the index of the entry that says so."""
    query = (
        select(LedgerRecord.index, LedgerRecord.record)
        .join(LedgerEntry, col(LedgerEntry.index) == LedgerRecord.index)
        # What is erased comes before the entry that says so.
        .where(ERASED, col(LedgerEntry.index) > min(indexes, default=0))
    )
    told = ((json.loads(record)["entry"], index) for index, record in session.exec(query))
    return {entry: index for entry, index in told if entry in indexes}


def _named_elsewhere(session: Session, digest: str, index: int) -> bool:
    # Reads every record: an erasure is rare, and a decision whose input is gone cannot be replayed.
    query = select(LedgerRecord.index).where(
        col(LedgerRecord.record).contains(digest), LedgerRecord.index != index
    )
    return session.exec(query.limit(1)).first() is not None


def _check_basis(basis: str) -> None:
    if not basis.strip() or len(basis) > _LONGEST_BASIS or not basis.isprintable():
        raise Unprocessable(
            f"the legal basis is none: want 1 to {_LONGEST_BASIS} printable characters, and nobody's name: "
            "it is written for ever"
        )

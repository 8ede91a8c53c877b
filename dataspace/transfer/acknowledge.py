"""Acknowledged answers: a consumer says which answers it received, up to a thousand at once.

All of a list or none of it becomes entries, in one act; each is an entry of
its own with its own receipt. An answer has one acknowledgement: who says the
same again, as after a response that was lost, gets the entry that is there.
"""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlmodel import Session, col, insert, select

from dataspace.errors import Conflict, NotFound, Unprocessable, VerificationError
from dataspace.ledger.models import LedgerRecord
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.space import Space
from dataspace.transfer.models import Acknowledgement
from dataspace.transfer.proofs import Proved, prove

MOST: Final = 1000


@dataclass(frozen=True)
class Received:
    """What a consumer received: the index of the answer's entry, and the SHA-256 of the answer, in hex."""

    entry: int
    answer_sha256: str


@dataclass(frozen=True)
class Acknowledged:
    """The entries of a list's acknowledgements, in its order, each proved under one checkpoint."""

    checkpoint: str
    proved: tuple[Proved, ...]


class _Answered(msgspec.Struct):
    """What is read of the record of an answer."""

    kind: str
    agreement: str = ""
    answer_sha256: str = ""


_READER: Final = msgspec.json.Decoder(_Answered)


class Acknowledgements:
    """The act of a consumer that has its answers."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def acknowledge(self, caller: Caller, received: Sequence[Received]) -> Acknowledged:
        """Record that answers were received; return the entries with their proofs.

        Every error holds the `position` in the list, from 0, of the first item that is wrong.

        Raises:
            Unprocessable: the list is empty or too long, names an entry twice, or has a digest that is
                not the answer's.
            NotFound: an entry is no answer to the caller, or is erased.
            Conflict: an answer was acknowledged, and what that entry says is erased.

        """
        if not 1 <= len(received) <= MOST:
            raise Unprocessable(f"{len(received)} acknowledgements, want 1 to {MOST}")
        _check_once(received)
        with self._space.database.reading() as session:
            agreements = _checked(session, caller, received)

        def act(session: Session) -> list[int]:
            return self._append(session, caller, received, agreements)

        entries = self._space.database.commit(act)
        with self._space.database.reading() as session:
            checkpoint, proved = prove(session, entries)
        return Acknowledged(checkpoint, tuple(_each(entries, proved)))

    def _append(
        self, session: Session, caller: Caller, received: Sequence[Received], agreements: Mapping[int, str]
    ) -> list[int]:
        # Here, where one act at a time looks: two lists that overlap do not both append.
        known = _known(session, agreements)
        made = []
        for one in received:
            if one.entry not in known:
                known[one.entry] = self._space.log.append(
                    session,
                    "answer.acknowledged",
                    agreement=agreements[one.entry],
                    answered=one.entry,
                    answer_sha256=one.answer_sha256,
                    by=caller.id,
                )
                made.append({"answered": one.entry, "entry": known[one.entry]})
        if made:
            session.connection().execute(insert(Acknowledgement), made)
        return [known[one.entry] for one in received]


def _check_once(received: Sequence[Received]) -> None:
    seen = set[int]()
    for position, one in enumerate(received):
        if one.entry in seen:
            raise Unprocessable(f"item {position}: entry {one.entry} is named twice", position=position)
        seen.add(one.entry)


def _checked(session: Session, caller: Caller, received: Sequence[Received]) -> dict[int, str]:
    """Return the agreement of each entry, all of which are answers to the caller with these digests."""
    found = _answers(session, [one.entry for one in received])
    own = _own(session, caller, {answer.agreement for answer in found.values()})
    for position, one in enumerate(received):
        answer = found.get(one.entry)
        # One wording: what is another's and what is not there are told alike.
        if answer is None or answer.agreement not in own:
            raise NotFound(f"item {position}: entry {one.entry} is no answer to you", position=position)
        if not hmac.compare_digest(answer.answer_sha256.encode(), one.answer_sha256.encode()):
            raise Unprocessable(
                f"item {position}: entry {one.entry} is of an answer with another digest", position=position
            )
    return {index: answer.agreement for index, answer in found.items()}


def _answers(session: Session, indexes: Sequence[int]) -> dict[int, _Answered]:
    query = select(LedgerRecord.index, LedgerRecord.record).where(col(LedgerRecord.index).in_(indexes))
    try:
        read = [(index, _READER.decode(record)) for index, record in session.exec(query)]
    except msgspec.MsgspecError as error:
        raise VerificationError("a stored record is not one: audit the ledger") from error
    return {index: answer for index, answer in read if answer.kind == "query.answered"}


def _own(session: Session, caller: Caller, agreements: set[str]) -> frozenset[str]:
    query = select(Agreement.id).where(
        col(Agreement.id).in_(agreements), col(Agreement.consumer) == caller.id
    )
    return frozenset(session.exec(query))


def _known(session: Session, answered: Mapping[int, str]) -> dict[int, int]:
    query = select(Acknowledgement.answered, Acknowledgement.entry).where(
        col(Acknowledgement.answered).in_(list(answered))
    )
    return dict(session.exec(query).all())


def _each(entries: Sequence[int], proved: Mapping[int, Proved]) -> list[Proved]:
    for position, entry in enumerate(entries):
        if entry not in proved:
            raise Conflict(
                f"item {position}: it was acknowledged by entry {entry}, which is erased", position=position
            )
    return [proved[entry] for entry in entries]

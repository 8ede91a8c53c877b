"""What a query under a consumer's key is held against: its time, its nonce, the one key of its agreement."""

import hashlib
from datetime import datetime
from typing import Protocol

from sqlmodel import Session

from dataspace.errors import Conflict, Unprocessable
from dataspace.transfer.models import ConsumerKey, Nonce

LIFETIME_SECONDS = 3600


class KeyedQuery(Protocol):
    """An encrypted query, as its envelope tells; `key` is the SHA-256 of the public context."""

    @property
    def head(self) -> tuple[str, str, str, str, int]:
        """Return parameters, agreement, key, nonce and the second in which it expires."""
        ...


def check_time(query: KeyedQuery, now: datetime) -> None:
    """Let pass what expires within the hour (attack HE-11).

    Raises:
        Unprocessable: it has expired, or lasts longer.

    """
    left = query.head[4] - int(now.timestamp())
    if not 0 < left <= LIFETIME_SECONDS:
        raise Unprocessable(f"the query expires in {left} seconds, want 1 to {LIFETIME_SECONDS}")


def check_fresh(session: Session, query: KeyedQuery) -> None:
    """Let pass what was not answered before.

    Raises:
        Conflict: its nonce was used.

    """
    if session.get(Nonce, (query.head[1], query.head[3])):
        raise Conflict("this query was answered already: make a new one")


def pinned_key(session: Session, query: KeyedQuery) -> ConsumerKey | None:
    """Return the agreement's key of the query's parameter set; None before its first query.

    Raises:
        Unprocessable: the query is under another.

    """
    pinned = session.get(ConsumerKey, (query.head[1], query.head[0]))
    if pinned is not None and pinned.key_id != query.head[2]:
        raise Unprocessable(
            f"the query is under another key than the agreement's, {pinned.key_id}: "
            "load the keys of its first query, or negotiate another agreement",
            pinned=pinned.key_id,
        )
    return pinned


def spend(session: Session, query: KeyedQuery, context: bytes, now: datetime) -> None:
    """Use the nonce up, and pin `context` if none is: in the transaction of the answer.

    Raises:
        Conflict: the nonce was used, or another key was pinned, since the query was read.

    """
    parameters, agreement, key, nonce, _ = query.head
    check_fresh(session, query)
    session.add(Nonce(agreement=agreement, nonce=nonce, created=now))
    pinned = session.get(ConsumerKey, (agreement, parameters))
    if pinned is not None and pinned.key_id != key:
        raise Conflict("another query pinned another key to the agreement just now")
    if pinned is None:
        key_id = hashlib.sha256(context).hexdigest()
        session.add(
            ConsumerKey(
                agreement=agreement, parameters=parameters, key_id=key_id, context=context, created=now
            )
        )
    session.flush()

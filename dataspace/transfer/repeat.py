"""Answers that are kept: the same question gets the same bytes, under the same entry, at no further cost.

That is what makes an answer safe to ask for again: after a crash between the
commit and the delivery the consumer has what it paid for (attack CR-05), and
noise cannot be averaged away by repeating a question (attack QY-07). Nothing
new is learned from it, so the policy is not asked again; what ends an agreement
ends this too, all but its exhaustion.

Another agreement of the same legal entity, on the same version and by the same
methods, is answered with the same noised bytes, for a unit and no epsilon
(`shared`): accounts of one buyer draw one noise, also when they ask at once.

What is kept is sealed under a key of the version's data key. With the dataset
both are gone.
"""

import hmac
import os
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, col, delete, select

from dataspace.catalog.models import Offer
from dataspace.errors import Unavailable
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.states import State
from dataspace.participants.models import Role
from dataspace.space import Space
from dataspace.transfer.ask import Answer, Computed, digest_of
from dataspace.transfer.case import Case, agreements_of
from dataspace.transfer.models import Repeatable

_NONCE: Final = 12  # bytes: NIST SP 800-38D, 8.2.2, random
_GIVEN: Final = frozenset({State.FINALIZED, State.SUSPENDED})


class Repeats:
    """Finds and keeps answers."""

    def __init__(self, space: Space) -> None:
        self._space = space

    def find(self, session: Session | None, case: Case, query_sha256: str) -> Answer | None:
        """Return the answer that the case's agreement got to this very question; None: ask.

        Without a `session` it reads in one of its own.
        """
        if session is None:
            with self._space.database.reading() as reading:
                return self.find(reading, case, query_sha256)
        if not self._stands(case):
            return None
        found = session.get(Repeatable, (case.agreement.id, query_sha256))
        if found is None or found.version != case.version.version or self._lapsed(found):
            return None
        content = self._opened(case, found)
        return Answer(content, found.media_type, found.entry, found.units, found.price, found.sha256)

    def shared(self, session: Session, case: Case, query_sha256: str) -> tuple[bytes, str] | None:
        """Return content and media type of what `is_shared` tells of; None: there is nothing."""
        found = self._shared(session, case, query_sha256)
        return (self._opened(case, found), found.media_type) if found else None

    def is_shared(self, session: Session, case: Case, query_sha256: str) -> bool:
        """Tell whether an agreement of the same legal entity was given an answer to this question.

        Its offer must have had the same methods and the same minimum group.
        """
        return self._shared(session, case, query_sha256) is not None

    def keep(
        self,
        session: Session,
        case: Case,
        query_sha256: str,
        computed: Computed,
        entry: int,
        *,
        expires: datetime | None = None,
    ) -> None:
        """Keep an answer, in the transaction of its entry."""
        nonce = os.urandom(_NONCE)
        context = _context(case.agreement.id, query_sha256)
        sealed = nonce + self._cipher(case).encrypt(nonce, computed.content, context)
        units = computed.charge.units
        session.merge(
            Repeatable(
                agreement=case.agreement.id,
                query_sha256=query_sha256,
                dataset=case.dataset.id,
                version=case.version.version,
                media_type=computed.media_type,
                content=sealed,
                sha256=digest_of(computed.content),
                entry=entry,
                units=units,
                price=units * case.agreement.price,
                created=self._space.clock(),
                expires=expires,
            )
        )

    def forget(self, dataset: str) -> None:
        """Remove what is kept of a withdrawn dataset, whose key is gone."""
        self._space.database.commit(
            lambda session: session.exec(delete(Repeatable).where(col(Repeatable.dataset) == dataset))
        )

    def sweep(self) -> None:
        """Remove what has expired."""
        now = self._space.clock()
        self._space.database.commit(
            lambda session: session.exec(delete(Repeatable).where(col(Repeatable.expires) <= now))
        )

    def _shared(self, session: Session, case: Case, query_sha256: str) -> Repeatable | None:
        query = (
            select(Repeatable, Offer)
            .join(Agreement, col(Agreement.id) == Repeatable.agreement)
            .join(Offer, col(Offer.id) == Agreement.offer)
            .where(
                Repeatable.query_sha256 == query_sha256,
                Repeatable.dataset == case.dataset.id,
                Repeatable.version == case.version.version,
                col(Repeatable.agreement).in_(agreements_of(case)),
            )
            .order_by(col(Repeatable.entry))
        )
        terms = case.offer.methods, case.offer.min_group
        alike = (found for found, offer in session.exec(query) if (offer.methods, offer.min_group) == terms)
        return next(alike, None)

    def _stands(self, case: Case) -> bool:
        agreement = case.agreement
        return (
            agreement.state in _GIVEN
            and case.dataset.withdrawn is None
            and agreement.expires > self._space.clock()
            and Role.CONSUMER in case.caller.roles
        )

    def _lapsed(self, found: Repeatable) -> bool:
        return found.expires is not None and found.expires <= self._space.clock()

    def _opened(self, case: Case, found: Repeatable) -> bytes:
        nonce, sealed = found.content[:_NONCE], found.content[_NONCE:]
        try:
            content = self._cipher(case).decrypt(nonce, sealed, _context(found.agreement, found.query_sha256))
        except InvalidTag as error:
            raise Unavailable("an answer that was kept does not open") from error
        if not hmac.compare_digest(digest_of(content), found.sha256):
            raise Unavailable("an answer that was kept is another than its entry's")
        return content

    def _cipher(self, case: Case) -> AESGCM:
        # Not the data key itself: that one's nonces are counted elsewhere.
        return AESGCM(hmac.digest(case.payload(self._space).key, b"repeat", "sha256"))


def _context(agreement: str, query_sha256: str) -> bytes:
    return f"repeat\0{agreement}\0{query_sha256}".encode()

"""An agreement concluded: its terms, its entry, and the key that makes its pseudonyms its own."""

import hashlib
from datetime import timedelta

from sqlmodel import Session

from dataspace.catalog.models import Dataset, Offer
from dataspace.keys import fresh_key
from dataspace.negotiation.models import Agreement, Negotiation
from dataspace.negotiation.promise import ensure_promisable
from dataspace.negotiation.states import State
from dataspace.proof.canonical import canonical
from dataspace.space import Space, mint


def conclude(session: Session, space: Space, found: Negotiation, about: tuple[Offer, Dataset]) -> Agreement:
    """Return the agreement that a negotiation ends with, on the version that is offered.

    Raises:
        Conflict: others were promised so much of the dataset's privacy budget that too little is left.

    """
    offered, dataset = about
    versions = [offered.version]
    # Since the policy was asked another consumer may have been promised the same epsilon (attack QY-10).
    ensure_promisable(session, dataset, found.consumer, found.terms["epsilon"])
    now, terms, identifier = space.clock(), found.terms, mint("ag")
    expires = min(offered.expires, now + timedelta(days=offered.days))
    digest = hashlib.sha256(canonical({"id": identifier, "offer": offered.id, "terms": terms})).hexdigest()
    entry = space.log.append(
        session,
        "agreement.concluded",
        agreement=identifier,
        negotiation=found.id,
        offer=offered.id,
        dataset=dataset.id,
        versions=versions,
        provider=found.provider,
        consumer=found.consumer,
        purpose=terms["purpose"],
        forms=terms["forms"],
        units=terms["units"],
        epsilon=terms["epsilon"],
        price=terms["price"],
        expires=expires.isoformat(),
        agreement_sha256=digest,
        policy=terms["policy"],
        input=terms["input"],
    )
    wrapped = space.keys.secret(f"zone/{dataset.zone}").wrap(fresh_key(), identifier.encode())
    agreement = Agreement(
        id=identifier,
        negotiation=found.id,
        offer=offered.id,
        dataset=dataset.id,
        provider=found.provider,
        consumer=found.consumer,
        versions=versions,
        purpose=terms["purpose"],
        forms=terms["forms"],
        units=terms["units"],
        epsilon=terms["epsilon"],
        price=terms["price"],
        expires=expires,
        state=State.AGREED,
        key=wrapped,
        entry=entry,
        created=now,
    )
    session.add(agreement)
    session.flush()
    return agreement

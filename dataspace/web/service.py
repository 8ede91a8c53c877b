"""What the web stands on: the journeys of one running space, made by `app.py` and handed in whole."""

from dataclasses import dataclass, field

from dataspace.catalog.register import Registrar
from dataspace.catalog.search import Catalogue
from dataspace.catalog.upload import Uploads
from dataspace.ledger.anchored import Anchorage
from dataspace.membership.admit import Membership
from dataspace.negotiation.negotiate import Negotiator
from dataspace.space import Space
from dataspace.transfer.answer import Answers
from dataspace.transfer.encrypted import EncryptedAnswers
from dataspace.transfer.receipts import Receipts
from dataspace.web.limits import Limits


@dataclass(frozen=True)
class Service:
    """The journeys; every method of theirs is synchronous and safe to call from any thread."""

    space: Space
    membership: Membership
    uploads: Uploads
    registrar: Registrar
    catalogue: Catalogue
    negotiator: Negotiator
    answers: Answers
    encrypted: EncryptedAnswers
    receipts: Receipts
    anchors: Anchorage
    limits: Limits = field(default_factory=Limits)

"""What the web stands on: the journeys of one running space, made by `app.py` and handed in whole."""

from dataclasses import dataclass, field

from dataspace.catalog.approvals import Approvals
from dataspace.catalog.register import Registrar
from dataspace.catalog.resumable import Resumable
from dataspace.catalog.rules import Rules
from dataspace.catalog.sealed import SealedRegistrar
from dataspace.catalog.search import Catalogue
from dataspace.catalog.source import Sources
from dataspace.catalog.upload import Uploads
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.publisher import Publisher
from dataspace.ledger.witness import Witness
from dataspace.membership.admit import Membership
from dataspace.membership.erase import Erasure
from dataspace.negotiation.negotiate import Negotiator
from dataspace.space import Space
from dataspace.transfer.acknowledge import Acknowledgements
from dataspace.transfer.forms.answer import Answers
from dataspace.transfer.forms.encrypted import EncryptedAnswers
from dataspace.transfer.forms.estimate import Estimates
from dataspace.transfer.forms.intersections import Intersections
from dataspace.transfer.forms.joint import JointAnswers
from dataspace.transfer.forms.lookups import Lookups
from dataspace.transfer.forms.noised import NoisedAnswers
from dataspace.transfer.forms.scores import Scores
from dataspace.transfer.forms.scoring import Models
from dataspace.transfer.forms.sealed import SealedAnswers
from dataspace.transfer.forms.selectors import Selectors
from dataspace.transfer.receipts import Receipts
from dataspace.web.limits import Limits


@dataclass(frozen=True)
class Service:
    """The journeys; every method of theirs is synchronous and safe to call from any thread."""

    space: Space
    membership: Membership
    uploads: Uploads
    resumable: Resumable
    sources: Sources
    registrar: Registrar
    approvals: Approvals
    catalogue: Catalogue
    negotiator: Negotiator
    answers: Answers
    encrypted: EncryptedAnswers
    noised: NoisedAnswers
    models: Models
    scores: Scores
    selectors: Selectors
    lookups: Lookups
    intersections: Intersections
    sealing: SealedRegistrar
    sealed: SealedAnswers
    receipts: Receipts
    anchors: Anchorage
    publisher: Publisher
    witness: Witness | None
    joint: JointAnswers | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def acknowledgements(self) -> Acknowledgements:
        """The act of consumers that have their answers."""
        return Acknowledgements(self.space)

    @property
    def estimates(self) -> Estimates:
        """What queries would cost."""
        return Estimates(self.space)

    @property
    def rules(self) -> Rules:
        """What providers taught their zones."""
        return Rules(self.space)

    @property
    def erasure(self) -> Erasure:
        """The operator's duty to forget."""
        return Erasure(self.space)

"""What a registration comes to before anybody decides on it: measured, graded, and held against its zone.

The same for a provider that only asks, for the second person that approves, and
for the registration itself, which measures again: nothing is taken from what
was measured before. `sha256` names it: of the very columns, terms, words and
measures; pseudonyms and times are no part of it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from sqlmodel import Session, col, select

from dataspace.catalog.contradiction import contradicted
from dataspace.catalog.listing import check_impersonal, read_listing
from dataspace.catalog.models import Approval, Form, Offer, Upload
from dataspace.catalog.rules import known
from dataspace.catalog.sample import seal_sample, within
from dataspace.catalog.stored import owned_dataset
from dataspace.catalog.terms import Registration, confirmed_columns, offer_of
from dataspace.catalog.upload import Uploads
from dataspace.errors import Unprocessable
from dataspace.participants.access import Caller
from dataspace.participants.models import Participant, Role, Status
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.proof.canonical import canonical
from dataspace.space import Space
from dataspace.table import Column
from dataspace.zones.grade import Grading, grade
from dataspace.zones.pack import Pack
from dataspace.zones.personal import personal

# What a second person may lift; the policy says when.
LIFTED: Final = ("release-above-threshold", "level-lowered", "category-contradicted")
APPROVED: Final = "approved"
_FILENAME: Final = "filename"
# Of what was measured: all that is the same whenever it is measured.
_MEASURES: Final = (
    "rows",
    "subjects",
    "before",
    "after",
    "release",
    "recoded_ppm",
    "suppressed_ppm",
    "failing",
)


@dataclass(frozen=True)
class Draft:
    """An upload as its provider would register it.

    `columns` have the levels that they are graded with; `sealed` is the sample
    as a report has it.
    """

    upload: Upload
    registration: Registration
    pack: Pack
    columns: tuple[Column, ...]
    offer: Offer
    measured: Mapping[str, Any] = field(repr=False)
    grading: Grading
    contradicted: tuple[str, ...]
    sealed: str = field(default="", repr=False)
    approval: Approval | None = None

    @property
    def level(self) -> int:
        """The level it would have: the zone's grade, or the one its provider asks for."""
        return self.registration.level or self.grading.level

    @property
    def sample(self) -> dict[str, Any] | None:
        """A few desensitized rows, if rows are offered, without columns that are graded too high for them."""
        found = self.measured["sample"]
        if not found or Form.ROWS not in self.offer.forms:
            return None
        levels = {column.name: column.level for column in self.columns}
        return within(found, levels, self.pack.max_rows_level)

    @property
    def lifted(self) -> list[str]:
        """The reasons that a second person lifted for exactly this."""
        return list(self.approval.asked) if self.approval else []

    @property
    def sha256(self) -> str:
        """The digest of exactly this registration, in hex."""
        terms = {**asdict(self.registration), "upload": self.upload.id}
        said: dict[str, Any] = {
            "registration": terms,
            "source_sha256": self.upload.source_sha256,
            # What the terms leave out is the zone's to say, and a zone can change its mind.
            "pack_sha256": self.pack.digest,
            "columns": [column.to_json() for column in self.columns],
            "measured": {name: self.measured[name] for name in _MEASURES},
            "grading": self.grading.to_json(),
            "contradicted": list(self.contradicted),
        }
        return hashlib.sha256(canonical(said)).hexdigest()

    def facts(self, caller: Caller) -> dict[str, Any]:
        """Return what the policy is told of it."""
        return {
            "participant": caller.facts(),
            "zone": self.pack.facts(),
            "dataset": {
                "level": self.level,
                "graded_level": self.grading.level,
                "contradicted": list(self.contradicted),
                "provider": caller.id,
                "withdrawn": False,
                "subjects": sum(column.subject for column in self.columns),
            },
            "offer": {
                "purposes": self.offer.purposes,
                "forms": self.offer.forms,
                "units": self.offer.units,
                "min_group": self.offer.min_group,
                "row_limit": self.offer.row_limit,
                "price": self.offer.price,
            },
            "release": {
                "passes": self.measured["passes"],
                "failing": [failed["measure"] for failed in self.measured["failing"]],
            },
            "approval": {
                "id": self.approval.id if self.approval else "",
                "codes": self.lifted,
                "by": self.approval.by if self.approval else "",
            },
        }


class Drafts:
    """Makes drafts of a caller's uploads."""

    def __init__(self, space: Space, uploads: Uploads) -> None:
        self._space = space
        self._uploads = uploads

    def draft(
        self, caller: Caller, upload: str, registration: Registration, *, search: bool = False
    ) -> Draft:
        """Return what a registration comes to: its columns are measured as they would leave.

        `search` looks for columns that pass when these do not, for the report to suggest.

        Raises:
            NotFound: the upload or the dataset is not the caller's.
            Conflict: the upload is not ready.
            Unprocessable: a subject, a correction, a term, a text or a consumer that is named does not fit.

        """
        found = self._uploads.upload(caller, upload)
        with self._space.database.reading() as session:
            zone = self._space.pack(found.zone)
            pack = known(session, caller.id, found.zone).taught(zone)
            if registration.dataset:
                owned_dataset(session, caller, registration.dataset)
            _check_consumers(session, registration.offer.semi_honest)
        columns = confirmed_columns(found, pack, registration)
        registration = replace(registration, listing=read_listing(registration.listing, columns))
        _check_words(found, registration)
        offer = offer_of(registration.offer, pack, columns, self._space.clock())
        measured = self._uploads.reader.assess(
            found,
            columns,
            pack,
            search=search,
            offered=offer.forms,
            methods=offer.methods,
            sample=offer.sample,
        )
        grading = grade(
            columns,
            pack,
            subjects=measured["subjects"],
            rows=measured["rows"],
            precision=measured["precision"],
        )
        drafted = Draft(
            found,
            registration,
            pack,
            _graded(columns, grading, registration.level),
            offer,
            measured,
            grading,
            contradicted(found.proposal, zone, columns, measured),
        )
        sealed = seal_sample(drafted.sample, self._uploads.reader.key_of(found), found.id)
        with self._space.database.reading() as session:
            return replace(drafted, sealed=sealed, approval=_approval(session, drafted))

    def decide(self, caller: Caller, draft: Draft) -> tuple[Decision, PolicyInput]:
        """Ask the policy whether it may be registered."""
        return self._space.decide("register", **draft.facts(caller))


def _check_consumers(session: Session, named: Sequence[str]) -> None:
    """Let pass the ids of those who may have an agreement: a mistyped one would be found out by its owner.

    Raises:
        Unprocessable: one is of no participant, of a suspended one, or of one that is no consumer.

    """
    for name in named:
        found = session.get(Participant, name)
        if found is None or found.status != Status.ACTIVE or Role.CONSUMER not in found.role_set:
            raise Unprocessable(f"semi_honest: {name!r} is no active consumer", participant=name)


def _check_words(found: Upload, registration: Registration) -> None:
    """Let pass what everybody will read, and the name of a file that its provider was warned of (UP-20).

    Raises:
        Unprocessable: a text seems to name a person, or the file's name does, which was not acknowledged.

    """
    read = {"title": registration.title, "description": registration.description}
    names = [column["name"] for column in found.proposal["columns"]]
    check_impersonal({**read, "listing": registration.listing, "columns": names})
    if _FILENAME not in registration.acknowledged and personal(found.filename):
        raise Unprocessable(
            "the file's name seems to hold personal data, and so may its rows: look again, "
            f"and confirm with {_FILENAME!r} among what is acknowledged",
            acknowledge=_FILENAME,
        )


def _graded(columns: list[Column], grading: Grading, lowered: int) -> tuple[Column, ...]:
    """Return the columns with the levels of the grading, or the lower one that is asked for all of them."""
    levels = (min(level, lowered or level) for level in grading.columns)
    return tuple(replace(column, level=level) for column, level in zip(columns, levels, strict=True))


def _approval(session: Session, draft: Draft) -> Approval | None:
    """Return the approval of exactly this registration, if who gave it may still give one."""
    query = select(Approval, Participant).where(
        Participant.id == Approval.by,
        Participant.status == Status.ACTIVE,
        Approval.upload == draft.upload.id,
        Approval.provider == draft.upload.provider,
        Approval.state == APPROVED,
        Approval.registration_sha256 == draft.sha256,
    )
    for approval, by in session.exec(query.order_by(col(Approval.created).desc())):
        if Role.OPERATOR in by.role_set:
            return approval
    return None

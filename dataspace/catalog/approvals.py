"""The second person: what a provider may not do alone, an operator that is another approves, or does not.

An approval is of exactly one registration, by its digest: other columns, terms,
words or measures are another registration, and need another approval. Either
word is an entry of the ledger, decided by the policy like every act.
"""

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session, col, or_, select

from dataspace.catalog.draft import APPROVED, LIFTED, Draft, Drafts
from dataspace.catalog.listing import check_impersonal
from dataspace.catalog.models import Approval, Upload
from dataspace.catalog.report import report
from dataspace.catalog.sample import sample_of_upload
from dataspace.catalog.terms import Registration
from dataspace.errors import Conflict, NotFound, Unprocessable
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.space import Space, ensure, mint, proof_of, remember

REQUESTED, REJECTED = "requested", "rejected"
_KIND = {APPROVED: "approval.granted", REJECTED: "approval.rejected"}
_BASIS = 2000  # characters


@dataclass(frozen=True)
class Checked:
    """What a registration would come to: its report, what the policy says, and what of that can be lifted."""

    report: dict[str, Any]
    sample: dict[str, Any] | None = field(repr=False)
    sha256: str
    decision: Decision
    approval: str

    @property
    def codes(self) -> list[str]:
        """The reasons against it."""
        return list(dict.fromkeys(reason.code for reason in self.decision.reasons))

    @property
    def liftable(self) -> bool:
        """Whether a second person's word is all that is missing."""
        return bool(self.codes) and set(self.codes) <= set(LIFTED)


class Approvals:
    """The acts of providers that ask, and of operators that answer."""

    def __init__(self, space: Space, drafts: Drafts) -> None:
        self._space = space
        self._drafts = drafts

    def check(self, caller: Caller, upload: str, registration: Registration) -> Checked:
        """Return what a registration would come to; nothing is changed, and nothing is recorded.

        Raises:
            As `Drafts.draft`.

        """
        return self._checked(caller, self._drafts.draft(caller, upload, registration, search=True))

    def ask(self, caller: Caller, upload: str, registration: Registration, basis: str) -> Approval:
        """Ask for what this registration may not do alone; `basis` is why it should all the same.

        Asked again for the same, it is the same approval, whatever became of it.

        Raises:
            Conflict: nobody needs to approve it.
            PolicyDenied: it is denied for what nobody can lift.
            Unprocessable: there is no basis, or it names a person.
            And as `Drafts.draft`.

        """
        if not basis.strip() or len(basis) > _BASIS:
            raise Unprocessable(f"the basis of an approval has 1 to {_BASIS} characters")
        check_impersonal({"basis": basis})
        draft = self._drafts.draft(caller, upload, registration, search=True)
        if draft.approval:
            return draft.approval
        checked = self._checked(caller, draft)
        if not checked.codes:
            raise Conflict("the policy allows it: nothing is to be approved")
        if not checked.liftable:
            ensure(checked.decision)
        row = Approval(
            id=mint("ap"),
            provider=caller.id,
            upload=draft.upload.id,
            zone=draft.upload.zone,
            asked=checked.codes,
            basis=basis,
            registration_sha256=draft.sha256,
            report=checked.report,
            created=self._space.clock(),
        )
        return self._space.database.commit(lambda session: _once(session, row))

    def approvals(self, caller: Caller) -> list[Approval]:
        """List what the caller asked for, and of the zones it oversees what anybody did; newest first."""
        query = select(Approval).order_by(col(Approval.created).desc())
        if not caller.sees_everything:
            seen = [col(Approval.provider) == caller.id]
            seen += [col(Approval.zone).in_(caller.zones)] if caller.oversees else []
            query = query.where(or_(*seen))
        with self._space.database.reading() as session:
            return list(session.exec(query))

    def approval(self, caller: Caller, approval: str) -> Approval:
        """Return one of `approvals`.

        Raises:
            NotFound: there is none that the caller may see.

        """
        with self._space.database.reading() as session:
            return _seen(session, caller, approval)

    def sample(self, approval: Approval) -> dict[str, Any] | None:
        """Return the desensitized rows of its report, as long as the upload waits."""
        with self._space.database.reading() as session:
            upload = session.get(Upload, approval.upload)
        return sample_of_upload(self._space, upload, approval.report)

    def answer(self, caller: Caller, approval: str, *, granted: bool) -> Approval:
        """Approve it or not, as a second person; an entry of the ledger tells.

        Raises:
            NotFound: there is none that the caller may see.
            Conflict: it was answered, or its upload is gone.
            PolicyDenied: the caller is no operator, or it is its own.

        """
        found, state = self.approval(caller, approval), APPROVED if granted else REJECTED
        decision, asked = self._space.decide(
            "approve",
            participant=caller.facts(),
            zone=self._space.pack(found.zone).facts(),
            approval={
                "id": found.id,
                "provider": found.provider,
                "codes": found.asked,
                "answer": _KIND[state],
            },
        )
        ensure(decision)
        made = (decision, asked)
        return self._space.database.commit(
            lambda session: self._answer(session, caller, approval, state, made)
        )

    def _checked(self, caller: Caller, draft: Draft) -> Checked:
        decision, _ = self._drafts.decide(caller, draft)
        approval = draft.approval.id if draft.approval else ""
        return Checked(report(draft, self._space.clock()), draft.sample, draft.sha256, decision, approval)

    def _answer(
        self,
        session: Session,
        caller: Caller,
        approval: str,
        state: str,
        made: tuple[Decision, PolicyInput],
    ) -> Approval:
        found = _seen(session, caller, approval)
        upload = session.get(Upload, found.upload)
        if found.state != REQUESTED or upload is None:
            raise Conflict(f"the approval is {found.state}, or its upload is gone")
        found.state = state
        found.by = caller.id
        found.entry = self._space.log.append(
            session,
            _KIND[state],
            approval=found.id,
            provider=found.provider,
            zone=found.zone,
            source_sha256=upload.source_sha256,
            registration_sha256=found.registration_sha256,
            codes=found.asked,
            by=caller.id,
            **proof_of(made[0]),
        )
        remember(session, made[1])
        return _kept(session, found)


def _once(session: Session, row: Approval) -> Approval:
    """Store what is asked for, unless the very same was asked for before."""
    query = select(Approval).where(
        Approval.upload == row.upload, Approval.registration_sha256 == row.registration_sha256
    )
    return _kept(session, session.exec(query).first() or row)


def _kept(session: Session, row: Approval) -> Approval:
    """Return the row, stored and free of its session."""
    session.add(row)
    session.flush()
    session.expunge(row)
    return row


def _seen(session: Session, caller: Caller, approval: str) -> Approval:
    found = session.get(Approval, approval)
    if found is None:
        raise NotFound("there is no such approval")
    overseen = caller.sees_everything or (caller.oversees and found.zone in caller.zones)
    # An operator sees everything; whoever may not see it learns nothing of it.
    if not overseen and found.provider != caller.id:
        raise NotFound("there is no such approval")
    return found


def may_answer(caller: Caller, approval: Approval) -> bool:
    """Tell whether a caller is the second person whose word is waited for."""
    return Role.OPERATOR in caller.roles and caller.id != approval.provider and approval.state == REQUESTED

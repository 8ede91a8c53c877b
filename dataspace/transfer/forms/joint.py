"""Joint statistics: a zone's part of one, computed, charged and delivered (`coordinate` adds them up).

A consumer sends one job to each of the zones; each charges it under its own
agreement and writes its own entry. A part is computed once: the same job again
is the same part, delivered again and charged no more, whatever died in
between. Until the parts of all peers are there, there is no answer, and nothing
that is there tells any of it (`privacy.joint`).
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlmodel import Session, col, delete, func, select

from dataspace.catalog.models import Form
from dataspace.database import crash_at
from dataspace.errors import Conflict, Refused, TooMany, Unavailable, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.negotiation.states import State
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.privacy.spec import CubeSpec
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, agreements_of, read_case
from dataspace.transfer.conduct import Ask, Computed, Conductor, Settled, digest_of
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.coordinate import Coordinator
from dataspace.transfer.forms.peers import Peers
from dataspace.transfer.models import ConsumerKey, JointPart, JointSum
from dataspace.wire import ENVELOPE
from dataspace.wire.joint import LIFETIME_SECONDS, Job
from dataspace.wire.part import Part, Request

MASKER: Final = "dataspace.privacy.joint:Masker"  # the targets of the two pools
ADDER: Final = "dataspace.privacy.joint:Adder"
# Of one legal entity's parts, until they are swept: an eighth of what a coordinator keeps for this
# service, so that none can fill the place of all others there.
_CONSUMER_BYTES: Final = 32 << 20


@dataclass(frozen=True)
class PartView:
    """What a consumer is told of a zone's part; it never gets the part itself.

    `delivered`: the coordinator has it. Units and epsilon are what this call cost: nothing, when repeated.
    """

    job: str
    peer: str
    coordinator: str
    entry: int
    sha256: str
    delivered: bool
    units: int = 0
    epsilon: int = 0
    price: int = 0


class JointAnswers:
    """The joint form of answer; `masker` computes on exact cells, `adder` on ciphertexts: two processes."""

    def __init__(self, space: Space, engine: Engine, masker: Pool, adder: Pool, peers: Peers) -> None:
        self._space, self._engine = space, engine
        self._masker, self._adder = masker, adder
        self._peers = peers
        self.coordinator = Coordinator(space, adder, peers)
        self._conductor = Conductor(space)

    def part(self, caller: Caller, agreement: str, envelope: bytes) -> PartView:
        """Compute this zone's part of a job and deliver it; a second time only the latter.

        Raises:
            Malformed: a byte of the envelope is not what it must be.
            Unprocessable: the job is of another agreement, of unknown peers or rows, expired, or its key
                is not the agreement's.
            NotFound: the agreement is not the caller's, or a column not the dataset's.
            Conflict: the agreement was asked another job of this id.
            PolicyDenied: the policy denies it, or its epsilon is not left.
            TooMany: the consumer's parts of the last day take too much space.

        """
        request = Request.decode(bytearray(envelope))
        self._check(request.job, agreement)
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            made = _made(session, request.job, agreement)
            _check_key(session, request.job, agreement)
            if made is None:
                _check_space(session, case)
        if made is not None:
            return self._again(case, made)
        return self._first(case, request)

    def forget(self, dataset: str) -> None:
        """Delete the parts computed from a withdrawn dataset: what is not whole yet never will be."""

        def act(session: Session) -> None:
            agreements = select(Agreement.id).where(Agreement.dataset == dataset)
            mine = session.exec(select(JointPart).where(col(JointPart.agreement).in_(agreements))).all()
            for row in mine:
                of_job = col(JointSum.job) == row.job, col(JointSum.peer) == self._peers.own.name
                session.exec(delete(JointSum).where(*of_job, col(JointSum.job_sha256) == row.job_sha256))
                session.delete(row)

        self._space.database.commit(act)

    def sweep(self) -> int:
        """Delete the parts and sums of expired jobs; return how many."""
        # No job lasts longer from the moment it was accepted.
        before = self._space.clock() - timedelta(seconds=LIFETIME_SECONDS)

        def act(session: Session) -> int:
            gone = [
                session.exec(delete(table).where(col(table.created) < before)).rowcount
                for table in (JointPart, JointSum)
            ]
            return sum(gone)

        return self._space.database.commit(act)

    def _check(self, job: Job, agreement: str) -> None:
        own = self._peers.own.name
        if job.agreements.get(own) != agreement:
            raise Unprocessable(f"the job names another agreement for {own}, the peer that this service is")
        if unknown := [peer for peer in job.peers if peer not in self._peers]:
            raise Unprocessable(f"{unknown[0]!r} is no peer of this service", unknown=unknown)
        left = job.expires - int(self._space.clock().timestamp())
        if not 0 < left <= LIFETIME_SECONDS:
            raise Unprocessable(f"the job expires in {left} seconds, want 1 to {LIFETIME_SECONDS}")

    def _first(self, case: Case, request: Request) -> PartView:
        job, agreement = request.job, case.agreement.id
        if case.version.rows > job.rows[self._peers.own.name]:
            raise Unprocessable(f"the dataset has {case.version.rows} rows, and the job says fewer")
        self._adder.call("admit", {"parameters": job.parameters, "context": request.context})
        spec = _spec(job)
        try:
            plan = self._engine.plan_cells(spec, case.columns)
        except Refused as error:
            ask = Ask(Form.JOINT, job.sha256, (), Charge(1))
            raise self._conductor.refuse(case, ask, error) from error
        ask = Ask(Form.JOINT, job.sha256, plan.uses(), Charge(1, job.epsilon))
        try:
            answer = self._conductor.conduct(
                case,
                ask,
                lambda _: self._compute(case, request, spec, ask),
                self._settled(case, ask, request),
            )
        except Conflict:
            # The same job twice at once: what was computed second left nowhere, and costs nothing.
            with self._space.database.reading() as session:
                made = _made(session, job, agreement)
            if made is None:
                raise
            return self._again(case, made)
        crash_at("joint.before_delivery")
        with self._space.database.reading() as session:
            made = session.get(JointPart, (job.id, agreement))
        if made is None:
            raise Conflict("the dataset was withdrawn while its part was computed")
        return self._again(case, made, ask.charge, answer.price)

    def _compute(self, case: Case, request: Request, spec: CubeSpec, ask: Ask) -> Computed:
        job, own = request.job, self._peers.own.name
        min_group = max(case.pack.min_group, case.offer.min_group)
        asked = {
            "cells": self._engine.cells(case.payload(self._space), spec, case.columns),
            "job": job.encode(),
            "peer": own,
            "min_group": min_group,
            "masks": [list(seed) for seed in self._peers.seeds(job)],
        }
        # Masked, the values are uniform: only now do they meet the bytes of a consumer.
        masked = self._masker.call("part", asked)["values"]
        sealed = {"values": masked, "parameters": job.parameters, "context": request.context}
        vectors = tuple(self._adder.call("encrypt", sealed)["vectors"])
        part = self._peers.signed(Part.of(job, own, self._peers.digest(job.peers), vectors))
        # What any cell shows are at least so many subjects, or noise; the exact number is for no record.
        facts = {"rows": 0, "smallest_group": min_group, "complement": 0}
        return Computed(part.encode(), ENVELOPE, facts, ask.charge)

    def _settled(self, case: Case, ask: Ask, request: Request) -> Settled:
        job, agreement = request.job, case.agreement.id

        def pin(session: Session) -> None:
            if session.get(JointPart, (job.id, agreement)) is not None:
                raise Conflict("this job was answered just now")
            # Again: of parts that are asked for at once each saw the place that the others had not yet taken.
            _check_space(session, case)
            _check_key(session, job, agreement)
            if session.get(ConsumerKey, (agreement, job.parameters)) is None:
                session.add(self._pin(request, agreement))

        append = self._conductor.append(case, ask, pin)

        def settled(session: Session, computed: Computed, decision: Decision) -> int:
            entry = append(session, computed, decision)
            session.add(
                JointPart(
                    job=job.id,
                    agreement=agreement,
                    job_sha256=job.sha256,
                    content=computed.content,
                    entry=entry,
                    created=self._space.clock(),
                )
            )
            session.flush()
            return entry

        return settled

    def _pin(self, request: Request, agreement: str) -> ConsumerKey:
        return ConsumerKey(
            agreement=agreement,
            parameters=request.job.parameters,
            key_id=request.job.key,
            context=request.context,
            created=self._space.clock(),
        )

    def _again(self, case: Case, made: JointPart, charge: Charge | None = None, price: int = 0) -> PartView:
        """Deliver a part that is there, and tell of it."""
        if case.agreement.state not in _IN_FORCE or case.dataset.withdrawn is not None:
            raise Conflict("the agreement ended, or the dataset was withdrawn")
        part, cost = Part.decode(made.content), charge or Charge(0)
        delivered = self._delivered(part, made)
        told = part.job, part.peer, part.coordinator, made.entry, digest_of(made.content), delivered
        return PartView(*told, cost.units, cost.epsilon, price)

    def _delivered(self, part: Part, made: JointPart) -> bool:
        try:
            if part.coordinator == part.peer:
                self.coordinator.keep(part, made.content)
            else:
                self._peers.deliver(part, made.content)
        except Unavailable:
            # The part is kept: the same job, sent again, delivers it.
            return False
        return True


_IN_FORCE: Final = frozenset({State.FINALIZED, State.SUSPENDED})


def _spec(job: Job) -> CubeSpec:
    told: dict[str, Any] = {
        "dimensions": list(job.dimensions),
        "measures": [measure.to_json() for measure in job.measures],
        "max_rows": job.max_rows,
        "epsilon": job.epsilon,
        # With a value in every measured column, so that a mean's sum and count are of the same rows.
        "complete": any(measure.column for measure in job.measures),
    }
    return CubeSpec.from_json(told)


def _made(session: Session, job: Job, agreement: str) -> JointPart | None:
    """Return the part that was made of a job; Conflict if it was of another job with its id."""
    found = session.get(JointPart, (job.id, agreement))
    if found is not None and found.job_sha256 != job.sha256:
        raise Conflict("the agreement was asked another job of this id: a new job has a new id")
    return found


def _check_space(session: Session, case: Case) -> None:
    """Refuse one more part of a legal entity that has many; it costs nothing."""
    held = select(func.sum(func.length(JointPart.content))).where(
        col(JointPart.agreement).in_(agreements_of(case))
    )
    if (session.exec(held).one() or 0) >= _CONSUMER_BYTES:
        raise TooMany(
            f"your joint statistics of the last day take {_CONSUMER_BYTES >> 20} MiB here",
            retry_after=3600,
        )


def _check_key(session: Session, job: Job, agreement: str) -> None:
    pinned = session.get(ConsumerKey, (agreement, job.parameters))
    if pinned is not None and pinned.key_id != job.key:
        raise Unprocessable(
            f"the job is under another key than the agreement's, {pinned.key_id}", pinned=pinned.key_id
        )

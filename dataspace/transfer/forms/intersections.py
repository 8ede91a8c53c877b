"""Private set intersection: how many of a consumer's items are subjects of a dataset (`wire.intersection`).

    begin    the consumer's set, blinded, for the zone's: one unit
    finish   the zone's set, raised to the consumer's exponent, for the answer: one unit for each thousand
             items begun, and epsilon; once for each job, within the hour

**Who learns what.** The consumer learns a size with noise, or totals with noise, and
how many subjects the dataset has. The zone learns how many items the consumer has,
the exact size, and nothing of the items that it has not itself. Which of its own
are in both sets it learns only where the consumer reveals it, so that statistics
over their rows can be computed. That the zone does not blind each of its items in
a way of its own, by which it would know it again, is a matter of trust in the
service; that a consumer raises all points to one exponent is not.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from dataspace.catalog.models import Form
from dataspace.errors import DataSpaceError, Malformed, Refused, Unprocessable
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.privacy.intersection import spec_of
from dataspace.privacy.spec import EPSILON_LIMIT, CubeSpec
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.table import Column, Method
from dataspace.transfer.ask import Answer, Ask, Computed
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Conductor
from dataspace.transfer.engine import CellsPlan, Engine
from dataspace.transfer.forms.intersection_jobs import LIFETIME, Jobs
from dataspace.transfer.forms.matching import Rate, identifier_of, read_rows
from dataspace.transfer.models import Intersection
from dataspace.transfer.sql.plan import uses
from dataspace.wire import JSON, OCTETS
from dataspace.wire.intersection import RETURNED_LIMIT, Blinded, Opening
from dataspace.wire.oprf import POINT, pack, unpack

LEAST_ITEMS: Final = 100
_GROUPS: Final = 5  # a set has at least so many times the minimum group
_EACH_MINUTE: Final = 6  # of one agreement
_ITEMS_PER_UNIT: Final = 1000
_SECONDS: Final = 180.0
_NAMES: Final = frozenset({"identifier", "epsilon", "reveal"})


@dataclass(frozen=True)
class Terms:
    """What a consumer wants of an intersection; `cube` is empty for its size, epsilon in millionths."""

    identifier: str
    epsilon: int
    reveal: bool
    cube: Mapping[str, Any]

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read them; Malformed when they are none."""
        if not told.keys() >= _NAMES >= told.keys() - {"cube"}:
            raise Malformed("malformed terms: want identifier, epsilon, reveal, and perhaps cube")
        found = cls(told["identifier"], told["epsilon"], told["reveal"], told.get("cube", {}))
        if not isinstance(found.identifier, str) or type(found.reveal) is not bool:
            raise Malformed("malformed terms: identifier is a text, reveal is true or false")
        if type(found.epsilon) is not int or not 1 <= found.epsilon <= EPSILON_LIMIT:
            raise Malformed(f"malformed terms: epsilon is an integer from 1 to {EPSILON_LIMIT} millionths")
        if not isinstance(found.cube, dict) or (found.cube and not found.reveal):
            raise Malformed("malformed terms: statistics need reveal, for the zone must know which rows")
        return found

    @property
    def spec(self) -> CubeSpec | None:
        """The specification of the statistics, if any are wanted."""
        return spec_of(self.cube, self.epsilon) if self.cube else None

    def to_json(self) -> dict[str, Any]:
        """Return what `of` reads."""
        return dict(vars(self))


@dataclass(frozen=True)
class _Wanted:
    """The terms on a dataset: its identifier and, for statistics, the columns of a cube."""

    terms: Terms
    identifier: Column
    cells: CellsPlan | None

    def uses(self) -> list[dict[str, Any]]:
        return [*uses(measure=[self.identifier]), *(self.cells.uses() if self.cells else ())]

    def columns(self) -> list[Column]:
        """Return what the second step reads: dimensions as they leave, sums as they are."""
        if self.cells is None:
            return [self.identifier]
        summed = [replace(column, method=Method.KEEP, parameters={}) for column in self.cells.summed]
        return [self.identifier, *self.cells.dimensions, *summed]


class Intersections:
    """The intersection form of answer; `pool` runs `privacy.intersection:Intersection`."""

    def __init__(self, space: Space, engine: Engine, pool: Pool) -> None:
        self._space, self._engine, self._pool = space, engine, pool
        self._conductor, self._jobs = Conductor(space), Jobs(space)
        self._rate = Rate("intersections", _EACH_MINUTE, space.clock)

    def begin(self, caller: Caller, agreement: str, body: bytes) -> Answer:
        """Return the zone's blinded set for a consumer's: a `Blinded` for an `Opening`.

        Raises:
            Malformed: the body is no opening, or a point in it is none.
            Unprocessable: the set is too small.
            TooLarge: it, or the zone's, is too large.
            NotFound: the agreement is not the caller's, or the dataset has no such column.
            PolicyDenied: the policy denies it.
            TooMany: the agreement has jobs enough.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
        opening = Opening.decode(body)
        digest = hashlib.sha256(b"intersection\0" + body).hexdigest()
        wanted = self._wanted(case, Terms.of(opening.terms), digest)
        least = max(LEAST_ITEMS, _GROUPS * _min_group(case))
        if len(opening.points) < least:
            raise Unprocessable(f"a set of {len(opening.points)} items, want at least {least}", least=least)
        self._rate.take(case)
        self._jobs.expire()
        with self._space.database.reading() as session:
            self._jobs.check_room(session, case)
        ask = Ask(Form.INTERSECTION, digest, wanted.uses(), Charge(1))
        made: list[Intersection] = []

        def compute(_: Decision) -> Computed:
            job, points = self._blinded(case, opening, wanted)
            made.append(job)
            content = Blinded(job.id, unpack(points, RETURNED_LIMIT // POINT)).encode()
            return Computed(content, OCTETS, _facts(_min_group(case)), ask.charge)

        settled = self._conductor.append(case, ask, lambda session: self._jobs.store(session, case, made[0]))
        try:
            return self._conductor.conduct(case, ask, compute, settled)
        except DataSpaceError:
            for job in made:
                self._jobs.drop(job)
            raise

    def finish(self, caller: Caller, agreement: str, job: str, body: bytes) -> Answer:
        """Return the noised answer for the zone's points raised to the consumer's exponent.

        The same body again gets the same answer, at no cost.

        Raises:
            NotFound: the agreement is not the caller's, or has no such job.
            Malformed: the body is no batch, or not as long as what was sent; or a point in it is none.
            Unprocessable: the points are not those that were sent, all raised to one exponent; it is over.
            Conflict: the job was taken, or its time is over.
            PolicyDenied: the policy denies it, or its epsilon is not left.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            found = self._jobs.found(session, case, job)
        secret = self._jobs.secret(case, found)
        terms = Terms.of(secret["terms"])
        points = unpack(body, RETURNED_LIMIT // POINT, rising=not terms.reveal)
        if len(points) != secret["sent"]:
            raise Malformed(f"{len(points)} points came back, want the {secret['sent']} that were sent")
        digest = hashlib.sha256(f"intersection\0{job}\0".encode() + body).hexdigest()
        wanted = self._wanted(case, terms, digest)
        charge = Charge(-(-found.items // _ITEMS_PER_UNIT), terms.epsilon)
        until = found.created + LIFETIME
        ask = Ask(Form.INTERSECTION, digest, wanted.uses(), charge, kept=True, until=until)
        return self._conductor.conduct(
            case,
            ask,
            lambda decision: self._counted(case, found, wanted, body, ask, decision),
            self._conductor.append(case, ask, lambda session: self._jobs.answered(session, found)),
        )

    def forget(self, dataset: str) -> None:
        """Let no file keep anything of a withdrawn dataset's intersections."""
        self._jobs.forget(dataset)

    def sweep(self) -> int:
        """Remove what is over, or what a crash left; return how many files."""
        return self._jobs.sweep()

    def _wanted(self, case: Case, terms: Terms, digest: str) -> _Wanted:
        spec = terms.spec
        try:
            identifier = identifier_of(case, terms.identifier)
            return _Wanted(terms, identifier, self._engine.plan_cells(spec, case.columns) if spec else None)
        except Refused as error:
            ask = Ask(Form.INTERSECTION, digest, (), Charge(1))
            raise self._conductor.refuse(case, ask, error) from error

    def _blinded(self, case: Case, opening: Opening, wanted: _Wanted) -> tuple[Intersection, bytes]:
        payload = case.payload(self._space)
        rows = read_rows(self._engine, case, payload, [wanted.identifier], released=False)
        request = {
            "points": pack(opening.points),
            "public": opening.public,
            "rows": rows,
            "ordered": wanted.terms.reveal,
        }
        made = self._pool.call("blind", request, deadline=_SECONDS)
        secret = {"terms": wanted.terms.to_json(), "sent": len(made["points"]) // POINT}
        job = self._jobs.new(case, len(opening.points), secret | {"version": case.version.version})
        self._jobs.keep(case, job, made["kept"])
        return job, made["points"]

    def _counted(
        self, case: Case, job: Intersection, wanted: _Wanted, body: bytes, ask: Ask, decision: Decision
    ) -> Computed:
        least = max(decision.obligation("min_group") or 0, _min_group(case))
        request = {"returned": body, "epsilon": ask.charge.epsilon, "min_group": least}
        # Taken before it is looked at: of what comes back, one try is checked.
        request["kept"] = self._jobs.take(case, job)
        if wanted.cells is None:
            told = self._pool.call("count", request, deadline=_SECONDS)
        else:
            rows = read_rows(self._engine, case, case.payload(self._space), wanted.columns(), released=False)
            request |= {"rows": rows, "cube": dict(wanted.terms.cube)}
            told = self._pool.call("cube", request, deadline=_SECONDS)
        return Computed(canonical(told), JSON, _facts(least), ask.charge)


def _min_group(case: Case) -> int:
    return max(case.pack.min_group, case.offer.min_group)


def _facts(least: int) -> dict[str, int]:
    # What is told stands for so many at least, and what stands for fewer is not told.
    return {"rows": 0, "smallest_group": least, "complement": 0}

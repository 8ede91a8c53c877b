"""Cubes: built once for a dataset version and a specification, charged to each agreement that asks for it.

A cube counts as released to an agreement from the moment it is granted: the
layout tells which cells there are, and an encrypted query may read any of them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, select

from dataspace.catalog.models import Form
from dataspace.catalog.payloads import open_sealed, remove_orphans, seal
from dataspace.errors import DataSpaceError, NotFound, Refused, Unprocessable
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.privacy.cube import Cube as CubeValue
from dataspace.privacy.spec import CubeSpec, Presence
from dataspace.proof.canonical import canonical, parse
from dataspace.sandbox import Pool
from dataspace.space import Space, mint, proof_of
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Ask, Computed, Conductor
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.history import record_cube
from dataspace.transfer.models import Cube, CubeGrant
from dataspace.transfer.pace import Pace
from dataspace.transfer.sql.render import cells_request
from dataspace.wire import JSON

LAYOUT_LIMIT: Final = 1 << 26  # bytes
BUCKET: Final = 250  # milliseconds: the time of a cube is a multiple of it


@dataclass(frozen=True)
class CubeView:
    """A cube as its consumer sees it: which slot is which cell; `epsilon`, in millionths, is what it cost."""

    id: str
    layout: Mapping[str, Any]
    entry: int
    epsilon: int


class Cubes:
    """Builds, keeps and opens cubes."""

    def __init__(self, space: Space, engine: Engine, builder: Pool, *, pace: Pace | None = None) -> None:
        self._space = space
        self._pace = pace or Pace()
        self._engine = engine
        self._builder = builder
        self._conductor = Conductor(space)

    def cube(self, caller: Caller, agreement: str, spec: Mapping[str, Any]) -> CubeView:
        """Return the cube of a specification; a second time it costs nothing.

        Raises:
            Malformed: the specification is none.
            NotFound: the agreement is not the caller's, or a column is not the dataset's.
            PolicyDenied: the policy denies it, or its epsilon is not left.
            Unprocessable: no cell has enough subjects.

        """
        # How many cells there were before some were hidden shows in no time either (attack QY-21).
        with self._pace.kept(BUCKET, self._pace.now()):
            return self._cube(caller, agreement, CubeSpec.from_json(spec))

    def _cube(self, caller: Caller, agreement: str, wanted: CubeSpec) -> CubeView:
        check_offered(wanted)
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            known, grant = known_cube(session, case, wanted)
        if known and grant:
            return CubeView(known.id, self.open(case, known).layout(known.id), grant.entry, 0)
        try:
            plan = self._engine.plan_cells(wanted, case.columns)
        except Refused as error:
            ask = Ask(Form.ENCRYPTED, _digest(_told(case, wanted)), (), Charge(1))
            raise self._conductor.refuse(case, ask, error) from error
        ask = Ask(Form.ENCRYPTED, _digest(_told(case, wanted)), plan.uses(), Charge(1, wanted.epsilon))
        made = known or self._new(case, wanted)
        try:
            answer = self._conductor.conduct(
                case, ask, lambda _: self._compute(case, made, wanted, ask), self._grant(case, made, wanted)
            )
        except DataSpaceError:
            if known is None:
                self._path(made).unlink(missing_ok=True)
            raise
        return CubeView(made.id, self.open(case, made).layout(made.id), answer.entry, wanted.epsilon)

    def granted(self, session: Session, case: Case, cube: str) -> Cube:
        """Return a cube that the agreement was charged for; NotFound when it was not."""
        found = session.get(Cube, cube)
        if found is None or session.get(CubeGrant, (cube, case.agreement.id)) is None:
            raise NotFound("the agreement has no such cube")
        return found

    def forget(self, dataset: str) -> list[str]:
        """Remove the files of a withdrawn dataset's cubes, whose key is gone; return the cubes' ids."""
        with self._space.database.reading() as session:
            cubes = session.exec(select(Cube).where(Cube.dataset == dataset)).all()
        for cube in cubes:
            self._path(cube).unlink(missing_ok=True)
        return [cube.id for cube in cubes]

    def sweep(self) -> int:
        """Remove files that no cube names: what a crash left (attack CR-02); at the start of the service."""
        with self._space.database.reading() as session:
            known = set(session.exec(select(Cube.path)).all())
        return remove_orphans(self._space.settings.home / "cubes", known)

    def content(self, case: Case, cube: Cube) -> bytes:
        """Return the bytes of a cube, opened with its dataset's data key."""
        return b"".join(open_sealed(self._path(cube), case.payload(self._space).key, cube.id.encode()))

    def open(self, case: Case, cube: Cube) -> CubeValue:
        """Return a cube as a value."""
        return CubeValue.from_bytes(self.content(case, cube))

    def _new(self, case: Case, spec: CubeSpec) -> Cube:
        name = mint("cb")
        return Cube(
            id=name,
            dataset=case.dataset.id,
            version=case.version.version,
            spec=_told(case, spec),
            spec_sha256=_digest(_told(case, spec)),
            cells_sha256="",
            path=f"{name}.sealed",
            epsilon=spec.epsilon,
            smallest=0,
            created=self._space.clock(),
        )

    def _compute(self, case: Case, made: Cube, spec: CubeSpec, ask: Ask) -> Computed:
        if not made.cells_sha256:
            self._build(case, made, spec)
        layout = canonical(self.open(case, made).layout(made.id))
        facts = {"rows": 0, "smallest_group": made.smallest, "complement": 0}
        return Computed(layout, JSON, facts, ask.charge)

    def _build(self, case: Case, made: Cube, spec: CubeSpec) -> None:
        payload = case.payload(self._space)
        cells = self._engine.cells(payload, spec, case.columns)
        min_group = max(case.pack.min_group, case.offer.min_group)
        built = self._builder.call("build", {"cells": cells, "spec": spec.to_json(), "min_group": min_group})
        content: bytes = built["cube"]
        # What the builder guarantees of every cell it shows; the exact number is not for any record.
        made.smallest = min_group
        made.cells_sha256 = hashlib.sha256(content).hexdigest()
        self._path(made).parent.mkdir(mode=0o700, exist_ok=True)
        with self._path(made).open("xb") as file:
            seal(BytesIO(content), file, payload.key, made.id.encode())

    def _grant(self, case: Case, made: Cube, spec: CubeSpec) -> Any:
        def settled(session: Session, computed: Computed, decision: Decision) -> int:
            # One cube for one specification: the unique index refuses the second of two built at once.
            first = session.get(Cube, made.id) is None
            if first:
                session.add(made)
                session.flush()
            entry = self._space.log.append(
                session,
                "cube.granted",
                cube=made.id,
                dataset=made.dataset,
                version=made.version,
                agreement=case.agreement.id,
                spec_sha256=made.spec_sha256,
                cells_sha256=made.cells_sha256,
                units=computed.charge.units,
                epsilon=spec.epsilon,
                price=computed.charge.units * case.agreement.price,
                **proof_of(decision),
            )
            session.add(
                CubeGrant(cube=made.id, agreement=case.agreement.id, entry=entry, created=self._space.clock())
            )
            if first:
                # From now on the whole cube counts as released, whatever is asked of it.
                cells = parse(computed.content, limit=LAYOUT_LIMIT)["cells"]
                request = cells_request(spec, case.columns)
                digest = made.spec_sha256
                record_cube(session, self._space, case, request, cells, query_sha256=digest, entry=entry)
            return entry

        return settled

    def _path(self, cube: Cube) -> Path:
        return self._space.settings.home / "cubes" / cube.path


def check_offered(spec: CubeSpec) -> None:
    """Let pass a specification of a kind that is offered; Unprocessable otherwise."""
    if spec.presence is not Presence.NOISED:
        raise Unprocessable("presence exact is not offered: leave it out")


def known_cube(session: Session, case: Case, spec: CubeSpec) -> tuple[Cube | None, CubeGrant | None]:
    """Return the cube of a specification, if it was built, and its grant, if the case's agreement has one."""
    query = select(Cube).where(
        Cube.dataset == case.dataset.id,
        Cube.version == case.version.version,
        Cube.spec_sha256 == _digest(_told(case, spec)),
    )
    found = session.exec(query).first()
    return found, session.get(CubeGrant, (found.id, case.agreement.id)) if found else None


def spec_of(cube: Cube) -> CubeSpec:
    """Return the specification of a stored cube."""
    return CubeSpec.from_json({name: told for name, told in cube.spec.items() if name != "methods"})


def _told(case: Case, spec: CubeSpec) -> dict[str, Any]:
    """Return what makes a cube: its specification, and how an offer would have its dimensions leave.

    A cube of other bands is another cube: an offer with stricter ones must not be answered from it.
    """
    methods = {name: case.offer.methods[name] for name in spec.dimensions if name in case.offer.methods}
    return {**spec.to_json(), **({"methods": methods} if methods else {})}


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical(dict(told))).hexdigest()

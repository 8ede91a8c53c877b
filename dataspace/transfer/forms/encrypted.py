"""Encrypted answers: the consumer's weights, under its own key, over a cube it was granted.

The service sees neither the weights nor the answer. Of each parameter set one
key is pinned to the agreement by its first query. The same envelope again is
given the answer that it was given, at no further cost; the nonce of one in
another, or one that has expired, is refused (attack HE-11). Answers to as many
measures have one size, and take a multiple of one time (attack QY-21).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from dataspace.catalog.models import Form
from dataspace.errors import Unprocessable
from dataspace.participants.access import Caller
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor
from dataspace.transfer.engine import Engine
from dataspace.transfer.forms.cubes import Cubes, CubeView, spec_of
from dataspace.transfer.models import ConsumerKey, Cube
from dataspace.transfer.pace import Pace
from dataspace.transfer.pinning import check_fresh, check_time, pinned_key, spend
from dataspace.transfer.repeat import Repeats
from dataspace.wire import ENVELOPE
from dataspace.wire.envelope import EncryptedQuery
from dataspace.wire.parameters import parameter_set


class EncryptedAnswers:
    """The encrypted form of answer; `evaluator` is the pool that holds TenSEAL."""

    def __init__(
        self, space: Space, engine: Engine, builder: Pool, evaluator: Pool, *, pace: Pace | None = None
    ) -> None:
        self._space = space
        self._evaluator = evaluator
        self._engine = engine
        self._pace = pace or Pace()
        self._cubes = Cubes(space, engine, builder, pace=self._pace)
        self._conductor = Conductor(space)
        self._repeats = Repeats(space)

    def cube(self, caller: Caller, agreement: str, spec: Mapping[str, Any]) -> CubeView:
        """Return the cube of a specification; see `Cubes.cube`."""
        return self._cubes.cube(caller, agreement, spec)

    def answer(self, caller: Caller, agreement: str, envelope: bytes) -> Answer:
        """Return the encrypted totals for an encrypted query.

        Raises:
            Malformed: a byte of the envelope is not what it must be.
            Unprocessable: it holds a secret key, or is for another agreement, under another key, or expired.
            NotFound: the agreement is not the caller's, or was not granted the cube.
            Conflict: another query had its nonce.
            PolicyDenied: the policy denies it.

        """
        received = self._pace.now()
        query = EncryptedQuery.decode(bytearray(envelope))
        if query.agreement != agreement:
            raise Unprocessable("the query was made for another agreement")
        with self._pace.kept(bucket_of(query), received):
            return self._answer(caller, query, envelope)

    def sweep(self) -> int:
        """Remove what a crash left of cubes; return how many files."""
        return self._cubes.sweep()

    def forget(self, dataset: str) -> None:
        """Let no worker and no file keep a cube of a withdrawn dataset."""
        for cube in self._cubes.forget(dataset):
            self._evaluator.broadcast("evict", {"cube_id": cube})

    def _answer(self, caller: Caller, query: EncryptedQuery, envelope: bytes) -> Answer:
        check_time(query, self._space.clock())
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, query.agreement)
            if given := self._repeats.find(session, case, query.binding):
                return given
            cube = self._cubes.granted(session, case, query.cube)
            check_fresh(session, query)
            pinned = pinned_key(session, query)
        context = self._context(query, pinned)
        plan = self._engine.plan_cells(spec_of(cube), case.columns)
        until = datetime.fromtimestamp(query.expires, UTC)
        ask = Ask(Form.ENCRYPTED, query.binding, plan.uses(), Charge(1), kept=True, until=until)
        return self._conductor.conduct(
            case,
            ask,
            lambda _: self._compute(case, cube, envelope, context, ask),
            self._conductor.append(
                case, ask, lambda session: spend(session, query, context, self._space.clock())
            ),
        )

    def _context(self, query: EncryptedQuery, pinned: ConsumerKey | None) -> bytes:
        if pinned is not None:
            return pinned.context
        # A worker reads the key before it is believed to be one, and pinned.
        self._evaluator.call("admit", {"parameters": query.parameters, "context": query.context})
        return query.context

    def _compute(self, case: Case, cube: Cube, envelope: bytes, context: bytes, ask: Ask) -> Computed:
        answer = self._evaluator.call(
            "answer",
            {
                "query": envelope,
                "context": context,
                "cube_id": cube.id,
                "cube": self._cubes.content(case, cube),
            },
            affinity=cube.id,
        )
        facts = {"rows": 0, "smallest_group": cube.smallest, "complement": 0}
        return Computed(answer["answer"], ENVELOPE, facts, ask.charge)


def bucket_of(query: EncryptedQuery) -> int:
    """Return the milliseconds that the time of the query's answer is a multiple of."""
    return parameter_set(query.parameters).bucket * (1 + len(query.measures))

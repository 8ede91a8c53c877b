"""Encrypted answers: the consumer's weights, under its own key, over a cube it was granted.

The service sees neither the weights nor the answer. The key is pinned to the
agreement by its first query; a nonce is answered once.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, Unprocessable
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.sandbox import Pool
from dataspace.space import Space, proof_of
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor, Settled, digest_of
from dataspace.transfer.cubes import Cubes, CubeView, spec_of
from dataspace.transfer.engine import Engine
from dataspace.transfer.models import ConsumerKey, Cube, Nonce
from dataspace.wire import ENVELOPE
from dataspace.wire.envelope import EncryptedQuery

_LIFETIME_SECONDS = 3600


class EncryptedAnswers:
    """The encrypted form of answer; `evaluator` is the pool that holds TenSEAL."""

    def __init__(self, space: Space, engine: Engine, builder: Pool, evaluator: Pool) -> None:
        self._space = space
        self._evaluator = evaluator
        self._engine = engine
        self._cubes = Cubes(space, engine, builder)
        self._conductor = Conductor(space)

    def cube(self, caller: Caller, agreement: str, spec: Mapping[str, Any]) -> CubeView:
        """Return the cube of a specification; see `Cubes.cube`."""
        return self._cubes.cube(caller, agreement, spec)

    def answer(self, caller: Caller, agreement: str, envelope: bytes) -> Answer:
        """Return the encrypted totals for an encrypted query.

        Raises:
            Malformed: a byte of the envelope is not what it must be.
            Unprocessable: it holds a secret key, or is for another agreement, under another key, or expired.
            NotFound: the agreement is not the caller's, or was not granted the cube.
            Conflict: its nonce was used.
            PolicyDenied: the policy denies it.

        """
        query = EncryptedQuery.decode(bytearray(envelope))
        if query.agreement != agreement:
            raise Unprocessable("the query was made for another agreement")
        self._check_time(query)
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            cube = self._cubes.granted(session, case, query.cube)
            pinned = session.get(ConsumerKey, (agreement, query.parameters))
            _check_fresh(session, query)
        context = self._context(query, pinned)
        plan = self._engine.plan_cells(spec_of(cube), case.columns)
        ask = Ask(Form.ENCRYPTED, query.binding, plan.uses(), Charge(1))
        return self._conductor.conduct(
            case,
            ask,
            lambda _: self._compute(case, cube, envelope, context, ask),
            self._settled(case, ask, query, context),
        )

    def sweep(self) -> int:
        """Remove what a crash left of cubes; return how many files."""
        return self._cubes.sweep()

    def forget(self, dataset: str) -> None:
        """Let no worker and no file keep a cube of a withdrawn dataset."""
        for cube in self._cubes.forget(dataset):
            self._evaluator.broadcast("evict", {"cube_id": cube})

    def _check_time(self, query: EncryptedQuery) -> None:
        left = query.expires - int(self._space.clock().timestamp())
        if not 0 < left <= _LIFETIME_SECONDS:
            raise Unprocessable(f"the query expires in {left} seconds, want 1 to {_LIFETIME_SECONDS}")

    def _context(self, query: EncryptedQuery, pinned: ConsumerKey | None) -> bytes:
        if pinned is None:
            # A worker reads the key before it is believed to be one, and pinned.
            self._evaluator.call("admit", {"parameters": query.parameters, "context": query.context})
            return query.context
        if pinned.key_id != query.key:
            raise Unprocessable(
                f"the query is under another key than the agreement's, {pinned.key_id}", pinned=pinned.key_id
            )
        return pinned.context

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

    def _settled(self, case: Case, ask: Ask, query: EncryptedQuery, context: bytes) -> Settled:
        def settled(session: Session, computed: Computed, decision: Decision) -> int:
            _check_fresh(session, query)
            session.add(Nonce(agreement=query.agreement, nonce=query.nonce, created=self._space.clock()))
            pinned = session.get(ConsumerKey, (query.agreement, query.parameters))
            if pinned is not None and pinned.key_id != query.key:
                raise Conflict("another query pinned another key to the agreement just now")
            if pinned is None:
                session.add(
                    ConsumerKey(
                        agreement=query.agreement,
                        parameters=query.parameters,
                        key_id=hashlib.sha256(context).hexdigest(),
                        context=context,
                        created=self._space.clock(),
                    )
                )
            session.flush()
            return self._space.log.append(
                session,
                "query.answered",
                agreement=query.agreement,
                dataset=case.dataset.id,
                version=case.version.version,
                form=ask.form,
                query_sha256=query.binding,
                answer_sha256=digest_of(computed.content),
                units=computed.charge.units,
                epsilon=0,
                price=computed.charge.units * case.agreement.price,
                **proof_of(decision),
            )

        return settled


def _check_fresh(session: Session, query: EncryptedQuery) -> None:
    if session.get(Nonce, (query.agreement, query.nonce)):
        raise Conflict("this query was answered already: make a new one")

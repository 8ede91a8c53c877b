"""Encrypted scores: the consumer's features, under its own key, on a model that its agreement may use.

The service sees neither features nor scores, and counts the samples: slots
beyond those that were asked for come back random. Of a model that is not to be
known, the samples of one legal entity are numbered through all its agreements,
each number is used once, and there are no more numbers than the model allows.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import text
from sqlmodel import Session

from dataspace.catalog.models import Form
from dataspace.errors import Conflict, Unprocessable
from dataspace.participants.access import Caller
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor
from dataspace.transfer.forms.scoring import Models
from dataspace.transfer.models import Nonce, ScoreModel
from dataspace.transfer.pace import Pace
from dataspace.transfer.pinning import check_fresh, check_time, pinned_key, spend
from dataspace.transfer.repeat import Repeats
from dataspace.wire import ENVELOPE
from dataspace.wire.model import LinearModel
from dataspace.wire.score import ScoreQuery

SAMPLES_PER_UNIT: Final = 100
_BUCKET: Final = 100  # milliseconds, of which answers on a model that is not to be known take a multiple

# Of all agreements of the consumer's legal entity: to agree again gives no sample more.
_USED = text(
    "SELECT count(*) FROM nonce JOIN agreement AS theirs ON theirs.id = nonce.agreement "
    "JOIN participant AS they ON they.id = theirs.consumer "
    "JOIN agreement AS mine ON mine.id = :agreement JOIN participant AS me ON me.id = mine.consumer "
    "WHERE nonce.nonce LIKE :numbers "
    "AND coalesce(nullif(they.entity, ''), they.id) = coalesce(nullif(me.entity, ''), me.id)"
)


@dataclass(frozen=True)
class _Told:
    """A query with the model it is for, as stored and opened, and the public context of its key."""

    query: ScoreQuery
    row: ScoreModel
    model: LinearModel
    context: bytes = field(repr=False)


class Scores:
    """The form of answer that scores; `scorer` is the pool that holds TenSEAL."""

    def __init__(self, space: Space, models: Models, scorer: Pool, *, pace: Pace | None = None) -> None:
        self._space = space
        self._pace = pace or Pace()
        self._models = models
        self._scorer = scorer
        self._conductor, self._repeats = Conductor(space), Repeats(space)

    def score(self, caller: Caller, agreement: str, envelope: bytes) -> Answer:
        """Return the encrypted scores for encrypted features: one unit for each hundred samples begun.

        The same envelope, sent again before it expires, gets the same answer at no cost.

        Raises:
            Malformed: a byte of the envelope is not what it must be.
            Unprocessable: it holds a secret key, or is for another agreement, under another key, or expired.
            NotFound: the agreement is not the caller's, or has no such model.
            Conflict: its nonce was used, or the model allows the consumer no more samples.
            PolicyDenied: the policy denies it.

        """
        received = self._pace.now()
        query = ScoreQuery.decode(bytearray(envelope))
        if query.agreement != agreement:
            raise Unprocessable("the query was made for another agreement")
        check_time(query, self._space.clock())
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            if given := self._repeats.find(session, case, query.binding):
                return given
            row = self._models.usable(session, case, query.model)
            pinned = pinned_key(session, query)
            check_fresh(session, query)
            model = self._models.open(case, row)
            _number(session, query, model)
        told = _Told(query, row, model, pinned.context if pinned else self._admitted(query))
        # How many weights are zero shows in the time, and is not for everybody.
        with nullcontext() if row.releasable else self._pace.kept(_BUCKET, received):
            return self._conduct(case, told, envelope)

    def _conduct(self, case: Case, told: "_Told", envelope: bytes) -> Answer:
        query, row = told.query, told.row
        charge = Charge(-(-query.samples // SAMPLES_PER_UNIT))
        until = datetime.fromtimestamp(query.expires, UTC)
        # Kept: the same envelope gets the same bytes, and with them the same draws.
        ask = Ask(Form.SCORE, query.binding, (), charge, releasable=row.releasable, kept=True, until=until)
        settled = self._conductor.append(case, ask, self._spending(case, told))
        return self._conductor.conduct(case, ask, lambda _: self._compute(told, envelope, charge), settled)

    def _admitted(self, query: ScoreQuery) -> bytes:
        # A worker reads the key before it is believed to be one, and pinned.
        self._scorer.call("admit", {"context": query.context})
        return query.context

    def _compute(self, told: "_Told", envelope: bytes, charge: Charge) -> Computed:
        row, model = told.row, told.model
        asked = {"model_id": row.id, "model": model.to_bytes(), "blurred": not row.releasable}
        request = {"query": envelope, "context": told.context, **asked}
        answer = self._scorer.call("score", request, affinity=row.id)
        # A score is computed from no row: whom it stands for are those that the model was learnt from.
        facts = {"rows": 0, "smallest_group": model.subjects, "complement": 0}
        return Computed(answer["answer"], ENVELOPE, facts, charge)

    def _spending(self, case: Case, told: "_Told") -> Callable[[Session], None]:
        query = told.query

        def act(session: Session) -> None:
            self._models.usable(session, case, query.model)
            now = self._space.clock()
            for number in _number(session, query, told.model):
                session.add(Nonce(agreement=query.agreement, nonce=number, created=now))
            spend(session, query, told.context, now)

        return act


def _number(session: Session, query: ScoreQuery, model: LinearModel) -> list[str]:
    """Return the numbers that the samples of a query take, none where the model allows any.

    Raises:
        Conflict: so many are not left.

    """
    if not model.samples:
        return []
    values = {"agreement": query.agreement, "numbers": f"{query.model}.%"}
    used = int(session.connection().execute(_USED, values).scalar_one())
    left = max(0, model.samples - used)
    if query.samples > left:
        raise Conflict(
            f"of {model.samples} samples that one legal entity may score on this model, {left} are left: "
            "more would tell its weights",
            left=left,
        )
    return [f"{query.model}.{used + place}" for place in range(1, query.samples + 1)]

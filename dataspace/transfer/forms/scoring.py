"""Models for encrypted scores: registered by the provider of a dataset, sealed under its version's data key.

A model that is `releasable` may be known whole to whoever has an agreement in
the form score: its weights are shown. One that is not is for consumers that the
offer names semi-honest, and for few samples: d + 1 scores solve for d weights
and an intercept, so that one legal entity gets d samples in all, unless its
provider says more, and never more than ten for each feature.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, select

from dataspace.catalog.listing import check_impersonal
from dataspace.catalog.models import Dataset, DatasetKey, DatasetVersion, Form
from dataspace.catalog.stored import owned_dataset
from dataspace.errors import Conflict, NotFound, Unprocessable
from dataspace.negotiation.states import State
from dataspace.participants.access import Caller
from dataspace.policy import Decision
from dataspace.policy.models import PolicyInput
from dataspace.sandbox import Pool
from dataspace.space import Space, ensure, mint, proof_of, remember
from dataspace.transfer.case import Case, read_case
from dataspace.transfer.forms.modelled import (
    ModelView,
    capped,
    digest_of_model,
    open_model,
    seal_model,
    view_of,
)
from dataspace.transfer.models import ScoreModel
from dataspace.wire.model import LinearModel

_EACH: Final = 100  # models of one dataset


class Models:
    """Registers, seals, opens and withdraws models; `scorer` is the pool that holds their operands."""

    def __init__(self, space: Space, scorer: Pool) -> None:
        self._space = space
        self._scorer = scorer

    def register(
        self, caller: Caller, dataset: str, name: str, told: Mapping[str, Any], *, releasable: bool
    ) -> ModelView:
        """Register a model on the newest version of a dataset of the caller's; `told` is its document.

        Raises:
            NotFound: the dataset is not the caller's, or was withdrawn.
            Malformed: the document is none.
            Unprocessable: a score could wrap, the model gives too many samples, or its name tells a person's.
            PolicyDenied: the policy denies it: such as a model learnt from fewer subjects than the minimum.

        """
        model = capped(LinearModel.from_json(dict(told)), releasable=releasable)
        if not 0 < len(name) <= 200 or not name.isprintable():
            raise Unprocessable("a model's name is 1 to 200 printable characters")
        check_impersonal({"name": name})
        with self._space.database.reading() as session:
            version, wrapped = _newest(session, owned_dataset(session, caller, dataset))
            zone = owned_dataset(session, caller, dataset).zone
        decision, asked = self._decide(caller, zone, version, model, releasable=releasable)
        ensure(decision)
        made = self._sealed(caller, version, model, self._key(zone, version, wrapped))
        made.name, made.releasable = name, releasable
        self._space.database.commit(lambda session: self._register(session, caller, made, decision, asked))
        return view_of(made, model, known=True)

    def withdraw(self, caller: Caller, model: str) -> int:
        """Withdraw a model of the caller's and delete its weights; return the entry's index.

        Raises:
            NotFound: it is not the caller's.
            Conflict: it is withdrawn already.

        """

        def act(session: Session) -> int:
            found = session.get(ScoreModel, model)
            if found is None or found.provider != caller.id:
                raise NotFound("there is no such model")
            if found.withdrawn:
                raise Conflict("the model is withdrawn already")
            found.withdrawn, found.content = self._space.clock(), b""
            session.add(found)
            return self._space.log.append(session, "model.withdrawn", model=model, by=caller.id)

        entry = self._space.database.commit(act)
        self._scorer.broadcast("evict", {"model_id": model})
        return entry

    def mine(self, caller: Caller, dataset: str) -> list[ModelView]:
        """Return the models of a dataset of the caller's, newest first, withdrawn ones without their weights.

        Raises:
            NotFound: the dataset is not the caller's.

        """
        with self._space.database.reading() as session:
            zone = owned_dataset(session, caller, dataset).zone
            rows = [(one, *_behind(session, one)) for one in _models(session, dataset)]
        return [self._shown(row, zone, version, key) for row, version, key in rows]

    def offered(self, caller: Caller, agreement: str) -> list[ModelView]:
        """Return the models that an agreement of the caller's may use, newest first.

        Raises:
            NotFound: the agreement is not one of which the caller is the consumer.

        """
        with self._space.database.reading() as session:
            case = read_case(session, self._space, caller, agreement)
            models = _models(session, case.dataset.id) if self._in_force(case) else []
        usable = [one for one in models if one.withdrawn is None and one.version == case.version.version]
        return [view_of(one, self.open(case, one), known=one.releasable) for one in usable]

    def usable(self, session: Session, case: Case, model: str) -> ScoreModel:
        """Return a model that the case's agreement may use.

        Raises:
            NotFound: there is none: or not on the version of the dataset that the agreement covers.

        """
        found = session.get(ScoreModel, model)
        covered = found is not None and found.dataset == case.dataset.id
        if found is None or not covered or found.withdrawn or found.version != case.version.version:
            raise NotFound("the agreement has no such model")
        return found

    def open(self, case: Case, model: ScoreModel) -> LinearModel:
        """Return a model as a value, opened with its version's data key."""
        return open_model(model, case.payload(self._space).key)

    def forget(self, dataset: str) -> None:
        """Let no worker keep a model of a withdrawn dataset, whose key is gone."""
        with self._space.database.reading() as session:
            models = [one.id for one in _models(session, dataset)]
        for model in models:
            self._scorer.broadcast("evict", {"model_id": model})

    def _in_force(self, case: Case) -> bool:
        agreement, now = case.agreement, self._space.clock()
        stands = agreement.state == State.FINALIZED and case.dataset.withdrawn is None
        return stands and Form.SCORE in agreement.forms and agreement.expires > now

    def _decide(
        self, caller: Caller, zone: str, version: DatasetVersion, model: LinearModel, *, releasable: bool
    ) -> tuple[Decision, PolicyInput]:
        """Ask whether the dataset may be registered in the form score, for groups of the model's subjects."""
        pack = self._space.pack(zone)
        return self._space.decide(
            "register",
            participant=caller.facts(),
            zone=pack.facts(),
            dataset={
                "id": version.dataset,
                "version": version.version,
                "level": version.level,
                # It was graded, and its contradictions allowed, when it was registered.
                "graded_level": version.level,
                "contradicted": [],
                "provider": caller.id,
                "withdrawn": False,
            },
            offer={
                "purposes": list(pack.purposes),
                "forms": [Form.SCORE],
                "min_group": model.subjects,
            },
            release={"passes": True, "failing": []},
            approval={"codes": []},
            model={"sha256": digest_of_model(model), "releasable": releasable},
        )

    def _sealed(self, caller: Caller, version: DatasetVersion, model: LinearModel, key: bytes) -> ScoreModel:
        name = mint("mo")
        return ScoreModel(
            id=name,
            dataset=version.dataset,
            version=version.version,
            provider=caller.id,
            name="",
            features=model.to_json()["features"],
            link=model.link,
            precision=model.precision,
            output=model.output,
            releasable=False,
            content=seal_model(model, key, name),
            content_sha256=digest_of_model(model),
            entry=0,
            created=self._space.clock(),
        )

    def _register(
        self, session: Session, caller: Caller, made: ScoreModel, decision: Decision, asked: PolicyInput
    ) -> None:
        if owned_dataset(session, caller, made.dataset).withdrawn:
            raise NotFound("the dataset was withdrawn")
        if len(_models(session, made.dataset)) >= _EACH:
            raise Conflict(f"a dataset has at most {_EACH} models, withdrawn ones counted")
        remember(session, asked)
        made.entry = self._space.log.append(
            session,
            "model.registered",
            model=made.id,
            dataset=made.dataset,
            version=made.version,
            provider=made.provider,
            model_sha256=made.content_sha256,
            releasable=made.releasable,
            by=caller.id,
            **proof_of(decision),
        )
        session.add(made)

    def _key(self, zone: str, version: DatasetVersion, wrapped: bytes) -> bytes:
        context = Path(version.path).stem.encode()
        return self._space.keys.secret(f"zone/{zone}").unwrap(wrapped, context)

    def _shown(
        self, row: ScoreModel, zone: str, version: DatasetVersion, key: DatasetKey | None
    ) -> ModelView:
        if key is None or not row.content:
            return view_of(row, None, known=False)
        return view_of(row, open_model(row, self._key(zone, version, key.wrapped)), known=True)


def _behind(session: Session, model: ScoreModel) -> tuple[DatasetVersion, DatasetKey | None]:
    """Return the version that a model was registered on, and its key, if it was not withdrawn."""
    query = select(DatasetVersion).where(
        DatasetVersion.dataset == model.dataset, DatasetVersion.version == model.version
    )
    return session.exec(query).one(), session.get(DatasetKey, (model.dataset, model.version))


def _newest(session: Session, dataset: Dataset) -> tuple[DatasetVersion, bytes]:
    query = select(DatasetVersion).where(DatasetVersion.dataset == dataset.id)
    version = session.exec(query.order_by(col(DatasetVersion.version).desc())).first()
    key = session.get(DatasetKey, (dataset.id, version.version)) if version else None
    if version is None or key is None or dataset.withdrawn:
        raise NotFound("the dataset was withdrawn")
    return version, key.wrapped


def _models(session: Session, dataset: str) -> list[ScoreModel]:
    query = select(ScoreModel).where(ScoreModel.dataset == dataset)
    return list(session.exec(query.order_by(col(ScoreModel.entry).desc())).all())

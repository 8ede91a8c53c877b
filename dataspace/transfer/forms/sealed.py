"""Totals of sealed datasets: planned and computed here, on ciphertext alone, and opened by the key service.

The order is what makes the key service's word worth something: what was computed
is an entry of the ledger before it is asked to open it, and it opens nothing
that is not. A job is named by its plan and its result, so the same question is
the same job, which is opened once, however often it has to be asked for.
"""

import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from sqlmodel import Session, col, select

from dataspace.catalog.container import sealed_report
from dataspace.catalog.models import Dataset, DatasetVersion, Form
from dataspace.database import crash_at
from dataspace.errors import DataSpaceError, Malformed, NotFound, PolicyDenied, Unavailable, Unprocessable
from dataspace.participants.access import Caller
from dataspace.proof.canonical import canonical
from dataspace.sandbox import Pool
from dataspace.space import Space, ensure, proof_of, remember
from dataspace.table import Column
from dataspace.transfer.budget import Charge
from dataspace.transfer.case import Case, read_case, still_stands
from dataspace.transfer.conduct import Answer, Ask, Computed, Conductor
from dataspace.transfer.forms.keyservice import KeyServiceClient
from dataspace.transfer.models import SealedJob
from dataspace.transfer.sql.plan import uses
from dataspace.wire.hpke import check_public, key_id
from dataspace.wire.keyservice import LAYOUT, MEDIA_TYPE, OPEN, Message
from dataspace.wire.sealed import BLOCK_SIZE, COUNT, PLAN_FORMAT, Plan, Report
from dataspace.wire.selector import LEAST_EPSILON

_LOG: Final = logging.getLogger("dataspace.transfer")
ADDER: Final = "dataspace.transfer.forms.adder:Adder"
_ASKED: Final = frozenset({"measure", "groups", "epsilon", "key"})


class SealedAnswers:
    """The sealed form of answer; `adder` is the pool that holds SEAL."""

    def __init__(self, space: Space, adder: Pool, keyservice: KeyServiceClient) -> None:
        self._space, self._adder, self._keyservice = space, adder, keyservice
        self._conductor = Conductor(space)

    def layout(self, caller: Caller, agreement: str, key: str) -> Answer:
        """Return which labels the cells of a sealed dataset have, sealed to the consumer's key (base64).

        Raises:
            NotFound: the agreement is not the caller's.
            Unprocessable: its dataset is not a sealed one.
            PolicyDenied: the policy denies it.
            Unavailable: the key service does not answer; it costs nothing then.

        """
        case, report, public = self._case(caller, agreement), None, _public(key)
        report = _report(case.version)
        told = {"agreement": agreement, "container": str(case.version.sealed["container"])}
        digest = _sha256(canonical({"act": LAYOUT, "consumer": key_id(public), **told}))
        grouped = _named(case.columns, report.dimensions)
        ask = Ask(Form.SEALED, digest, uses(group=grouped), Charge(1), kept=True)

        def compute(_: Any) -> Computed:
            answer = self._asked(case, LAYOUT, told, [public])
            _check(answer, {**told, "consumer": key_id(public)})
            return Computed(answer.encode(), MEDIA_TYPE, _facts(report), ask.charge)

        return self._conductor.conduct(case, ask, compute)

    def total(self, caller: Caller, agreement: str, asked: Mapping[str, Any]) -> Answer:
        """Return noised totals of a measure, one for each group of cells, sealed to the consumer's key.

        `asked`: `measure`, `groups` (each `cells` and `weights`), `epsilon`, `key` (base64).

        Raises:
            Malformed: it is no question.
            NotFound: the agreement is not the caller's, or the dataset has no such measure.
            Unprocessable: its dataset is not a sealed one, or has no such cells.
            Refused: the key service does not open it.
            PolicyDenied: the policy denies it.
            Unavailable: the key service does not answer; it costs nothing then.

        """
        if asked.keys() != _ASKED:
            raise Malformed(f"malformed question: want {', '.join(sorted(_ASKED))}")
        case, public = self._case(caller, agreement), _public(str(asked["key"]))
        report, plan = _report(case.version), _plan(case, asked, key_id(public))
        if plan.epsilon < LEAST_EPSILON:
            raise Malformed(f"epsilon is {plan.epsilon} millionths: want at least {LEAST_EPSILON}")
        if plan.measure not in (*report.measures, COUNT):
            raise NotFound("the sealed dataset has no such measure")
        weights = [plan.weights(group, len(report.counts)) for group in plan.groups]
        used = uses(
            group=_named(case.columns, report.dimensions), measure=_named(case.columns, [plan.measure])
        )
        digest = _sha256(canonical(plan.to_json()))
        ask = Ask(Form.SEALED, digest, used, Charge(1, plan.epsilon), kept=True)

        def compute(_: Any) -> Computed:
            result = self._result(case, report, plan, weights)
            job, entry = self._recorded(case, ask, _sha256(result))
            crash_at("sealed.computed")
            told = {"job": job, "plan": plan.to_json()}
            opened = self._asked(case, OPEN, told, [result, self._receipt(entry), public])
            digests = {"plan_sha256": ask.query_sha256, "result_sha256": _sha256(result)}
            _check(opened, {"job": job, **digests})
            return Computed(opened.encode(), MEDIA_TYPE, _facts(report), ask.charge)

        return self._conductor.conduct(case, ask, compute)

    def forget(self, dataset: str) -> None:
        """Let no worker keep a withdrawn dataset, and the key service open nothing of it any more."""
        self._adder.broadcast("evict", {"dataset": dataset})
        with self._space.database.reading() as session:
            containers = _withdrawn(session, dataset)
        for container in containers:
            try:
                self._keyservice.forget(container)
            except DataSpaceError as error:
                # The dataset is withdrawn, and its data key gone, whatever the key service says to it.
                _LOG.warning("tell the key service to forget %s by hand: %s", container, error)

    def _case(self, caller: Caller, agreement: str) -> Case:
        with self._space.database.reading() as session:
            return read_case(session, self._space, caller, agreement)

    def _result(self, case: Case, report: Report, plan: Plan, weights: Sequence[Sequence[int]]) -> bytes:
        """Return the result of a plan: of each group the sums of values and tags; a count has none."""
        if plan.measure == COUNT:
            return b""
        payload = case.payload(self._space)
        before = report.measures.index(plan.measure) * 2 * report.blocks * BLOCK_SIZE
        request = {
            **asdict(payload),
            "sha256": case.version.payload_sha256,
            "start": int(case.version.sealed["start"]) + before,
            "counts": report.counts,
            "groups": weights,
        }
        found: bytes = self._adder.call("total", request, affinity=case.dataset.id)["result"]
        return found

    def _recorded(self, case: Case, ask: Ask, result_sha256: str) -> tuple[str, int]:
        """Return the job of a plan and its result, and the entry that says that it was computed."""
        job = f"sj-{_sha256(f'{ask.query_sha256}{result_sha256}'.encode())[:32]}"
        decision, asked = self._space.decide("query", stage="before", **case.facts(), query=ask.facts(case))
        ensure(decision)

        def act(session: Session) -> int:
            known = session.get(SealedJob, job)
            if known is not None:
                return known.entry
            if not still_stands(session, case):
                raise PolicyDenied("the agreement or the dataset changed while the query ran")
            remember(session, asked)
            digests = {"plan_sha256": ask.query_sha256, "result_sha256": result_sha256}
            entry = self._space.log.append(
                session,
                "sealed.computed",
                job=job,
                agreement=case.agreement.id,
                dataset=case.dataset.id,
                version=case.version.version,
                **digests,
                **proof_of(decision),
            )
            now, of = self._space.clock(), case.agreement.id
            session.add(SealedJob(id=job, agreement=of, **digests, entry=entry, created=now))
            return entry

        return job, self._space.database.commit(act)

    def _receipt(self, entry: int) -> bytes:
        with self._space.database.reading() as session:
            return self._space.log.receipt(session, entry).to_bytes()

    def _asked(self, case: Case, act: str, told: Mapping[str, Any], attachments: Sequence[bytes]) -> Message:
        """Ask the key service; the first time for a dataset, it is given the manifest first."""
        try:
            return self._keyservice.ask(act, told, attachments)
        except NotFound:
            self._keyservice.send_manifest(case.payload(self._space))
        try:
            return self._keyservice.ask(act, told, attachments)
        except NotFound as error:
            raise Unavailable("the key service does not keep what it is given") from error


def _plan(case: Case, asked: Mapping[str, Any], consumer: str) -> Plan:
    told = {name: asked[name] for name in ("measure", "groups", "epsilon")}
    return Plan.from_json(
        {
            "format": PLAN_FORMAT,
            "agreement": case.agreement.id,
            "dataset": case.dataset.id,
            "version": case.version.version,
            "container": case.version.sealed["container"],
            "min_group": max(case.pack.min_group, case.offer.min_group),
            "consumer": consumer,
            **told,
        }
    )


def _withdrawn(session: Session, dataset: str) -> list[str]:
    """Return the containers of a withdrawn dataset, but for those that another dataset has too."""
    found = session.exec(select(DatasetVersion).where(DatasetVersion.dataset == dataset)).all()
    living = select(DatasetVersion.source_sha256).join(Dataset).where(col(Dataset.withdrawn).is_(None))
    kept = set(
        session.exec(
            living.where(col(DatasetVersion.source_sha256).in_([version.source_sha256 for version in found]))
        )
    )
    return [
        str(version.sealed["container"])
        for version in found
        if version.sealed and version.source_sha256 not in kept
    ]


def _report(version: DatasetVersion) -> Report:
    if not version.sealed:
        raise Unprocessable("the dataset is not a sealed one: ask it for aggregates")
    return sealed_report(version)


def _named(columns: Sequence[Column], names: Sequence[str]) -> list[Column]:
    return [column for column in columns if column.name in names]


def _facts(report: Report) -> dict[str, int]:
    # What the key service makes sure of in every group; the exact numbers are nobody's but its own.
    return {"rows": 0, "smallest_group": report.min_group, "complement": 0}


def _check(answer: Message, wanted: Mapping[str, str]) -> None:
    """Let pass an answer to this very question, not one that was heard before: the consumer pays for it."""
    for name, value in wanted.items():
        if not hmac.compare_digest(str(answer.statement.get(name)).encode(), value.encode()):
            raise Unavailable("the key service answered something else")


def _public(key: str) -> bytes:
    try:
        public = base64.b64decode(key, validate=True)
    except ValueError as error:
        raise Malformed("malformed key: want base64") from error
    check_public(public)
    return public


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""The acts of a key service, for its one platform alone: keep a manifest, tell a layout, open, forget.

1. the request is the platform's: signed by its log's key, for this key service, not expired, not seen before;
   only then its attachments are read
2. the ledger has it: a receipt of a `sealed.computed` with this job, plan and result
3. the dataset's epsilon is spent, and the job begun, in one transaction: a job is opened once
4. in a child process: enough subjects, no total that wraps, tags that fit, noise
5. the answer is sealed to the consumer, signed, and kept: the same job gets it again
"""

import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any, Final

from dataspace.errors import Malformed, Refused, TooCostly, TooMany, Unavailable, VerificationError
from dataspace.keyservice.home import Home
from dataspace.keyservice.store import Job, Store
from dataspace.proof.canonical import canonical
from dataspace.proof.rotation import LogKeys
from dataspace.proof.verify import Report, verify_receipt
from dataspace.sandbox import Pool
from dataspace.wire.hpke import check_public, key_id, seal_to
from dataspace.wire.keyservice import (
    ANSWER,
    FORGET,
    KEEP,
    LAYOUT,
    LIFETIME,
    OPEN,
    REQUEST,
    Message,
    answer_info,
    layout_info,
)
from dataspace.wire.manifest import COUNTING, Bounds, Manifest
from dataspace.wire.sealed import MANIFEST_INFO, Head, Plan

OPENER: Final = "dataspace.keyservice.opener:Opener"
_LATER: Final = (Unavailable, TooCostly, TooMany)  # what may come out otherwise when it is tried again
_COMPUTED: Final = "sealed.computed"
_DIGITS: Final = 17  # of a total and its sign: 2^53 has 16


class KeyService:
    """Answers the platform that its home names; `opener` is the pool that holds SEAL."""

    def __init__(
        self, home: Home, store: Store, opener: Pool, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._home, self._store, self._opener, self._clock = home, store, opener, clock
        self._one = threading.Lock()  # results are opened one at a time: of one job at once the second waits
        self._acts = {KEEP: self._keep, LAYOUT: self._layout, OPEN: self._open, FORGET: self._forget}

    @property
    def key(self) -> str:
        """The public keys, as text."""
        return str(self._home.identity.public)

    def admit(self, message: Message) -> Callable[[Message], bytes]:
        """Return what answers a request of the platform's, of which no attachment was read yet.

        What is returned raises the errors of its act: `Malformed`, `Refused`, `Conflict`, and `NotFound`
        where the dataset's manifest was not sent yet.

        Raises:
            Malformed: the request is.
            Refused: it is not the platform's, or expired.
            Conflict: it came before.

        """
        self._check_platform(message)
        told, now = message.statement, int(self._clock())
        if told.get("keyservice") != self._home.identity.public.id:
            raise Refused("the request is for another key service")
        expires, nonce = told.get("expires"), told.get("nonce")
        if type(expires) is not int or not now < expires <= now + LIFETIME or not isinstance(nonce, str):
            raise Refused(f"the request expired, or lives longer than {LIFETIME} seconds")
        act = self._acts.get(str(told.get("act")))
        if act is None:
            raise Malformed(f"unknown act, want one of {', '.join(self._acts)}")
        self._store.use(nonce, expires, now)
        return act

    def _check_platform(self, message: Message) -> None:
        """Let pass what the platform's log signed, with the key that it has now."""
        try:
            keys = LogKeys.follow(self._home.platform, _rotations(message))
            message.check(keys.current.public_key, REQUEST)
            # Whoever holds a key that was rotated away leaves the rotation out.
            self._store.follow([str(key) for key in keys.keys[keys.keys.index(self._home.platform) :]])
        except VerificationError as error:
            raise Refused(f"the request is not of the platform {self._home.platform.name}") from error

    def _keep(self, message: Message) -> bytes:
        head = Head.read(BytesIO(_attached(message, 1)[0]))
        report = head.check()
        if report.keyservice != self._home.identity.public.id:
            raise Refused("the dataset was sealed for another key service")
        manifest = self._manifest(head)
        manifest.check_report(report)
        self._store.keep(head.id, head.encode(), manifest.facts.epsilon)
        return self._signed({"act": KEEP, "container": head.id, "min_group": manifest.facts.min_group})

    def _layout(self, message: Message) -> bytes:
        told, consumer = message.statement, _attached(message, 1)[0]
        container, agreement = _text(told, "container"), _text(told, "agreement")
        facts = self._manifest(Head.read(BytesIO(self._store.head(container)))).facts
        layout: dict[str, Any] = {
            "container": container,
            "dimensions": facts.dimensions,
            "cells": facts.cells,
            "measures": [_measure(one) for one in (COUNTING, *facts.measures)],
            "max_rows": facts.max_rows,
            "min_group": facts.min_group,
        }
        sealed = seal_to(consumer, canonical(layout), layout_info(agreement, container))
        named = {"container": container, "agreement": agreement, "consumer": key_id(consumer)}
        return self._signed({"act": LAYOUT, **named}, sealed)

    def _forget(self, message: Message) -> bytes:
        container = _text(message.statement, "container")
        with self._one:
            self._store.forget(container)
        return self._signed({"act": FORGET, "container": container})

    def _open(self, message: Message) -> bytes:
        told, (result, receipt, consumer) = message.statement, _attached(message, 3)
        asked = told.get("plan")
        if not isinstance(asked, dict):
            raise Malformed("malformed request: it has no plan")
        plan, content = Plan.from_json(asked), canonical(asked)
        if not hmac.compare_digest(plan.consumer, key_id(consumer)):
            raise Refused("the plan is for another consumer's key")
        # Before anything is spent: what cannot be sealed to has no answer, and would spend epsilon for none.
        check_public(consumer)
        job = Job(_text(told, "job"), plan.container, _sha256(content), _sha256(result), plan.epsilon)
        report = verify_receipt(receipt, str(self._home.platform), rotations=_rotations(message))
        _check_ledger(report, job, plan)
        with self._one:
            head = Head.read(BytesIO(self._store.head(plan.container)))
            known = self._store.begin(job)
            if known is not None:
                return known
            totals = self._totals(job, head, {"plan": asked, "result": result})
            answer = self._answer(job, plan, totals, consumer)
            # From here on the job has one answer: to die before this point is never to have opened it.
            return self._store.finish(job, answer)

    def _totals(self, job: Job, head: Head, request: Mapping[str, Any]) -> list[int]:
        """Return the noised totals; what is not opened is given back, unless it may be tried again."""
        try:
            manifest = self._home.identity.sealing.open(head.manifest, MANIFEST_INFO)
            found = self._opener.call("open", {**request, "manifest": manifest})
        except VerificationError as error:
            self._store.abandon(job, forged=True)
            raise Refused("the result is not of the plan that the ledger names") from error
        except _LATER:
            raise
        except (Malformed, Refused):
            self._store.abandon(job, forged=False)
            raise
        return list(found["totals"])

    def _answer(self, job: Job, plan: Plan, totals: list[int], consumer: bytes) -> bytes:
        told = plan.to_json()
        content = canonical(
            {
                "measure": plan.measure,
                "totals": totals,
                "epsilon": plan.epsilon,
                "container": plan.container,
                # What was added up: that the platform planned what it was asked, the consumer sees by it.
                "groups_sha256": _sha256(canonical(told["groups"])),
            }
        )
        # As long as the longest: the length would tell the platform the digits and the sign of a total.
        content = content.ljust(len(content) + sum(_DIGITS - len(str(total)) for total in totals))
        sealed = seal_to(consumer, content, answer_info(job.id, plan.agreement, job.plan_sha256))
        named = {"job": job.id, "agreement": plan.agreement, "consumer": plan.consumer}
        digests = {"plan_sha256": job.plan_sha256, "result_sha256": job.result_sha256}
        return self._signed({"act": OPEN, **named, **digests, "epsilon": plan.epsilon}, sealed)

    def _manifest(self, head: Head) -> Manifest:
        return Manifest.decode(self._home.identity.sealing.open(head.manifest, MANIFEST_INFO))

    def _signed(self, told: Mapping[str, Any], *attachments: bytes) -> bytes:
        identity = self._home.identity
        # The whole key: who pins its id alone needs nobody else to check the signature.
        statement = {"format": ANSWER, "key": str(identity.public), **told}
        return Message.sign(statement, attachments, identity.signing.sign).encode()


def _check_ledger(report: Report, job: Job, plan: Plan) -> None:
    """Let pass what an entry of the platform's ledger says was computed (attack HE-07)."""
    fields = report.receipt.record.fields if report.ok and report.receipt else {}
    wanted = {
        "kind": _COMPUTED,
        "job": job.id,
        "agreement": plan.agreement,
        "dataset": plan.dataset,
        "version": plan.version,
        "plan_sha256": job.plan_sha256,
        "result_sha256": job.result_sha256,
    }
    if any(fields.get(name) != value for name, value in wanted.items()):
        raise Refused("the ledger does not have this job with this plan and result")


def _measure(found: Bounds) -> dict[str, Any]:
    return {"name": found.name, "low": found.low, "high": found.high, "precision": found.precision}


def _attached(message: Message, count: int) -> tuple[bytes, ...]:
    if len(message.attachments) != count:
        raise Malformed(f"malformed request: {len(message.attachments)} attachments, want {count}")
    return message.attachments


def _rotations(message: Message) -> list[str]:
    found = message.statement.get("rotations", [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise Malformed("malformed request: its rotations are no list of notes")
    return found


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 200:
        raise Malformed(f"malformed request: {name} is no text")
    return value


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

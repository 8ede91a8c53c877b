"""Entries that contradict those of the played space: kind, fields, and what an audit must say."""

from typing import Any

from tests.audit.decided import AGREEMENT, CONSUMER, UNITS
from tests.audit.entries import (
    ACKNOWLEDGED,
    ANSWER,
    COMPUTED,
    GRANTED,
    MODEL,
    MOVED,
    REFUSED,
    REGISTERED,
    TERMS,
)
from tests.audit.rows import SHA
from tests.audit.scene import DECIDED

WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "an answer without an agreement": (
        "query.answered",
        {**ANSWER, "agreement": "ag-9"},
        "entry 30: ag-9 was not concluded before",
    ),
    "an answer about another dataset": (
        "query.answered",
        {**ANSWER, "dataset": "ds-9"},
        "entry 30: ag-1 does not cover version 1 of ds-9",
    ),
    "an answer about a later version": (
        "query.answered",
        {**ANSWER, "version": 2},
        "entry 30: ag-1 does not cover version 2 of ds-1",
    ),
    "an answer in a form not agreed": (
        "query.answered",
        {**ANSWER, "form": "copy"},
        "entry 30: ag-1 does not cover the form copy",
    ),
    "more units than granted": (
        "query.answered",
        {**ANSWER, "units": UNITS, "price": UNITS * 100},
        f"entry 30: units spent under ag-1 are {UNITS + 20}, granted {UNITS}",
    ),
    "a suspension with units left": (
        "agreement.suspended",
        {"agreement": AGREEMENT, "reason": "units-exhausted"},
        "entry 30: it suspends ag-1 for units-exhausted, and some is left",
    ),
    "a suspension with epsilon left": (
        "agreement.suspended",
        {"agreement": AGREEMENT, "reason": "epsilon-exhausted"},
        "entry 30: it suspends ag-1 for epsilon-exhausted, and some is left",
    ),
    "a suspension for a whim": (
        "agreement.suspended",
        {"agreement": AGREEMENT, "reason": "late"},
        "entry 30: it suspends ag-1 for late, want units-exhausted, epsilon-exhausted",
    ),
    "a suspension of nothing": (
        "agreement.suspended",
        {"agreement": "ag-9", "reason": "units-exhausted"},
        "entry 30: ag-9 was not concluded before",
    ),
    "a stranger's entity": (
        "participant.entity",
        {"participant": "pt-9", "entity_sha256": SHA, "by": "pt-1"},
        "entry 30: pt-9 was not admitted before",
    ),
    "an entity that a consumer named": (
        "participant.entity",
        {"participant": CONSUMER, "entity_sha256": SHA, "by": CONSUMER},
        f"entry 30: who named its entity {CONSUMER} is no operator",
    ),
    "a wrong price": (
        "query.answered",
        {**ANSWER, "price": 99},
        "entry 30: its price is 99, want 1 units at 100",
    ),
    "an unknown policy": ("query.answered", {**ANSWER, "policy": SHA}, "no entry before it adopts"),
    "a second creation": ("log.created", {"origin": "o", "vkey": "v"}, "entry 30: log.created at index 30"),
    "a stranger's change": (
        "participant.changed",
        {"participant": "pt-9", "roles": ["auditor"], "status": "active", "by": "pt-1"},
        "entry 30: pt-9 was not admitted before",
    ),
    "a second admission": (
        "participant.admitted",
        {"participant": "pt-1", "roles": ["auditor"], "by": "pt-1"},
        "entry 30: pt-1 was admitted before",
    ),
    "a withdrawal of nothing": (
        "dataset.withdrawn",
        {"dataset": "ds-9", "versions": [1], "by": "pt-1", **DECIDED},
        "entry 30: ds-9 was not registered before",
    ),
    "a negotiation that goes back": (
        "negotiation.changed",
        {**MOVED, "state": "REQUESTED"},
        "entry 30: ng-1 goes from FINALIZED to REQUESTED",
    ),
    "a negotiation in no state": (
        "negotiation.changed",
        {**MOVED, "negotiation": "ng-9", "state": "DREAMING"},
        "entry 30: ng-9 goes from nothing to DREAMING",
    ),
    "a stranger who admits": (
        "participant.admitted",
        {"participant": "pt-9", "roles": ["auditor"], "by": "pt-8"},
        "entry 30: who admitted it pt-8 was not admitted before",
    ),
    "a consumer who admits": (
        "participant.admitted",
        {"participant": "pt-9", "roles": ["auditor"], "by": CONSUMER},
        "entry 30: who admitted it pt-2 is no operator: its roles are consumer",
    ),
    "a role that there is not": (
        "participant.admitted",
        {"participant": "pt-9", "roles": ["king"], "by": "pt-1"},
        "entry 30: its roles are king, want of provider, consumer, auditor, operator",
    ),
    "a token for another": (
        "credential.issued",
        {"participant": "pt-1", "by": CONSUMER},
        "entry 30: who had it issued pt-2 is no operator",
    ),
    "an auditor who is none": (
        "auditor.assigned",
        {"participant": "pt-9", "zones": ["finance"], "by": "pt-1"},
        "entry 30: pt-9 was not admitted before",
    ),
    "a dataset of a consumer's": (
        "dataset.registered",
        {**REGISTERED, "dataset": "ds-2", "offer": "of-2", "provider": CONSUMER},
        "entry 30: its provider pt-2 is no provider: its roles are consumer",
    ),
    "an offer twice": (
        "dataset.registered",
        {**REGISTERED, "version": 2, "offer": "of-1"},
        "entry 30: of-1 was an offer before",
    ),
    "a version left out": (
        "dataset.registered",
        {**REGISTERED, "version": 3, "offer": "of-2"},
        "entry 30: version 3 of ds-1 does not follow the one before it",
    ),
    "an approval of one's own": (
        "approval.granted",
        GRANTED,
        "entry 30: ap-1 was answered by its provider, who is no second person",
    ),
    "an approval by a consumer": (
        "approval.granted",
        {**GRANTED, "by": CONSUMER},
        "entry 30: who answered it pt-2 is no operator",
    ),
    "an approval that nobody gave": (
        "dataset.registered",
        {**REGISTERED, "version": 2, "approval": "ap-1", "lifted": ["level-lowered"]},
        "entry 30: ap-1 was not granted before",
    ),
    "reasons lifted by nobody": (
        "dataset.registered",
        {**REGISTERED, "version": 2, "lifted": ["level-lowered"]},
        "entry 30: it lifts level-lowered, and names no approval",
    ),
    "a withdrawal by another": (
        "dataset.withdrawn",
        {"dataset": "ds-1", "versions": [1], "by": CONSUMER, **DECIDED},
        "entry 30: pt-2 is not the provider of ds-1",
    ),
    "a withdrawal of other versions": (
        "dataset.withdrawn",
        {"dataset": "ds-1", "versions": [1, 2], "by": "pt-1", **DECIDED},
        "entry 30: it withdraws other versions of ds-1 than there are",
    ),
    "a negotiation on no offer": (
        "negotiation.changed",
        {**MOVED, "negotiation": "ng-9", "offer": "of-9", "state": "REQUESTED"},
        "entry 30: of-9 was not on offer before",
    ),
    "a provider who asks": (
        "negotiation.changed",
        {**MOVED, "negotiation": "ng-9", "state": "REQUESTED", "by": "pt-1"},
        "entry 30: pt-1 cannot take ng-9 from nothing to REQUESTED",
    ),
    "a negotiation that changes its parties": (
        "negotiation.changed",
        {**MOVED, "provider": "pt-9", "state": "TERMINATED"},
        "entry 30: ng-1 is about another offer, or between others than before",
    ),
    "a second agreement from one negotiation": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2"},
        "entry 30: ng-1 led to ag-1 before",
    ),
    "an agreement without a negotiation": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "negotiation": "ng-9"},
        "entry 30: ng-9 was not begun before",
    ),
    "an agreement on another dataset's offer": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "offer": "of-9"},
        "entry 30: of-9 is no offer of ds-1",
    ),
    "an agreement on a version to come": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "versions": [1, 2]},
        "entry 30: its versions of ds-1 were not registered before",
    ),
    "an agreement on an unknown form": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "forms": ["copy"]},
        "entry 30: its forms are copy, want of rows, aggregate, encrypted",
    ),
    "an agreement for no purpose": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "purpose": ""},
        "entry 30: it has no purpose",
    ),
    "an agreement that ends at no time": (
        "agreement.concluded",
        {**TERMS, "agreement": "ag-2", "expires": "some day"},
        "entry 30: when it expires is no time",
    ),
    "an end by a stranger": (
        "agreement.terminated",
        {"agreement": AGREEMENT, "by": "pt-9", "reason": "r"},
        "entry 30: pt-9 is no party of ag-1",
    ),
    "an encrypted answer without a cube": (
        "query.answered",
        {**ANSWER, "form": "encrypted"},
        "entry 30: no cube was granted to ag-1 before",
    ),
    "an aggregate that costs as rows do": (
        "query.answered",
        {**ANSWER, "units": 2, "price": 200},
        "entry 30: it costs 2 units, and one in the form aggregate costs one",
    ),
    "a refusal by the service that costs": (
        "query.refused",
        {**REFUSED, "reasons": ["column-forbids-use"], "units": 1},
        "entry 30: it costs 1 units, and no answer was made",
    ),
    "a refusal without a reason": (
        "query.refused",
        {**REFUSED, "reasons": []},
        "entry 30: it refuses without a reason",
    ),
    "a refusal that costs privacy in the clear": (
        "query.refused",
        {**REFUSED, "form": "rows", "epsilon": 1},
        "entry 30: it costs epsilon in the form rows",
    ),
    "a refusal about another dataset": (
        "query.refused",
        {**REFUSED, "dataset": "ds-9"},
        "entry 30: ag-1 is not about ds-9",
    ),
    "an acknowledgement of no answer": (
        "answer.acknowledged",
        {**ACKNOWLEDGED, "answered": 4},
        "entry 30: it acknowledges entry 4, which is no answer",
    ),
    "an acknowledgement of other bytes": (
        "answer.acknowledged",
        {**ACKNOWLEDGED, "answer_sha256": "cd" * 32},
        "entry 30: it acknowledges entry 17, which is another agreement's answer, or one of other bytes",
    ),
    "an acknowledgement of what is to come": (
        "answer.acknowledged",
        {**ACKNOWLEDGED, "answered": 99},
        "entry 30: it acknowledges entry 99, which is later",
    ),
    "an acknowledgement by another": (
        "answer.acknowledged",
        {**ACKNOWLEDGED, "by": "pt-1"},
        "entry 30: pt-1 is not the consumer of ag-1",
    ),
    "a key for nothing": (
        "key.adopted",
        {"role": "cook", "vkey": "example.com/space+00000000+AAAA"},
        "entry 30: it adopts a key for cook",
    ),
    "a key that is none": (
        "key.adopted",
        {"role": "anchor", "vkey": "none"},
        "entry 30: verifier key: want name+8 hex digits+base64",
    ),
    "a rotation that no key signed": (
        "key.rotated",
        {"role": "log", "old": "o", "new": "n", "reason": "scheduled", "statement": "s"},
        "entry 30: it rotates the log's key, and no statement of both keys for this entry was shown",
    ),
    "an answer for nothing": (
        "query.answered",
        {**ANSWER, "units": 0, "price": 0},
        "entry 30: it costs no unit, and nothing is answered for less than one",
    ),
    "a rotation of another key than the log's": (
        "key.rotated",
        {"role": "anchor", "old": "o", "new": "n", "reason": "scheduled", "statement": ""},
        "entry 30: it rotates a key of anchor: only the log's own is, others are adopted",
    ),
    "a model of nothing": (
        "model.registered",
        {**MODEL, "dataset": "ds-9"},
        "entry 30: version 1 of ds-9 was not registered before",
    ),
    "a model of another's dataset": (
        "model.registered",
        {**MODEL, "provider": CONSUMER, "by": CONSUMER},
        f"entry 30: {CONSUMER} is not the provider of ds-1",
    ),
    "a model registered in another's name": (
        "model.registered",
        {**MODEL, "by": CONSUMER},
        f"entry 30: {CONSUMER} is not the provider of sm-1",
    ),
    "a withdrawal of no model": (
        "model.withdrawn",
        {"model": "sm-9", "by": "pt-1"},
        "entry 30: sm-9 was not registered before",
    ),
    "a computation in a form not agreed": (
        "sealed.computed",
        COMPUTED,
        "entry 30: ag-1 does not cover the form sealed",
    ),
    "a computation without an agreement": (
        "sealed.computed",
        {**COMPUTED, "agreement": "ag-9"},
        "entry 30: ag-9 was not concluded before",
    ),
    "an end of nothing": (
        "agreement.terminated",
        {"agreement": "ag-9", "by": "pt-1", "reason": "r"},
        "entry 30: ag-9 was not concluded before",
    ),
}

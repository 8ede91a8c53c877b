"""Fields of entries that fit the played space, to be changed."""

from tests.audit.decided import AGREEMENT, CONSUMER, DATASET, NEGOTIATION
from tests.audit.rows import SHA
from tests.audit.scene import DECIDED

ANSWER = {
    "agreement": AGREEMENT,
    "dataset": DATASET,
    "version": 1,
    "form": "aggregate",
    "query_sha256": SHA,
    "answer_sha256": SHA,
    "units": 1,
    "epsilon": 0,
    "price": 100,
    **DECIDED,
}
REFUSED = {
    "agreement": AGREEMENT,
    "dataset": DATASET,
    "form": "aggregate",
    "query_sha256": SHA,
    "reasons": ["group-too-small"],
    "units": 0,
    "epsilon": 0,
    **DECIDED,
}
MODEL = {
    "model": "sm-1",
    "dataset": DATASET,
    "version": 1,
    "provider": "pt-1",
    "model_sha256": SHA,
    "releasable": True,
    "by": "pt-1",
    **DECIDED,
}
COMPUTED = {
    "job": "jb-1",
    "agreement": AGREEMENT,
    "dataset": DATASET,
    "version": 1,
    "plan_sha256": SHA,
    "result_sha256": SHA,
    **DECIDED,
}
ACKNOWLEDGED = {"agreement": AGREEMENT, "answered": 17, "answer_sha256": SHA, "by": CONSUMER}
REGISTERED = {
    "dataset": DATASET,
    "version": 1,
    "zone": "finance",
    "provider": "pt-1",
    "source_sha256": SHA,
    "payload_sha256": SHA,
    "rows": 1,
    "schema_sha256": SHA,
    "level": 1,
    "offer": "of-2",
    "offer_sha256": SHA,
    "price": 1,
    "report_sha256": SHA,
    "approval": "",
    "lifted": [],
    **DECIDED,
}
GRANTED = {
    "approval": "ap-1",
    "provider": "pt-1",
    "zone": "finance",
    "source_sha256": SHA,
    "registration_sha256": SHA,
    "codes": ["level-lowered"],
    "by": "pt-1",
    **DECIDED,
}
TERMS = {
    "agreement": AGREEMENT,
    "negotiation": NEGOTIATION,
    "offer": "of-1",
    "dataset": DATASET,
    "versions": [1],
    "provider": "pt-1",
    "consumer": CONSUMER,
    "purpose": "statistics",
    "forms": ["rows"],
    "units": 1,
    "epsilon": 0,
    "price": 1,
    "expires": "2027-01-01T00:00:00+00:00",
    "agreement_sha256": SHA,
    **DECIDED,
}
MOVED = {
    "negotiation": NEGOTIATION,
    "offer": "of-1",
    "provider": "pt-1",
    "consumer": CONSUMER,
    "by": CONSUMER,
}

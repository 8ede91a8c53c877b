"""Every kind of entry and its fields: the one table, which the ledger refuses to leave.

The names are permanent: what an entry of today means must be readable for as
long as the log is. A new need is a new kind, or a new name beside the old.
`README.md` in this folder says what each field holds; a test compares the two.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from dataspace.errors import Malformed

ADDED: Final = ("kind", "time")  # by the log, to every entry

_DECISION: Final = ("policy", "input")
_APPROVAL: Final = (
    *("approval", "provider", "zone", "source_sha256", "registration_sha256", "codes", "by", *_DECISION),
)

KINDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "log.created": ("origin", "vkey"),
        "key.adopted": ("role", "vkey"),
        "key.rotated": ("role", "old", "new", "reason", "statement"),
        "policy.adopted": ("digest", "revision"),
        "participant.admitted": ("participant", "roles", "by"),
        "participant.changed": ("participant", "roles", "status", "by"),
        "participant.entity": ("participant", "entity_sha256", "by"),
        "auditor.assigned": ("participant", "zones", "by"),
        "credential.issued": ("participant", "by"),
        "credential.revoked": ("participant", "by"),
        "dataset.registered": (
            *("dataset", "version", "zone", "provider", "source_sha256", "payload_sha256", "rows"),
            *("schema_sha256", "level", "offer", "offer_sha256", "price"),
            *("report_sha256", "approval", "lifted", *_DECISION),
        ),
        "approval.granted": _APPROVAL,
        "approval.rejected": _APPROVAL,
        "dataset.withdrawn": ("dataset", "versions", "by", *_DECISION),
        "negotiation.changed": ("negotiation", "offer", "provider", "consumer", "state", "by"),
        "negotiation.refused": ("offer", "consumer", "reasons", *_DECISION),
        "agreement.concluded": (
            *("agreement", "negotiation", "offer", "dataset", "versions", "provider", "consumer", "purpose"),
            *("forms", "units", "epsilon", "price", "expires", "agreement_sha256", *_DECISION),
        ),
        "agreement.suspended": ("agreement", "reason"),
        "agreement.terminated": ("agreement", "by", "reason"),
        "cube.granted": (
            *("cube", "dataset", "version", "agreement", "spec_sha256", "cells_sha256"),
            *(*_DECISION, "units", "epsilon", "price"),
        ),
        "query.answered": (
            *("agreement", "dataset", "version", "form", "query_sha256", "answer_sha256"),
            *(*_DECISION, "units", "epsilon", "price"),
        ),
        "model.registered": (
            *("model", "dataset", "version", "provider", "model_sha256", "releasable", "by", *_DECISION),
        ),
        "model.withdrawn": ("model", "by"),
        "sealed.computed": (
            *("job", "agreement", "dataset", "version", "plan_sha256", "result_sha256", *_DECISION),
        ),
        "answer.acknowledged": ("agreement", "answered", "answer_sha256", "by"),
        "query.refused": (
            *("agreement", "dataset", "form", "query_sha256", "reasons"),
            *(*_DECISION, "units", "epsilon"),
        ),
        "entry.erased": ("entry", "basis"),
    }
)

# Names that came beside the old ones: an entry from before them is without all of them.
LATER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"dataset.registered": frozenset({"report_sha256", "approval", "lifted"})}
)

_NAMES: Final = {kind: frozenset(names) for kind, names in KINDS.items()}


def check_fields(kind: str, fields: Mapping[str, Any], *, read: bool = False) -> None:
    """Let pass exactly the fields of a kind; of an entry that is `read`, also those it had in former times.

    Raises:
        Malformed: the kind is unknown, or a field is missing or is not one of its own.

    """
    names = _NAMES.get(kind)
    if names is None:
        raise Malformed(f"entry of unknown kind {kind!r}")
    if read and not fields.keys() & LATER.get(kind, frozenset()):
        names -= LATER.get(kind, frozenset())
    if fields.keys() != names:
        missing, unknown = sorted(names - fields.keys()), sorted(fields.keys() - names)
        raise Malformed(f"entry {kind}: missing fields {missing}, unknown fields {unknown}")

"""The keys that sign for a space, each in its role, recorded in the log before they sign anything.

`log` signs every head; the others sign what is published: `log-pq` and
`anchor` under the log's own name, `witness` and `witness-pq` other logs' heads
under the name `<origin>/witness`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlmodel import Session

from dataspace.database import Database
from dataspace.keys import KeyStore
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchors.signing import public_key
from dataspace.ledger.log import Log
from dataspace.ledger.signer import KEY
from dataspace.ledger.store import LOG, Store
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.secp256k1 import AnchorKey

KEYS: Final = ("log", "log-pq", "witness", "witness-pq", "anchor")


class Role(StrEnum):
    """What a key that is not the log's own signs."""

    POST_QUANTUM = "post-quantum"
    ANCHOR = "anchor"
    WITNESS = "witness"
    WITNESS_POST_QUANTUM = "witness-post-quantum"


_NAMES: Final[Mapping[Role, str]] = {
    Role.POST_QUANTUM: "log-pq",
    Role.ANCHOR: "anchor",
    Role.WITNESS: "witness",
    Role.WITNESS_POST_QUANTUM: "witness-pq",
}


def witness_name(origin: str) -> str:
    """Return the name under which the space of the log `origin` cosigns other logs."""
    return f"{origin}/witness"


def verifier_keys(origin: str, keys: KeyStore) -> dict[Role, str]:
    """Return the verifier key of every role whose key the store has.

    Raises:
        Unavailable: a key is there and cannot be used.

    """
    if not isinstance(keys, FileKeys):
        return {}
    return {role: _vkey(role, name, origin, keys) for role, name in _NAMES.items() if keys.has(name)}


def key_name(session: Session, role: str) -> str:
    """Return the name in the key store of the key that has a role now; `LOG` is the role of the log's own."""
    rows = [row for row in Store(session).adopted_keys() if row.role == role]
    if rows:
        return rows[-1].name
    return KEY if role == LOG else _NAMES[Role(role)]


def adopt_keys(database: Database, log: Log, origin: str, keys: KeyStore) -> None:
    """Record the keys that the log does not name yet, each as an entry of its own."""
    wanted = verifier_keys(origin, keys)

    def missing(session: Session) -> dict[Role, str]:
        known = {(row.role, row.vkey) for row in Store(session).adopted_keys()}
        return {role: vkey for role, vkey in wanted.items() if (role, vkey) not in known}

    def act(session: Session) -> None:
        for role, vkey in missing(session).items():
            log.adopt(session, role, _NAMES[role], vkey)

    with database.reading() as session:
        if not missing(session):
            return
    database.commit(act)


def public_keys(log: Log, session: Session) -> dict[str, Any]:
    """Return the verifier keys that sign for the space now, and the notes that handed the log to its key."""
    adopted, handed = log.adopted(session), Store(session).adopted_keys()
    roles = (Role.WITNESS, Role.WITNESS_POST_QUANTUM)
    return {
        # From the database: another process may have handed the log over since this one's last batch.
        "log": next((row.vkey for row in reversed(handed) if row.role == LOG), None) or log.vkey(),
        "post_quantum": adopted.get(Role.POST_QUANTUM),
        "anchor": adopted.get(Role.ANCHOR),
        "witness": [adopted[role] for role in roles if role in adopted],
        "rotations": log.rotations(session),
    }


def _vkey(role: Role, name: str, origin: str, keys: FileKeys) -> str:
    match role:
        case Role.POST_QUANTUM:
            return str(PostQuantumCosigner(origin, keys.public_key(name)))
        case Role.ANCHOR:
            return str(AnchorKey(origin, public_key(keys.raw(name))))
        case Role.WITNESS:
            return str(Cosigner(witness_name(origin), keys.public_key(name)))
        case Role.WITNESS_POST_QUANTUM:
            return str(PostQuantumCosigner(witness_name(origin), keys.public_key(name)))

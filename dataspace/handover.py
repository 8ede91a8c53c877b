"""Handing the log, or its place on a chain, over to a new key.

The log's own key is made, then recorded and signed by both keys in one
transaction. The anchor's key is made, then made the owner in the contract, then
recorded. A crash leaves the old key or the new one, never half: the same
command again takes up the key file that no entry names yet, and an owner that
the contract has and no entry names.
"""

from typing import Final

from dataspace.app import open_space
from dataspace.database import crash_at
from dataspace.errors import Malformed
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchors import ownership
from dataspace.ledger.anchors.signing import public_key
from dataspace.ledger.keyring import Role, key_name
from dataspace.ledger.store import LOG
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.settings import Settings
from dataspace.space import Space

REASONS: Final = ("scheduled", "compromised")


def hand_over(settings: Settings, reason: str) -> tuple[int, str]:
    """Make the next key of the log and hand over to it; return the entry's index and the new verifier key.

    Raises:
        Malformed: `reason` is none of the two, or the keys are not in a folder.
        Conflict: the service is running on this home: stop it first.
        Unavailable: the log is behind its anchor, or is not the one of these keys.

    """
    if reason not in REASONS:
        raise Malformed(f"the reason of a handover is {reason!r}, want {' or '.join(REASONS)}")
    with open_space(settings) as space:
        with space.database.reading() as session:
            name = _next(key_name(session, LOG))
        _made(space, name)
        crash_at("handover.key_made")
        index = space.database.commit(lambda session: space.log.rotate(session, name, reason))
        crash_at("handover.committed")
        return index, space.log.vkey()


def hand_over_anchor(settings: Settings) -> tuple[int, str]:
    """Make the next anchor key the owner in the contract; return the entry's index and the new verifier key.

    The account of the new key needs funds where the chain asks for a fee.

    Raises:
        Malformed: the anchor is no contract, or the keys are not in a folder.
        Conflict: the service is running on this home: stop it first.
        Unavailable: the chain does not answer, or the key before does not own the log.

    """
    with open_space(settings) as space:
        with space.database.reading() as session:
            old = key_name(session, Role.ANCHOR)
        name = _next(old)
        keys = _made(space, name)
        heir = public_key(keys.raw(name))
        ownership.hand_over(settings.anchor, settings.origin, keys.raw(old), heir)
        crash_at("handover.owner_changed")
        vkey = str(AnchorKey(settings.origin, heir))
        return space.database.commit(lambda session: space.log.adopt(session, Role.ANCHOR, name, vkey)), vkey


def _next(name: str) -> str:
    """Return the name of the key after `name`, whose first version has no number."""
    kind, _, version = name.partition("/v")
    return f"{kind}/v{int(version or 1) + 1}"


def _made(space: Space, name: str) -> FileKeys:
    if not isinstance(space.keys, FileKeys):
        raise Malformed("a key can be made only in a folder of keys")
    if not space.keys.has(name):
        space.keys.create(name)
    return space.keys

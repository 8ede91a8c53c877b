"""The keys that a log names for what is published of it, beside its own: of which type, under which name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from dataspace.errors import VerificationError
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.key import NoteKey
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.proof.vkey import parse_vkey

SIGNING: Final = ("post-quantum", "anchor")  # the roles whose keys sign what is published
# Of each role the type of its key, and what follows the origin in its name.
KEYS: Final[Mapping[str, tuple[type[NoteKey], str]]] = MappingProxyType(
    {
        "post-quantum": (PostQuantumCosigner, ""),
        "anchor": (AnchorKey, ""),
        "witness": (Cosigner, "/witness"),
        "witness-post-quantum": (PostQuantumCosigner, "/witness"),
    }
)


@dataclass
class AdoptedKeys:
    """The keys that entries adopt for what is published; `take` is called with every record, in order."""

    origin: str | None = None  # of the log; None: whose names the keys have is not looked at
    _keys: dict[str, list[tuple[int, NoteKey]]] = field(default_factory=dict)

    def take(self, index: int, fields: dict[str, Any]) -> None:
        """Add what an entry tells of a key.

        Raises:
            VerificationError: it names no key, or one of another type or name than its role's.

        """
        name, role = {"key.adopted": "vkey", "key.rotated": "new"}.get(fields["kind"]), fields.get("role", "")
        if name is None or role not in KEYS:
            return
        key, (kind, suffix) = parse_vkey(fields[name]), KEYS[role]
        if not isinstance(key, kind) or (self.origin is not None and key.name != self.origin + suffix):
            want = f"want a {kind.__name__} under {self.origin or 'the origin'}{suffix}"
            raise VerificationError(f"{brief(key)} is no key for {role}: {want}")
        if role in SIGNING:
            self._keys.setdefault(role, []).append((index, key))

    def at(self, size: int) -> list[NoteKey]:
        """Return the keys that sign a checkpoint of `size`: of each role the last one adopted below it."""
        found = [[key for index, key in keys if index < size] for keys in self._keys.values()]
        return [keys[-1] for keys in found if keys]

    def __len__(self) -> int:
        return sum(map(len, self._keys.values()))


def brief(key: NoteKey) -> str:
    """Return name and id of a key, as they are told."""
    return f"{key.name}+{key.key_id.hex()}"

"""The compiled contract as it is committed in `contracts/LedgerAnchor.json`."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from dataspace.errors import Unavailable

SOURCE: Final = "LedgerAnchor.sol"
ARTEFACT: Final = "LedgerAnchor.json"
_PACKAGED: Final = Path(__file__).parents[2] / "_packs" / "contracts"
_CHECKOUT: Final = Path(__file__).parents[3] / "contracts"


@dataclass(frozen=True)
class Artefact:
    """What deploying and calling the contract needs; `code_hash` is what its code on a chain has."""

    abi: list[dict[str, Any]]
    bytecode: str
    code_hash: str


def code_hash(code: bytes) -> str:
    """Return the SHA-256 of deployed code, hex.

    SHA-256 and not keccak256, which chains of the guomi family replace by SM3.
    """
    return hashlib.sha256(code).hexdigest()


@cache
def artefact() -> Artefact:
    """Return the committed artefact.

    Raises:
        Unavailable: it is not there.

    """
    folder = _PACKAGED if _PACKAGED.is_dir() else _CHECKOUT
    try:
        found = json.loads((folder / ARTEFACT).read_text())
    except OSError as error:
        raise Unavailable(
            f"the compiled contract {ARTEFACT} is missing: make it with `make contracts`"
        ) from error
    deployed = bytes.fromhex(found["deployedBytecode"].removeprefix("0x"))
    return Artefact(found["abi"], found["bytecode"], code_hash(deployed))

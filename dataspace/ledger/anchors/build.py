"""Compile the contract: `python -m dataspace.ledger.anchors.build contracts`; needs the solcjs program.

The artefact holds what was compiled by what, with which settings: compiling
again gives the same bytes.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from dataspace.errors import Unavailable, Unprocessable
from dataspace.ledger.anchors.contract import ARTEFACT, SOURCE

# London has no PUSH0: consortium chains run it by default (FISCO BCOS 3, Besu). No metadata is appended, so
# that the code depends on nothing but the source and the compiler.
SETTINGS: Final[dict[str, Any]] = {
    "evmVersion": "london",
    "optimizer": {"enabled": True, "runs": 1000},
    "metadata": {"appendCBOR": False},
}
_OUTPUTS: Final = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"]
_SECONDS: Final = 120


def compile_contract(folder: Path) -> dict[str, Any]:
    """Return the artefact of the contract in `folder`.

    Raises:
        Unprocessable: the compiler refuses the contract, or warns.
        Unavailable: the program solcjs is missing.

    """
    source = (folder / SOURCE).read_text()
    settings = {**SETTINGS, "outputSelection": {"*": {"*": _OUTPUTS}}}
    answer = _solc({"language": "Solidity", "sources": {SOURCE: {"content": source}}, "settings": settings})
    if answer.get("errors"):
        raise Unprocessable(f"solc refuses {SOURCE}: {answer['errors'][0]['formattedMessage']}")
    name = SOURCE.removesuffix(".sol")
    contract = answer["contracts"][SOURCE][name]
    return {
        "contract": name,
        "compiler": _run("--version").strip(),
        "settings": SETTINGS,
        "sourceHash": source_hash(folder),
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
    }


def source_hash(folder: Path) -> str:
    """Return the SHA-256 of the contract's source, hex."""
    return hashlib.sha256((folder / SOURCE).read_bytes()).hexdigest()


def _solc(request: dict[str, Any]) -> dict[str, Any]:
    printed = _run("--standard-json", stdin=json.dumps(request))
    # The program says more than JSON, before it.
    answer: dict[str, Any] = json.loads(printed[printed.index("{") :])
    return answer


def _run(argument: str, stdin: str = "") -> str:
    program = shutil.which("solcjs")
    if program is None:
        raise Unavailable("the program solcjs is not on PATH")
    done = subprocess.run(
        [program, argument], input=stdin, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise Unprocessable(f"solcjs fails: {(done.stderr or done.stdout).strip()}")
    return done.stdout


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (target / ARTEFACT).write_text(json.dumps(compile_contract(target), indent=1) + "\n")

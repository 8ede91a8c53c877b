"""Which builtins a policy may use: `python -m dataspace.policy.capabilities policies`; needs the opa program.

Only those that OPA's own WebAssembly runtime implements, and none that is
deprecated: any other would call the host, whose answer would be our idea of
Rego. A program that uses every builtin is compiled, and the module itself says
which ones it would ask of its host; the rest are native.
"""

import io
import json
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Final

from dataspace.errors import Unavailable
from dataspace.policy.build import opa
from dataspace.policy.bundle import pack, read_bundle
from dataspace.policy.wasm import ENTRYPOINT, BundlePolicy

# Operators, which no policy calls by name; all of them are native.
_OPERATORS: Final = {"assign", "eq", "internal.member_2", "internal.member_3", "internal.template_string"}
# Output for someone at a terminal; the compiler leaves it out.
_DEBUGGING: Final = {"print", "internal.print", "internal.test_case", "trace"}


def native(current: dict[str, Any]) -> dict[str, Any]:
    """Return what policies here may use of what an opa program can do (`opa capabilities --current`).

    Raises:
        Unavailable: the program opa is missing.

    """
    called = [
        one
        for one in current["builtins"]
        if one["name"] not in _OPERATORS | _DEBUGGING and not one.get("deprecated")
    ]
    foreign = asked_of_host(called)
    kept = _OPERATORS | {one["name"] for one in called} - foreign
    builtins = [_terse(one) for one in current["builtins"] if one["name"] in kept]
    return {
        "builtins": builtins,
        "future_keywords": current["future_keywords"],
        "features": current["features"],
        "allow_net": [],
    }


def asked_of_host(builtins: list[dict[str, Any]]) -> set[str]:
    """Return the names of those builtins that a compiled policy calls its host for."""
    rules = [
        f"decision contains {one['name']}({', '.join(['input.x'] * len(one['decl'].get('args', ())))})"
        for one in builtins
    ]
    source = "\n".join(["package dataspace", *rules, ""])
    with tempfile.TemporaryDirectory() as scratch:
        Path(scratch, "every.rego").write_text(source)
        opa(Path(scratch), "build", "--target", "wasm", "--entrypoint", ENTRYPOINT, "every.rego")
        with tarfile.open(Path(scratch, "bundle.tar.gz")) as archive:
            module = archive.extractfile("/policy.wasm") or io.BytesIO()
            bundle = read_bundle(pack({"every.rego": source.encode()}, module.read()))
    try:
        BundlePolicy(bundle)
    except Unavailable as refusal:
        return set(refusal.facts["builtins"])
    return set()


def _terse(builtin: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only a reader of documentation wants."""
    return {name: value for name, value in builtin.items() if name not in {"description", "categories"}}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    found = native(json.loads(opa(folder, "capabilities", "--current")))
    (folder / "capabilities.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

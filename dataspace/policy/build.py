"""Build the policy bundle of a folder: `python -m dataspace.policy.build policies`; needs the opa program.

1. `opa check --strict` and `opa test`, with at least 95 % of the lines covered
2. `opa build -t wasm` under the folder's capabilities.json
3. the sources, their revision and the module into `bundle.tar.gz`, the same bytes every time
"""

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from dataspace.errors import Unavailable, Unprocessable
from dataspace.policy.bundle import FILE, pack, read_bundle, read_sources
from dataspace.policy.wasm import ENTRYPOINT

COVERAGE: Final = 95.0
_SECONDS: Final = 120


def check(folder: Path) -> float:
    """Check and test the policies of `folder`; return how many percent of their lines the tests run.

    Raises:
        Unprocessable: a policy is wrong, a test fails, or too little is tested.
        Unavailable: the program opa is missing.

    """
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.rego"))]
    capabilities = ["--capabilities", "capabilities.json"]
    opa(folder, "check", "--strict", *capabilities, *files)
    # With --coverage the exit code tells of the coverage alone: run the tests first for themselves.
    # Of its own opa gives a test 5 seconds, which a busy machine passes.
    tested = ["--timeout", f"{_SECONDS}s", *capabilities, *files]
    opa(folder, "test", *tested)
    covered = float(json.loads(opa(folder, "test", "--coverage", *tested))["coverage"])
    if covered < COVERAGE:
        raise Unprocessable(f"the tests of {folder} run {covered} % of the lines, want {COVERAGE}")
    return covered


def compile_policies(folder: Path) -> bytes:
    """Return the WebAssembly module of the policies of `folder`.

    Raises:
        Unprocessable: opa refuses them, for a builtin outside capabilities.json for one.
        Unavailable: the program opa is missing.

    """
    sources = list(read_sources(folder))
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch, "built.tar.gz")
        opa(
            folder,
            "build",
            "--target",
            "wasm",
            "--entrypoint",
            ENTRYPOINT,
            "--capabilities",
            "capabilities.json",
            "--output",
            str(target),
            *sources,
        )
        with tarfile.open(target) as archive:
            module = archive.extractfile("/policy.wasm") or io.BytesIO()
            return module.read()


def build(folder: Path) -> str:
    """Check, test and compile the policies of `folder` and write its bundle; return the bundle's digest."""
    check(folder)
    content = pack(read_sources(folder), compile_policies(folder))
    (folder / FILE).write_bytes(content)
    return read_bundle(content).digest


def opa(folder: Path, *arguments: str) -> str:
    """Return what the opa program prints, run in `folder`.

    Raises:
        Unprocessable: it fails.
        Unavailable: it is missing.

    """
    program = shutil.which("opa")
    if program is None:
        raise Unavailable("the program opa is not on PATH")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=_SECONDS
    )
    if done.returncode:
        raise Unprocessable(f"opa {arguments[0]} fails: {(done.stderr or done.stdout).strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")

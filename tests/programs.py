"""The programs and folders that only some tests need: found, skipped with a reason, or required."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

_WHERE = {
    "opa": ("opa", "go install github.com/open-policy-agent/opa@v1.22.2"),
    "anvil": ("anvil", "npm install --global @foundry-rs/anvil"),
    "solc": ("solcjs", "npm install --global solc"),
    "postgres": ("initdb", "the Debian package postgresql"),
    "chromium": ("chromium", "the Debian package chromium"),
    "cc": ("cc", "the Debian package gcc"),
    "openssl": ("openssl", "the Debian package openssl"),
    "tessera-fsck": ("tessera-fsck", "github.com/transparency-dev/tessera/cmd/fsck@v1.0.4, under this name"),
    "litewitness": ("litewitness", "go install filippo.io/torchwood/cmd/litewitness@v0.9.0"),
}


def need(program: str) -> str:
    """Return the path of an external program, or skip the test; fail it when the run requires the program."""
    executable, source = _WHERE[program]
    found = shutil.which(executable) or _debian_postgres(executable)
    return found or _missing(program, f"needs {program} on PATH ({source})")


def shared() -> Path:
    """Return the folder of published data and vectors beside the checkout, or skip the test."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder ../shared with the published data and vectors")
    return folder


def _debian_postgres(executable: str) -> str | None:
    return next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{executable}"))), None)


def _missing(program: str, reason: str) -> NoReturn:
    required = os.environ.get("DATASPACE_REQUIRE", "").split(",")
    if program in required:
        pytest.fail(f"DATASPACE_REQUIRE lists {program}: {reason}")
    pytest.skip(reason)

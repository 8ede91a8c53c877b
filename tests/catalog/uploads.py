"""Uploads for tests of the intake: sealed as staging does it, read directly, and the payload read back."""

import io
import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dataspace.catalog.intake import Intake
from dataspace.catalog.payloads import into_memfd, seal
from dataspace.errors import Malformed, Unprocessable
from dataspace.zones.pack import load_packs

PACKS = load_packs(Path(__file__).parents[2] / "zones")
ZONE = next(iter(PACKS))
_KEY = bytes(32)


def request(folder: Path, content: bytes, zone: str = ZONE, **more: Any) -> dict[str, Any]:
    """Return a request to read `content`, whose sealed file it writes into `folder`."""
    with (folder / "source").open("wb") as file:
        seal(io.BytesIO(content), file, _KEY, b"source")
    return {
        "source": str(folder / "source"), "source_key": _KEY, "source_context": b"source",
        "target": str(folder / "target"), "target_key": _KEY, "target_context": b"target",
        "pack": PACKS[zone].rules(), **more,
    }  # fmt: skip


def read(content: bytes | str, zone: str = ZONE, **more: Any) -> tuple[dict[str, Any], pa.Table]:
    """Return what intake found in an upload, and the table that it wrote."""
    data = content.encode() if isinstance(content, str) else content
    with tempfile.TemporaryDirectory() as folder:
        found = Intake().read(request(Path(folder), data, zone, **more))
        return found, _table(Path(folder) / "target", found["payload_sha256"])


def refused(content: bytes | str, **more: Any) -> Unprocessable:
    """Return the error with which an upload is refused."""
    with pytest.raises(Unprocessable) as caught:
        read(content, **more)
    return caught.value


def lines(error: Malformed) -> list[int]:
    """Return the lines that an error names."""
    return [row["line"] for row in error.facts["rows"]]


def types(found: dict[str, Any]) -> dict[str, str]:
    """Return the type of each column."""
    return {column["name"]: str(column["type"]) for column in found["columns"]}


def _table(path: Path, sha256: str) -> pa.Table:
    descriptor = into_memfd(path, _KEY, b"target", sha256=sha256)
    try:
        return pq.read_table(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)

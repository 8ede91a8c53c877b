"""The real columns of the shared data, with the labels of `shared_labels.toml`."""

import csv
import io
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

from tests.programs import shared
from tests.zones.labelled import Labelled, column

_LABELS = Path(__file__).with_suffix(".toml")
_MOST = 2000  # rows that are read of each file


def shared_columns() -> Iterator[Labelled]:
    """Yield the labelled columns of the files that lie beside the checkout; skips the test without them."""
    folder = shared() / "data"
    for file in tomllib.loads(_LABELS.read_text(encoding="utf-8"))["files"]:
        content = (folder / file["path"]).read_bytes()
        if "member" in file:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                content = archive.read(file["member"])
        reader = csv.DictReader(io.StringIO(content.decode()), delimiter=file["delimiter"])
        rows = [row for row, _ in zip(reader, range(_MOST), strict=False)]
        for name, label in file["columns"].items():
            yield column(name, [row[name] or None for row in rows], label, (file["zone"],))

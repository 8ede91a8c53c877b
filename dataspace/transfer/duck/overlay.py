"""Costly columns as they leave, row by row: computed by `privacy.prepared`, sealed in a file, opened again.

The file is an Arrow stream in the envelope of `catalog.payloads`. There is one
for an agreement and a version; what is drawn in it (noise, shifts) is the same in
all of a consumer's, so that no average over answers takes it away again.
"""

import contextlib
import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dataspace.catalog.payloads import open_sealed, seal_writer
from dataspace.errors import OutOfSpace, Unavailable, VerificationError
from dataspace.privacy.desensitize import COSTLY, quoted
from dataspace.privacy.prepared import prepare
from dataspace.table import Column, Type
from dataspace.transfer.duck.data import Table, translated


def costly(columns: Sequence[Column]) -> list[Column]:
    """Return the columns whose leaving values are computed once for an agreement."""
    return [column for column in columns if column.method in COSTLY]


def write_prepared(table: Table, request: Mapping[str, Any]) -> dict[str, int]:
    """Compute the costly columns of a dataset and seal them where the request says; return how many rows.

    Raises:
        TooCostly: there is not enough memory.
        OutOfSpace: the disk is full; nothing is left there.

    """
    columns = [Column.from_json(column) for column in request["columns"]]
    made = _computed(table, columns, request["key"], request["steady"])
    into = request["into"]
    path = Path(into["path"])
    with _room(), path.open("xb") as file:
        try:
            writer = seal_writer(file, into["key"], into["context"])
            with pa.ipc.new_stream(writer, made.schema) as stream:
                stream.write_table(made)
            writer.close()
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return {"rows": made.num_rows}


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        kind, what = (OutOfSpace, "the disk is full") if full else (Unavailable, "the disk does not write")
        raise kind(f"{what}: the columns were not prepared") from error


def prepared(table: Table, request: Mapping[str, Any], columns: Sequence[Column]) -> pa.Table:
    """Return the costly columns as they leave: of the file a request names, or else computed now.

    Raises:
        Unavailable: the file is not there, does not open, or is of another dataset.

    """
    if not columns:
        return pa.table({})
    sealed = request.get("prepared")
    if sealed is None:
        named = [Column.from_json(column) for column in request["columns"]]
        return _computed(table, named, request["key"], request["key"])
    try:
        plain = b"".join(open_sealed(sealed["path"], sealed["key"], sealed["context"]))
        found = pa.ipc.open_stream(pa.py_buffer(plain)).read_all()
    except (OSError, VerificationError, pa.ArrowInvalid) as error:
        raise Unavailable("the prepared columns cannot be opened") from error
    if found.num_rows != table.rows or not {column.name for column in columns} <= set(found.column_names):
        raise Unavailable("the prepared columns are of another dataset")
    return found


def places(rows: int, key: bytes) -> Any:
    """Return the place of every row in an order that only the key tells: an array of numbers from 0."""
    cipher = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
    drawn = np.frombuffer(cipher.update(bytes(8 * rows)), dtype=np.uint64)
    found = np.empty(rows, np.uint32 if rows < 1 << 32 else np.uint64)
    found[np.argsort(drawn, kind="stable")] = np.arange(rows)
    return found


def _computed(table: Table, columns: Sequence[Column], key: bytes, steady: bytes) -> pa.Table:
    hidden = costly(columns)
    read = {column.name: column.type for column in columns if column in hidden}
    read |= {name: table.shape.columns[name] for name in table.shape.subjects}
    # A worker may keep texts as an enumeration.
    listed = ", ".join(
        f"CAST({quoted(name)} AS VARCHAR) AS {quoted(name)}" if kind is Type.TEXT else quoted(name)
        for name, kind in read.items()
    )
    with translated():
        rows = table.connection.sql(f"SELECT {listed} FROM data").to_arrow_table()
    return prepare(rows, hidden, table.shape.subjects, key, steady=steady)

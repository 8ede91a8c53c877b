"""The auditor's own files: read within bounds, and written whole or not at all."""

import os
from pathlib import Path

from dataspace.errors import TooLarge, Unavailable


def read_file(path: Path, name: str, limit: int) -> bytes:
    """Return the content of a file of at most `limit` bytes; `name` is what it is called.

    Raises:
        Unavailable: it cannot be read.
        TooLarge: it is larger.

    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > limit:
        raise TooLarge(f"{name} has more than {limit} bytes")
    return data


def replace_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a torn one would lose what the auditor remembers.

    Raises:
        Unavailable: it cannot be written.

    """
    written = path.with_name(f"{path.name}.new")
    try:
        with written.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}") from error

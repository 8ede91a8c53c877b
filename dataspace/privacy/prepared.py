"""Columns that cost much to desensitize, computed for all rows at once: once per agreement and version.

    pseudonymize    as `desensitize` writes it in SQL, over the distinct values
    fpe             `identifiers`, under HMAC-SHA256(agreement's key, "fpe" 00 || kind 00 || scope): the
                    scope is "c" 00 || column name, or of a column with a domain "d" 00 || domain
    shift           one offset per subject for all its dates, from HMAC-SHA256 of the subject's columns
                    under HMAC-SHA256(consumer's key, "shift" 00 || days): intervals of a subject stay
    noise           from AES of subject and value, under HMAC-SHA256(consumer's key, "noise" 00 || scale
                    00 || column name); two consumers' mean has half the variance: an offer with noise
                    is one for few
    microaggregate  over the version's rows, so all agreements' means are the same

The consumer's key is the same for all its agreements on a dataset and for all
versions: what is drawn anew could be averaged away by whoever agrees again.

Without subject columns each row is a subject, as is each row whose subject is NULL.
"""

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.privacy.desensitize import COSTLY, DIGITS, pseudonym_key
from dataspace.privacy.identifiers import pseudonyms
from dataspace.privacy.parameters import domain, fpe, read, whole
from dataspace.privacy.perturb import Codes, microaggregated, offsets, shifted, with_noise
from dataspace.table import Column, Method, Type

__all__ = ["COSTLY", "prepare"]

_STEADY: Final = frozenset({Method.SHIFT, Method.NOISE})
_TYPES: Final[Mapping[Type, pa.DataType]] = {
    Type.TEXT: pa.string(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.DATE: pa.date32(),
}


def prepare(
    rows: pa.Table,
    columns: Sequence[Column],
    subjects: Sequence[str],
    key: bytes,
    *,
    steady: bytes | None = None,
) -> pa.Table:
    """Return the costly ones of `columns` as they leave, row by row in the order of `rows`.

    `rows`: at least the costly columns and the subject columns. `subjects`: names
    of the columns that together say whom a row is about. `key`: of the agreement,
    32 bytes. `steady`: of the consumer, for shifts and noise; without it `key`.

    Raises:
        Malformed: a parameter of a method is missing or out of range.

    """
    costly = [column for column in columns if column.method in COSTLY]
    for column in costly:
        read(column)
    who = _Subjects(rows, subjects)
    keys = {method: steady or key if method in _STEADY else key for method in COSTLY}
    done = [
        _PREPARED[column.method](_values(rows, column), column, who, keys[column.method]) for column in costly
    ]
    return pa.table(dict(zip([column.name for column in costly], done, strict=True)))


class _Subjects:
    """Whom each row is about: numbers, and texts to derive secrets from; computed when they are asked for."""

    def __init__(self, rows: pa.Table, names: Sequence[str]) -> None:
        self._columns = [_texts(_one(rows.column(name))) for name in names]
        self._count = rows.num_rows
        self._found: tuple[Codes, list[bytes]] | None = None

    def codes(self) -> Codes:
        """Return the number of each row's subject."""
        return self._known()[0]

    def drawn(self, secret: bytes) -> npt.NDArray[np.uint64]:
        """Return for each row a number of 64 bits that its subject has under a secret."""
        codes, texts = self._known()
        found = b"".join(hmac.digest(secret, text, hashlib.sha256)[:8] for text in texts)
        return np.frombuffer(found, np.uint64)[codes]

    def _known(self) -> tuple[Codes, list[bytes]]:
        self._found = self._found or self._encoded()
        return self._found

    def _encoded(self) -> tuple[Codes, list[bytes]]:
        if not self._columns:
            return np.arange(self._count), [b"row %d" % row for row in range(self._count)]
        # The length before each text: no two subjects' columns make one text.
        parts = [
            part for text in self._columns for part in (pc.cast(pc.binary_length(text), pa.string()), text)
        ]
        joined = pc.binary_join_element_wise(*parts, ":", null_handling="replace", null_replacement="")
        encoded = joined.dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        texts = [b"subject " + text.encode() for text in encoded.dictionary.to_pylist()]
        nobody = np.logical_and.reduce(
            [text.is_null().to_numpy(zero_copy_only=False) for text in self._columns]
        )
        alone = np.flatnonzero(nobody)
        codes[alone] = np.arange(len(texts), len(texts) + len(alone))
        return codes, [*texts, *(b"row %d" % row for row in alone.tolist())]


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array of plain values, also if it came as an enumeration."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    found = column.cast(kind).combine_chunks()
    return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _values(rows: pa.Table, column: Column) -> pa.Array:
    return _one(rows.column(column.name)).cast(_TYPES[column.type])


def _texts(values: pa.Array) -> pa.StringArray:
    """Return values as the texts that DuckDB makes of them."""
    if pa.types.is_floating(values.type):
        return pa.array([None if value is None else repr(value) for value in values.to_pylist()], pa.string())
    return values.cast(pa.string())


def _each(values: pa.StringArray, act: Callable[[pa.StringArray], pa.StringArray]) -> pa.StringArray:
    """Return what `act` makes of each value; it sees the distinct ones."""
    encoded = values.dictionary_encode()
    return act(encoded.dictionary).take(encoded.indices)


def _pseudonymized(values: pa.Array, column: Column, who: _Subjects, key: bytes) -> pa.Array:
    del who
    secret = pseudonym_key(column, key)

    def hashed(texts: pa.StringArray) -> pa.StringArray:
        found = (
            hmac.digest(secret, text.encode(), hashlib.sha256).hex()[:DIGITS] for text in texts.to_pylist()
        )
        return pa.array(found, pa.string())

    return _each(_texts(values), hashed)


def _in_form(values: pa.Array, column: Column, who: _Subjects, key: bytes) -> pa.Array:
    del who
    kind, shared = fpe(column), domain(column)
    scope = f"d\0{shared}" if shared else f"c\0{column.name}"
    secret = hmac.digest(key, f"fpe\0{kind}\0{scope}".encode(), hashlib.sha256)
    return _each(_texts(values), lambda texts: pseudonyms(texts, kind, secret))


def _shifted(values: pa.Array, column: Column, who: _Subjects, key: bytes) -> pa.Array:
    days = whole(column, "days", 1)
    # Of the days too: two offers' offsets must not differ by what tells them both.
    moved = offsets(who.drawn(hmac.digest(key, b"shift\0%d" % days, hashlib.sha256)), days)
    dates, known = shifted(*_numbers(values.cast(pa.int32())), moved)
    return _array(dates, known, pa.int32()).cast(pa.date32())


def _noisy(values: pa.Array, column: Column, who: _Subjects, key: bytes) -> pa.Array:
    scale = whole(column, "scale", 1)
    secret = hmac.digest(key, b"noise\0%d\0%s" % (scale, column.name.encode()), hashlib.sha256)
    return _array(*with_noise(*_numbers(values), who.drawn(secret), scale, secret), values.type)


def _grouped(values: pa.Array, column: Column, who: _Subjects, key: bytes) -> pa.Array:
    del key
    return _array(*microaggregated(*_numbers(values), who.codes(), whole(column, "size", 1)), values.type)


def _numbers(values: pa.Array) -> tuple[Any, Any]:
    """Return numbers and which of them are known."""
    known = values.is_valid().to_numpy(zero_copy_only=False)
    return values.fill_null(0).to_numpy(zero_copy_only=False), known


def _array(values: Any, known: Any, kind: pa.DataType) -> pa.Array:
    return pa.array(values, kind, mask=~known)


_PREPARED: Final[Mapping[Method, Callable[[pa.Array, Column, _Subjects, bytes], pa.Array]]] = {
    Method.PSEUDONYMIZE: _pseudonymized,
    Method.FPE: _in_form,
    Method.SHIFT: _shifted,
    Method.NOISE: _noisy,
    Method.MICROAGGREGATE: _grouped,
}

"""Format-preserving pseudonyms of Chinese identifiers: right in length and check digit, and nobody's.

A column's values are places of a domain that FF1 permutes (`fpe`): whatever was
a place of the kind of identifier becomes a place of numbers that were never given
out. Nothing of the value stays. Equal values become equal pseudonyms under one key,
different ones different.

    resident_id  a division whose first two digits are no province's, in python-stdnum's table of
                 GB/T 2260 since 1980 (`cn/loc`), nor 83 of the residence permit for Taiwan residents;
                 birth date, sequence and check digit (GB 11643) are as of any number
    uscc         the same, where 10 is left out too, for bodies of the state; the check digits of the whole
                 (GB 32100) and of the organisation code in it (GB 11714, if it was right) are right
    bank_card    Luhn is right; 02 to 09: of these ISO/IEC 7812-1 has given out only 00, and a Chinese
                 bank uses 01. For 16 digits, of which schemes have issued more than that holds, also 10 to
                 17, 19 (airlines, 15 digits; not 103 of a Chinese bank), 81 to 83, 85, 86 (no payment cards)
    mobile       eleven digits that begin with 2 to 8: those are local numbers of seven or eight digits
                 (MIIT, numbering plan of 2017, 2.4). Of numbers that begin with 1 too few are free:
                 13 to 19 hold 7 x 10^9 mobile numbers, 10 to 12 only 3 x 10^9

What is not of the kind, or fails its check digit, has no pseudonym: NULL.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataspace.privacy.forms import FORMS, Bytes, Form
from dataspace.privacy.fpe import permuted
from dataspace.privacy.parameters import Kind

_NOISE = {Kind.MOBILE: r"^[ ]*(\+?86)?|[ -]", Kind.BANK_CARD: "[ -]"}


def pseudonyms(values: pa.StringArray, kind: Kind, key: bytes) -> pa.StringArray:
    """Return a pseudonym for each value, null for null and for what is no identifier of the kind.

    `key`: 32 bytes.
    """
    plain = pc.utf8_upper(pc.utf8_trim_whitespace(values))
    plain = pc.replace_substring_regex(plain, _NOISE[kind], "") if kind in _NOISE else plain
    # Where the pseudonym of a value stands among those of all forms.
    place, parts, total = np.full(len(values), -1, np.int64), [], 0
    for form in FORMS[kind]:
        rows, written = _of_form(plain, form, key)
        place[rows] = np.arange(total, total + len(rows))
        parts.append(written)
        total += len(rows)
    return pa.concat_arrays(parts).take(pa.array(place, mask=place < 0))


def _of_form(plain: pa.StringArray, form: Form, key: bytes) -> tuple[np.ndarray, pa.StringArray]:
    """Return which values are of the form, and their pseudonyms."""
    shaped = pc.fill_null(pc.match_substring_regex(plain, form.pattern), False)
    rows = np.flatnonzero(shaped.to_numpy(zero_copy_only=False))
    texts = plain.take(pa.array(rows))
    read = np.frombuffer(texts.buffers()[2] or b"", np.uint8)[: len(rows) * form.width]
    matrix = read.reshape(-1, form.width)
    fits, row, column = form.read(matrix)
    places = row[fits].astype(np.uint64), column[fits].astype(np.uint64)
    row, column = (half.astype(np.int64) for half in permuted(key, form.name.encode(), places, form.domain))
    return rows[fits], _texts(form.write(row, column))


def _texts(matrix: Bytes) -> pa.StringArray:
    """Return rows of ASCII characters as texts."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    buffers = [pa.py_buffer(np.ascontiguousarray(part)) for part in (offsets, matrix)]
    return pa.StringArray.from_buffers(len(matrix), *buffers)

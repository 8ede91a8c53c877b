"""Checked records into Arrow: pyarrow's CSV parser, told everything and left to guess nothing.

It gets whole blocks that `delimited.py` has checked, in one piece, so that its
lenient ways (stray quotes, quoted line ends at a block's edge, ragged rows)
never come into play. An empty field, quoted or not, is null.
"""

from collections.abc import Collection, Mapping

import pyarrow as pa
import pyarrow.csv as pcsv

from dataspace.errors import Unprocessable


def parse(
    data: bytes, delimiter: str, types: Mapping[str, pa.DataType], only: Collection[str] = ()
) -> pa.Table:
    """Return records as a table of the given columns, or of those in `only`; each column in one chunk.

    Raises:
        Unprocessable: a value is not of its column's type, or the parser finds another structure.

    """
    reading = pcsv.ReadOptions(use_threads=False, block_size=len(data) + 1, column_names=list(types))
    structure = pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False)
    values = pcsv.ConvertOptions(
        column_types=dict(types),
        include_columns=[name for name in types if name in only] if only else [],
        strings_can_be_null=True,
        null_values=[""],
        true_values=[],
        false_values=[],
        check_utf8=False,
    )
    if not data:
        return pa.schema(list(types.items())).empty_table()
    try:
        return pcsv.read_csv(pa.BufferReader(data), reading, structure, values)
    except pa.ArrowInvalid:
        # `from None`: its text holds cells.
        raise Unprocessable(
            "the file has records that the parser reads otherwise than they were checked"
        ) from None

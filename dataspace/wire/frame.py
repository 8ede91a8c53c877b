"""Several byte strings in one.

magic, version    5 bytes
parts             1 byte: how many
lengths           4 bytes each, big endian
parts             one after the other; nothing follows
"""

import struct
from collections.abc import Sequence

from dataspace.errors import Malformed


def join_parts(magic: bytes, parts: Sequence[bytes]) -> bytes:
    """Return `parts` in one piece, as `split_parts` reads them."""
    lengths = struct.pack(f">{len(parts)}I", *map(len, parts))
    return b"".join([magic, bytes([len(parts)]), lengths, *parts])


def split_parts(body: bytes | bytearray, magic: bytes, count: int | None = None) -> list[memoryview]:
    """Return the parts of what `join_parts` made, at least one and `count` if given, without a copy.

    Raises:
        Malformed: the magic, the number of parts or a length does not fit.

    """
    view, start = memoryview(body), len(magic) + 1
    if bytes(view[: len(magic)]) != magic or len(view) < start:
        raise Malformed("malformed envelope: it does not start as one of this kind and version")
    parts, ends = view[start - 1], start + 4 * view[start - 1]
    if not parts or parts != (count or parts) or len(view) < ends:
        raise Malformed(f"malformed envelope: {parts} parts in {len(view)} bytes")
    lengths = struct.unpack(f">{parts}I", view[start:ends])
    if ends + sum(lengths) != len(view):
        raise Malformed(f"malformed envelope: {len(view)} bytes, want {ends + sum(lengths)}")
    return [view[(begin := ends + sum(lengths[:i])) : begin + lengths[i]] for i in range(parts)]

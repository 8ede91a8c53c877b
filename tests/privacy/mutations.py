"""Envelopes that are nearly right: their parts mutated at every depth, their digests made to fit again."""

import hashlib
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa

from dataspace.bfv import stream
from dataspace.wire.envelope import EncryptedQuery
from dataspace.wire.protobuf import fields


def mutations(query: EncryptedQuery, count: int, seed: int) -> Iterator[bytes]:
    chance = random.Random(seed)
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield _bytes(query.encode(), chance)
            continue
        change = chance.choice([_bytes, _field, _header, _content])
        if kind == 1:
            context = _reached(query.context, 2, change, chance)
            yield replace(query, context=context, key=hashlib.sha256(context).hexdigest()).encode()
        else:
            yield replace(query, vector=_reached(query.vector, 1, change, chance)).encode()


def _reached(message: bytes, depth: int, change: Callable[..., bytes], chance: random.Random) -> bytes:
    """Return a message with `change` made to it, or to the stream that lies `depth` messages deep."""
    if change in {_bytes, _field}:
        return change(message, chance)
    parts = [(tag, value if isinstance(value, int) else bytes(value)) for tag, value in fields(message)]
    place = 0 if depth == 1 and len(parts) == 3 else 1 if len(parts) == 2 else 0
    tag, value = parts[place]
    assert isinstance(value, bytes)
    parts[place] = tag, change(value, chance) if depth == 1 else _reached(value, depth - 1, change, chance)
    return b"".join(_encode(tag, value) for tag, value in parts)


def _bytes(data: bytes, chance: random.Random) -> bytes:
    changed, at = bytearray(data), chance.randrange(len(data))
    match chance.randrange(5):
        case 0:
            changed[at] ^= 1 << chance.randrange(8)
        case 1:
            del changed[at:]
        case 2:
            changed[at:at] = chance.randbytes(chance.randrange(1, 40))
        case 3:
            changed[at : at + 64] = bytes(64)
        case 4:
            del changed[at : at + chance.randrange(1, 3)]
    return bytes(changed)


def _field(message: bytes, chance: random.Random) -> bytes:
    """Drop, repeat, renumber or swap fields, or say another size."""
    parts = [(tag, value if isinstance(value, int) else bytes(value)) for tag, value in fields(message)]
    place = chance.randrange(len(parts))
    match chance.randrange(5):
        case 0:
            parts.pop(place)
        case 1:
            parts.append(parts[place])
        case 2:
            parts[place] = parts[place][0] ^ 8 << chance.randrange(3), parts[place][1]
        case 3:
            parts.reverse()
        case 4:
            parts[0] = (
                parts[0][0],
                chance.choice([b"", b"\x00", b"\xf0\x2e", b"\xff\xff\xff\xff\x0f", b"\x01\x01"]),
            )
    return b"".join(_encode(tag, value) for tag, value in parts)


def _header(data: bytes, chance: random.Random) -> bytes:
    """Change the header of the stream or of its zstd frame."""
    changed = bytearray(data)
    changed[chance.randrange(26)] = chance.choice([0, 1, 2, 127, 128, 255])
    return bytes(changed)


def _content(data: bytes, chance: random.Random) -> bytes:
    """Change what is inside the compressed stream, and compress it again."""
    size = 16 + 8 * int.from_bytes(data[21:25], "little")
    size = int.from_bytes(data[21:25], "little") if size > 256 else 161
    inside = bytearray(pa.decompress(data[16:], decompressed_size=size, codec="zstd", asbytes=True))
    match chance.randrange(5):
        case 0:
            inside[chance.randrange(min(97, size))] ^= 1 << chance.randrange(8)
        case 1:
            inside[size // 2 :] = bytes(size - size // 2)
        case 2:
            at = chance.randrange(size)
            inside[at : at + 8] = b"\xff" * len(inside[at : at + 8])
        case 3:
            inside += bytes(1 << 24)
        case 4:
            del inside[chance.randrange(size) :]
    frame = pa.compress(bytes(inside), codec="zstd", asbytes=True)
    return bytes(stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame)) + frame)


def _encode(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(tag) + _varint(value)
    return _varint(tag) + (value if tag & 7 == 1 else _varint(len(value)) + value)


def _varint(number: int) -> bytes:
    return bytes(
        [
            *([number & 127 | 128] if number > 127 else []),
            *(_varint(number >> 7) if number > 127 else [number]),
        ]
    )

"""Bytes that are nearly right: messages mutated at every depth, from single bits to fields and whole parts.

Everything is drawn from one `random.Random`, so that a run repeats. What is
mutated inside is wrapped again as its honest maker would: lengths and digests
fit, and the mutation is reached.
"""

import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from dataspace.errors import Malformed
from dataspace.wire.protobuf import fields

Fields = list[tuple[int, int | bytes]]
ODD: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 10**30, 0.5, 1e308, ""),
    *("x", "\x00", "é" * 40, "0" * 64, "ag-0123456789abcdef", "bfv-32768-t60", [], {}, [[]], ["count"] * 9),
)


@dataclass
class Fuzzer:
    """Mutations of some messages of one kind; `foreign` are others, parts of which are spliced in."""

    chance: random.Random
    foreign: Sequence[bytes] = field(default=())

    def bits(self, data: bytes) -> bytes:
        """Change bytes without a look at what they mean."""
        if not data:
            return self.chance.randbytes(3)
        changed, at, chance = bytearray(data), self._place(len(data)), self.chance
        match chance.randrange(9):
            case 0 | 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at:]
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 40))
            case 4:
                del changed[at : at + chance.randrange(1, 9)]
            case 5:
                changed[at : at + 64] = chance.choice([b"\x00", b"\xff", b"\x80"]) * len(
                    changed[at : at + 64]
                )
            case 6:
                changed[at:at] = changed[at : at + chance.randrange(1, 200)]
            case 7:
                changed[at : at + 4] = chance.choice(
                    [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x00\x00\x00\x01"]
                )
            case _:
                other = chance.choice([*self.foreign, data])
                changed[at:] = other[self._place(len(other)) :]
        return bytes(changed)

    def framed(self, body: bytes, magic: bytes) -> bytes:
        """Drop, double, swap or empty parts of an envelope, put in foreign ones, or lie about lengths."""
        parts, chance = split(body, magic), self.chance
        at = chance.randrange(len(parts))
        match chance.randrange(7):
            case 0:
                parts.pop(at)
            case 1:
                parts.insert(at, parts[at])
            case 2:
                parts.reverse()
            case 3:
                parts[at] = b""
            case 4:
                parts[at] = chance.choice([*self.foreign, parts[-1]])
            case 5:
                parts[at] = self.bits(parts[at])
            case _:
                lied = bytearray(join(magic, parts))
                place = len(magic) + chance.randrange(1 + 4 * len(parts))
                lied[place] = chance.choice([0, 1, 127, 128, 255])
                return bytes(lied)
        return join(magic, parts)

    def member(self, head: bytes) -> bytes:
        """Change, drop, double or add members of a JSON object, or write it in another way."""
        told, chance = json.loads(head), self.chance
        name = chance.choice(sorted(told))
        match chance.randrange(7):
            case 0 | 1:
                told[name] = chance.choice(ODD)
            case 2:
                del told[name]
            case 3:
                told["more"] = 1
            case 4:
                return head.replace(b"{", b"{" + json.dumps({name: told[name]}).encode()[1:-1] + b",", 1)
            case 5:
                return json.dumps(told, indent=1).encode()
            case _:
                return chance.choice([b"[" * 5000, b"9" * 5000, b'"\\ud800"', b"\xff\xfe", b"NaN", b"{}"])
        return compact(told)

    def message(self, data: bytes) -> bytes:
        """Drop, double, renumber or swap the fields of a protobuf message, or lie about a length."""
        parts, chance = read(data), self.chance
        at = chance.randrange(len(parts))
        tag, value = parts[at]
        match chance.randrange(8):
            case 0:
                parts.pop(at)
            case 1:
                parts.insert(at, parts[at])
            case 2:
                parts[at] = tag ^ 8 << chance.randrange(3), value
            case 3:
                parts.reverse()
            case 4:
                parts[at] = (
                    tag,
                    chance.choice([b"", b"\x00", b"\xf0\x2e", b"\xff\xff\xff\xff\x0f", b"\x01\x01"]),
                )
            case 5:
                parts.append((0x1A, b"a secret key"))
            case 6:
                parts[at] = tag, chance.choice([*self.foreign, b""])[:600_000]
            case _:
                return write(parts)[:-1] + b"\x80"
        return write(parts)

    def inside(self, data: bytes, path: Sequence[int]) -> bytes:
        """Change the SEAL stream at the end of a path of field numbers: its header, or what it compresses."""
        if not path:
            return self.chance.choice([self._header, self._content, self._content, self._coefficient])(data)
        parts = read(data)
        for at, (tag, value) in enumerate(parts):
            if tag >> 3 == path[0] and isinstance(value, bytes):
                parts[at] = tag, self.inside(value, path[1:])
        return write(parts)

    def _place(self, size: int) -> int:
        """Return a place, half of the time near the start, where the meaning is."""
        near = min(size, 200) if self.chance.random() < 0.5 else size
        return self.chance.randrange(max(near, 1))

    def _header(self, data: bytes) -> bytes:
        changed = bytearray(data)
        changed[self.chance.randrange(min(26, len(data)))] = self.chance.choice([0, 1, 2, 127, 128, 255])
        return bytes(changed)

    def _content(self, data: bytes) -> bytes:
        content, chance = bytearray(opened(data)), self.chance
        size = len(content)
        match chance.randrange(6):
            case 0:
                content[chance.randrange(min(121, size))] ^= 1 << chance.randrange(8)
            case 1:
                content[size // 2 :] = bytes(size - size // 2)
            case 2:
                at = chance.randrange(size)
                content[at : at + 8] = b"\xff" * len(content[at : at + 8])
            case 3:
                return bomb()
            case 4:
                del content[chance.randrange(size) :]
            case _:
                content += bytes(8)
        return closed(bytes(content))

    def _coefficient(self, data: bytes) -> bytes:
        """Change low bits of coefficients, which stay below their moduli: a ciphertext like any other."""
        content, chance = bytearray(opened(data)), self.chance
        for _ in range(chance.choice([1, 1, 3, 400])):
            at = 121 + 8 * chance.randrange(max(1, (len(content) - 130) // 8))
            content[at : at + 4] = chance.randbytes(4)
        return closed(bytes(content))


def split(body: bytes, magic: bytes) -> list[bytes]:
    count = body[len(magic)]
    ends = len(magic) + 1 + 4 * count
    parts = []
    for size in struct.unpack(f">{count}I", body[len(magic) + 1 : ends]):
        parts.append(body[ends : ends + size])
        ends += size
    return parts


def join(magic: bytes, parts: Sequence[bytes]) -> bytes:
    sizes = struct.pack(f">{len(parts)}I", *map(len, parts))
    return b"".join([magic, bytes([len(parts)]), sizes, *parts])


def compact(told: object) -> bytes:
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def read(data: bytes) -> Fields:
    try:
        return [(tag, value if isinstance(value, int) else bytes(value)) for tag, value in fields(data)]
    except Malformed:
        return [(0x0A, data)]


def write(parts: Fields) -> bytes:
    return b"".join(_field(tag, value) for tag, value in parts)


def opened(stream: bytes) -> bytes:
    """Return what a SEAL stream compresses."""
    frame = stream[16:]
    width, single = 1 << (frame[4] >> 6), frame[4] >> 5 & 1
    size = int.from_bytes(frame[6 - single : 6 - single + width], "little") + 256 * (width == 2)
    return bytes(pa.decompress(frame, decompressed_size=size, codec="zstd", asbytes=True))


def closed(content: bytes) -> bytes:
    frame = bytes(_codec().compress(content, asbytes=True))
    return struct.pack("<HBBBBHQ", 0xA15E, 16, 4, 3, 2, 0, 16 + len(frame)) + frame


@cache
def bomb() -> bytes:
    """Return a stream of 7 kB that decompresses to 64 MB."""
    return closed(bytes(1 << 26))


@cache
def _codec() -> pa.Codec:
    return pa.Codec("zstd", compression_level=1)


def _field(tag: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(tag) + _varint(value)
    return _varint(tag) + (value if tag & 7 == 1 else _varint(len(value)) + value)


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def choice(chance: random.Random, *weighted: tuple[int, Callable[[], bytes]]) -> bytes:
    """Return what one of the makers makes, drawn by weight."""
    weights, makers = zip(*weighted, strict=True)
    make: Callable[[], bytes] = chance.choices(makers, weights)[0]
    return make()

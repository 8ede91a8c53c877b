"""Paths and contents of tiles (C2SP tlog-tiles).

    tile/<level>/<number>[.p/<width>]      256 (or width) hashes of 32 bytes
    tile/entries/<number>[.p/<width>]      as many entries, each after its length in two bytes

Hash `i` of tile `number` of `level` is the root of the complete subtree of
`256**level` leaves that begins at leaf `(number * 256 + i) * 256**level`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from dataspace.errors import VerificationError
from dataspace.proof.merkle import HASH_SIZE

HEIGHT: Final = 8
WIDTH: Final = 256  # hashes of a full tile
ENTRY_LIMIT: Final = 0xFFFF  # bytes: the length is two bytes wide
LEVELS: Final = 64

_PATH: Final = re.compile(
    r"tile/(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True)
class Tile:
    """Which tile: `level` None is the bundle of entries under a tile of level 0; 256 fill one."""

    level: int | None
    number: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        level_fits = self.level is None or 0 <= self.level < LEVELS
        if not (level_fits and 0 <= self.number < 10**18 and 1 <= self.width <= WIDTH):
            raise VerificationError("malformed tile: level, number or width out of range")

    @classmethod
    def parse(cls, path: str) -> Self:
        """Read a path, from `tile/` on.

        Raises:
            VerificationError: it is not the one spelling of a tile's path.

        """
        match = _PATH.fullmatch(path)
        if match is None:
            raise VerificationError("malformed tile path")
        level = None if match[1] == "entries" else int(match[1])
        if match[3] == str(WIDTH):
            raise VerificationError("malformed tile path: a partial tile of full width")
        tile = cls(level, int(match[2].replace("x", "").replace("/", "")), int(match[3] or WIDTH))
        if tile.path() != path:
            raise VerificationError("malformed tile path: a longer spelling")
        return tile

    def path(self) -> str:
        """Return the path, from `tile/` on."""
        groups = [f"{self.number % 1000:03d}"]
        number = self.number // 1000
        while number:
            groups.insert(0, f"x{number % 1000:03d}")
            number //= 1000
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


def width_at(size: int, level: int, number: int) -> int:
    """Return how many hashes tile `number` of `level` holds in a tree of `size` leaves, or 0."""
    return max(0, min(WIDTH, (size >> HEIGHT * level) - number * WIDTH))


def tiles_at(size: int) -> list[Tile]:
    """Return the tiles of hashes of a tree of `size` leaves, level by level."""
    tiles = []
    for level in range((size.bit_length() + HEIGHT - 1) // HEIGHT):
        count = size >> HEIGHT * level
        numbers = range((count + WIDTH - 1) // WIDTH)
        tiles += [Tile(level, number, width_at(size, level, number)) for number in numbers]
    return tiles


def split_hashes(data: bytes, width: int) -> list[bytes]:
    """Return the `width` hashes of a tile's content.

    Raises:
        VerificationError: it is longer or shorter.

    """
    if len(data) != width * HASH_SIZE:
        raise VerificationError(f"malformed tile: {len(data)} bytes, want {width * HASH_SIZE}")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def join_entries(entries: Iterable[bytes]) -> bytes:
    """Return the content of a bundle.

    Raises:
        VerificationError: an entry is longer than two bytes can say.

    """
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_LIMIT:
            raise VerificationError(f"entry of {len(entry)} bytes, want at most {ENTRY_LIMIT}")
        parts += [len(entry).to_bytes(2), entry]
    return b"".join(parts)


def split_entries(data: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle's content.

    Raises:
        VerificationError: it holds more or fewer, or ends inside one.

    """
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        end = at + 2 + int.from_bytes(data[at : at + 2])
        entries.append(data[at + 2 : end])
        at = end
    if at != len(data) or len(entries) != width:
        raise VerificationError(f"malformed bundle: want exactly {width} entries")
    return entries

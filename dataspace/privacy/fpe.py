"""FF1, the format-preserving encryption of NIST SP 800-38G (algorithm 7), over a million values at once.

A value is two halves, each a whole number; FF1 is a Feistel network of ten rounds
over them whose round function is AES. All values take each round together: one
call of AES-ECB over as many blocks as there are values.

A domain is a table of rows x columns places. The network runs over the
smallest square of numerals that holds it, and is run again on what falls outside
until nothing does (cycle-walking): a permutation of the domain, whatever its size.

FF3-1 is not here: NIST withdrew it.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Numbers = npt.NDArray[np.uint64]
Halves = tuple[Numbers, Numbers]

LEAST: Final = 10**6  # places of a domain: SP 800-38G revision 1, section 5.2
_ROUNDS: Final = 10
_RADIX: Final = 1 << 16
_HALF: Final = 1 << 56  # of a half: with the number of its round it fits eight bytes
_BLOCK: Final = 16
_LONGEST: Final = 64
_CHUNK: Final = 1 << 16  # values at once: their blocks stay in the processor's cache


@dataclass(frozen=True)
class Domain:
    """What is permuted: the places of a table."""

    rows: int
    columns: int

    def __post_init__(self) -> None:
        least, most = sorted((self.rows, self.columns))
        # Of a long and narrow table the square has mostly places outside, and walking takes for ever.
        if least * most < LEAST or most >= _HALF or most > _LONGEST * least:
            raise ValueError(f"no domain of FF1: {self.rows} x {self.columns} places")


def permuted(key: bytes, tweak: bytes, halves: Halves, domain: Domain) -> Halves:
    """Return the places that the permutation under `key` puts these places at.

    `halves`: row and column of each place.
    """
    done = [np.empty(len(half), np.uint64) for half in halves]
    for start in range(0, len(halves[0]), _CHUNK):
        part = slice(start, start + _CHUNK)
        done[0][part], done[1][part] = _walked(key, tweak, (halves[0][part], halves[1][part]), domain)
    return done[0], done[1]


def _walked(key: bytes, tweak: bytes, halves: Halves, domain: Domain) -> Halves:
    radix, digits = _numerals(max(domain.rows, domain.columns))
    row, column = ff1(key, tweak, halves, radix=radix, length=2 * digits)
    while len(outside := np.flatnonzero((row >= domain.rows) | (column >= domain.columns))):
        again = row[outside], column[outside]
        row[outside], column[outside] = ff1(key, tweak, again, radix=radix, length=2 * digits)
    return row, column


def _numerals(size: int) -> tuple[int, int]:
    """Return the smallest radix and number of numerals, at least two, that write `size` numbers."""
    for digits in itertools.count(2):
        radix = math.ceil(size ** (1 / digits))
        radix += radix**digits < size  # the root may be a hair too small
        if radix <= _RADIX:
            break
    return radix, digits


def ff1(key: bytes, tweak: bytes, halves: Halves, *, radix: int, length: int) -> Halves:
    """Return numeral strings encrypted by FF1, each as its two halves' numbers.

    `length`: numerals of a string; the left half has the smaller half of them.
    """
    left, right = length // 2, length - length // 2
    moduli = radix**left, radix**right
    width = ((moduli[1] - 1).bit_length() + 7) // 8
    # ECB, for the standard's CIPH works on one block at a time: what is chained is chained here.
    cipher = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305
    high, low = _last_block(cipher, _prefix(radix, length, tweak) + tweak, width)
    used = 4 * ((width + 3) // 4) + 4
    first, second = halves
    for number in range(_ROUNDS):
        block = np.empty((len(first), 2), ">u8")
        block[:, 0] = high
        # The round's number and the half stand where the last block has zeros.
        block[:, 1] = (second | np.uint64(number << 8 * width)) ^ np.uint64(low)
        mixed = np.frombuffer(cipher.update(block.tobytes()), ">u8").reshape(-1, 2)
        modulus = moduli[number % 2]
        first, second = second, (first + _remainder(mixed, used, modulus)) % np.uint64(modulus)
    return first, second


def _prefix(radix: int, length: int, tweak: bytes) -> bytes:
    head = bytes([1, 2, 1]) + radix.to_bytes(3, "big") + bytes([_ROUNDS, length // 2 % 256])
    return head + length.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")


def _last_block(cipher: Any, text: bytes, width: int) -> tuple[int, int]:
    """Return the last block before AES as two numbers; round and half, of `width` bytes, are zeros in it."""
    padded = text + bytes(-(len(text) + 1 + width) % _BLOCK + 1 + width)
    chain = bytes(_BLOCK)
    for start in range(0, len(padded) - _BLOCK, _BLOCK):
        chain = cipher.update(_xor(chain, padded[start : start + _BLOCK]))
    last = _xor(chain, padded[-_BLOCK:])
    return int.from_bytes(last[:8], "big"), int.from_bytes(last[8:], "big")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


def _remainder(blocks: npt.NDArray[Any], used: int, modulus: int) -> Numbers:
    """Return the number of each block's first 8 or 12 bytes, modulo `modulus`."""
    divisor = np.uint64(modulus)
    rest = blocks[:, 0].astype(np.uint64) % divisor
    if used == 8:
        return rest
    tail = blocks[:, 1].astype(np.uint64) >> np.uint64(32)
    # As many bits at a time as fit beside the remainder.
    step = next(bits for bits in (32, 16, 8) if bits + modulus.bit_length() <= 64)
    for shift in range(32 - step, -1, -step):
        piece = (tail >> np.uint64(shift)) & np.uint64((1 << step) - 1)
        rest = ((rest << np.uint64(step)) | piece) % divisor
    return rest

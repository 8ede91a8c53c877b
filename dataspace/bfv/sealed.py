"""Blocks of a sealed dataset, and the tags that tie a result to the plan it is said to be of.

A block is one symmetric ciphertext of 8192 rows: the seed that its second half
is drawn from (64 bytes), then the first half's coefficients, 6 bytes each, prime
by prime. A result, switched down to two primes, has both halves and no seed. SEAL
is given streams written anew around what was checked.

**Tags.** Beside each value x a row has alpha * x + r, modulo t, encrypted too.
`alpha` is a measure's secret, `r` is drawn for the row's place from a secret
seed. A weighted sum S of values and the same weighted sum M of tags fulfil

    M = alpha * S + (the same weighted sum of r)

and who knows neither alpha nor r finds another pair that does with a chance of
1/t, below 10^-12: other weights, other rows, another measure do not pass.
"""

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from dataspace.bfv.stream import Words, read_ciphertext, write_ciphertext
from dataspace.errors import Malformed
from dataspace.wire.parameters import ParameterSet
from dataspace.wire.sealed import BLOCK_ROWS, slots

Residues = np.ndarray[tuple[int, int, int], np.dtype[np.uint64]]
Signed = np.ndarray[tuple[int], np.dtype[np.int64]]
Blocks = np.ndarray[tuple[int, int], np.dtype[np.int64]]

_HEADER: Final = struct.Struct("<HBBBBHQ")  # SEAL's, as in `stream`
_CIPHERTEXT: Final = struct.Struct("<32sBQQQdQ")
_COUNT: Final = struct.Struct("<Q")
_START: Final = _CIPHERTEXT.size + _HEADER.size + _COUNT.size  # of the coefficients
_MAGIC, _MAJOR, _MINOR = 0xA15E, 4, 3
_PLAIN: Final = 0
_SEED: Final = 64
_BLAKE: Final = 1  # SEAL's prng_type blake2xb
_BYTES: Final = 6  # of a residue: the primes have 43 and 44 bits
_PLACE: Final = struct.Struct(">IIQ")  # measure, block, counter
_SPARE: Final = 64  # words beyond a block's: one in seven million is thrown away


def pack_block(stream: bytes, parameters: ParameterSet) -> bytes:
    """Return the block of a seeded ciphertext as SEAL saves it.

    Raises:
        Malformed: it is none of these parameters.

    """
    moduli = parameters.coefficient_moduli[:-1]
    words = len(moduli) * parameters.degree
    content = _content(stream, _START + 8 * words + _HEADER.size + 1 + _SEED, _head(parameters, len(moduli)))
    return content[-_SEED:] + _packed(np.frombuffer(content, "<u8", words, _START))


def pack_result(stream: bytes, parameters: ParameterSet) -> bytes:
    """Return the bytes of a result as SEAL saves it: a ciphertext of the last two primes.

    Raises:
        Malformed: it is none of these parameters.

    """
    return _packed(read_ciphertext(stream, parameters, 2, parameters.answer_moduli))


def unpack_result(result: bytes | memoryview, parameters: ParameterSet) -> bytes:
    """Return a stream for SEAL, written by us, of a result.

    Raises:
        Malformed: it has another size, a coefficient is not below its modulus, or it is not encrypted.

    """
    moduli = parameters.coefficient_moduli[: parameters.answer_moduli]
    flat = _unpacked(result, 2, parameters.degree, moduli)
    if not flat[1].any():
        raise Malformed("malformed result: it is not encrypted")
    return write_ciphertext(flat.ravel(), parameters, 2, len(moduli))


def unpack_block(block: bytes | memoryview, parameters: ParameterSet) -> bytes:
    """Return a stream for SEAL, written by us, of the ciphertext in a block.

    Raises:
        Malformed: it has another size, or a coefficient is not below its modulus.

    """
    moduli = parameters.coefficient_moduli[:-1]
    flat = _unpacked(block[_SEED:], 1, parameters.degree, moduli)
    drawn = _header(_HEADER.size + 1 + _SEED) + bytes([_BLAKE]) + bytes(block[:_SEED])
    return _stream(_head(parameters, len(moduli)) + _array(flat) + drawn)


class Tags:
    """The tags of one measure of a sealed dataset; `number` is its place among the measures."""

    def __init__(self, seed: bytes, alpha: int, number: int, parameters: ParameterSet) -> None:
        self._seed, self._number, self._parameters = seed, number, parameters
        self._alpha = alpha % parameters.plain_modulus

    def pads(self, block: int) -> Words:
        """Return r of each row of a block: uniform modulo t, by rejection."""
        modulus, wanted = self._parameters.plain_modulus, BLOCK_ROWS + _SPARE
        nonce = _PLACE.pack(self._number, block, 0)
        cipher = Cipher(algorithms.AES(self._seed), modes.CTR(nonce)).encryptor()
        words = np.frombuffer(cipher.update(bytes(8 * wanted)), "<u8") >> np.uint64(64 - modulus.bit_length())
        kept = words[words < modulus][:BLOCK_ROWS]
        if len(kept) < BLOCK_ROWS:  # of 8256 words more than 64 would have to be thrown away
            raise Malformed("malformed seed: it draws too few pads")
        return kept

    def of(self, values: Words, block: int) -> Words:
        """Return the tags of a block's values, which are below t."""
        return (self.multiplied(values) + self.pads(block)) % np.uint64(self._parameters.plain_modulus)

    def multiplied(self, values: Words) -> Words:
        """Return alpha times each value, modulo t."""
        factor = np.full(len(values), self._alpha, np.uint64)
        return multiply(values, factor, self._parameters.plain_modulus)


def multiply(values: Words, factors: Words, modulus: int) -> Words:
    """Return the products modulo a number of at most 40 bits, of numbers that are below it."""
    high, low, by = factors >> np.uint64(20), factors & np.uint64((1 << 20) - 1), np.uint64(modulus)
    return ((((values * high) % by) << np.uint64(20)) + values * low) % by


def slot_weights(weights: Sequence[int], counts: Sequence[int], blocks: int) -> Signed:
    """Return the weight of each slot, from those of the cells; slots of no cell weigh nothing."""
    found = np.repeat(np.array(weights, np.int64), slots(counts, blocks))
    return np.concatenate([found, np.zeros(BLOCK_ROWS - len(found), np.int64)])


def by_block(values: Signed, counts: Sequence[int], blocks: int) -> Blocks:
    """Return the rows of cells, which stand in the order of their numbers, block by block; the rest is 0."""
    taken = np.cumsum(slots(counts, blocks)) * blocks
    # Where a cell's slots begin, less where its rows do: both end with those of the cell before.
    shift = np.concatenate([[0], (taken - np.cumsum(counts))[:-1]])
    found = np.zeros(BLOCK_ROWS * blocks, np.int64)
    found[np.arange(len(values)) + np.repeat(shift, counts)] = values
    return found.reshape(BLOCK_ROWS, blocks).T


def residues(values: Signed, modulus: int) -> Words:
    """Return signed integers modulo a number."""
    return (values % np.int64(modulus)).astype(np.uint64)


def _content(stream: bytes, size: int, head: bytes) -> bytes:
    content = pa.decompress(stream[_HEADER.size :], decompressed_size=size, codec="zstd", asbytes=True)
    if len(content) != size or content[: len(head)] != head:
        raise Malformed("malformed ciphertext: another shape than its parameters have")
    return bytes(content)


def _packed(coefficients: Words) -> bytes:
    return coefficients.view(np.uint8).reshape(-1, 8)[:, :_BYTES].tobytes()


def _unpacked(data: bytes | memoryview, halves: int, degree: int, moduli: tuple[int, ...]) -> Residues:
    """Return the coefficients of so many polynomials, by prime."""
    words = halves * len(moduli) * degree
    if len(data) != _BYTES * words:
        raise Malformed(f"malformed ciphertext: {len(data)} bytes, want {_BYTES * words}")
    coefficients = np.zeros((words, 8), np.uint8)
    coefficients[:, :_BYTES] = np.frombuffer(data, np.uint8).reshape(words, _BYTES)
    flat = coefficients.view("<u8").reshape(halves, len(moduli), degree)
    if not (flat < np.array(moduli, np.uint64)[:, None]).all():
        raise Malformed("malformed ciphertext: a coefficient is not below its modulus")
    return flat


def _array(flat: Residues) -> bytes:
    return _header(_HEADER.size + _COUNT.size + 8 * flat.size) + _COUNT.pack(flat.size) + flat.tobytes()


def _stream(body: bytes) -> bytes:
    return _header(_HEADER.size + len(body)) + body


def _head(parameters: ParameterSet, primes: int) -> bytes:
    return _CIPHERTEXT.pack(parameters.parms_id(primes), 0, 2, parameters.degree, primes, 1.0, 1)


def _header(size: int) -> bytes:
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, _PLAIN, 0, size)

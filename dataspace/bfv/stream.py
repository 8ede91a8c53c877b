"""SEAL's streams, read to the last coefficient and written anew.

A stream is a header of 16 bytes (magic, header size, version, compression,
length), then here one zstd frame (RFC 8878). A ciphertext inside it: parms_id,
NTT flag, size, degree, primes, scale, correction factor, and an array of 64-bit
words with a header of its own. Of a ciphertext made with the secret key, half
as long, the array holds the first polynomial alone; after it comes the seed of
the second, with a header again: the generator (1: BLAKE2Xb) and 64 bytes.
Encryption parameters: scheme, degree, the primes and the plain modulus, each of
these a stream of its own.
"""

import struct
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa

from dataspace.errors import Malformed
from dataspace.wire.parameters import ParameterSet

Words: TypeAlias = np.ndarray[tuple[int], np.dtype[np.uint64]]

_HEADER: Final = struct.Struct("<HBBBBHQ")
_MAGIC, _MAJOR, _MINOR = 0xA15E, 4, 3  # written streams say what TenSEAL 0.3.18 bundles; read ones any 4.x
_PLAIN, _ZSTD = 0, 2  # SEAL's compr_mode_type
_CIPHERTEXT: Final = struct.Struct("<32sBQQQdQ")
_PLAINTEXT: Final = struct.Struct("<32sQd")
_COUNT: Final = struct.Struct("<Q")
_SEED: Final = struct.Struct("<B64s")
_BLAKE2XB: Final = 1  # SEAL's prng_type
_ARRAY_AT: Final = _CIPHERTEXT.size + _HEADER.size + _COUNT.size  # where a ciphertext's words begin
_BFV: Final = 1


def check_parameters(stream: memoryview, parameters: ParameterSet) -> None:
    """Check that a stream of encryption parameters says what the set says.

    Raises:
        Malformed: it does not.

    """
    moduli = (*parameters.coefficient_moduli, parameters.plain_modulus)
    content = _decompress(stream, 17 + 24 * len(moduli))
    scheme, degree, count = struct.unpack_from("<BQQ", content)
    values = []
    for at in range(17, len(content), 24):
        _check_header(content[at : at + 16], _PLAIN, 24)
        values.append(_COUNT.unpack_from(content, at + 16)[0])
    if (scheme, degree, count, *values) != (_BFV, parameters.degree, len(moduli) - 1, *moduli):
        raise Malformed(f"malformed context: its parameters are not {parameters.id}")


def read_pair(stream: memoryview, parameters: ParameterSet, *, key: bool) -> bytes:
    """Return a stream, written by us, of the two polynomials in `stream`: a public key or a ciphertext.

    Raises:
        Malformed: it is not one of these parameters, or a coefficient is not below its modulus.

    """
    moduli = parameters.coefficient_moduli if key else parameters.coefficient_moduli[:-1]
    words = 2 * len(moduli) * parameters.degree
    content = _decompress(stream, _ARRAY_AT + 8 * words)
    head = _head(content, parameters, moduli, ntt=key)
    found = _words(content, words, moduli, parameters.degree)
    # A "transparent" ciphertext has no second half: SEAL throws on it, and everybody can read it.
    if not found[words // 2 :].any():
        raise Malformed("malformed ciphertext: it is not encrypted")
    return _wrap(head + _array(found.tobytes(), words))


def read_fresh(stream: memoryview, parameters: ParameterSet) -> bytes:
    """Return a stream, written by us, of a fresh ciphertext: of two polynomials, or of one and a seed.

    Raises:
        Malformed: as `read_pair`; or the seed is not of the generator that SEAL writes.

    """
    moduli = parameters.coefficient_moduli[:-1]
    words = len(moduli) * parameters.degree
    size = _ARRAY_AT + 8 * words + _HEADER.size + _SEED.size
    if _declared(bytes(stream[_HEADER.size :][:14]))[0] != size:
        return read_pair(stream, parameters, key=False)
    content = _decompress(stream, size)
    head = _head(content, parameters, moduli, ntt=False)
    found = _words(content[: _ARRAY_AT + 8 * words], words, moduli, parameters.degree)
    seed = content[_ARRAY_AT + 8 * words :]
    _check_header(seed[: _HEADER.size], _PLAIN, len(seed))
    generator, value = _SEED.unpack_from(seed, _HEADER.size)
    if generator != _BLAKE2XB:
        raise Malformed("malformed ciphertext: its seed is of another generator")
    return _wrap(head + _array(found.tobytes(), words) + _head_of(_SEED.size) + _SEED.pack(_BLAKE2XB, value))


def read_ciphertext(stream: bytes, parameters: ParameterSet, size: int, moduli: int) -> Words:
    """Return the coefficients of a ciphertext that we saved: of `size` polynomials modulo so many primes.

    Raises:
        Malformed: it is no such one.

    """
    words = size * moduli * parameters.degree
    content = _decompress(memoryview(stream), _ARRAY_AT + 8 * words)
    return _words(content, words, parameters.coefficient_moduli[:moduli], parameters.degree)


def write_ciphertext(coefficients: Words, parameters: ParameterSet, size: int, moduli: int) -> bytes:
    """Return a SEAL stream of the ciphertext with these coefficients, not in NTT form."""
    head = _CIPHERTEXT.pack(parameters.parms_id(moduli), 0, size, parameters.degree, moduli, 1.0, 1)
    return _wrap(head + _array(coefficients.astype("<u8").tobytes(), coefficients.size))


def write_plaintext(coefficients: Words) -> bytes:
    """Return a SEAL stream of the polynomial with these coefficients."""
    body = _PLAINTEXT.pack(bytes(32), len(coefficients), 1.0)
    return _wrap(body + _array(coefficients.astype("<u8").tobytes(), len(coefficients)))


def _head(content: bytes, parameters: ParameterSet, moduli: tuple[int, ...], *, ntt: bool) -> bytes:
    """Return the members before a ciphertext's array, which are the only ones it may have."""
    head = _CIPHERTEXT.pack(parameters.parms_id(len(moduli)), ntt, 2, parameters.degree, len(moduli), 1.0, 1)
    if content[: _CIPHERTEXT.size] != head:
        raise Malformed(f"malformed ciphertext: it is no fresh one of {parameters.id}")
    return head


def _words(content: bytes, words: int, moduli: tuple[int, ...], degree: int) -> Words:
    """Return the coefficients of a ciphertext's array, which ends `content`, each below its modulus."""
    _check_header(content[_CIPHERTEXT.size :][: _HEADER.size], _PLAIN, len(content) - _CIPHERTEXT.size)
    if _COUNT.unpack_from(content, _ARRAY_AT - _COUNT.size)[0] != words:
        raise Malformed("malformed ciphertext: another number of coefficients")
    found = np.frombuffer(content, "<u8", offset=_ARRAY_AT)
    polynomials = found.reshape(-1, len(moduli), degree)
    if not (polynomials < np.array(moduli, np.uint64)[:, None]).all():
        raise Malformed("malformed ciphertext: a coefficient is not below its modulus")
    return found


def _decompress(stream: memoryview, size: int) -> bytes:
    """Return the `size` bytes inside a stream of SEAL's that is compressed with zstd."""
    _check_header(bytes(stream[: _HEADER.size]), _ZSTD, len(stream))
    frame = bytes(stream[_HEADER.size :])
    _check_frame(frame, size)
    try:
        content = pa.decompress(frame, decompressed_size=size, codec="zstd", asbytes=True)
    except (OSError, ValueError) as error:  # pa.ArrowInvalid is a ValueError
        raise Malformed("malformed stream: it does not decompress") from error
    if len(content) != size:
        raise Malformed(f"malformed stream: {len(content)} bytes inside, want {size}")
    return bytes(content)


def _check_header(header: bytes, compression: int, size: int) -> None:
    if len(header) != _HEADER.size:
        raise Malformed("malformed stream: it ends within its header")
    magic, length, major, _, mode, reserved, total = _HEADER.unpack(header)
    if (magic, length, major, mode, reserved) != (_MAGIC, _HEADER.size, _MAJOR, compression, 0):
        raise Malformed(f"malformed stream: not one of SEAL {_MAJOR}, or compressed in another way")
    if total != size:
        raise Malformed(f"malformed stream: it says {total} bytes, want {size}")


def _check_frame(frame: bytes, size: int) -> None:
    """Check that a zstd frame (RFC 8878 section 3.1.1) ends with its bytes and holds `size` bytes."""
    declared, at = _declared(frame)
    if declared != size:
        raise Malformed(f"malformed stream: it does not declare {size} bytes")
    last = 0
    while not last:
        if at + 3 > len(frame):
            raise Malformed("malformed stream: it ends before its last block")
        block = int.from_bytes(frame[at : at + 3], "little")
        last, kind = block & 1, block >> 1 & 3
        at += 3 + (1 if kind == 1 else block >> 3)
    if at + 4 * (frame[4] >> 2 & 1) != len(frame):
        raise Malformed("malformed stream: bytes after its last block")


def _declared(frame: bytes) -> tuple[int, int]:
    """Return how many bytes a zstd frame says it holds, and where its first block begins."""
    if len(frame) < 14 or frame[:4] != b"\x28\xb5\x2f\xfd" or frame[4] & 0b1011:
        raise Malformed("malformed stream: not a plain zstd frame")
    # After the descriptor: a byte about the window unless there is one segment, then the content's size.
    width, single = 1 << (frame[4] >> 6), frame[4] >> 5 & 1
    if width == 1 and not single:
        raise Malformed("malformed stream: it does not declare its size")
    start = 6 - single
    declared = int.from_bytes(frame[start : start + width], "little") + 256 * (width == 2)
    return declared, start + width


def _array(words: bytes, count: int) -> bytes:
    return _head_of(_COUNT.size + len(words)) + _COUNT.pack(count) + words


def _wrap(body: bytes) -> bytes:
    return _head_of(len(body)) + body


def _head_of(size: int) -> bytes:
    """Return the header of an uncompressed stream of `size` bytes."""
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, _PLAIN, 0, _HEADER.size + size)

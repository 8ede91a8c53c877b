"""SEAL's streams, read to the last coefficient and written anew.

A stream is a header of 16 bytes (magic, header size, version, compression,
length), then here one zstd frame (RFC 8878). A ciphertext inside it: parms_id,
NTT flag, size, degree, primes, scale, correction factor, and an array of 64-bit
words with a header of its own. Encryption parameters: scheme, degree, the
primes and the plain modulus, each of these a stream of its own.
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
    start = _CIPHERTEXT.size + _HEADER.size + _COUNT.size
    content = _decompress(stream, start + 8 * words)
    head = _CIPHERTEXT.pack(parameters.parms_id(len(moduli)), key, 2, parameters.degree, len(moduli), 1.0, 1)
    if content[: _CIPHERTEXT.size] != head:
        raise Malformed(f"malformed ciphertext: it is no fresh one of {parameters.id}")
    _check_header(content[_CIPHERTEXT.size :][: _HEADER.size], _PLAIN, len(content) - _CIPHERTEXT.size)
    if _COUNT.unpack_from(content, start - _COUNT.size)[0] != words:
        raise Malformed("malformed ciphertext: another number of coefficients")
    _check_coefficients(np.frombuffer(content, "<u8", offset=start), moduli)
    return _wrap(head + _array(content[start:], words))


def write_plaintext(coefficients: Words) -> bytes:
    """Return a SEAL stream of the polynomial with these coefficients."""
    body = _PLAINTEXT.pack(bytes(32), len(coefficients), 1.0)
    return _wrap(body + _array(coefficients.astype("<u8").tobytes(), len(coefficients)))


def _check_coefficients(flat: Words, moduli: tuple[int, ...]) -> None:
    pair = flat.reshape(2, len(moduli), -1)
    if not (pair < np.array(moduli, np.uint64)[:, None]).all():
        raise Malformed("malformed ciphertext: a coefficient is not below its modulus")
    # A "transparent" ciphertext has no second half: SEAL throws on it, and everybody can read it.
    if not pair[1].any():
        raise Malformed("malformed ciphertext: it is not encrypted")


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
    if len(frame) < 14 or frame[:4] != b"\x28\xb5\x2f\xfd" or frame[4] & 0b1011:
        raise Malformed("malformed stream: not a plain zstd frame")
    # After the descriptor: a byte about the window unless there is one segment, then the content's size.
    width, single = 1 << (frame[4] >> 6), frame[4] >> 5 & 1
    start = 6 - single
    declared = int.from_bytes(frame[start : start + width], "little") + 256 * (width == 2)
    if declared != size or (width == 1 and not single):
        raise Malformed(f"malformed stream: it does not declare {size} bytes")
    at, last = start + width, 0
    while not last:
        if at + 3 > len(frame):
            raise Malformed("malformed stream: it ends before its last block")
        block = int.from_bytes(frame[at : at + 3], "little")
        last, kind = block & 1, block >> 1 & 3
        at += 3 + (1 if kind == 1 else block >> 3)
    if at + 4 * (frame[4] >> 2 & 1) != len(frame):
        raise Malformed("malformed stream: bytes after its last block")


def _array(words: bytes, count: int) -> bytes:
    size = _HEADER.size + _COUNT.size + len(words)
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, _PLAIN, 0, size) + _COUNT.pack(count) + words


def _wrap(body: bytes) -> bytes:
    return _HEADER.pack(_MAGIC, _HEADER.size, _MAJOR, _MINOR, _PLAIN, 0, _HEADER.size + len(body)) + body

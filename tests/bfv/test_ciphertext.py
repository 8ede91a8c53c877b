import random
from collections.abc import Callable
from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import tenseal
import tenseal.sealapi as seal
from hypothesis import given
from hypothesis import strategies as st

from dataspace.bfv import stream
from dataspace.bfv.ciphertext import read_context, read_vector, write_vector
from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.privacy.circuit import Circuit
from dataspace.wire.protobuf import fields
from tests import fuzzing
from tests.privacy.scene import PARAMETERS, keys, query

Change = Callable[[bytearray], None]


@cache
def whole() -> bytes:
    """Return a vector that TenSEAL's own client made, with the public key."""
    made: bytes = tenseal.bfv_vector(keys()._context, [5] * 8192).serialize()
    return made


def vector_with(change: Change, *, sizes: bytes = b"\x80\x40") -> bytes:
    """Return the query's vector, the bytes inside its compressed stream changed."""
    inside = bytearray(read_vector(whole(), PARAMETERS)[16:])
    change(inside)
    frame = pa.compress(bytes(inside), codec="zstd", asbytes=True)
    compressed = stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame)) + frame
    return b"\x0a" + bytes([len(sizes)]) + sizes + write_vector(compressed, 1)[3:]


def seeded_with(change: Change) -> bytes:
    """Return a vector that the secret key made, with the bytes inside its compressed stream changed."""
    inside = bytearray(read_vector(keys().seal([1, 2, 3]), PARAMETERS)[16:])
    change(inside)
    frame = pa.compress(bytes(inside), codec="zstd", asbytes=True)
    compressed = stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame)) + frame
    return write_vector(compressed, PARAMETERS.slots)


def put(at: int, value: bytes) -> Change:
    def change(inside: bytearray) -> None:
        inside[at : at + len(value)] = value

    return change


def nothing(_: bytearray) -> None:
    pass


def test_what_tenseal_writes_is_read() -> None:
    assert len(read_vector(whole(), PARAMETERS)) == 16 + 97 + 8 * 2 * 4 * 8192
    assert len(read_context(keys().public, PARAMETERS)) == 16 + 97 + 8 * 2 * 5 * 8192


def test_a_seeded_ciphertext_is_half_as_long_and_decrypts_to_what_was_encrypted() -> None:
    vector = keys().seal([1, -2, 3])
    assert len(vector) < 217_000
    assert len(read_vector(vector, PARAMETERS)) == 16 + 97 + 8 * 4 * 8192 + 81
    cipher = Circuit(PARAMETERS)._scheme.load(seal.Ciphertext(), read_vector(vector, PARAMETERS))
    assert cipher.size() == 2
    assert not cipher.is_transparent()
    assert keys().open(vector)[:4] == [1, -2, 3, 0]
    assert read_vector(seeded_with(nothing), PARAMETERS)[:97] == read_vector(vector, PARAMETERS)[:97]


_SEED = 97 + 8 * 4 * 8192


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, bytes(32)),  # parms_id of no level
        (32, b"\x01"),  # NTT form
        (33, b"\x03"),  # three polynomials
        (49, b"\x02"),  # fewer primes
        (57, b"\x01"),  # a scale
        (65, b"\x02"),  # a correction factor
        (73, b"\x00"),  # the array's magic
        (81, b"\x01"),  # ... and its length
        (89, b"\x01"),  # another number of words
        (97, PARAMETERS.coefficient_moduli[0].to_bytes(8, "little")),
        (_SEED - 8, PARAMETERS.coefficient_moduli[3].to_bytes(8, "little")),
        (_SEED, b"\x00"),  # the seed's magic
        (_SEED + 5, b"\x02"),  # ... compressed
        (_SEED + 8, b"\x52"),  # ... and its length
        (_SEED + 16, b"\x00"),  # no generator
        (_SEED + 16, b"\x02"),  # another generator
    ],
)
def test_he_06_a_seeded_ciphertext_with_another_value_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(Malformed):
        read_vector(seeded_with(put(at, value)), PARAMETERS)


def test_he_06_a_seed_of_another_generator_encrypts_something_else_for_seal_and_is_refused_by_ours() -> None:
    vector = seeded_with(put(_SEED + 16, b"\x02"))
    naive = tenseal.bfv_vector_from(keys()._context, vector).decrypt()
    assert len(naive) == 8192
    assert naive[:3] != [1, 2, 3]
    with pytest.raises(Malformed, match="generator"):
        read_vector(vector, PARAMETERS)


def test_he_06_three_polynomials_of_which_one_is_sent_are_computed_with_by_seal_and_refused_by_ours() -> None:
    vector = seeded_with(put(33, b"\x03"))
    naive = tenseal.bfv_vector_from(keys()._context, vector)
    assert (naive + naive).ciphertext()[0].size() == 3
    with pytest.raises(Malformed, match="no fresh one"):
        read_vector(vector, PARAMETERS)


def test_he_04_a_seed_of_another_size_is_refused() -> None:
    for change in (lambda inside: inside.extend(b"\x00"), lambda inside: inside.__delitem__(-1)):
        with pytest.raises(Malformed):
            read_vector(seeded_with(change), PARAMETERS)


def test_what_is_compressed_again_is_read_the_same() -> None:
    assert read_vector(vector_with(nothing), PARAMETERS) == read_vector(whole(), PARAMETERS)


@pytest.mark.parametrize("sizes", [b"\x01", b"\x80\x40"])
def test_sizes_within_the_slots_are_taken(sizes: bytes) -> None:
    assert read_vector(vector_with(nothing, sizes=sizes), PARAMETERS)


@pytest.mark.parametrize("sizes", [b"", b"\x00", b"\x81\x40", b"\x01\x01", b"\x80", b"\x81\x00", b"\xff" * 9])
def test_he_06_sizes_that_crash_or_overread_are_refused(sizes: bytes) -> None:
    with pytest.raises(Malformed):
        read_vector(vector_with(nothing, sizes=sizes), PARAMETERS)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, bytes(32)),  # parms_id of no level
        (0, PARAMETERS.parms_id(3)),  # ... of a lower one
        (32, b"\x01"),  # NTT form
        (33, b"\x03"),  # three polynomials
        (41, b"\x00\x40"),  # another degree
        (49, b"\x02"),  # fewer primes
        (57, b"\x01"),  # a scale
        (65, b"\x02"),  # a correction factor
        (73, b"\x00"),  # the array's magic
        (78, b"\x02"),  # the array compressed
        (89, b"\x01"),  # another number of words
        (97, PARAMETERS.coefficient_moduli[0].to_bytes(8, "little")),  # a coefficient equal to its modulus
        (97 + 8 * 8191, b"\xff" * 8),
    ],
)
def test_he_06_a_level_scale_or_coefficient_of_another_value_is_refused(at: int, value: bytes) -> None:
    with pytest.raises(Malformed):
        read_vector(vector_with(put(at, value)), PARAMETERS)


def test_he_06_a_transparent_ciphertext_is_refused() -> None:
    with pytest.raises(Malformed, match="not encrypted"):
        read_vector(vector_with(put(97 + 8 * 4 * 8192, bytes(8 * 4 * 8192))), PARAMETERS)


def test_he_02_a_decompression_bomb_is_refused_unopened() -> None:
    bomb = fuzzing.bomb()
    assert len(bomb) < 100_000
    # A naive reader makes room for what the frame declares: nine thousand times what was sent.
    assert len(fuzzing.opened(bomb)) == 1 << 26
    with pytest.raises(Malformed, match="does not declare"):
        read_vector(write_vector(bomb, 8192), PARAMETERS)


def test_he_04_bytes_behind_the_zstd_frame_are_refused() -> None:
    head = query().vector.index(b"\x28\xb5\x2f\xfd") - 16
    raw = bytearray(query().vector[head:]) + b"\x00"
    raw[8:16] = len(raw).to_bytes(8, "little")
    with pytest.raises(Malformed, match="after its last block"):
        read_vector(write_vector(bytes(raw), 8192), PARAMETERS)


def test_he_01_a_secret_key_is_refused_and_its_buffer_wiped() -> None:
    private = bytearray(keys()._private)
    with pytest.raises(Unprocessable, match="holds a secret key"):
        read_context(private, PARAMETERS)
    assert not any(private)


def test_he_01_an_empty_private_part_is_refused_too() -> None:
    with pytest.raises(Unprocessable):
        read_context(keys().public + b"\x1a\x00", PARAMETERS)


@pytest.mark.parametrize("field", [b"\x22\x00", b"\x20\x01", b"\x0a\x00"])
def test_he_02_further_fields_of_a_context_are_refused(field: bytes) -> None:
    with pytest.raises(Malformed):
        read_context(keys().public + field, PARAMETERS)


@pytest.mark.parametrize("field", [b"\x22\x01\x00", b"\x2a\x01\x00"])
def test_he_02_relinearisation_and_galois_keys_are_refused(field: bytes) -> None:
    (_, parameters), (_, public) = fields(keys().public)
    longer = bytes(_memory(public)) + field
    changed = b"\x0a\x51" + bytes(_memory(parameters)) + write_vector(longer, 1)[3:]
    with pytest.raises(Malformed, match="public part"):
        read_context(changed, PARAMETERS)


def _memory(value: int | memoryview) -> memoryview:
    assert not isinstance(value, int)
    return value


@pytest.mark.parametrize("prime", [97, 1 << 60])
def test_he_03_weaker_parameters_in_a_context_are_refused(prime: int) -> None:
    context = bytearray(keys().public)
    inside = bytearray(stream._decompress(memoryview(bytes(context[2:83])), 161))
    inside[153:161] = prime.to_bytes(8, "little")
    frame = pa.compress(bytes(inside), codec="zstd", asbytes=True)
    parameters = stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame)) + frame
    changed = b"\x0a" + bytes([len(parameters)]) + parameters + bytes(context[83:])
    with pytest.raises(Malformed, match="parameters are not"):
        read_context(changed, PARAMETERS)


def test_he_04_more_bytes_than_the_limit_are_refused_unread() -> None:
    with pytest.raises(TooLarge):
        read_vector(bytes(PARAMETERS.vector_limit + 1), PARAMETERS)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x0a\x01\x01\x12", b"\x0a\x51"]))
def test_he_04_noise_is_refused_with_one_error(noise: bytes, start: bytes) -> None:
    for read in (read_vector, read_context):
        with pytest.raises(Malformed):
            read(start + noise, PARAMETERS)


def test_seal_reads_the_plaintext_we_write() -> None:
    chance = random.Random(1)
    words = np.array([chance.randrange(PARAMETERS.plain_modulus) for _ in range(8192)], np.uint64)
    plain = Circuit(PARAMETERS)._scheme.load(seal.Plaintext(), stream.write_plaintext(words))
    assert [plain.data(place) for place in (0, 1, 8191)] == words[[0, 1, 8191]].tolist()

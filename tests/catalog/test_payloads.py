import hashlib
import io
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.catalog.payloads import CHUNK, into_memfd, open_sealed, plain_size, seal, seal_writer
from dataspace.errors import VerificationError

KEY, CONTEXT = bytes(range(32)), b"ds-1/1/payload"
HEADER, SEALED_CHUNK = 19, CHUNK + 16
# Each of the borders where the last chunk changes.
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK]


def sealed(plain: bytes, context: bytes = CONTEXT) -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(plain), target, KEY, context)
    return target.getvalue()


def opened(data: bytes, key: bytes = KEY, context: bytes = CONTEXT) -> bytes:
    return b"".join(open_sealed(io.BytesIO(data), key, context))


@pytest.fixture(scope="module")
def three_chunks() -> bytes:
    return sealed(bytes(2 * CHUNK) + b"end")


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens(size: int, tmp_path: Path) -> None:
    plain = os.urandom(size)
    path = tmp_path / "sealed"
    path.write_bytes(sealed(plain))
    assert b"".join(open_sealed(path, KEY, CONTEXT)) == plain
    assert plain_size(path) == size


def test_sealing_tells_size_and_digest_of_the_plaintext() -> None:
    told = seal(io.BytesIO(b"abc"), io.BytesIO(), KEY, CONTEXT)
    assert (told.size, told.sha256) == (3, hashlib.sha256(b"abc").hexdigest())


def test_no_two_sealings_are_alike() -> None:
    assert sealed(b"abc") != sealed(b"abc")


@pytest.mark.parametrize(
    "kept", [0, 7, HEADER, HEADER + 15, HEADER + SEALED_CHUNK, HEADER + 2 * SEALED_CHUNK]
)
def test_a_truncated_file_does_not_open(three_chunks: bytes, kept: int) -> None:
    with pytest.raises(VerificationError):
        opened(three_chunks[:kept])


def test_bytes_after_the_end_do_not_open(three_chunks: bytes) -> None:
    with pytest.raises(VerificationError):
        opened(three_chunks + b"x")


def test_chunks_in_another_order_do_not_open(three_chunks: bytes) -> None:
    head, first = three_chunks[:HEADER], three_chunks[HEADER : HEADER + SEALED_CHUNK]
    second = three_chunks[HEADER + SEALED_CHUNK : HEADER + 2 * SEALED_CHUNK]
    rest = three_chunks[HEADER + 2 * SEALED_CHUNK :]
    for changed in (head + second + first + rest, head + first + rest, head + first + first + second + rest):
        with pytest.raises(VerificationError):
            opened(changed)


def test_a_chunk_of_another_file_does_not_open(three_chunks: bytes) -> None:
    other = sealed(bytes(2 * CHUNK) + b"end")
    with pytest.raises(VerificationError):
        opened(three_chunks[: HEADER + SEALED_CHUNK] + other[HEADER + SEALED_CHUNK :])


def test_another_key_or_context_does_not_open() -> None:
    data = sealed(b"abc")
    for key, context in ((bytes(32), CONTEXT), (KEY, b"ds-2/1/payload"), (KEY, b"")):
        with pytest.raises(VerificationError):
            opened(data, key, context)


def test_every_bit_counts() -> None:
    data = sealed(b"abc")
    for position in range(len(data) * 8):
        flipped = bytearray(data)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(VerificationError):
            opened(bytes(flipped))


@settings(max_examples=200)
@given(st.binary(max_size=200), st.booleans())
def test_noise_is_refused_with_one_error(noise: bytes, headed: bool) -> None:
    with pytest.raises(VerificationError):
        opened(sealed(b"")[:HEADER] + noise if headed else noise)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_pieces_of_any_size_make_the_same_plaintext(pieces: list[bytes]) -> None:
    target = io.BytesIO()
    writer = seal_writer(target, KEY, CONTEXT)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    writer.close()
    assert opened(target.getvalue()) == b"".join(pieces)


def test_a_writer_that_was_not_closed_leaves_nothing_that_opens() -> None:
    target = io.BytesIO()
    seal_writer(target, KEY, CONTEXT).write(bytes(CHUNK + 5))
    with pytest.raises(VerificationError):
        opened(target.getvalue())


def test_pyarrow_writes_into_an_envelope_and_reads_from_memory(tmp_path: Path) -> None:
    table = pa.table({"a": range(100_000)})
    path = tmp_path / "payload"
    with path.open("wb") as file:
        writer = seal_writer(file, KEY, CONTEXT)
        pq.write_table(table, writer)
        writer.close()
    assert b"PAR1" not in path.read_bytes()
    descriptor = into_memfd(path, KEY, CONTEXT, sha256=writer.sealed.sha256)
    try:
        assert pq.read_table(f"/proc/self/fd/{descriptor}").equals(table)
    finally:
        os.close(descriptor)


def test_a_failed_opening_leaves_no_descriptor(tmp_path: Path) -> None:
    path = tmp_path / "payload"
    path.write_bytes(sealed(b"abc"))
    before = _descriptors()
    for key, digest in ((bytes(32), ""), (KEY, "0" * 64)):
        with pytest.raises(VerificationError):
            into_memfd(path, key, CONTEXT, sha256=digest)
    assert _descriptors() <= before  # what tests before this one left may be closed meanwhile


def _descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}

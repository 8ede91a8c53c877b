import contextlib
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from tests.catalog.uploads import read, refused

CONTENT = b"a,b\n" + b"".join(b"%d,word%d\n" % (n, n * n) for n in range(5_000))


def test_members_follow_one_another() -> None:
    content = gzip.compress(CONTENT[:1000]) + gzip.compress(CONTENT[1000:])
    assert read(content)[0]["rows"] == 5_000


def test_up_08_a_gzip_bomb_stops_at_the_ratio() -> None:
    bomb = gzip.compress(b"a,b\n" + b"1,2\n" * (16 << 20))
    error = refused(bomb)
    assert "more than 200 times its size" in str(error)


def test_up_08_a_gzip_bomb_within_a_gzip_is_not_opened() -> None:
    with pytest.raises(Malformed):
        read(gzip.compress(gzip.compress(bytes(64 << 20))))


def test_up_08_what_unpacks_to_more_than_the_limit_is_too_large() -> None:
    with pytest.raises(TooLarge, match="unpacked"):
        read(gzip.compress(CONTENT), limits={"plain": 10_000})


@pytest.mark.parametrize("cut", [1, 8, 9, 100])
def test_up_13_a_gzip_that_was_cut_off_is_refused_whole(cut: int) -> None:
    assert "ends before its end" in str(refused(gzip.compress(CONTENT)[:-cut]))


def test_a_gzip_with_a_wrong_checksum_is_damaged() -> None:
    content = bytearray(gzip.compress(CONTENT))
    content[-6] ^= 1
    assert "damaged" in str(refused(bytes(content)))


def test_what_follows_a_gzip_must_be_gzip() -> None:
    with pytest.raises(Unprocessable, match="damaged"):
        read(gzip.compress(CONTENT) + b"more")


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=80), st.integers(0, 400))
def test_a_spoiled_gzip_raises_one_kind_of_error(noise: bytes, place: int) -> None:
    content = gzip.compress(CONTENT[:400])
    with contextlib.suppress(Malformed):
        read(content[:place] + noise + content[place + len(noise) :])

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.privacy.fpe import Domain, ff1, permuted

# https://csrc.nist.gov/projects/cryptographic-standards-and-guidelines/example-values, FF1 samples 1 to 9.
_KEY = "2B7E151628AED2A6ABF7158809CF4F3C"
_LONGER = _KEY + "EF4359D8D580AA4F"
_LONGEST = _LONGER + "7F036D6F04FC6A94"
_DIGITS, _LETTERS = "0123456789", "0123456789abcdefghi"
_SAMPLES = [
    (_KEY, "", 10, _DIGITS, "2433477484"),
    (_KEY, "39383736353433323130", 10, _DIGITS, "6124200773"),
    (_KEY, "3737373770717273373737", 36, _LETTERS, "a9tv40mll9kdu509eum"),
    (_LONGER, "", 10, _DIGITS, "2830668132"),
    (_LONGER, "39383736353433323130", 10, _DIGITS, "2496655549"),
    (_LONGER, "3737373770717273373737", 36, _LETTERS, "xbj3kv35jrawxv32ysr"),
    (_LONGEST, "", 10, _DIGITS, "6657667009"),
    (_LONGEST, "39383736353433323130", 10, _DIGITS, "1001623463"),
    (_LONGEST, "3737373770717273373737", 36, _LETTERS, "xs8a0azh2avyalyzuwd"),
]


def numbers(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return np.array(values, np.uint64)


@pytest.mark.parametrize(("key", "tweak", "radix", "plain", "expected"), _SAMPLES)
def test_ff1_gives_the_samples_of_nist(key: str, tweak: str, radix: int, plain: str, expected: str) -> None:
    middle = len(plain) // 2
    halves = numbers(int(plain[:middle], radix)), numbers(int(plain[middle:], radix))
    left, right = ff1(bytes.fromhex(key), bytes.fromhex(tweak), halves, radix=radix, length=len(plain))
    assert (left[0], right[0]) == (int(expected[:middle], radix), int(expected[middle:], radix))


@given(st.integers(2000, 1 << 40), st.floats(1, 60), st.data())
@settings(max_examples=40)
def test_a_permutation_stays_in_its_domain_and_joins_no_two_places(
    rows: int, longer: float, data: st.DataObject
) -> None:
    domain = Domain(rows, int(rows * longer))
    place = st.tuples(st.integers(0, domain.rows - 1), st.integers(0, domain.columns - 1))
    places = data.draw(st.lists(place, unique=True, min_size=1, max_size=20))
    halves = numbers(*(row for row, _ in places)), numbers(*(column for _, column in places))
    row, column = permuted(bytes(32), b"t", halves, domain)
    assert row.max() < domain.rows
    assert column.max() < domain.columns
    assert len(set(zip(row.tolist(), column.tolist(), strict=True))) == len(places)


def test_a_permutation_reaches_every_place_once() -> None:
    domain = Domain(1009, 1013)
    row, column = np.divmod(np.arange(1009 * 1013, dtype=np.uint64), np.uint64(1013))
    found = permuted(bytes(32), b"", (row, column), domain)
    assert len(np.unique(found[0] * np.uint64(1013) + found[1])) == 1009 * 1013


def test_another_key_or_tweak_is_another_permutation() -> None:
    halves, domain = (numbers(*range(50)), numbers(*range(50))), Domain(10**6, 10**6)
    found = [permuted(key, tweak, halves, domain) for key in (bytes(32), b"k" * 32) for tweak in (b"", b"t")]
    assert len({row.tobytes() + column.tobytes() for row, column in found}) == 4


def test_a_value_does_not_depend_on_those_beside_it() -> None:
    count, domain = (1 << 16) + 5, Domain(5000, 5000)
    halves = (
        np.arange(count, dtype=np.uint64) % np.uint64(5000),
        np.arange(count, dtype=np.uint64) // np.uint64(5000),
    )
    together = permuted(bytes(32), b"", halves, domain)
    alone = permuted(bytes(32), b"", (halves[0][-1:], halves[1][-1:]), domain)
    assert (together[0][-1], together[1][-1]) == (alone[0][0], alone[1][0])


@pytest.mark.parametrize(
    ("rows", "columns"), [(999, 1000), (1, 10), (1 << 56, 1 << 55), (0, 10**9), (1000, 10**6)]
)
def test_a_domain_too_small_or_too_large_is_none(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match="no domain"):
        Domain(rows, columns)

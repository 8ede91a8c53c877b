import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, VerificationError
from dataspace.proof import canonical as module
from dataspace.proof.canonical import INTEGER, canonical, parse
from tests.programs import shared

_text = st.text(st.characters(exclude_categories=["Cs"]))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-INTEGER, INTEGER) | _text,
    lambda inner: st.lists(inner) | st.dictionaries(_text, inner),
    max_leaves=20,
)


# https://github.com/cyberphone/json-canonicalization, testdata; the two others of its six files hold
# floats, which have no canonical form here.
@pytest.mark.parametrize("name", ["arrays", "french", "unicode", "weird"])
def test_the_published_vectors_of_rfc_8785(name: str) -> None:
    folder = shared() / "vectors" / "jcs-cyberphone"
    value = json.loads(_read(folder / "input" / f"{name}.json"), parse_float=_whole)
    assert canonical(value) == _read(folder / "output" / f"{name}.json").strip()
    assert canonical(value) == bytes.fromhex(_read(folder / "outhex" / f"{name}.txt").decode())


@pytest.mark.parametrize("name", ["values", "structures"])
def test_the_vectors_with_floats_are_refused(name: str) -> None:
    with pytest.raises(VerificationError, match="not an integer"):
        parse(_read(shared() / "vectors" / "jcs-cyberphone" / "input" / f"{name}.json"))


def test_the_integers_of_the_published_number_vectors() -> None:
    lines = (shared() / "vectors" / "jcs-numbers" / "es6testfile-first10000.txt").read_text().splitlines()
    texts = [line.partition(",")[2] for line in lines]
    whole = [text for text in texts if _is_safe(text)]
    assert whole
    assert all(canonical(int(text)) == text.encode() for text in whole)


def test_the_published_numbers_that_are_no_integers_are_refused() -> None:
    # RFC 8785 appendix B and https://github.com/cyberphone/json-canonicalization: there are no floats here.
    folder = shared() / "vectors" / "jcs-numbers"
    lines = (folder / "es6testfile-first10000.txt").read_text().splitlines()
    texts = [line.partition(",")[2] for line in lines]
    cases = json.loads((folder / "rfc8785-appendix-b.json").read_text())
    texts += [case["want"] for case in cases["numbers"] if case["want"] is not None]
    refused = [text for text in texts if not _is_safe(text)]
    assert len(refused) > 9_000
    for text in refused:
        with pytest.raises(VerificationError):
            parse(text.encode())
    for case in cases["numbers"]:
        with pytest.raises(Malformed):
            canonical(struct.unpack(">d", bytes.fromhex(case["ieee754_hex"]))[0])
    for number in cases["integers"]["accept"]:
        assert canonical(number) == str(number).encode() == canonical(parse(str(number).encode()))
    for number in cases["integers"]["reject"]:
        with pytest.raises(Malformed):
            canonical(number)


def test_le_20_names_of_strangers_do_not_stay_in_memory() -> None:
    kept = module._ORDERS
    kept.clear()
    parse(canonical({"x" * 3000: 1}))
    assert not kept
    for number in range(module._ORDER_COUNT + 5):
        canonical({f"{number}": 1})
        assert len(kept) <= module._ORDER_COUNT


def test_names_are_ordered_by_utf_16_code_units() -> None:
    assert canonical({"\ue000": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ue000":1}'.encode()


@pytest.mark.parametrize(
    "value",
    [1.0, float("nan"), INTEGER + 1, -INTEGER - 1, "\ud800", {"\ud800": 1}, {1: 1}, b"x", {"a": {None: 1}}],
)
def test_le_11_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        canonical(value)


@pytest.mark.parametrize(
    "data",
    [b'{"a":1,"a":1}', b"1.0", b"1e2", b"-0.0", b"NaN", b"Infinity", b"9007199254740992", b'"\\ud800"',
     b"\xff", b"", b"{", b"[" * 100_000, b"[" * 40 + b"]" * 40, b'{"a":1}x', b"\xef\xbb\xbf1"],
)  # fmt: skip
def test_le_11_what_is_not_strict_json_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError):
        parse(data)


def test_le_20_a_document_over_its_limit_is_not_even_decoded() -> None:
    with pytest.raises(VerificationError, match="want at most 10"):
        parse(b"\xff" * 11, limit=10)


@given(_values)
def test_every_value_comes_back_from_its_canonical_bytes(value: Any) -> None:
    assert parse(canonical(value)) == value
    assert canonical(parse(canonical(value))) == canonical(value)


@given(st.binary() | st.text().map(lambda text: text.encode(errors="surrogatepass")))
def test_noise_is_refused_with_one_error(data: bytes) -> None:
    try:
        value = parse(data)
    except VerificationError:
        return
    assert parse(canonical(value)) == value


def _is_safe(text: str) -> bool:
    return text.lstrip("-").isdecimal() and abs(int(text)) <= INTEGER


def _read(path: Path) -> bytes:
    return path.read_bytes()


def _whole(text: str) -> int:
    """Take the one number of the vectors that is written as a float and is a whole number: 56.0."""
    assert float(text).is_integer()
    return int(float(text))

from base64 import b64encode
from contextlib import suppress
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, VerificationError
from dataspace.proof import merkle
from dataspace.proof.canonical import canonical, parse
from dataspace.proof.disclosure import FIELDS, Disclosure, disclose
from dataspace.proof.record import Record, seal
from tests.proof.test_record import record_fields

FIELDS_OF_FIVE = {"kind": "a.test", "zone": "finance", "amount": 3, "time": "2026", "\U0001f600": [1]}
_, SALTS, ENTRY = seal(FIELDS_OF_FIVE)
RECORD = Record(FIELDS_OF_FIVE, SALTS)


def test_every_selection_of_fields_leads_to_the_entry_of_the_record() -> None:
    for count in range(len(FIELDS_OF_FIVE) + 1):
        for names in combinations(FIELDS_OF_FIVE, count):
            shown = disclose(RECORD, names)
            assert shown.entry() == ENTRY
            assert shown.fields == {name: FIELDS_OF_FIVE[name] for name in names}
            assert (len(shown.shown), shown.count) == (count, 5)
            assert Disclosure.from_json(parse(canonical(shown.to_json()))) == shown


@given(record_fields(), st.data())
def test_a_disclosure_leads_to_the_entry_and_comes_back_from_its_json(
    fields: dict[str, Any], data: st.DataObject
) -> None:
    _, salts, entry = seal(fields)
    names = data.draw(st.sets(st.sampled_from(sorted(fields))))
    shown = disclose(Record(fields, salts), names)
    shown.verify(entry)
    assert shown.fields == {name: fields[name] for name in names}
    assert Disclosure.from_json(parse(canonical(shown.to_json()))) == shown


def test_of_a_hidden_field_neither_name_nor_value_nor_salt_is_there() -> None:
    shown = disclose(RECORD, ["kind"])
    text = canonical(shown.to_json()).decode()
    assert "zone" not in text
    assert "finance" not in text
    salts = [SALTS[at : at + 32] for at in range(0, len(SALTS), 32)]
    assert [b64encode(salt).decode() in text for salt in salts] == [False, True, False, False, False]


def test_le_19_a_changed_name_value_salt_hash_or_place_leads_elsewhere() -> None:
    leaves = disclose(RECORD, ["amount", "zone"]).to_json()["disclosure"]
    assert [type(leaf) for leaf in leaves] == [list, str, str, list, str]
    changes: list[tuple[int, Any]] = [
        (0, ["amount", 4, leaves[0][2]]),
        (0, ["among", 3, leaves[0][2]]),
        (0, ["amount", 3, leaves[3][2]]),
        (3, ["zone", "health", leaves[3][2]]),
        (1, leaves[2]),
    ]
    for at, leaf in changes:
        changed = Disclosure.from_json({"disclosure": [*leaves[:at], leaf, *leaves[at + 1 :]]})
        with pytest.raises(VerificationError, match="do not lead"):
            changed.verify(ENTRY)
    for order in ([1, 0, 2, 3, 4], [0, 2, 1, 3, 4], [0, 1, 2, 3], [0, 1, 2, 3, 4, 4]):
        with pytest.raises(VerificationError):
            Disclosure.from_json({"disclosure": [leaves[at] for at in order]}).verify(ENTRY)


def test_le_10_a_hash_of_several_hidden_fields_hides_them_and_shows_nothing_else() -> None:
    # The number of hidden fields is not proved, which the module says; what is shown is.
    whole = disclose(RECORD, ["\U0001f600"])
    hashes = [whole.hidden[at] for at in range(4)]
    pair = [merkle.node_hash(*hashes[:2]), merkle.node_hash(*hashes[2:])]
    folded = Disclosure(whole.shown, whole.salts, dict(enumerate(pair)))
    assert (folded.entry(), folded.count, folded.shown) == (ENTRY, 3, whole.shown)


def test_a_field_that_the_record_lacks_cannot_be_shown() -> None:
    with pytest.raises(Malformed, match="no field price to show"):
        disclose(RECORD, ["kind", "price"])


_HASH, _SALT = b64encode(bytes(32)).decode(), b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "leaves",
    [
        None, {}, "", [], [1], [None], [[]], [["a", 1]], [["a", 1, _SALT, 1]], [[1, 1, _SALT]],
        [["a", 1, 1]], [["a", 1, ""]], [["a", 1, "AAAA"]], ["AAAA"], ["!"], [_HASH + "="],
        [["b", 1, _SALT], ["a", 1, _SALT]], [["a", 1, _SALT], ["a", 1, _SALT]],
        [["a", 1, _SALT], _HASH, ["a", 2, _SALT]], [_HASH] * (FIELDS + 1), [["\ud800", 1, _SALT]],
    ],
)  # fmt: skip
def test_a_disclosure_of_another_shape_is_refused(leaves: Any) -> None:
    with pytest.raises(VerificationError):
        Disclosure.from_json({"disclosure": leaves})


@pytest.mark.parametrize(
    ("shown", "salts", "hidden"),
    [
        ({}, b"", {}),
        ({"a": 1}, bytes(31), {}),
        ({"a": 1}, bytes(64), {}),
        ({"a": 1}, bytes(32), {2: bytes(32)}),
        ({"a": 1}, bytes(32), {-1: bytes(32)}),
        ({"a": 1}, bytes(32), {0: bytes(31)}),
    ],
)
def test_a_value_of_another_shape_cannot_be_made(
    shown: dict[str, Any], salts: bytes, hidden: dict[int, bytes]
) -> None:
    with pytest.raises(VerificationError):
        Disclosure(shown, salts, hidden)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([_HASH, _SALT]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(_json | st.lists(st.just(_HASH) | st.tuples(st.text(), _json, st.just(_SALT)).map(list)))
def test_noise_is_refused_with_one_error(value: Any) -> None:
    with suppress(VerificationError):
        shown = Disclosure.from_json({"disclosure": value})
        assert shown.to_json() == {"disclosure": value}
        shown.entry()

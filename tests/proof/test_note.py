import json
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.key import ED25519, Verifier
from dataspace.proof.note import open_note, read_note, sign, signature_line, split
from tests.programs import shared

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
VERIFIER = Verifier("example.com/log", KEY.public_key().public_bytes_raw())
NOTE = sign("a text\n\nof three lines\n", VERIFIER, KEY.sign)


def _vectors(part: str) -> list[dict[str, Any]]:
    return list(json.loads((shared() / "vectors" / "signed-note.json").read_text())[part])


def _is_ed25519(vkey: str) -> bool:
    return b64decode(vkey.split("+", 2)[-1][:4].ljust(4, "A"))[:1] == ED25519


def test_the_published_notes_of_ed25519_keys() -> None:
    # https://github.com/golang/mod, sumdb/note/note_test.go, and https://c2sp.org/signed-note. A log's
    # own key is of this type alone; `test_vkey` opens the notes of all.
    cases = [case for case in _vectors("open") if all(map(_is_ed25519, case["vkeys"]))]
    assert len(cases) == 15
    for case in cases:
        verifiers = [Verifier.parse(vkey) for vkey in case["vkeys"]]
        if case["want_ok"]:
            note = open_note(case["note"], verifiers)
            assert (list(note.verified), list(note.unknown)) == (case["verified"], case["unverified"]), case[
                "name"
            ]
        else:
            with pytest.raises(VerificationError):
                open_note(case["note"], verifiers)


def test_the_published_signature_is_made_byte_by_byte() -> None:
    good, bad = _vectors("sign")
    name, _, rest = good["skey"].removeprefix("PRIVATE+KEY+").partition("+")
    key = Ed25519PrivateKey.from_private_bytes(b64decode(rest.partition("+")[2])[1:])
    verifier = Verifier(name, key.public_key().public_bytes_raw())
    assert sign(good["text"], verifier, key.sign) == good["want"]
    with pytest.raises(VerificationError):
        sign(bad["text"], verifier, key.sign)


def test_the_published_verifier_keys() -> None:
    for case in _vectors("vkeys"):
        if case["want_ok"] and _is_ed25519(case["vkey"]):
            assert str(Verifier.parse(case["vkey"])) == case["vkey"]
        else:
            with pytest.raises(VerificationError):
                Verifier.parse(case["vkey"])


def test_a_key_id_that_is_not_of_name_and_key_is_refused() -> None:
    with pytest.raises(VerificationError, match="its id is not"):
        Verifier.parse(str(VERIFIER).replace("example.com", "example.org"))


def test_a_text_may_hold_empty_lines() -> None:
    assert open_note(NOTE, [VERIFIER]).text == "a text\n\nof three lines\n"


def test_le_07_a_signature_of_an_unknown_key_is_ignored_and_does_not_suffice() -> None:
    other = Verifier("example.com/log", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    assert open_note(NOTE + NOTE.splitlines(keepends=True)[-1], [VERIFIER, other]).unknown == ()
    with pytest.raises(VerificationError, match="no signature of a known key"):
        open_note(NOTE, [other])


def test_le_07_a_second_signature_of_a_known_key_that_fails_rejects_the_note() -> None:
    wrong = f"— {VERIFIER.name} {b64encode(VERIFIER.key_id + bytes(64)).decode()}\n"
    for note in (NOTE + wrong, NOTE.replace("\n— ", f"\n{wrong}— ")):
        with pytest.raises(VerificationError, match="does not verify"):
            open_note(note, [VERIFIER])


def test_two_keys_of_one_name_each_sign() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    second = Verifier(VERIFIER.name, other.public_key().public_bytes_raw())
    note = NOTE + signature_line(second, other.sign(b"a text\n\nof three lines\n"))
    assert [key for key, _ in open_note(note, [second, VERIFIER]).signed] == [VERIFIER, second]
    assert open_note(note, [second]).unknown == (VERIFIER.name,)


def test_a_note_of_strangers_can_be_read_and_not_opened() -> None:
    assert read_note(NOTE, []).signed == ()
    with pytest.raises(VerificationError, match="no signature of a known key"):
        open_note(NOTE, [])


@pytest.mark.parametrize("sign_of_control", ["\t", "\r", "\0", "\x1f"])
def test_a_text_holds_no_control_characters_but_newlines(sign_of_control: str) -> None:
    for text in (f"a{sign_of_control}b\n", "a\ud800b\n", "no newline"):
        with pytest.raises(VerificationError):
            sign(text, VERIFIER, KEY.sign)
    assert open_note(sign("a\x7f\x85\u2028b\n", VERIFIER, KEY.sign), [VERIFIER]).text == "a\x7f\x85\u2028b\n"


@given(st.integers(0, len(NOTE) - 1), st.characters(codec="utf-8"))
def test_a_changed_note_never_opens_as_another_text(at: int, character: str) -> None:
    changed = NOTE[:at] + character + NOTE[at + 1 :]
    try:
        assert open_note(changed, [VERIFIER]).text == "a text\n\nof three lines\n"
    except VerificationError:
        assert changed != NOTE


@given(st.text() | st.text().map(lambda text: f"{text}\n\n— {text} {text}\n"))
def test_noise_is_refused_with_one_error(text: str) -> None:
    for read in (lambda text: open_note(text, [VERIFIER]), Verifier.parse):
        with pytest.raises(VerificationError):
            read(text)
    with suppress(VerificationError):  # it may have the form of a note, and nothing else is checked there
        split(text)

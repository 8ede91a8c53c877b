from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof import merkle
from dataspace.proof import rotation as rotation_module
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.note import open_note, sign, signature_line, split
from dataspace.proof.rotation import LIMIT, LogKeys, Rotation

ORIGIN = "example.com/log"
PRIVATE = [Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in range(1, 6)]
FIRST, SECOND, THIRD, THIEF, STRANGER = KEYS = [
    Verifier(ORIGIN, key.public_key().public_bytes_raw()) for key in PRIVATE
]
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(40)]


def rotation(old: int, new: int, size: int, reason: str = "scheduled") -> str:
    """The note in which the key with number `old` and the one with number `new` hand the log over."""
    made = Rotation(ORIGIN, KEYS[old], KEYS[new], size, reason)
    return made.sign(PRIVATE[old].sign, PRIVATE[new].sign)


def signed(size: int, *keys: int) -> str:
    """The checkpoint of `size` under the keys with these numbers."""
    head = Checkpoint(ORIGIN, size, merkle.root(LEAVES[:size]))
    lines = [signature_line(KEYS[key], PRIVATE[key].sign(head.text().encode())) for key in keys]
    return f"{head.text()}\n{''.join(lines)}"


ONE, TWO = rotation(0, 1, 10), rotation(1, 2, 20, "compromised")


def test_the_text_is_what_it_was_when_it_was_fixed() -> None:
    text = (
        f"dataspace/key-rotation/v1\nexample.com/log\nold {FIRST}\nnew {SECOND}\nsize 10\nreason scheduled\n"
    )
    assert Rotation(ORIGIN, FIRST, SECOND, 10, "scheduled").text() == text
    assert open_note(ONE, [FIRST, SECOND]).text == text
    assert Rotation.open(ONE) == Rotation(ORIGIN, FIRST, SECOND, 10, "scheduled")


@pytest.mark.parametrize("pinned", [FIRST, SECOND, THIRD])
@pytest.mark.parametrize("notes", [[ONE, TWO], [TWO, ONE], [TWO, ONE, ONE]])
def test_the_chain_leads_from_any_of_its_keys_to_all(pinned: Verifier, notes: list[str]) -> None:
    keys = LogKeys.follow(pinned, notes)
    assert keys.keys == (FIRST, SECOND, THIRD)
    assert (keys.origin, keys.current) == (ORIGIN, THIRD)
    sizes = (0, 10, 11, 20, 21, 2**63 - 1)
    assert [keys.at(size) for size in sizes] == [FIRST, FIRST, SECOND, SECOND, THIRD, THIRD]


def test_without_rotations_the_pinned_key_is_the_only_one() -> None:
    keys = LogKeys.follow(FIRST)
    assert keys.keys == (FIRST,)
    assert keys.open(signed(30, 0)).size == 30


@pytest.mark.parametrize("pinned", [FIRST, SECOND, THIRD])
def test_a_checkpoint_opens_under_the_key_of_its_size(pinned: Verifier) -> None:
    keys = LogKeys.follow(pinned, [ONE, TWO])
    assert [keys.open(signed(size, key)).size for size, key in ((10, 0), (11, 1), (20, 1), (21, 2))] == [
        10, 11, 20, 21]  # fmt: skip


def test_the_head_of_a_handover_is_signed_by_both_keys() -> None:
    assert LogKeys.follow(FIRST).open(signed(11, 0, 1)).size == 11
    assert LogKeys.follow(FIRST, [ONE]).open(signed(11, 0, 1)).size == 11


@pytest.mark.parametrize("reason", ["scheduled", "compromised"])
def test_le_15_a_stolen_old_key_signs_no_larger_checkpoint(reason: str) -> None:
    keys = LogKeys.follow(FIRST, [rotation(0, 1, 10, reason)])
    for size in (11, 12, 40):
        with pytest.raises(VerificationError, match=r"signed by .*, which counts from size 0 to 10"):
            keys.open(signed(size, 0))
    with pytest.raises(VerificationError, match="from size 11 on"):
        keys.open(signed(10, 1))


def test_le_15_a_rival_rotation_of_one_key_is_refused_with_the_true_one() -> None:
    rivals = [rotation(0, 3, 10), rotation(0, 3, 5), rotation(0, 1, 9), rotation(0, 1, 10, "compromised")]
    for rival in rivals:
        for notes in ([ONE, rival], [rival, ONE]):
            with pytest.raises(VerificationError, match="two rotations hand over one key"):
                LogKeys.follow(FIRST, notes)


def test_le_15_who_pinned_the_new_key_follows_no_thief() -> None:
    with pytest.raises(VerificationError, match="does not belong"):
        LogKeys.follow(SECOND, [rotation(0, 3, 10)])
    with pytest.raises(VerificationError, match="two rotations"):
        LogKeys.follow(SECOND, [ONE, rotation(0, 3, 10)])
    with pytest.raises(VerificationError, match="two rotations lead to one key"):
        LogKeys.follow(SECOND, [ONE, rotation(3, 1, 5)])


def test_le_15_a_rotation_that_one_of_its_keys_did_not_sign_is_refused() -> None:
    made = Rotation(ORIGIN, FIRST, SECOND, 10, "scheduled")
    for note in (
        sign(made.text(), FIRST, PRIVATE[0].sign),
        sign(made.text(), SECOND, PRIVATE[1].sign),
        made.sign(PRIVATE[3].sign, PRIVATE[1].sign),
        made.sign(PRIVATE[0].sign, PRIVATE[3].sign),
        ONE.replace("size 10", "size 11"),
        ONE.replace("scheduled", "compromised"),
    ):
        with pytest.raises(VerificationError):
            Rotation.open(note)
        with pytest.raises(VerificationError):
            LogKeys.follow(FIRST, [note])


def test_a_rotation_out_of_order_or_in_a_circle_is_refused() -> None:
    for notes in (
        [ONE, rotation(1, 2, 10)],
        [ONE, rotation(1, 2, 9)],
        [rotation(0, 1, 10), rotation(1, 0, 20)],
    ):
        with pytest.raises(VerificationError):
            LogKeys.follow(FIRST, notes)


def test_le_08_a_rotation_of_another_log_or_of_no_key_of_the_chain_is_refused() -> None:
    other = Verifier("example.com/other", FIRST.public_key)
    with pytest.raises(VerificationError, match="does not belong"):
        LogKeys.follow(FIRST, [ONE, rotation(3, 4, 20)])
    with pytest.raises(VerificationError, match="does not belong"):
        LogKeys.follow(other, [ONE])
    with pytest.raises(VerificationError, match="under the log's origin"):
        Rotation("example.com/other", FIRST, SECOND, 10, "scheduled")


def test_le_07_a_checkpoint_of_another_origin_is_refused() -> None:
    head = Checkpoint("example.com/other", 5, bytes(32))
    note = sign(head.text(), FIRST, PRIVATE[0].sign)
    for keys in (LogKeys.follow(FIRST), LogKeys.follow(FIRST, [ONE])):
        with pytest.raises(VerificationError):
            keys.open(note)


def test_a_rotation_is_no_checkpoint_and_a_checkpoint_no_rotation() -> None:
    with pytest.raises(VerificationError):
        Checkpoint.open(ONE, FIRST)
    with pytest.raises(VerificationError):
        Rotation.open(signed(5, 0, 1))


def test_le_20_more_rotations_than_any_log_has_are_not_read() -> None:
    with pytest.raises(VerificationError, match="want at most"):
        LogKeys.follow(FIRST, [ONE] * (LIMIT + 1))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("key-rotation/v1", "key-rotation/v2"), ("size 10", "size 010"), ("size 10", "size -1"),
        ("size 10", "size " + "9" * 19), ("reason scheduled", "reason other"), ("reason ", "reason"),
        ("size 10\n", "size 10\n\n"), ("scheduled\n", "scheduled\nmore\n"), ("old ", "new "),
        (str(SECOND), str(FIRST)), ("size 10\n", ""),
    ],
)  # fmt: skip
def test_a_rotation_of_another_shape_is_refused(old: str, new: str) -> None:
    text = Rotation.open(ONE).text().replace(old, new)
    note = sign(text, FIRST, PRIVATE[0].sign)
    with pytest.raises(VerificationError):
        Rotation.open(note + signature_line(SECOND, PRIVATE[1].sign(text.encode())))
    with pytest.raises(VerificationError):
        Rotation.parse(text)


@given(st.integers(0, len(ONE) - 1), st.characters())
def test_a_changed_rotation_never_says_another_thing(at: int, character: str) -> None:
    with suppress(VerificationError):
        assert Rotation.open(ONE[:at] + character + ONE[at + 1 :]) == Rotation.open(ONE)


@given(
    st.text()
    | st.text().map(
        lambda text: f"dataspace/key-rotation/v1\n{text}\nold {text}\nnew {text}\nsize 1\n{text}\n"
    )
    | st.text().map(lambda text: ONE.replace("size 10", text))
)
def test_noise_is_refused_with_one_error(text: str) -> None:
    for read in (Rotation.open, Rotation.parse, lambda note: LogKeys.follow(FIRST, [note])):
        with pytest.raises(VerificationError):
            read(text)
    with pytest.raises(VerificationError):
        LogKeys.follow(FIRST, [ONE]).open(text)


def test_a_value_of_another_shape_cannot_be_made() -> None:
    made = Rotation.open(ONE)
    for change in ({"size": -1}, {"size": 2**63}, {"reason": ""}, {"new": FIRST}):
        with pytest.raises(VerificationError):
            replace(made, **change)


def test_le_20_a_note_of_many_lines_is_read_once_for_all_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = LogKeys.follow(FIRST, [ONE, TWO])
    read: list[str] = []

    def counted(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
        read.append(note)
        return split(note)

    monkeypatch.setattr(rotation_module, "split", counted)
    with pytest.raises(VerificationError, match="no signature of a known key"):
        keys.open(signed(25, 4))
    assert len(read) == 1

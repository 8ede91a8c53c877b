import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.client.encrypted import Keys
from dataspace.client.keyring import KeyRing
from dataspace.client.layout import Layout, limits, place
from dataspace.errors import Conflict, Malformed, NotFound, Unprocessable, VerificationError
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from tests.privacy.scene import AGREEMENT, CUBE, answer, cube, keys, prepare

TABLE = cube([5, 1000, 7], [100, 2000, -300])
PHRASE = "three geese over a frozen lake"


def layout(**changes: Any) -> Layout:
    return Layout.from_json({**TABLE.layout(CUBE), **changes})


def changed(body: bytes, **changes: Any) -> bytes:
    return replace(EncryptedAnswer.decode(body), **changes).encode()


def test_weights_go_by_cell_and_the_others_are_zero() -> None:
    query = prepare(TABLE, {("city 2",): -2, ("city 0",): 10})
    assert keys().decrypt(answer(TABLE, query.body), query) == {"count": 36, "sum(amount)": 1600}


def test_one_measure_can_be_asked_for_alone() -> None:
    query = keys().encrypt(layout().only("count"), [1, 1, 1], agreement=AGREEMENT, expires=2_000_000_000)
    assert keys().decrypt(answer(TABLE, query.body), query) == {"count": 1012}


def test_he_01_nothing_that_is_sent_holds_the_secret_key() -> None:
    body = prepare(TABLE, [1, 1, 1]).body
    secret = keys()._private[len(keys().public) :]
    assert keys()._private.startswith(keys().public)
    assert len(secret) > 270_000
    # Any 24 bytes of it, taken every 500.
    assert not any(secret[at : at + 24] in body for at in range(100, len(secret) - 24, 500))


def test_he_01_a_key_pair_whose_public_part_is_private_is_not_used() -> None:
    with pytest.raises(Unprocessable, match="secret key"):
        Keys(layout().parameters, keys()._private, keys()._private)


def test_the_public_part_is_sent_until_it_is_pinned() -> None:
    first = EncryptedQuery.decode(prepare(TABLE, [1, 1, 1]).body)
    later = keys().encrypt(layout(), [1, 1, 1], agreement=AGREEMENT, expires=2_000_000_000, pinned=True)
    assert first.context == keys().public
    assert hashlib.sha256(keys().public).hexdigest() == keys().id == first.key
    assert EncryptedQuery.decode(later.body).context == b""


def test_the_same_weights_are_never_encrypted_alike() -> None:
    first, second = (EncryptedQuery.decode(prepare(TABLE, [1, 1, 1]).body) for _ in range(2))
    assert first.vector != second.vector
    assert first.nonce != second.nonce


def test_how_many_cells_are_asked_for_does_not_show() -> None:
    one = len(prepare(TABLE, {("city 0",): 1}).body)
    all_of_many = len(prepare(cube([1] * 8192, [1] * 8192), [9] * 8192).body)
    # What zstd finds in a polynomial that is uniform.
    assert abs(one - all_of_many) < 1000


def test_he_05_an_answer_computed_under_another_key_is_refused() -> None:
    query, other = prepare(TABLE, [1, 1, 1]), Keys.create()
    foreign = prepare(TABLE, [1, 1, 1], by=other)
    theirs = EncryptedAnswer.decode(answer(TABLE, foreign.body))
    ours = changed(answer(TABLE, query.body), vectors=theirs.vectors)
    with pytest.raises(VerificationError, match="not computed under this key"):
        keys().decrypt(ours, query)


def test_he_05_an_answer_to_another_query_is_refused() -> None:
    first, second = prepare(TABLE, [1, 1, 1]), prepare(TABLE, [1, 1, 1])
    with pytest.raises(VerificationError, match="another query"):
        keys().decrypt(answer(TABLE, first.body), second)


def test_he_05_an_answer_that_names_another_key_is_refused() -> None:
    query = prepare(TABLE, [1, 1, 1])
    with pytest.raises(VerificationError, match="another key"):
        keys().decrypt(changed(answer(TABLE, query.body), key="0" * 64), query)


def test_he_05_a_total_beyond_what_the_weights_allow_is_refused() -> None:
    query = prepare(TABLE, [1, 1, 1])
    honest = EncryptedAnswer.decode(answer(TABLE, query.body))
    # The sum's ciphertext in place of the count's.
    swapped = replace(honest, vectors=(honest.vectors[1], honest.vectors[1])).encode()
    with pytest.raises(VerificationError, match="beyond what the weights allow"):
        keys().decrypt(swapped, replace(query, limits={**query.limits, "count": 300}))


@pytest.mark.parametrize("sizes", [b"", b"\x01", b"\xf0\x2e", b"\x80\x40\x80\x40"])
def test_an_answer_with_sizes_that_would_read_beyond_a_buffer_is_refused(sizes: bytes) -> None:
    query = prepare(TABLE, [1, 1, 1])
    honest = EncryptedAnswer.decode(answer(TABLE, query.body))
    vector = b"\x0a" + bytes([len(sizes)]) + sizes + honest.vectors[0][4:]
    with pytest.raises(VerificationError):
        keys().decrypt(replace(honest, vectors=(vector, vector)).encode(), query)


def test_an_answer_whose_ciphertext_is_noise_is_refused() -> None:
    query = prepare(TABLE, [1, 1, 1])
    body = answer(TABLE, query.body)
    for vector in (b"\x0a\x02\x80\x40\x12\x03abc", b"\x0a\x02\x80\x40\x12\x00"):
        with pytest.raises(VerificationError):
            keys().decrypt(changed(body, vectors=(vector, vector)), query)


def test_an_answer_without_a_measure_that_was_asked_for_is_refused() -> None:
    query = prepare(TABLE, [1, 1, 1])
    honest = EncryptedAnswer.decode(answer(TABLE, query.body))
    with pytest.raises(VerificationError):
        keys().decrypt(replace(honest, measures=("count",), vectors=honest.vectors[:1]).encode(), query)


def test_a_key_file_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys().save(path, PHRASE)
    query = prepare(TABLE, [1, 0, 0])
    assert Keys.load(path, PHRASE).decrypt(answer(TABLE, query.body), query)["count"] == 5
    with pytest.raises(VerificationError, match=f"passphrase.*: {path}"):
        Keys.load(path, PHRASE + " ")


def test_a_key_file_is_its_owners_and_holds_nothing_in_the_clear(tmp_path: Path) -> None:
    path = tmp_path / "key"
    keys().save(path, PHRASE)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys()._private[5000:5032] not in path.read_bytes()
    with pytest.raises(Conflict):
        keys().save(path, PHRASE)


def test_a_key_ring_is_no_key_pair_and_its_error_says_what_reads_it(tmp_path: Path) -> None:
    KeyRing(keys()).save(tmp_path / "ring", PHRASE)
    assert [one.id for one in KeyRing.load(tmp_path / "ring", PHRASE)] == [keys().id]
    with pytest.raises(Malformed, match=r"KeyRing\.load"):
        Keys.load(tmp_path / "ring", PHRASE)


def test_a_key_file_needs_a_folder_and_is_none(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        keys().save(tmp_path / "none" / "key", PHRASE)
    with pytest.raises(NotFound, match="no key file"):
        Keys.load(tmp_path, PHRASE)


def test_a_file_that_is_no_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    with pytest.raises(NotFound):
        Keys.load(path, PHRASE)
    for content in (b"", b"DSKF\x01", b"DSKF\x01\x40" + bytes(100), bytes(100)):
        path.write_bytes(content)
        with pytest.raises(Malformed):
            Keys.load(path, PHRASE)


def test_secrets_stay_out_of_reprs() -> None:
    assert "body" not in repr(prepare(TABLE, [1, 1, 1]))
    assert len(repr(keys())) < 200


@pytest.mark.parametrize(
    "weights",
    [[1], [1, 1, 1.0], [1, 1, True], [1, 1, None], {("city 9",): 1}, {"city 0": 1}, {("city 0",): "1"}],
)
def test_weights_that_do_not_fit_the_layout_are_refused(weights: Any) -> None:
    with pytest.raises(Malformed):
        place(layout(), weights)


def test_weights_that_might_pass_the_plain_modulus_are_refused() -> None:
    half = layout().parameters.plain_modulus // 2
    table = layout()
    largest = half // max(table.bounds.values())
    assert limits(table, [largest, 0, 0])["sum(amount)"] <= half
    for weights in ([largest + 1, 0, 0], [-largest, -1, 0], [10**30, 0, 0]):
        with pytest.raises(Unprocessable, match="might pass the plain modulus"):
            limits(table, weights)


def test_a_measure_that_is_not_in_the_layout_is_refused() -> None:
    with pytest.raises(Malformed, match="no measure"):
        layout().only("mean")


@given(
    st.dictionaries(
        st.sampled_from(["cube", "parameters", "dimensions", "measures", "cells", "more"]),
        st.none()
        | st.integers()
        | st.text(max_size=3)
        | st.lists(st.integers() | st.text(max_size=2), max_size=3),
    )
)
def test_a_layout_that_is_none_is_refused_with_one_error(changes: dict[str, Any]) -> None:
    for data in (changes, {**TABLE.layout(CUBE), **changes}):
        try:
            Layout.from_json(data)
        except Malformed:
            continue

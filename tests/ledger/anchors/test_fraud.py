"""A log that was forked, and an outsider who proves it to the contract from two published notes alone."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.errors import DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.ledger.anchors import open_anchor
from dataspace.ledger.anchors.chain import account_of, transfer
from dataspace.ledger.anchors.fraud import accuse, contradiction, read_key
from dataspace.proof.checkpoint import Checkpoint
from tests.ledger.anchors.conftest import KEY, Place
from tests.ledger.anchors.scene import Scene, forked
from tests.ledger.conftest import ORIGIN, Ledger
from tests.ledger.parties import publisher


@pytest.fixture
def scene(remote: Place, ledger: Ledger, tmp_path: Path) -> Scene:
    """A log of a few entries, anchored."""
    made = Scene(remote, ledger, tmp_path)
    made.publish()
    return made


@pytest.fixture
def twin(scene: Scene, tmp_path: Path) -> Iterator[Ledger]:
    """A second history of that log."""
    made = forked(scene.ledger, tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def outsider(remote: Place) -> bytes:
    """The key of an account of its own, with funds."""
    key = secrets.token_bytes(31).rjust(32, b"\1")
    transfer(remote.web3, account_of(KEY), account_of(key).address, 10**17)
    return key


def published(ledger: Ledger) -> str:
    """Append an entry, publish, and return the note."""
    ledger.append(digest=secrets.token_hex(8), revision=1)
    made = publisher(ledger)
    made.publish()
    with ledger.database.reading() as session:
        newest = made.published.newest(session)
    assert newest
    return newest.note


def test_le_06_an_outsider_marks_a_forked_log_from_the_published_notes_alone(
    scene: Scene, twin: Ledger, outsider: bytes
) -> None:
    one, other = published(scene.ledger), published(twin)
    auditor = open_anchor(scene.url, ORIGIN)
    evidence = next(iter(scene.anchors.all_evidence()))
    anchored = Checkpoint.parse(evidence.checkpoint.rpartition("\n\n")[0] + "\n")
    assert auditor.check(evidence, anchored)
    assert accuse(scene.url, one, other, outsider).startswith("0x")
    auditor = open_anchor(scene.url, ORIGIN)  # the one before has asked within the second
    acts: list[Callable[[], object]] = [
        auditor.latest,
        lambda: auditor.latest(final=False),
        lambda: auditor.check(evidence, anchored),
        scene.publish,
        lambda: accuse(scene.url, one, other, outsider),
    ]
    for act in acts:
        with pytest.raises(VerificationError, match="equivocated"):
            act()
    assert "equivocated" in scene.anchors.status.problem
    scene.ledger.append()  # the service goes on; its anchor is lost


def test_a_marked_log_tells_so_when_it_is_served_again(
    scene: Scene, twin: Ledger, outsider: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    accuse(scene.url, published(scene.ledger), published(twin), outsider)
    scene.restart()
    scene.anchors.guard()
    assert "equivocated" in caplog.text
    assert scene.ledger.append()


def test_notes_that_do_not_contradict_one_another_accuse_nobody(
    scene: Scene, twin: Ledger, outsider: bytes
) -> None:
    first = scene.note()
    one, other = published(scene.ledger), published(twin)
    larger = published(twin)
    renamed = other.replace(ORIGIN, "example.org/other")
    for a, b in ((one, one), (first, one), (one, larger), (one, renamed)):
        with pytest.raises(VerificationError, match="do not contradict"):
            accuse(scene.url, a, b, outsider)
    assert open_anchor(scene.url, ORIGIN).latest()


def test_notes_that_the_owner_did_not_sign_accuse_nobody(scene: Scene, twin: Ledger, outsider: bytes) -> None:
    one, other = published(scene.ledger), published(twin)
    text = other.partition("\n\n")[0]
    changed = one.replace(one.partition("\n\n")[0], text)  # the signatures of one under the text of the other
    with pytest.raises(VerificationError, match="does not hold"):
        accuse(scene.url, one, changed, outsider)
    bare = "\n".join(line for line in other.split("\n") if len(line) > 200 or not line.startswith("—")) + ""
    with pytest.raises(VerificationError, match="anchor's key"):
        accuse(scene.url, one, bare, outsider)


def test_a_log_that_nobody_anchored_cannot_be_accused(scene: Scene, twin: Ledger, outsider: bytes) -> None:
    one, other = published(scene.ledger), published(twin)
    elsewhere = scene.url.replace(scene.founder, account_of(outsider).address)
    with pytest.raises(VerificationError, match="nobody anchored"):
        accuse(elsewhere, one, other, outsider)


def test_who_accuses_pays(scene: Scene, twin: Ledger) -> None:
    one, other = published(scene.ledger), published(twin)
    with pytest.raises(Unavailable):
        accuse(scene.url, one, other, b"\5" * 32)


def test_an_anchor_that_is_no_contract_cannot_be_asked(scene: Scene, twin: Ledger) -> None:
    one, other = published(scene.ledger), published(twin)
    for url in ("file:anchors.jsonl", "evm:local", "evm:http://127.0.0.1:1"):
        with pytest.raises(Malformed):
            accuse(url, one, other, KEY)


@given(some.text(), some.text())
def test_noise_is_refused_with_one_error(one: str, other: str) -> None:
    with pytest.raises(VerificationError):
        contradiction(one, other)


@pytest.mark.parametrize("form", ["{}", "0x{}", "{}\n", "\n 0x{} \n"])
def test_a_key_file_holds_hexadecimal_digits(tmp_path: Path, form: str) -> None:
    (tmp_path / "key").write_text(form.format(KEY.hex()))
    assert read_key(tmp_path / "key") == KEY


def test_a_key_file_may_be_the_key_stores_own(scene: Scene, tmp_path: Path) -> None:
    assert read_key(next((tmp_path / "keys").rglob("anchor*"))) == scene.key


@pytest.mark.parametrize(
    "content", [b"", b"0x", b"abc", b"00" * 31, b"00" * 33, b"a b c", b"\xff", b"x y AAAA"]
)
def test_a_file_of_something_else_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(Malformed) as caught:
        read_key(tmp_path / "key")
    assert isinstance(caught.value, DataSpaceError)
    assert caught.value.__cause__ is None

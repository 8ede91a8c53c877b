"""Time tokens from a real authority: granted to exactly this text, or not stored."""

import logging
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.ledger.published import PublishedCheckpoint
from dataspace.ledger.publisher import Publisher
from dataspace.ledger.timestamps import Authority, check_response
from tests.ledger.authority import LocalAuthority
from tests.ledger.conftest import Ledger
from tests.ledger.parties import keyed, publisher
from tests.ledger.servers import Told, answering
from tests.programs import need

library = pytest.importorskip("rfc3161_client")

_TEXT = "example.com/log\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> LocalAuthority:
    return LocalAuthority(tmp_path_factory.mktemp("authority") / "tsa")


def _newest(ledger: Ledger, made: Publisher) -> PublishedCheckpoint:
    with ledger.database.reading() as session:
        newest = made.published.newest(session)
    assert newest is not None
    return newest


def test_a_published_checkpoint_gets_a_token_that_verifies(ledger: Ledger, authority: LocalAuthority) -> None:
    with answering(authority.answer) as url:
        made = publisher(keyed(ledger), authority=Authority(url))
        made.publish()
        made.publish()
    newest = _newest(ledger, made)
    (token,) = newest.timestamps
    assert token.authority == url
    root = x509.load_pem_x509_certificate(authority.root.read_bytes())
    verifier = library.VerifierBuilder().add_root_certificate(root).build()
    assert verifier.verify(
        library.decode_timestamp_response(token.token), sha256(newest.text.encode()).digest()
    )


def test_openssl_itself_reads_the_token_over_the_text(
    ledger: Ledger, authority: LocalAuthority, tmp_path: Path
) -> None:
    with answering(authority.answer) as url:
        made = publisher(keyed(ledger), authority=Authority(url))
        made.publish()
    newest = _newest(ledger, made)
    (tmp_path / "response").write_bytes(newest.timestamps[0].token)
    for text, code in ((newest.text, 0), (newest.text + "more\n", 1)):
        (tmp_path / "text").write_text(text, newline="")
        verify = ["ts", "-verify", "-in", "response", "-data", "text", "-CAfile", str(authority.root)]
        done = subprocess.run([need("openssl"), *verify], cwd=tmp_path, capture_output=True, check=False)
        assert done.returncode == code, done.stderr


def test_what_is_stamped_is_the_text_and_no_signature(ledger: Ledger, authority: LocalAuthority) -> None:
    with answering(authority.answer) as url:
        made = publisher(keyed(ledger), authority=Authority(url))
        made.publish()
    newest = _newest(ledger, made)
    response = library.decode_timestamp_response(newest.timestamps[0].token)
    with ledger.database.reading() as session:
        text = ledger.log.checkpoint(session).rpartition("\n\n")[0] + "\n"
    assert response.tst_info.message_imprint.message == sha256(text.encode()).digest()


def test_publishing_goes_on_while_the_authority_is_away(
    ledger: Ledger, authority: LocalAuthority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "dataspace.published")
    away = True

    def answer(query: bytes) -> Told:
        return Told(503) if away else authority.answer(query)

    with answering(answer) as url:
        made = publisher(keyed(ledger), authority=Authority(url))
        for _ in range(2):
            ledger.append()
            assert made.publish() == ledger.size()
        assert _newest(ledger, made).timestamps == ()
        away = False
        made.publish()
    assert len(_newest(ledger, made).timestamps) == 1
    assert len(caplog.records) == 2  # away, and back


@pytest.mark.parametrize(
    ("told", "error", "said"),
    [
        (Told(404), Unavailable, "404"),
        (Told(302, headers=(("Location", "http://127.0.0.1:9/"),)), Unavailable, "302"),
        (Told(200, b"<html>", "text/html"), Unavailable, "text/html"),
        (Told(200, b"", "application/timestamp-reply"), VerificationError, "malformed"),
        (Told(200, b"0" * 70_000, "application/timestamp-reply"), Unavailable, "more than"),
        # A response that grants nothing (status 2), RFC 3161 section 2.4.2.
        (Told(200, b"\x30\x05\x30\x03\x02\x01\x02", "application/timestamp-reply"), Unavailable, "status 2"),
        # One that says it grants a token and holds none.
        (
            Told(200, b"\x30\x05\x30\x03\x02\x01\x00", "application/timestamp-reply"),
            VerificationError,
            "malformed",
        ),
    ],
)
def test_an_answer_without_a_token_is_refused(told: Told, error: type[DataSpaceError], said: str) -> None:
    with answering(lambda _: told) as url, pytest.raises(error, match=said):
        Authority(url).stamp(_TEXT)


def test_a_token_over_another_text_is_refused(authority: LocalAuthority) -> None:
    digest, other = sha256(_TEXT.encode()).digest(), sha256(b"another").digest()
    swapped = authority.changed(lambda query: query.replace(digest, other))
    with answering(swapped) as url, pytest.raises(VerificationError, match="another text"):
        Authority(url).stamp(_TEXT)


def test_a_token_for_an_older_request_is_refused(authority: LocalAuthority) -> None:
    queries: list[bytes] = []

    def replayed(query: bytes) -> Told:
        queries.append(query)
        return authority.answer(queries[0])

    with answering(replayed) as url:
        made = Authority(url)
        made.stamp(_TEXT)
        with pytest.raises(VerificationError, match="another request"):
            made.stamp(_TEXT)


def test_without_the_library_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rfc3161_client", None)
    with pytest.raises(Unavailable, match=r"pip install 'dataspace\[timestamps\]'"):
        Authority("http://127.0.0.1:9")


def test_an_address_that_is_none_is_malformed() -> None:
    with pytest.raises(Malformed, match="time-stamp authority"):
        Authority("time.example.com")


@given(st.binary())
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises((VerificationError, Unavailable)):
        check_response(noise, _TEXT, 1)


def test_a_response_cut_short_is_refused(authority: LocalAuthority) -> None:
    builder = library.TimestampRequestBuilder().data(_TEXT.encode())
    request = builder.hash_algorithm(library.HashAlgorithm.SHA256).build()
    response = authority.answer(request.as_bytes()).content
    check_response(response, _TEXT, request.nonce)
    for end in range(0, len(response), 17):
        with pytest.raises(VerificationError):
            check_response(response[:end], _TEXT, request.nonce)

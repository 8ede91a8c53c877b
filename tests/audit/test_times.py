"""Time tokens against the auditor's roots: what they prove, and what is none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import rfc3161_client
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from dataspace.audit import times
from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import TimeToken
from dataspace.audit.times import GIVE, INSTALL, TimeCheck, verified_time
from dataspace.errors import Malformed, VerificationError
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.verify import Outcome, Step
from tests.audit.authority import Authority, authority

TEXT = Checkpoint("example.com/space", 41, bytes(32)).text()


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return authority(tmp_path_factory.mktemp("tsa") / "trusted")


@pytest.fixture(scope="module")
def token(trusted: Authority) -> TimeToken:
    return trusted.token(TEXT)


def _step(check: TimeCheck, notebook: Notebook, *tokens: TimeToken, size: int = 41) -> Step:
    check.take(size, TEXT, tokens)
    check.finish()
    return notebook.steps()[Stage.TIMES - 1]


def _read(token: TimeToken, roots: bytes, text: str = TEXT) -> datetime:
    return verified_time(token.token, text, x509.load_pem_x509_certificates(roots))


def test_a_token_proves_that_the_entries_existed_at_its_time(trusted: Authority, token: TimeToken) -> None:
    notebook = Notebook()
    step = _step(TimeCheck(trusted.roots, notebook), notebook, token)
    assert step.outcome is Outcome.PASSED
    time = _read(token, trusted.roots)
    assert abs(datetime.now(UTC) - time) < timedelta(minutes=5)
    assert (
        step.detail == f"1 tokens; the first 41 entries existed at {time.isoformat().replace('+00:00', 'Z')}"
    )


def test_a_bare_token_is_taken_like_the_response_it_came_in(trusted: Authority, token: TimeToken) -> None:
    response = rfc3161_client.decode_timestamp_response(token.token)
    bare = TimeToken("a test", response.time_stamp_token())
    assert bare.token != token.token
    assert _read(bare, trusted.roots) == _read(token, trusted.roots)


def test_a_token_granted_with_modifications_counts(trusted: Authority, token: TimeToken) -> None:
    granted = bytes.fromhex("3003020100")
    assert token.token.count(granted) == 1
    modified = TimeToken("a test", token.token.replace(granted, bytes.fromhex("3003020101")))
    assert _read(modified, trusted.roots) == _read(token, trusted.roots)


def test_a_token_of_another_text_is_none(trusted: Authority, token: TimeToken) -> None:
    with pytest.raises(VerificationError, match="of another text"):
        _read(token, trusted.roots, TEXT.replace("41", "42"))


def test_a_token_under_another_root_is_none(token: TimeToken, tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="does not lead to a given root"):
        _read(token, authority(tmp_path / "other").roots)


def test_an_imprint_by_another_hash_is_none(trusted: Authority) -> None:
    with pytest.raises(VerificationError, match="not by SHA-256"):
        _read(trusted.token(TEXT, "sha512"), trusted.roots)


def test_a_token_of_the_future_is_a_finding(trusted: Authority, token: TimeToken) -> None:
    notebook = Notebook()
    check = TimeCheck(trusted.roots, notebook, datetime.now(UTC) - timedelta(days=1))
    assert "lies in the future" in _step(check, notebook, token).detail


@pytest.mark.parametrize("at", range(0, 1200, 97))
def test_a_flipped_bit_is_a_finding(trusted: Authority, token: TimeToken, at: int) -> None:
    data = bytearray(token.token)
    data[at % len(data)] ^= 1
    notebook = Notebook()
    changed = TimeToken("a test", bytes(data))
    try:
        same = _read(changed, trusted.roots) == _read(token, trusted.roots)
    except VerificationError:
        same = False
    step = _step(TimeCheck(trusted.roots, notebook), notebook, changed)
    assert (step.outcome is Outcome.PASSED) is same


def test_what_is_missing_for_a_check_is_said(token: TimeToken, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = Notebook()
    step = _step(TimeCheck(None, notebook), notebook, token)
    assert (step.outcome, step.detail) == (Outcome.NOT_CHECKED, GIVE)
    monkeypatch.setattr(times, "rfc3161", None)
    notebook = Notebook()
    step = _step(TimeCheck(None, notebook), notebook, token)
    assert (step.outcome, step.detail) == (Outcome.NOT_CHECKED, INSTALL)


def test_a_log_without_tokens_says_whose_word_its_times_are(trusted: Authority) -> None:
    notebook = Notebook()
    assert "the log's word" in _step(TimeCheck(trusted.roots, notebook), notebook).detail


def test_roots_that_are_no_certificates_are_the_auditors_mistake() -> None:
    with pytest.raises(Malformed, match="PEM"):
        TimeCheck(b"no certificate", Notebook())


@given(data=st.binary(max_size=300))
def test_noise_is_refused_with_one_error(data: bytes) -> None:
    with pytest.raises(VerificationError):
        verified_time(data, TEXT, [])

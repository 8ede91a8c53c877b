import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import Verifier
from dataspace.proof.receipt import LIMIT, AnchorEvidence, Receipt
from dataspace.proof.record import Record
from dataspace.proof.verify import Outcome, Remembered, verify_growth, verify_receipt
from tests.proof.test_note import VERIFIER
from tests.proof.test_receipt import LEAVES, RECEIPT, head, make_receipt

VKEY = str(VERIFIER)


class Anchor:
    """A checker that answers what a test wants."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        if self.error:
            raise self.error
        return f"{evidence.kind} holds size {checkpoint.size}"


def _outcomes(receipt: Receipt, **options: object) -> list[Outcome]:
    return [step.outcome for step in verify_receipt(receipt.to_bytes(), VKEY, **options).steps]  # type: ignore[arg-type]


def test_a_good_receipt_passes_and_the_report_names_what_was_not_checked() -> None:
    report = verify_receipt(make_receipt(5, 9).to_bytes(), VKEY)
    assert (report.ok, report.exit_code) == (True, 0)
    assert [step.number for step in report.steps] == [1, 2, 3, 4, 5, 6, 7]
    assert [step.name for step in report.not_checked] == [
        "remembered checkpoint",
        "anchored checkpoint",
        "anchor",
    ]
    assert all(step.detail for step in report.steps)


@pytest.mark.parametrize("anchored", [6, 7, 9])
def test_with_everything_given_everything_is_checked(anchored: int) -> None:
    nodes = merkle.nodes_of(LEAVES)
    known = Remembered(head(4), tuple(merkle.consistency_proof(4, 8, nodes)))
    assert _outcomes(make_receipt(5, 8, anchored), remembered=known, anchor=Anchor()) == [Outcome.PASSED] * 7


def test_an_anchor_without_a_checker_is_not_checked() -> None:
    report = verify_receipt(RECEIPT, VKEY)
    assert (report.exit_code, report.steps[6].outcome) == (0, Outcome.NOT_CHECKED)
    assert "no checker" in report.steps[6].detail


def test_an_anchor_that_does_not_answer_is_not_checked_and_one_that_denies_fails() -> None:
    assert verify_receipt(RECEIPT, VKEY, anchor=Anchor(Unavailable("no node"))).exit_code == 0
    assert verify_receipt(RECEIPT, VKEY, anchor=Anchor(VerificationError("another root"))).exit_code == 1


def test_le_19_an_edited_record_fails_at_the_inclusion() -> None:
    receipt = make_receipt(5, 9)
    edited = replace(receipt, record=Record({**receipt.record.fields, "number": 6}, receipt.record.salts))
    assert _outcomes(edited)[:4] == [Outcome.PASSED, Outcome.PASSED, Outcome.PASSED, Outcome.FAILED]


def test_le_07_a_checkpoint_of_another_key_fails_and_what_needs_it_is_not_checked() -> None:
    other = Verifier(VERIFIER.name, bytes(31) + b"\x01")
    report = verify_receipt(make_receipt(5, 9).to_bytes(), str(other))
    assert [step.outcome for step in report.steps][:4] == [
        Outcome.PASSED, Outcome.FAILED, Outcome.PASSED, Outcome.NOT_CHECKED]  # fmt: skip
    assert report.exit_code == 1


def test_an_anchor_that_does_not_cover_the_entry_fails() -> None:
    assert _outcomes(make_receipt(5, 9, 5), anchor=Anchor())[5:] == [Outcome.FAILED, Outcome.NOT_CHECKED]


def test_le_05_a_remembered_checkpoint_of_another_history_fails() -> None:
    fork = [*LEAVES[:3], bytes(32)]
    known = Remembered(head(4, fork), tuple(merkle.consistency_proof(4, 9, merkle.nodes_of(LEAVES))))
    assert _outcomes(make_receipt(5, 9), remembered=known)[4] is Outcome.FAILED


def test_le_05_growth_tells_a_rollback_from_a_fork() -> None:
    small, large = (Checkpoint.open(head(size), VERIFIER) for size in (4, 9))
    fork = Checkpoint.open(head(4, [*LEAVES[:3], bytes(32)]), VERIFIER)
    verify_growth(small, large, merkle.consistency_proof(4, 9, merkle.nodes_of(LEAVES)))
    with pytest.raises(VerificationError, match="rollback"):
        verify_growth(large, small, [])
    with pytest.raises(VerificationError, match="fork"):
        verify_growth(small, fork, [])


def test_le_20_a_receipt_over_the_limit_could_not_be_checked() -> None:
    report = verify_receipt(b"[" * (LIMIT + 1), VKEY)
    assert (report.exit_code, report.receipt) == (2, None)


@pytest.mark.parametrize(
    "data", [b"", b"[" * LIMIT, b"{}", b"\xff", b'"text"', b'{"format":"other@v1"}', RECEIPT[:-1]]
)
def test_bytes_that_are_no_receipt_could_not_be_checked(data: bytes) -> None:
    report = verify_receipt(data, VKEY)
    assert (report.exit_code, report.receipt) == (2, None)
    assert "it is no receipt" in report.steps[0].detail


def test_what_says_it_is_a_receipt_and_is_malformed_is_wrong() -> None:
    report = verify_receipt(RECEIPT.replace(b'"salts":"', b'"salts":"!'), VKEY)
    assert (report.exit_code, report.steps[0].outcome) == (1, Outcome.FAILED)


@given(st.integers(0, len(RECEIPT) - 1), st.integers(0, 255))
def test_le_19_a_receipt_with_one_other_byte_never_proves_another_record(at: int, byte: int) -> None:
    changed = RECEIPT[:at] + bytes([byte]) + RECEIPT[at + 1 :]
    report = verify_receipt(changed, VKEY, anchor=Anchor())
    if report.ok:
        assert report.receipt is not None
        assert report.receipt.record == make_receipt(5, 9).record


def test_the_core_of_verification_loads_the_standard_library_and_cryptography_alone() -> None:
    code = """
import pkgutil, sys
before = set(sys.modules)
import dataspace.proof
for module in pkgutil.iter_modules(dataspace.proof.__path__):
    __import__(f"dataspace.proof.{module.name}")
allowed = sys.stdlib_module_names | {"dataspace", "cryptography", "_openssl", "cffi", "_cffi_backend"}
roots = {name.partition(".")[0] for name in set(sys.modules) - before}
print(sorted(roots - allowed))
"""
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

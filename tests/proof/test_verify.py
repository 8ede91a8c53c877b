import subprocess
import sys
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Unavailable, VerificationError
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.disclosure import disclose
from dataspace.proof.key import Verifier
from dataspace.proof.note import sign, signature_line, split
from dataspace.proof.receipt import LIMIT, AnchorEvidence, Receipt
from dataspace.proof.record import Record
from dataspace.proof.rotation import Rotation
from dataspace.proof.verify import Outcome, Remembered, verify_growth, verify_receipt
from dataspace.proof.witnesses import WitnessPolicy
from tests.proof.test_cosignature import PQ_WITNESS, WITNESS, WITNESS_KEY
from tests.proof.test_note import KEY, VERIFIER
from tests.proof.test_receipt import LEAVES, PART, RECEIPT, head, make_receipt

VKEY = str(VERIFIER)
NEXT = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32)
POLICY = WitnessPolicy.parse(f"witness a {WITNESS}\nwitness b {PQ_WITNESS}\nquorum a\n")


class Anchor:
    """A checker that answers what a test wants."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        if self.error:
            raise self.error
        return f"{evidence.kind} holds size {checkpoint.size}"


def cosign(receipt: Receipt) -> Receipt:
    """The receipt under a checkpoint that the first witness of the policy cosigned."""
    note = receipt.proof.checkpoint
    line = WITNESS.line(split(note)[0], 1_800_000_000, WITNESS_KEY.sign)
    return replace(receipt, proof=replace(receipt.proof, checkpoint=note + line))


def _outcomes(receipt: Receipt, **options: object) -> list[Outcome]:
    return [step.outcome for step in verify_receipt(receipt.to_bytes(), VKEY, **options).steps]  # type: ignore[arg-type]


def test_a_good_receipt_passes_and_the_report_names_what_was_not_checked() -> None:
    report = verify_receipt(make_receipt(5, 9).to_bytes(), VKEY)
    assert (report.ok, report.exit_code) == (True, 0)
    assert [step.number for step in report.steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [step.name for step in report.not_checked] == [
        "remembered checkpoint",
        "anchored checkpoint",
        "anchor",
        "cosignatures",
    ]
    assert all(step.detail for step in report.steps)


@pytest.mark.parametrize("anchored", [6, 7, 9])
def test_with_everything_given_everything_is_checked(anchored: int) -> None:
    nodes = merkle.nodes_of(LEAVES)
    known = Remembered(head(4), tuple(merkle.consistency_proof(4, 8, nodes)))
    receipt, options = cosign(make_receipt(5, 8, anchored)), {"anchor": Anchor(), "policy": POLICY}
    assert _outcomes(receipt, remembered=known, **options) == [Outcome.PASSED] * 8


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
    assert _outcomes(make_receipt(5, 9, 5), anchor=Anchor())[5:7] == [Outcome.FAILED, Outcome.NOT_CHECKED]


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


def test_a_quorum_that_is_met_passes_and_one_that_is_not_fails() -> None:
    receipt = cosign(make_receipt(5, 9))
    report = verify_receipt(receipt.to_bytes(), VKEY, policy=POLICY)
    assert (report.exit_code, report.steps[7].outcome) == (0, Outcome.PASSED)
    assert report.steps[7].detail == "1 of 2 witnesses cosigned, quorum 'a' met"
    both = WitnessPolicy.parse(f"witness a {WITNESS}\nwitness b {PQ_WITNESS}\ngroup g all a b\nquorum g\n")
    for policy, data in ((both, receipt), (POLICY, make_receipt(5, 9))):
        report = verify_receipt(data.to_bytes(), VKEY, policy=policy)
        assert (report.exit_code, report.steps[7].outcome) == (1, Outcome.FAILED)
        assert "does not meet the quorum" in report.steps[7].detail


def test_a_cosignature_of_a_witness_that_fails_is_wrong_and_none_is_asked_without_a_policy() -> None:
    receipt = make_receipt(5, 9)
    note = receipt.proof.checkpoint + signature_line(WITNESS, bytes(72))
    wrong = replace(receipt, proof=replace(receipt.proof, checkpoint=note))
    assert _outcomes(wrong, policy=POLICY)[7] is Outcome.FAILED
    assert _outcomes(wrong)[7] is Outcome.NOT_CHECKED
    assert _outcomes(receipt, policy=WitnessPolicy.parse("quorum none\n"))[7] is Outcome.PASSED


def test_le_08_cosignatures_count_for_nothing_under_a_checkpoint_of_another_key() -> None:
    other = Verifier(VERIFIER.name, bytes(31) + b"\x01")
    report = verify_receipt(cosign(make_receipt(5, 9)).to_bytes(), str(other), policy=POLICY)
    assert report.steps[7].outcome is Outcome.NOT_CHECKED
    assert report.exit_code == 1


def test_le_08_the_name_of_the_log_is_pinned_with_its_key() -> None:
    renamed = str(Verifier("example.com/other", VERIFIER.public_key))
    assert verify_receipt(make_receipt(5, 9).to_bytes(), renamed).exit_code == 1


def test_a_part_of_a_record_is_proved_and_the_report_says_how_much_of_it() -> None:
    receipt = make_receipt(5, 9)
    assert isinstance(receipt.record, Record)
    part = replace(receipt, record=disclose(receipt.record, ["kind", "time"]))
    report = verify_receipt(part.to_bytes(), VKEY)
    assert report.exit_code == 0
    assert report.steps[0].detail == "entry 5, 2 of 3 fields shown"
    assert "what is hidden" in report.steps[2].detail
    assert report.receipt is not None
    assert report.receipt.record.fields == {"kind": "a.test", "time": "2026-11-23T08:00:00.000000Z"}


def test_le_19_an_edited_part_of_a_record_fails_at_the_inclusion() -> None:
    receipt = make_receipt(5, 9)
    assert isinstance(receipt.record, Record)
    part = disclose(receipt.record, ["kind", "number"])
    edited = replace(receipt, record=replace(part, shown={**part.shown, "number": 6}))
    assert _outcomes(edited)[3] is Outcome.FAILED


def _rotated(size: int) -> tuple[Verifier, str]:
    """The next key of the log, and the rotation to it by the entry with index `size`."""
    key = Verifier(VERIFIER.name, NEXT.public_key().public_bytes_raw())
    return key, Rotation(VERIFIER.name, VERIFIER, key, size, "compromised").sign(KEY.sign, NEXT.sign)


def _resigned(receipt: Receipt, key: Verifier) -> Receipt:
    text = split(receipt.proof.checkpoint)[0]
    return replace(receipt, proof=replace(receipt.proof, checkpoint=sign(text, key, NEXT.sign)))


def test_a_receipt_is_verified_across_a_rotation_from_either_of_both_keys() -> None:
    key, rotation = _rotated(7)
    old, new = make_receipt(5, 7), _resigned(make_receipt(5, 8), key)
    for receipt in (old, new):
        for pinned in (VKEY, str(key)):
            assert verify_receipt(receipt.to_bytes(), pinned, rotations=[rotation]).ok
    detail = verify_receipt(new.to_bytes(), VKEY, rotations=[rotation]).steps[1].detail
    assert detail.endswith("with a rotated key")
    assert not verify_receipt(new.to_bytes(), VKEY).ok


def test_a_remembered_checkpoint_of_the_old_key_is_compared_across_a_rotation() -> None:
    key, rotation = _rotated(7)
    known = Remembered(head(4), tuple(merkle.consistency_proof(4, 8, merkle.nodes_of(LEAVES))))
    receipt = _resigned(make_receipt(5, 8, 6), key).to_bytes()
    report = verify_receipt(receipt, VKEY, remembered=known, rotations=[rotation], anchor=Anchor())
    assert [step.outcome for step in report.steps[:7]] == [Outcome.PASSED] * 7


def test_le_15_a_receipt_of_a_stolen_old_key_fails() -> None:
    _, rotation = _rotated(7)
    report = verify_receipt(make_receipt(5, 8).to_bytes(), VKEY, rotations=[rotation])
    assert (report.exit_code, report.steps[1].outcome) == (1, Outcome.FAILED)
    assert "counts from size 0 to 7" in report.steps[1].detail


def test_le_15_rotations_that_make_no_chain_fail_and_nothing_is_believed() -> None:
    rotations = [_rotated(7)[1], _rotated(6)[1]]
    report = verify_receipt(RECEIPT, VKEY, rotations=rotations, anchor=Anchor(), policy=POLICY)
    assert [step.outcome for step in report.steps] == [
        Outcome.PASSED, Outcome.FAILED, Outcome.PASSED, *[Outcome.NOT_CHECKED] * 5]  # fmt: skip
    assert verify_receipt(RECEIPT, VKEY, rotations=["noise"]).exit_code == 1


@given(st.integers(0, len(RECEIPT) - 1), st.integers(0, 255))
def test_le_19_a_receipt_with_one_other_byte_never_proves_another_record(at: int, byte: int) -> None:
    changed = RECEIPT[:at] + bytes([byte]) + RECEIPT[at + 1 :]
    report = verify_receipt(changed, VKEY, anchor=Anchor())
    if report.ok:
        assert report.receipt is not None
        assert report.receipt.record == make_receipt(5, 9).record


@given(st.integers(0, len(PART) - 1), st.integers(0, 255))
def test_le_19_a_part_with_one_other_byte_never_shows_another_field(at: int, byte: int) -> None:
    report = verify_receipt(PART[:at] + bytes([byte]) + PART[at + 1 :], VKEY, anchor=Anchor())
    if report.ok:
        assert report.receipt is not None
        assert report.receipt.record.fields == {"kind": "a.test"}


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

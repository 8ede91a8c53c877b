"""Receipts as files: put together from what acknowledging answers with, and shown in part."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dataspace.client.answer import Answer
from dataspace.errors import Malformed, VerificationError
from dataspace.proof.disclosure import disclose
from dataspace.proof.receipt import PATH_LIMIT, InclusionProof, Receipt, decode_hashes
from dataspace.proof.record import Record


def disclosed(receipt: bytes, names: Collection[str]) -> bytes:
    """Return a receipt that shows the fields `names` of its record and hides the others; it verifies as well.

    Nobody is asked: who holds a whole receipt can show as much of it as it likes.

    Raises:
        VerificationError: the receipt is malformed.
        Malformed: its record has no such field, or is shown in part already.

    """
    whole = Receipt.parse(receipt)
    if not isinstance(whole.record, Record):
        raise Malformed("the receipt shows its record in part already: want a whole one")
    if not names:
        raise Malformed(f"no field to show, want one of {', '.join(sorted(whole.record.fields))}")
    return replace(whole, record=disclose(whole.record, names)).to_bytes()


def acknowledged(answers: Sequence[Answer], document: Any) -> list[bytes]:
    """Return the receipts in the service's answer to the acknowledgement of `answers`, in their order.

    They are not verified here: `DataSpace.verify` does that, with a key from elsewhere.

    Raises:
        VerificationError: they are malformed, or of something else than what was acknowledged.

    """
    if not isinstance(document, dict) or not isinstance(document.get("checkpoint"), str):
        raise VerificationError(
            "malformed acknowledgements: want the members checkpoint and acknowledgements"
        )
    told = document.get("acknowledgements")
    if not isinstance(told, list) or len(told) != len(answers):
        raise VerificationError(f"malformed acknowledgements: want {len(answers)}")
    receipts = [_receipt(one, document["checkpoint"]) for one in told]
    for answer, receipt in zip(answers, receipts, strict=True):
        _expect(answer, receipt.record.fields)
    return [receipt.to_bytes() for receipt in receipts]


def _receipt(told: Any, checkpoint: str) -> Receipt:
    if not isinstance(told, Mapping) or type(told.get("entry")) is not int or told["entry"] < 0:
        raise VerificationError("malformed acknowledgement: want its entry")
    hashes = told.get("proof")
    if not isinstance(hashes, list) or len(hashes) > PATH_LIMIT:
        raise VerificationError(f"malformed acknowledgement: want a proof of at most {PATH_LIMIT} hashes")
    if not all(isinstance(one, str) for one in hashes):
        raise VerificationError("malformed acknowledgement: a hash that is not text")
    proof = InclusionProof(told["entry"], decode_hashes(hashes), checkpoint)
    return Receipt(Record.from_json(told), proof)


def _expect(answer: Answer, told: Mapping[str, Any]) -> None:
    right = told.get("kind") == "answer.acknowledged" and told.get("answered") == answer.entry
    if not right or not hmac.compare_digest(str(told.get("answer_sha256")), answer.sha256):
        raise VerificationError(
            f"the ledger acknowledges something else than the answer of entry {answer.entry}"
        )

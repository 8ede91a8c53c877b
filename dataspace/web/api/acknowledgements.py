"""Acknowledgements of answers: a list in, an entry with its receipt for each item out."""

from typing import Annotated, Any

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from dataspace.participants.access import Caller
from dataspace.transfer.acknowledge import Received
from dataspace.transfer.proofs import Proved
from dataspace.web.schemas import Entry, In, Out
from dataspace.web.service import Service


class ReceivedBody(In):
    """An answer that was received."""

    entry: Annotated[
        int, msgspec.Meta(description="the index of the answer's entry", examples=[41], ge=0, le=2**62)
    ]
    answer_sha256: Annotated[
        str,
        msgspec.Meta(
            description="SHA-256 of the bytes that were received, in hex",
            examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
            pattern="^[0-9a-f]{64}$",
        ),
    ]


class AcknowledgementBody(Out):
    """One entry, and what proves it under the checkpoint of the whole answer."""

    entry: Entry
    record: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="the fields",
            examples=[
                {
                    "kind": "answer.acknowledged",
                    "agreement": "ag-00ff11ee22dd33cc",
                    "answered": 41,
                    "answer_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "by": "pt-5f0c8a1d2b3e4f60",
                    "time": "2026-11-23T01:30:00.000000Z",
                }
            ],
        ),
    ]
    salts: Annotated[
        str, msgspec.Meta(description="32 bytes for each field, in base64", examples=["q83vEjRWeJA="])
    ]
    proof: Annotated[
        list[str],
        msgspec.Meta(
            description="the inclusion proof's hashes in base64, the leaf's sibling first",
            examples=[["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]],
        ),
    ]

    @classmethod
    def of(cls, proved: Proved) -> "AcknowledgementBody":
        """Return what is told of one entry."""
        return cls(proved.index, proved.fields(), proved.salts, proved.hashes)


class AcknowledgedBody(Out):
    """The entries in the order of the list; `dataspace.client` makes a receipt's file of each."""

    checkpoint: Annotated[
        str,
        msgspec.Meta(
            description="the signed note that all the proofs lead to",
            examples=["localhost/dataspace\n42\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— ..."],
        ),
    ]
    acknowledgements: list[AcknowledgementBody]


@post("/acknowledgements", sync_to_thread=True, status_code=200, tags=["ledger"])
def acknowledge(
    data: JSONBody[list[ReceivedBody]],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> AcknowledgedBody:
    """Acknowledge answers that were received, at most 1,000 at once: all of them, or none when one is wrong.

    Each becomes an entry, and comes back with its proof. To acknowledge an answer again changes
    nothing, and gives the entry that is there.
    """
    received = [Received(one.entry, one.answer_sha256) for one in data]
    found = service.acknowledgements.acknowledge(caller, received)
    return AcknowledgedBody(found.checkpoint, [AcknowledgementBody.of(one) for one in found.proved])

"""The entries a caller may see, and their receipts; `dataspace.web.ledger` is the public side."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.web.schemas import Entry, Out
from dataspace.web.service import Service
from dataspace.wire import JSON

# The greatest index that every database can hold.
_MOST = 2**62

Index = Annotated[int, PathParameter(description="the index of the entry", ge=0, le=_MOST)]
Start = Annotated[int, QueryParameter(description="the first index", ge=0, le=_MOST)]
Count = Annotated[
    int, QueryParameter(description="how many indexes to look at; at most 1,000 are", ge=1, le=_MOST)
]


class EntryBody(Out):
    """One entry: its fields, and the salts that lead from them to its leaf."""

    index: Entry
    record: Annotated[
        dict[str, Any],
        msgspec.Meta(
            description="the fields",
            examples=[{"kind": "dataset.registered", "dataset": "ds-0a1b2c3d4e5f6071"}],
        ),
    ]
    salts: Annotated[
        str, msgspec.Meta(description="32 bytes for each field, in base64", examples=["q83vEjRWeJA="])
    ]


@get("/receipts/{entry:int}", sync_to_thread=True, tags=["ledger"])
def receipt(
    entry: Index, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[bytes]:
    """Give out the receipt of an entry, for its parties and for auditors: a file that proves it offline."""
    try:
        content = service.receipts.receipt(caller, entry).to_bytes()
    except NotFound as error:
        # Whatever the reason: who may not see an entry does not learn whether it was erased.
        raise NotFound("there is no such entry") from error
    headers = {"Content-Disposition": f'attachment; filename="receipt-{entry}.json"'}
    return Response(content, media_type=JSON, headers=headers)


@get("/entries", sync_to_thread=True, tags=["ledger"])
def entries(
    caller: NamedDependency[Caller], service: NamedDependency[Service], start: Start = 0, count: Count = 100
) -> list[EntryBody]:
    """List the entries the caller may see: its own, or all of them for auditors and operators."""
    return msgspec.convert(service.receipts.entries(caller, start, count), list[EntryBody])

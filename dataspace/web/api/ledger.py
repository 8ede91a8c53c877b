"""The entries a caller may see, and their receipts; `dataspace.web.ledger` is the public side."""

from typing import Annotated, Any

import msgspec
from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter, QueryParameter

from dataspace.errors import NotFound
from dataspace.participants.access import Caller
from dataspace.web.schemas import Entry, In, Out
from dataspace.web.service import Service
from dataspace.wire import JSON

# The greatest index that every database can hold.
_MOST = 2**62

Index = Annotated[int, PathParameter(description="the index of the entry", ge=0, le=_MOST)]
Start = Annotated[int, QueryParameter(description="the first index", ge=0, le=_MOST)]
Count = Annotated[
    int, QueryParameter(description="how many indexes to look at; at most 1,000 are", ge=1, le=_MOST)
]


Fields = Annotated[
    tuple[str, ...],
    QueryParameter(description="the fields it is to show, with commas between; none: all that you may see"),
]

_RECORD = {"kind": "dataset.registered", "dataset": "ds-0a1b2c3d4e5f6071"}
_DISCLOSED = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", ["kind", "query.answered", "q83vEjRWeJA="]]


Party = Annotated[
    bool, QueryParameter(description="show the caller its own entries too, not only those it is to check")
]


class EntryBody(Out):
    """One entry: its record, and the salts that lead from it to its leaf."""

    index: Entry
    record: Annotated[dict[str, Any], msgspec.Meta(description="the fields", examples=[_RECORD])]
    salts: Annotated[
        str, msgspec.Meta(description="32 bytes for each field, in base64", examples=["q83vEjRWeJA="])
    ]


class DisclosedBody(Out):
    """One entry shown in part, which leads to its leaf as well."""

    index: Entry
    disclosure: Annotated[
        list[Any],
        msgspec.Meta(
            description="in the order of the record: a hash, or name, value and salt of what is shown",
            examples=[_DISCLOSED],
        ),
    ]


class ErasureBody(In):
    """Why an entry's content is to be erased."""

    basis: Annotated[
        str,
        msgspec.Meta(
            description="the legal basis, which stays for ever: a law or a request's number, nobody's name",
            examples=["PIPL article 47, request 2026-117"],
            min_length=1,
            max_length=500,
        ),
    ]


class ErasedBody(Out):
    """The entry that says that another was erased."""

    entry: Entry


@get("/receipts/{entry:int}", sync_to_thread=True, tags=["ledger"])
def receipt(
    entry: Index, caller: NamedDependency[Caller], service: NamedDependency[Service], fields: Fields = ()
) -> Response[bytes]:
    """Give out the receipt of an entry, for its parties and for auditors: a file that proves it offline.

    With `fields` it shows those alone, and holds a hash in the place of each other: as much of the
    entry as you want to show to somebody else. Auditors bound to zones see kind and time of the rest.
    """
    named = {name for given in fields for name in given.split(",") if name}
    try:
        content = service.receipts.receipt(caller, entry, named).to_bytes()
    except NotFound as error:
        if caller.oversees:
            raise
        # Whatever the reason: who may not see an entry does not learn whether it was erased.
        raise NotFound("there is no such entry") from error
    headers = {"Content-Disposition": f'attachment; filename="receipt-{entry}.json"'}
    return Response(content, media_type=JSON, headers=headers)


@get("/entries", sync_to_thread=True, tags=["ledger"])
def entries(
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    start: Start = 0,
    count: Count = 100,
    *,
    party: Party = True,
) -> list[EntryBody | DisclosedBody]:
    """List the entries the caller may see: its own, or all of them for auditors and operators.

    Those that were erased are left out. An auditor bound to zones gets a `disclosure` of the others' entries.
    """
    found = service.receipts.entries(caller, start, count, party=party)
    return [DisclosedBody(**one) if "disclosure" in one else EntryBody(**one) for one in found]


@post("/entries/{entry:int}/erasure", sync_to_thread=True, tags=["ledger"])
def erase(
    entry: Index,
    data: JSONBody[ErasureBody],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
) -> ErasedBody:
    """Erase what an entry says, as an operator: record, salts and the input of its decision are deleted.

    The entry itself stays, and receipts that were handed out go on to verify. That it was erased is an
    entry, with its legal basis.
    """
    return ErasedBody(entry=service.erasure.erase(caller, entry, data.basis))

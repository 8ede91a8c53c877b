"""What auditors make decisions again with: the policy bundles, and the inputs that entries name.

An input tells what the policy saw, such as how many subjects the smallest group
of an answer had, which its consumer must not learn: auditors and operators
alone may read it, and an auditor that is bound to zones those of its zones.
"""

from typing import Annotated, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter
from sqlmodel import Session, col, select

from dataspace.errors import NotFound
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.policy.models import PolicyBundle, PolicyInput
from dataspace.web.schemas import Entry, Out, Sha256
from dataspace.web.service import Service

# The greatest index that every database can hold.
_MOST: Final = 2**62
_PAGE: Final = 1000  # entries
_BYTES: Final = 8 << 20  # of the inputs of one page, and then at most one more

Digest = Annotated[str, PathParameter(description="the SHA-256 of the bundle, in hex", max_length=64)]
Start = Annotated[int, QueryParameter(description="the first entry", ge=0, le=_MOST)]
Count = Annotated[
    int, QueryParameter(description="how many entries to look at; at most 1,000 are", ge=1, le=_MOST)
]


class DecisionBody(Out):
    """What was decided on for one entry."""

    entry: Entry
    digest: Sha256
    input: Annotated[
        str,
        msgspec.Meta(
            description="the input, verbatim: `digest` is of its bytes",
            examples=['{"action":"withdraw","dataset":{"id":"ds-0a1b2c3d4e5f6071"}}'],
        ),
    ]


class DecisionsBody(Out):
    """A page of decisions, and where to go on."""

    decisions: list[DecisionBody]
    next: Annotated[int, msgspec.Meta(description="the entry to begin the next page with", examples=[100])]


@get("/policies/{digest:str}", sync_to_thread=True, tags=["ledger"], media_type="application/gzip")
def policy(
    digest: Digest, caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> Response[bytes]:
    """Give out a policy bundle by the digest that decisions name it by, for auditors and operators.

    It holds the Rego sources and what they compile to: whoever doubts the two compiles them again.
    """
    require(caller, Role.AUDITOR, Role.OPERATOR)
    with service.space.database.reading() as session:
        found = session.get(PolicyBundle, digest)
    if found is None:
        raise NotFound("there is no such policy")
    headers = {"Content-Disposition": f'attachment; filename="policy-{found.digest}.tar.gz"'}
    return Response(found.content, media_type="application/gzip", headers=headers)


@get("/decisions", sync_to_thread=True, tags=["ledger"])
def decisions(
    caller: NamedDependency[Caller], service: NamedDependency[Service], start: Start = 0, count: Count = 100
) -> DecisionsBody:
    """List what the policy decided on for each entry that names a decision, for auditors and operators.

    An entry without a decision, or whose input was erased, is left out. A page may hold fewer entries
    than were asked for: go on with `next`.
    """
    require(caller, Role.AUDITOR, Role.OPERATOR)
    count = min(count, _PAGE)
    shown = service.receipts.overseen(caller, start, count)
    named = {index: record.fields["input"] for index, record in shown if "input" in record.fields}
    with service.space.database.reading() as session:
        return _page(session, named, start + count)


def _page(session: Session, named: dict[int, str], after: int) -> DecisionsBody:
    """Return the page of entries and the digests they name, cut where it gets too long."""
    query = select(PolicyInput).where(col(PolicyInput.digest).in_(set(named.values())))
    inputs = {row.digest: row.content for row in session.exec(query)}
    found: list[DecisionBody] = []
    size = 0
    for entry, digest in sorted(named.items()):
        if size > _BYTES:
            return DecisionsBody(decisions=found, next=entry)
        if digest in inputs:
            size += len(inputs[digest])
            found.append(DecisionBody(entry=entry, digest=digest, input=inputs[digest]))
    return DecisionsBody(decisions=found, next=after)

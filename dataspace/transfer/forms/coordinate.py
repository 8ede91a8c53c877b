"""The sum of a joint statistic, at the service that adds up the parts of all peers (`joint` makes them).

Parts come from other services, and not from participants: each is signed by
its peer, verified with the peers' file before anything else of it is read, and
read to the last coefficient in a worker. The sum is there when all parts of one
and the same job are; a single part is given to nobody.
"""

from collections.abc import Sequence
from typing import Final

from sqlmodel import Session, col, func, select

from dataspace.errors import Conflict, Malformed, NotFound, TooMany, Unprocessable
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.sandbox import Pool
from dataspace.space import Space
from dataspace.transfer.conduct import digest_of
from dataspace.transfer.forms.peers import Peers
from dataspace.transfer.models import JointPart, JointSum
from dataspace.wire.joint import LIFETIME_SECONDS
from dataspace.wire.parameters import DEFAULT_PARAMETERS
from dataspace.wire.part import Part, Sum

_PEER_BYTES: Final = 256 << 20  # of one peer's parts, some 600 of one ciphertext, until their jobs expire


class Coordinator:
    """Takes parts and adds them up; `adder` is the pool that holds TenSEAL."""

    def __init__(self, space: Space, adder: Pool, peers: Peers) -> None:
        self._space, self._adder, self._peers = space, adder, peers

    def verified(self, job: str, peer: str, body: bytes) -> Part:
        """Return a part that another peer delivers, once its signature is verified.

        Raises:
            Malformed: it is none of this job by this peer, or expired.

        """
        part = Part.decode(body)
        if (part.job, part.peer, part.coordinator) != (job, peer, self._peers.own.name):
            raise Malformed("malformed part: it is of another job, of another peer or for another service")
        left = part.expires - int(self._space.clock().timestamp())
        if not 0 < left <= LIFETIME_SECONDS:
            raise Malformed("malformed part: its job expired, or lasts too long")
        return self._peers.verified(part)

    def take(self, part: Part) -> None:
        """Keep a verified part until those of the others are there; the same again changes nothing.

        Raises:
            Malformed: it holds what is no ciphertext, or is not of the job that was asked here.
            Conflict: this peer delivered another part of the job before.
            TooMany: its parts here take too much space.

        """
        with self._space.database.reading() as session:
            rows = session.exec(select(JointPart).where(JointPart.job == part.job)).all()
        if rows and not any(part.fits(Part.decode(row.content)) for row in rows):
            raise Malformed("malformed part: it is not of the job that was asked here")
        self._adder.call("check", {"parameters": DEFAULT_PARAMETERS, "vectors": list(part.vectors)})
        self.keep(part, part.encode())

    def sum(self, caller: Caller, job: str) -> bytes:
        """Return the sum of all parts, under the consumer's key.

        Raises:
            NotFound: the caller asked no such job here.
            Unprocessable: another peer adds up this job.
            Conflict: the job expired, or parts are missing: `facts["missing"]` names their peers.

        """
        with self._space.database.reading() as session:
            own = Part.decode(_asked(session, caller, job).content)
            self._check_sum(own)
            rows = session.exec(select(JointSum).where(JointSum.job == job)).all()
        parts = {row.peer: part for row in rows if (part := Part.decode(row.content)).fits(own)}
        missing = [peer for peer in own.peers if peer not in parts]
        if missing:
            raise Conflict(f"parts are missing: of {', '.join(missing)}", missing=missing, retry_after=2)
        streams = [list(parts[peer].vectors) for peer in own.peers]
        added = self._adder.call("add", {"parameters": DEFAULT_PARAMETERS, "parts": streams})
        digests = {peer: digest_of(parts[peer].encode()) for peer in own.peers}
        return Sum(job, own.job_sha256, own.key, digests, tuple(added["vectors"])).encode()

    def keep(self, part: Part, content: bytes) -> None:
        """Keep a part, our own or one that was taken.

        Raises:
            Conflict: this peer delivered another part of the job before.
            TooMany: its parts here take too much space.

        """

        def act(session: Session) -> None:
            found = session.get(JointSum, (part.job, part.peer))
            if found is not None:
                if found.content != content:
                    raise Conflict(f"{part.peer} delivered another part of this job before")
                return
            held = select(func.sum(func.length(JointSum.content))).where(JointSum.peer == part.peer)
            if (session.exec(held).one() or 0) + len(content) > _PEER_BYTES:
                raise TooMany(f"{part.peer} has {_PEER_BYTES >> 20} MiB of parts here", retry_after=60)
            session.add(
                JointSum(
                    job=part.job,
                    peer=part.peer,
                    job_sha256=part.job_sha256,
                    content=content,
                    created=self._space.clock(),
                )
            )

        self._space.database.commit(act)

    def _check_sum(self, own: Part) -> None:
        if own.coordinator != self._peers.own.name:
            raise Unprocessable(f"{own.coordinator} adds up this job: ask there", coordinator=own.coordinator)
        if own.expires <= int(self._space.clock().timestamp()):
            raise Conflict("the job expired: ask a new one")


def _asked(session: Session, caller: Caller, job: str) -> JointPart:
    query = (
        select(JointPart)
        .join(Agreement, col(Agreement.id) == col(JointPart.agreement))
        .where(JointPart.job == job, Agreement.consumer == caller.id)
    )
    found: Sequence[JointPart] = session.exec(query).all()
    if not found:
        raise NotFound("there is no such joint statistic")
    return found[0]

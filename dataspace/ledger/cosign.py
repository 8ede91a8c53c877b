"""Asking witnesses to cosign a checkpoint (C2SP tlog-witness, add-checkpoint).

    POST <url>/add-checkpoint
    old <size of the checkpoint that the witness cosigned last>
    <hashes of the consistency proof from there, in base64, a line each>
    <empty line>
    <the checkpoint>

A witness that remembers another size says so once (409), and is asked again
from there. Nothing it answers is believed but signatures of the keys that the
policy gives for it, and whatever it does harms the others in nothing.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dataspace.errors import Conflict, DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.ledger.outbound import Answer, checked_url, post
from dataspace.proof.checkpoint import Checkpoint, decimal
from dataspace.proof.key import NoteKey
from dataspace.proof.note import signature_line, split
from dataspace.proof.witnesses import WitnessPolicy

Prove = Callable[[int], Sequence[bytes]]  # from an older size to that of the checkpoint

SIZE_TYPE: Final = "text/x.tlog.size"
_SECONDS: Final = 3.0
_SKEW: Final = 300  # seconds that a witness's clock may be ahead
_OK, _CONFLICT, _UNPROCESSABLE = 200, 409, 422


@dataclass(frozen=True)
class Cosignature:
    """One signature line of a witness: the verifier key it was checked with, and its POSIX seconds."""

    key: str
    line: str
    time: int


Reply = list[Cosignature] | DataSpaceError


class WitnessClient:
    """One witness behind one address, under one key or several; `size` is where its next proof begins."""

    def __init__(self, url: str, keys: Sequence[NoteKey], *, seconds: float = _SECONDS) -> None:
        self.url, self.keys = checked_url(url, "a witness"), tuple(keys)
        self.size = 0
        self._seconds = seconds

    async def ask(self, note: str, prove: Prove, now: int) -> Reply:
        """Return the cosignatures of `note`, or what kept this witness from giving one."""
        text, _ = split(note)
        head = Checkpoint.parse(text)
        try:
            answer = await self._submit(note, head, prove)
            if answer.status == _CONFLICT:
                self.size = remembered_size(answer)
                answer = await self._submit(note, head, prove)
            found = _accepted(answer, text, self.keys, now)
        except DataSpaceError as error:
            return error
        self.size = head.size
        return found

    async def _submit(self, note: str, head: Checkpoint, prove: Prove) -> Answer:
        if self.size > head.size:
            held, self.size = self.size, 0
            raise Conflict(f"it has cosigned a head of {held} entries, and this one has {head.size}")
        hashes = prove(self.size) if 0 < self.size < head.size else ()
        lines = [f"old {self.size}", *(b64encode(item).decode() for item in hashes), "", note]
        body = "\n".join(lines).encode()
        return await post(f"{self.url}/add-checkpoint", body, "text/plain", seconds=self._seconds)


class Witnesses:
    """The witnesses that a policy names with an address, but for those of the name `own`.

    `closed`: nothing is published without the policy's quorum, if it wants one.
    """

    def __init__(
        self, policy: WitnessPolicy, own: str, *, closed: bool = True, seconds: float = _SECONDS
    ) -> None:
        self.policy = policy
        self.closed = closed and not policy.satisfied(())
        places: dict[str, list[NoteKey]] = {}
        for witness in policy.witnesses:
            if witness.url and witness.key.name != own:
                places.setdefault(witness.url.rstrip("/"), []).append(witness.key)
        self._clients = [WitnessClient(url, keys, seconds=seconds) for url, keys in places.items()]

    def ask(self, note: str, prove: Prove, held: Collection[str], now: int) -> Mapping[str, Reply]:
        """Ask, all at once, each witness that is not among `held` (verifier keys) with every key of its own.

        `now`: POSIX seconds. The replies are by address.
        """
        asked = [client for client in self._clients if not {str(key) for key in client.keys} <= set(held)]
        replies = asyncio.run(_all([client.ask(note, prove, now) for client in asked]))
        return {client.url: reply for client, reply in zip(asked, replies, strict=True)}


def read_policy(path: Path) -> WitnessPolicy:
    """Return the policy in a file (C2SP tlog-policy).

    Raises:
        Malformed: it cannot be read, or is no policy.

    """
    try:
        return WitnessPolicy.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"the witnesses' policy {path} cannot be read: {type(error).__name__}") from error
    except VerificationError as error:
        raise Malformed(f"the witnesses' policy {path}: {error}") from error


def remembered_size(answer: Answer) -> int:
    """Return the size in the body of a 409.

    Raises:
        VerificationError: it is not `text/x.tlog.size`, or not one decimal number and a newline.

    """
    if answer.media_type != SIZE_TYPE or not answer.body.endswith(b"\n"):
        raise VerificationError("it refuses the size it was asked from, and does not say which one it has")
    return decimal(answer.body[:-1].decode(errors="replace"), "size of a witness")


def cosignatures(lines: str, text: str, keys: Sequence[NoteKey], now: int) -> list[Cosignature]:
    """Return those of a witness's lines that `keys` have signed under `text`, the first of each key.

    Raises:
        VerificationError: the lines are malformed, one of `keys` fails or states no time or a time to
            come, or there is none of theirs.

    """
    known, found = {(key.name, key.key_id): key for key in keys}, dict[str, Cosignature]()
    for name, key_id, signature in split(f"{text}\n{lines}")[1]:
        key = known.get((name, key_id))
        if key is None:
            continue
        time = key.verify(text, signature)
        if not time or time > now + _SKEW:
            raise VerificationError(f"the cosignature of {name} is of no time, or of one to come")
        found.setdefault(str(key), Cosignature(str(key), signature_line(key, signature), time))
    if not found:
        raise VerificationError("it signed with none of the keys that the policy gives for it")
    return list(found.values())


def _accepted(answer: Answer, text: str, keys: Sequence[NoteKey], now: int) -> list[Cosignature]:
    if answer.status == _UNPROCESSABLE:
        raise VerificationError("it refuses this head: to what it has cosigned it is no continuation")
    if answer.status != _OK:
        raise Unavailable(f"it answered {answer.status}")
    try:
        return cosignatures(answer.body.decode(), text, keys, now)
    except UnicodeDecodeError as error:
        raise VerificationError("its answer is not UTF-8") from error


async def _all(asked: Sequence[Coroutine[None, None, Reply]]) -> list[Reply]:
    return list(await asyncio.gather(*asked))

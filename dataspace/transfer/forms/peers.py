"""The services that a joint statistic may be computed with: those of one file, and nobody else.

    [[peer]]
    name = "east-space"
    url = "http://127.0.0.1:8001"
    key = "<base64 of 32 bytes: X25519, for masks>"
    vkey = "<base64 of 32 bytes: Ed25519, for signatures>"

The file is the same at every service; which of them it is itself a service
knows by its own key. `dataspace key --all` prints both of its keys. The service
connects to no other address for a joint statistic, whoever asks it to.
"""

import asyncio
import hashlib
import re
import tomllib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from dataspace.errors import Malformed, Unavailable
from dataspace.keys import KeyStore
from dataspace.keys.file import FileKeys
from dataspace.ledger.outbound import checked_url
from dataspace.privacy.joint import ADD, SUBTRACT
from dataspace.wire import ENVELOPE
from dataspace.wire.compact import compact
from dataspace.wire.joint import NAME, PEERS_LIMIT, Job
from dataspace.wire.part import Part

SIGNING: Final = "peer"
MASKING: Final = "peer-mask"
PEER_KEYS: Final = (SIGNING, MASKING)
_FIELDS: Final = ("name", "url", "key", "vkey")
_FILE_LIMIT: Final = 1 << 16
_SECONDS: Final = 30.0
_MASK: Final = b"dataspace joint mask v1\n"
_PEER_LINE: Final = re.compile(r"\s*\[\[\s*peer\s*\]\]")


@dataclass(frozen=True)
class Peer:
    """A service with its two public keys, 32 bytes each."""

    name: str
    url: str
    key: bytes = field(repr=False)
    vkey: bytes = field(repr=False)


class Peers:
    """The services of a file, seen from one of them; safe to use from several threads."""

    def __init__(self, peers: Sequence[Peer], own: str, keys: FileKeys) -> None:
        self._peers = {peer.name: peer for peer in peers}
        self._keys = keys
        self.own = self._peers[own]

    def __contains__(self, name: str) -> bool:
        return name in self._peers

    def seeds(self, job: Job) -> list[tuple[bytes, int]]:
        """Return, for each other peer of a job, the seed of the mask shared with it, and its sign for us.

        The smaller name adds. Both derive the seed from what their two keys
        agree on, the job and the pair: for another job it is another.
        """
        own, found = self.own, []
        for other in (self._peers[name] for name in job.peers if name != self.own.name):
            first, second = sorted((own, other), key=lambda peer: peer.name)
            told = {"job": job.sha256, "pair": [_told(first), _told(second)]}
            derive = HKDF(hashes.SHA256(), 32, salt=None, info=_MASK + compact(told))
            seed = derive.derive(self._keys.agree(MASKING, other.key))
            found.append((seed, ADD if first is own else SUBTRACT))
        return found

    def digest(self, names: Sequence[str]) -> str:
        """Return the SHA-256 of the public keys of these peers, as this service has them."""
        return hashlib.sha256(compact({name: _told(self._peers[name]) for name in names})).hexdigest()

    def signed(self, part: Part) -> Part:
        """Return a part of our own with its signature."""
        return replace(part, signature=self._keys.sign(SIGNING, part.statement))

    def verified(self, part: Part) -> Part:
        """Return a part that the peer it names has signed, of a job that we have the same keys for.

        Raises:
            Malformed: it is not.

        """
        if part.peer not in self or not set(part.peers) <= self._peers.keys():
            raise Malformed("malformed part: it is of no peer of this service")
        try:
            public = Ed25519PublicKey.from_public_bytes(self._peers[part.peer].vkey)
            public.verify(part.signature, part.statement)
        except InvalidSignature as error:
            raise Malformed("malformed part: the peer it names did not sign it") from error
        if part.peers_sha256 != self.digest(part.peers):
            raise Malformed("malformed part: its peer has other keys of the peers than this service has")
        return part

    def deliver(self, part: Part, body: bytes) -> None:
        """Bring a part to its coordinator, another service; twice does no more than once.

        Raises:
            Unavailable: it did not answer, or does not take it.

        """
        url = f"{self._peers[part.coordinator].url}/joint/{part.job}/parts/{part.peer}"
        status = asyncio.run(_put(url, body))
        if status != httpx2.codes.NO_CONTENT:
            raise Unavailable(f"the coordinator {part.coordinator} answered {status}")


def public_peer_keys(keys: KeyStore) -> dict[str, str] | None:
    """Return what the peers' file has of this service: `key` and `vkey`; None before they were made."""
    if not isinstance(keys, FileKeys) or not all(map(keys.has, PEER_KEYS)):
        return None
    named = (("key", MASKING), ("vkey", SIGNING))
    return {field: b64encode(keys.public_key(name)).decode() for field, name in named}


def read_peers(path: Path, keys: KeyStore) -> Peers:
    """Return the peers of a file, and which of them we are.

    Raises:
        Malformed: it cannot be read, a field is not one, or none of the peers is this service.
        Unavailable: this service has no keys for it yet.

    """
    if not isinstance(keys, FileKeys):
        raise Malformed("joint statistics need a folder of keys")
    content = _content(path)
    peers = [_Entry(path, content, place).peer(told) for place, told in enumerate(_tables(path, content))]
    if not 2 <= len(peers) <= PEERS_LIMIT:
        raise Malformed(f"the peers' file {path} names {len(peers)} peers, want 2 to {PEERS_LIMIT}")
    for name in _FIELDS:
        _check_different(path, content, name, [getattr(peer, name) for peer in peers])
    own = [peer for peer in peers if peer.key == keys.public_key(MASKING)]
    if not own:
        raise Malformed(
            f"the peers' file {path}: no key in it is this service's: `dataspace key --all` prints it"
        )
    if own[0].vkey != keys.public_key(SIGNING):
        raise Malformed(f"the peers' file {path}: the vkey of {own[0].name} is not this service's")
    for peer in peers:
        if peer is not own[0]:
            # A key of small order would agree on nothing secret: it is refused now, and not in a job.
            keys.agree(MASKING, peer.key)
    return Peers(peers, own[0].name, keys)


@dataclass(frozen=True)
class _Entry:
    """One `[[peer]]` of the file, for messages that say where."""

    path: Path
    content: str
    place: int

    def peer(self, told: Any) -> Peer:
        if not isinstance(told, dict) or set(told) != set(_FIELDS):
            given = set(told) if isinstance(told, dict) else set()
            missing, unknown = sorted(set(_FIELDS) - given), sorted(given - set(_FIELDS))
            wrong = [f"no {name}" for name in missing] + [f"an unknown {name!r}" for name in unknown]
            raise self._malformed("", f"want {', '.join(_FIELDS)}, and there is {' and '.join(wrong)}")
        for name in _FIELDS:
            if not isinstance(told[name], str):
                raise self._malformed(name, "want text")
        if not NAME.fullmatch(told["name"]):
            raise self._malformed("name", "want 1 to 64 small letters, digits and hyphens")
        return Peer(
            told["name"],
            self._url(told["url"]),
            self._key("key", told["key"]),
            self._key("vkey", told["vkey"]),
        )

    def _url(self, url: str) -> str:
        try:
            checked = checked_url(url, "a peer")
            bare = httpx2.URL(checked)
        except (Malformed, httpx2.InvalidURL, ValueError) as error:
            raise self._malformed("url", "want http:// or https:// and a host") from error
        if bare.userinfo or bare.query or bare.fragment:
            raise self._malformed("url", "want no password, query or fragment in it")
        return checked

    def _key(self, name: str, value: str) -> bytes:
        try:
            found = b64decode(value, validate=True)
        except (Base64Error, ValueError) as error:
            raise self._malformed(name, "want base64 of 32 bytes") from error
        if len(found) != 32:
            raise self._malformed(name, f"{len(found)} bytes, want 32")
        return found

    def _malformed(self, name: str, want: str) -> Malformed:
        line = _line(self.content, self.place, name)
        return Malformed(f"the peers' file {self.path}, line {line}: {name or 'a peer'}: {want}", line=line)


def _told(peer: Peer) -> list[str]:
    return [peer.name, peer.key.hex(), peer.vkey.hex()]


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_LIMIT + 1)
        content = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise Malformed(f"the peers' file {path} cannot be read: {type(error).__name__}") from error
    if len(data) > _FILE_LIMIT:
        raise Malformed(f"the peers' file {path} has more than {_FILE_LIMIT} bytes")
    return content


def _tables(path: Path, content: str) -> Sequence[Any]:
    try:
        told: Mapping[str, Any] = tomllib.loads(content)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        # The text of tomllib names line and column, and nothing of the content but a character.
        raise Malformed(f"the peers' file {path} is no TOML: {error}") from error
    if set(told) != {"peer"} or not isinstance(told["peer"], list):
        raise Malformed(f"the peers' file {path}: want tables [[peer]] and nothing else")
    return told["peer"]


def _check_different(path: Path, content: str, name: str, values: Sequence[Any]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            line = _line(content, place, name)
            raise Malformed(f"the peers' file {path}, line {line}: {name} is another peer's too", line=line)


def _line(content: str, place: int, name: str) -> int:
    """Return the line of a field of the peer at `place`, or where that peer begins; from 1."""
    lines = content.splitlines()
    begins = [number for number, line in enumerate(lines) if _PEER_LINE.match(line)]
    if place >= len(begins):
        return 1
    begin, end = begins[place], [*begins[place + 1 :], len(lines)][0]
    named = (number for number in range(begin, end) if name and re.match(rf"\s*{name}\s*=", lines[number]))
    return next(named, begin) + 1


async def _put(url: str, body: bytes) -> int:
    """Send bytes; return the status, whatever it is; no redirect is followed."""
    headers = {"Content-Type": ENVELOPE, "Accept-Encoding": "identity"}
    try:
        # The client's own timeouts begin anew with every byte; this one does not.
        async with (
            asyncio.timeout(_SECONDS),
            httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False) as client,
            client.stream("PUT", url, content=body, headers=headers) as response,
        ):
            return int(response.status_code)
    except TimeoutError as error:
        raise Unavailable(f"the coordinator did not answer in {_SECONDS:g} seconds") from error
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Unavailable(f"the coordinator did not answer: {type(error).__name__}") from error

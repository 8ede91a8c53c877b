"""The platform's word to the key service: signed with its log's key, answered under the pinned key."""

import json
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any, Final

import httpx2

from dataspace.catalog.payloads import open_sealed
from dataspace.errors import (
    Conflict,
    DataSpaceError,
    Malformed,
    NotFound,
    Refused,
    Unavailable,
    Unprocessable,
    VerificationError,
)
from dataspace.ledger.keyring import key_name
from dataspace.ledger.outbound import checked_url
from dataspace.ledger.store import LOG
from dataspace.space import Space
from dataspace.transfer.engine import Payload
from dataspace.wire.keyservice import ANSWER, FORGET, KEEP, LIFETIME, MEDIA_TYPE, REQUEST, Message, ServiceKey
from dataspace.wire.sealed import Head

_SECONDS: Final = 90.0
_ANSWER_LIMIT: Final = 1 << 26  # bytes: a layout of all cells, with long labels
_HALF: Final = LIFETIME // 2  # for clocks that differ
_HEX: Final = 64
# What a key service may tell a consumer; anything else of it is our operator's business.
_TOLD: Final = {kind.code: kind for kind in (Refused, Unprocessable, Conflict, NotFound)}


def pinned(setting: str) -> tuple[str, str]:
    """Return address and id of `DATASPACE_KEYSERVICE`; both are empty when it is not set.

    Raises:
        Malformed: it is not an address, #, and the SHA-256 of the keys in hex.

    """
    if not setting:
        return "", ""
    url, _, key = setting.partition("#")
    if len(key) != _HEX or set(key) - set("0123456789abcdef"):
        raise Malformed("setting DATASPACE_KEYSERVICE: want http://host:port#<id of its keys>")
    return checked_url(url, "the key service"), key


class KeyServiceClient:
    """Speaks with the one key service of a space; safe to use from several threads."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self.url, self.id = pinned(space.settings.keyservice)
        self._lock = threading.Lock()
        self._key: ServiceKey | None = None

    def ask(self, act: str, told: Mapping[str, Any], attachments: Sequence[bytes]) -> Message:
        """Return the key service's signed answer.

        Raises:
            Unavailable: it does not answer, or not under the pinned key.
            NotFound: it does not have the dataset's manifest.
            Refused: it does not open what is asked.

        """
        if not self.url:
            raise Unavailable("this space has no key service")
        key = self._public()
        request = self._signed({"act": act, "keyservice": self.id, **told}, attachments)
        answer = self._exchange("POST", "/requests", request.encode())
        try:
            message = Message.decode(answer)
            message.check(key.verify, ANSWER)
        except (Malformed, VerificationError) as error:
            raise Unavailable("the key service's answer is not its own") from error
        if message.statement.get("act") != act:
            raise Unavailable("the key service answered something else")
        return message

    def send_manifest(self, payload: Payload) -> None:
        """Give the key service the beginning of a container, which it alone opens."""
        reader = _Chunks(payload)
        self.ask(KEEP, {}, [Head.read(reader).encode()])

    def forget(self, container: str) -> None:
        """Have the key service forget a dataset that was withdrawn.

        Raises:
            Unavailable: it does not answer.

        """
        self.ask(FORGET, {"container": container}, [])

    def _public(self) -> ServiceKey:
        with self._lock:
            if self._key is None:
                text = self._exchange("GET", "/key").decode(errors="replace")
                try:
                    self._key = ServiceKey.parse(text, self.id)
                except (Malformed, VerificationError) as error:
                    raise Unavailable(
                        "the key service has another key than DATASPACE_KEYSERVICE pins"
                    ) from error
            return self._key

    def _signed(self, told: Mapping[str, Any], attachments: Sequence[bytes]) -> Message:
        with self._space.database.reading() as session:
            name, rotations = key_name(session, LOG), self._space.log.rotations(session)
        statement = {
            "format": REQUEST,
            **told,
            "nonce": secrets.token_hex(16),
            "expires": int(self._space.clock().timestamp()) + _HALF,
            "rotations": rotations,
        }
        return Message.sign(statement, attachments, lambda message: self._space.keys.sign(name, message))

    def _exchange(self, method: str, path: str, content: bytes = b"") -> bytes:
        headers = {"Content-Type": MEDIA_TYPE, "Accept-Encoding": "identity"}
        try:
            with (
                httpx2.Client(timeout=_SECONDS, follow_redirects=False) as client,
                client.stream(method, f"{self.url}{path}", content=content, headers=headers) as response,
            ):
                answer = _read(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unavailable("the key service does not answer: try again later") from error
        if not response.is_success:
            raise _problem(response.status_code, answer)
        return answer


class _Chunks:
    """A sealed container as a file that is read from its beginning."""

    def __init__(self, payload: Payload) -> None:
        self._chunks = open_sealed(payload.path, payload.key, payload.context)
        self._rest = BytesIO()

    def read(self, size: int, /) -> bytes:
        found = bytearray(self._rest.read(size))
        while len(found) < size and (chunk := next(self._chunks, b"")):
            self._rest = BytesIO(chunk)
            found += self._rest.read(size - len(found))
        return bytes(found)


def _read(response: httpx2.Response) -> bytes:
    """Return the body; the client's own timeouts begin anew with every byte, and its size has no limit."""
    found, until = bytearray(), time.monotonic() + _SECONDS
    for chunk in response.iter_raw():
        found += chunk
        if len(found) > _ANSWER_LIMIT or time.monotonic() > until:
            raise Unavailable("the key service's answer is longer, or takes longer, than one of its own")
    return bytes(found)


def _problem(status: int, answer: bytes) -> DataSpaceError:
    """Return what a refusal of the key service is to the consumer: its code and its words, nothing else."""
    try:
        told = json.loads(answer)
        kind, detail = _TOLD.get(str(told["code"])), str(told["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        kind, detail = None, ""
    if kind is None:
        return Unavailable(f"the key service answered {status}")
    return kind(f"the key service: {detail}")

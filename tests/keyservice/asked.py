"""Requests as an attacker makes them, and the naive key service that answers every one."""

import secrets
from socket import create_connection
from typing import Any

from dataspace.wire.keyservice import REQUEST, Message
from tests.keyservice.local import decrypted
from tests.keyservice.scene import Agreed


def naive(agreed: Agreed, request: bytes) -> list[int]:
    """A key service that opens what the platform signed, and asks for no time, nonce, ledger or tags."""
    message = Message.decode(request)
    message.check(agreed.scene.ours.platform.public_key, REQUEST)
    return decrypted(agreed.manifest, message.attachments[0])


def posted(agreed: Agreed, request: bytes) -> bytes:
    return agreed.scene.client._exchange("POST", "/requests", request)


def announced(agreed: Agreed, head: bytes, rest: int) -> bytes:
    """Send the head of a request, and nothing of the rest; return what is answered all the same."""
    with create_connection(("127.0.0.1", agreed.scene.port), timeout=60) as peer:
        size = len(head) + rest
        peer.sendall(f"POST /requests HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode() + head)
        found = b""
        while b"}" not in found and (some := peer.recv(1 << 16)):
            found += some
        return found


def signed(
    agreed: Agreed,
    act: str,
    told: dict[str, Any],
    attachments: list[bytes],
    *,
    seconds: int = 100,
    sign: Any = None,
) -> Message:
    space = agreed.scene.space.service.space
    statement = {
        "format": REQUEST, "act": act, "keyservice": agreed.scene.ours.identity.public.id, **told,
        "nonce": secrets.token_hex(16),
        "expires": int(space.clock().timestamp()) + seconds,
    }  # fmt: skip
    return Message.sign(statement, attachments, sign or (lambda message: space.keys.sign("log", message)))

"""Time tokens over published checkpoints, from a time-stamp authority (RFC 3161).

What is stamped is the SHA-256 of a checkpoint's text, which is what comes
before the empty line of its note. One token bounds the time of every entry of
the tree. Whether the authority's certificate is to be trusted is the auditor's
question: here the answer must be granted, and to exactly what was asked.
"""

import asyncio
import hmac
from hashlib import sha256
from types import ModuleType
from typing import Any, Final

from dataspace.errors import Unavailable, VerificationError
from dataspace.ledger.outbound import checked_url, post

_GRANTED: Final = (0, 1)  # RFC 3161 section 2.4.2; 1 is "with modifications", which the comparisons bound
_SHA256: Final = "2.16.840.1.101.3.4.2.1"
_OK: Final = 200
_SECONDS: Final = 10.0


class Authority:
    """A time-stamp authority at `url`.

    Raises:
        Malformed: the address is none.
        Unavailable: the library that speaks the protocol is not installed.

    """

    def __init__(self, url: str, *, seconds: float = _SECONDS) -> None:
        self.url = checked_url(url, "the time-stamp authority")
        self._seconds = seconds
        self._library = _library()

    def stamp(self, text: str) -> bytes:
        """Return the authority's response, in DER, for the text of a checkpoint.

        Raises:
            Unavailable: it did not answer, or did not grant a token.
            VerificationError: the token is of another text or another request.

        """
        library = self._library
        builder = library.TimestampRequestBuilder().data(text.encode())
        request = builder.hash_algorithm(library.HashAlgorithm.SHA256).nonce(nonce=True).build()
        answer = asyncio.run(
            post(self.url, request.as_bytes(), "application/timestamp-query", seconds=self._seconds)
        )
        if answer.status != _OK or answer.media_type != "application/timestamp-reply":
            raise Unavailable(f"it answered {answer.status} with {answer.media_type[:60]!r}")
        check_response(answer.body, text, request.nonce)
        return answer.body


def check_response(response: bytes, text: str, nonce: int | None) -> None:
    """Let a response pass that grants a token over `text` to the request with `nonce`.

    Raises:
        Unavailable: it grants none.
        VerificationError: it is malformed, or of another text or request.

    """
    try:
        decoded = _library().decode_timestamp_response(response)
        if decoded.status not in _GRANTED:
            raise Unavailable(f"it did not grant a time token: status {decoded.status}")
        token: Any = decoded.tst_info
        imprint, algorithm = token.message_imprint.message, token.message_imprint.hash_algorithm
        answered = token.nonce
    except (ValueError, TypeError) as error:
        raise VerificationError("malformed time-stamp response") from error
    if algorithm.dotted_string != _SHA256 or not hmac.compare_digest(imprint, sha256(text.encode()).digest()):
        raise VerificationError("time token: it is of another text")
    if answered != nonce:
        raise VerificationError("time token: it answers another request")


def _library() -> ModuleType:
    try:
        import rfc3161_client  # noqa: PLC0415 - optional
    except ImportError as error:
        raise Unavailable(
            "time tokens need the extra timestamps: pip install 'dataspace[timestamps]'"
        ) from error
    return rfc3161_client

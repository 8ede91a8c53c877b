"""Time tokens (RFC 3161) over published checkpoints: up to which entry the log existed when, by whose word.

A token is right when its imprint is the SHA-256 of the checkpoint's text, and
an authority signed it whose certificate is critically for time-stamping alone
and leads to one of the auditor's own roots, all of them valid at the time the
token tells. What it proves has one side: the entries below the checkpoint's
size existed at that time. Read by `rfc3161_client`, which is in the extra
`timestamps`; without it, or without roots, nothing is checked, and said so.
"""

import hashlib
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from dataspace.audit.report import Notebook, Stage
from dataspace.audit.source import TimeToken
from dataspace.errors import Malformed, VerificationError

try:
    import rfc3161_client as rfc3161
except ImportError:  # an extra: `timestamps`
    rfc3161 = None  # type: ignore[assignment]

_GRANTED_WITH_MODS: Final = 1  # RFC 3161 section 2.4.2
SHA256: Final = "2.16.840.1.101.3.4.2.1"
INSTALL: Final = "time tokens need the library rfc3161-client: install the extra `timestamps`"
GIVE: Final = "no roots of time-stamping authorities were given: want a file of certificates in PEM"


class TimeCheck:
    """Checks the tokens of one published checkpoint after the other; `roots` are the auditor's own, in PEM.

    Raises:
        Malformed: `roots` holds no certificate.

    """

    def __init__(self, roots: bytes | None, notebook: Notebook, now: datetime | None = None) -> None:
        self._notebook, self._now = notebook, now
        self._roots = None if roots is None else _certificates(roots)
        self._held = self._seen = 0
        self._largest: tuple[int, datetime] | None = None

    def take(self, size: int, text: str, tokens: tuple[TimeToken, ...]) -> None:
        """Check the tokens over the checkpoint of `size` entries, whose text the caller has opened."""
        self._seen += len(tokens)
        if rfc3161 is None or self._roots is None:
            return
        for token in tokens:
            try:
                time = verified_time(token.token, text, self._roots)
                if self._now is not None and time > self._now:
                    raise VerificationError(f"its time {_told(time)} lies in the future")  # noqa: TRY301
            except VerificationError as error:
                place = f"size {size}, time token of {token.authority}"
                self._notebook.wrong(Stage.TIMES, place, str(error))
            else:
                self._held += 1
                if self._largest is None or size > self._largest[0]:
                    self._largest = (size, time)

    def finish(self) -> None:
        """Close the step."""
        if not self._seen:
            self._notebook.skip(
                Stage.TIMES, "no time token is kept here: the entries' times are the log's word"
            )
        elif rfc3161 is None:
            self._notebook.skip(Stage.TIMES, INSTALL)
        elif self._roots is None:
            self._notebook.skip(Stage.TIMES, GIVE)
        elif self._largest is not None:
            size, time = self._largest
            told = f"{self._held} tokens; the first {size} entries existed at {_told(time)}"
            self._notebook.right(Stage.TIMES, told)


def verified_time(token: bytes, text: str, roots: list[x509.Certificate]) -> datetime:
    """Return the time a token tells of a checkpoint's text; `token` is a response or a bare token, in DER.

    Raises:
        VerificationError: it is neither, is over something else, or no root vouches for who signed it.

    """
    imprint = hashlib.sha256(text.encode()).digest()
    try:
        response = rfc3161.decode_timestamp_response(_response(token))
        if response.status == _GRANTED_WITH_MODS:
            # The status is not signed, and what was modified is compared below.
            response = rfc3161.decode_timestamp_response(_response(response.time_stamp_token()))
        info = response.tst_info
        if info.message_imprint.hash_algorithm.dotted_string != SHA256:
            raise VerificationError("its imprint is not by SHA-256")
        if info.message_imprint.message != imprint:
            raise VerificationError("it is of another text than this checkpoint's")
        builder = rfc3161.VerifierBuilder(roots=list(roots))
        builder.build().verify(response, imprint)
        time: datetime = info.gen_time
    except rfc3161.VerificationError as error:
        raise VerificationError(f"it does not lead to a given root: {_brief(error)}") from error
    except (ValueError, TypeError, LookupError, OverflowError, x509.ExtensionNotFound) as error:
        raise VerificationError("malformed time token") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _certificates(roots: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(roots)
    except ValueError as error:
        raise Malformed("the roots of time-stamping authorities: want certificates in PEM") from error


def _response(token: bytes) -> bytes:
    """Return a token as the response it came in: some keep the token alone (RFC 3161 section 2.4.2)."""
    # A response begins with a status, which is a sequence; a token with the object identifier of its type.
    body = token[_header(token) :]
    if body[:1] == b"\x30":
        return token
    content = b"\x30\x03\x02\x01\x00" + token  # granted
    return b"\x30" + _length(len(content)) + content


def _header(data: bytes) -> int:
    """Return how many bytes the tag and the length of a DER value take."""
    return 2 if data[1:2] < b"\x80" else 2 + (data[1] & 0x7F)


def _length(count: int) -> bytes:
    if count < 0x80:
        return bytes([count])
    data = count.to_bytes((count.bit_length() + 7) // 8)
    return bytes([0x80 | len(data)]) + data


def _brief(error: Any) -> str:
    """Return the library's reason, which it makes of fixed words; its cause may quote what it read."""
    return str(error).partition(":")[0]


def _told(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")

"""The headers of tus 1.0.0 (https://tus.io/protocols/resumable-upload): read, written, and refused.

Tus-Resumable: 1.0.0
Upload-Length: 1048576          Upload-Offset: 65536          Upload-Expires: Tue, 24 Nov 2026 08:00:00 GMT
Upload-Metadata: zone Z292ZXJubWVudA==,filename c2FtcGxlLmNzdg==
Upload-Checksum: sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=
"""

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any, Final

from litestar import Response

from dataspace.catalog.incoming import Checksum
from dataspace.errors import Malformed, Unsupported
from dataspace.web.auth import AnyRequest
from dataspace.web.problems import Problem
from dataspace.wire import PROBLEM

VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,termination,expiration,checksum"
CONTENT: Final = "application/offset+octet-stream"
ALGORITHMS: Final = {"sha1": 20, "sha256": 32}  # bytes of each digest; tus wants sha1, against accidents only
_MISMATCH: Final = 460  # of the checksum extension
_KEYS: Final = 32
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_KEY: Final = re.compile(r"[!-+\--~]{1,64}")


def answer(status: int, headers: Mapping[str, str] | None = None) -> Response[None]:
    """Return a response without a body."""
    return Response(None, status_code=status, headers={"Tus-Resumable": VERSION, **(headers or {})})


def unsupported_version(request: AnyRequest, url: str) -> Response[Any] | None:
    """Return the refusal of a request of another version of the protocol; None for one of ours."""
    if request.headers.get("tus-resumable") == VERSION:
        return None
    refusal = Problem("malformed", 412, f"the header Tus-Resumable is not {VERSION}", {}, {})
    return _told(refusal, url, {"Tus-Version": VERSION})


def mismatch(url: str) -> Response[Any]:
    """Return the refusal of bytes that do not come to their checksum."""
    refusal = Problem("unprocessable", _MISMATCH, "the bytes do not come to their checksum", {}, {})
    return _told(refusal, url, {})


def number(request: AnyRequest, name: str) -> int:
    """Return a header that is a number.

    Raises:
        Malformed: it is missing, or no number.

    """
    text = request.headers.get(name, "")
    if not _NUMBER.fullmatch(text):
        raise Malformed(f"the header {name} is missing, or no number of at most 18 digits")
    return int(text)


def is_content(request: AnyRequest) -> bool:
    """Tell whether the body of a request is a stretch of a file."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == CONTENT


def ensure_content(request: AnyRequest) -> None:
    """Let a request pass whose body is a stretch of a file.

    Raises:
        Unsupported: it is of another type.

    """
    if not is_content(request):
        raise Unsupported(f"the body of an upload is of the type {CONTENT}")


def metadata(text: str) -> dict[str, str]:
    """Read Upload-Metadata: keys with values in base64, which are UTF-8.

    Raises:
        Malformed: it is not.

    """
    found: dict[str, str] = {}
    for pair in text.split(",") if text.strip() else []:
        key, _, value = pair.strip().partition(" ")
        if not _KEY.fullmatch(key) or key in found or len(found) == _KEYS:
            raise Malformed(f"the header Upload-Metadata has a key twice, or more than {_KEYS}, or none")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise Malformed("the header Upload-Metadata has a value that is not UTF-8 in base64") from error
    return found


def written(pairs: Mapping[str, str]) -> str:
    """Return the value of Upload-Metadata for these pairs."""
    return ",".join(
        f"{key} {base64.b64encode(value.encode()).decode()}".strip() for key, value in pairs.items()
    )


def checksum(text: str) -> Checksum | None:
    """Read Upload-Checksum; None when there is none.

    Raises:
        Malformed: it is of another algorithm, or no digest of it.

    """
    if not text:
        return None
    algorithm, _, value = text.strip().partition(" ")
    if algorithm not in ALGORITHMS:
        raise Malformed(f"the header Upload-Checksum is of another algorithm, want {' or '.join(ALGORITHMS)}")
    try:
        digest = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("the header Upload-Checksum holds no base64") from error
    if len(digest) != ALGORITHMS[algorithm]:
        raise Malformed(f"the header Upload-Checksum holds no digest of {algorithm}")
    return Checksum(algorithm, digest)


def http_date(moment: datetime) -> str:
    """Return a time as HTTP writes it."""
    return format_datetime(moment, usegmt=True)


def _told(refusal: Problem, url: str, headers: Mapping[str, str]) -> Response[Any]:
    return Response(
        refusal.document(url),
        status_code=refusal.status,
        media_type=PROBLEM,
        headers={"Tus-Resumable": VERSION, **headers},
    )

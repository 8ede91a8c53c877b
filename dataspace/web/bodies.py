"""Bodies of requests: of JSON, read as strictly as they are described, and of bytes, described here.

Of bytes the framework knows nothing; of JSON it takes `"1e6"` for a million.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final

import msgspec
from litestar.exceptions import SerializationException, ValidationException
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from dataspace.errors import Unsupported
from dataspace.web.auth import AnyRequest
from dataspace.web.enumerated import one_of
from dataspace.wire import OCTETS

CLIENT: Final = "`dataspace.client` makes it"
UPLOAD_LIMIT: Final = "DATASPACE_UPLOAD_LIMIT"
_ENUM: Final = "nvalid enum value"
_PLACE: Final = re.compile(r"(.*) - at `\$\.?(.*)`")


async def check_types(request: AnyRequest) -> None:
    """Let pass a request whose body has the media type, or the types of JSON, that its handler wants.

    Raises:
        Unsupported: the bytes are said to be of another media type.
        ValidationException: a value is of another type, which it names; the framework would convert some.

    """
    _check_media_type(request)
    wanted = request.route_handler.parsed_fn_signature.parameters.get("data")
    if wanted is None or not await request.body():
        return
    try:
        msgspec.convert(await request.json(), wanted.annotation)
    except SerializationException:
        pass  # no JSON: the framework says so when it reads it for the handler
    except msgspec.ValidationError as error:
        found = _PLACE.fullmatch(str(error))
        message, key = found.groups() if found else (str(error), "")
        message += one_of(wanted.annotation, key) if _ENUM in message else ""
        raise ValidationException(extra=[{"source": "body", "key": key, "message": message}]) from error


def _check_media_type(request: AnyRequest) -> None:
    wanted = getattr(request.route_handler.operation_class, "checked", "")
    sent = request.content_type[0]
    if wanted and sent not in ("", OCTETS, wanted):
        raise Unsupported(f"the body is sent as another media type, want {wanted}", media_type=wanted)


def taking(
    media_type: str, maker: str, limit: int | None = None, *, required: bool = True
) -> type[Operation]:
    """Return the operation of a route that takes bytes: of what kind, who makes them, and how many at most.

    Without `limit` the service's setting is it, which `docs` completes with its number. What our own
    client makes is of one media type, and is taken as no other; files are told by their content.
    """
    most = UPLOAD_LIMIT if limit is None else f"{limit} bytes"
    schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, max_length=limit)
    body = RequestBody(
        content={media_type: OpenAPIMediaType(schema=schema, example="<the bytes>")},
        description=f"{maker}; at most {most}",
        required=required,
    )

    @dataclass
    class Taking(Operation):
        checked: ClassVar[str] = media_type if maker == CLIENT else ""

        def __post_init__(self) -> None:
            self.request_body = body

    return Taking

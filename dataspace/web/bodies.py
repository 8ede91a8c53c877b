"""Bodies of requests: of JSON, read as strictly as they are described, and of bytes, described here.

Of bytes the framework knows nothing; of JSON it takes `"1e6"` for a million.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec
from litestar.exceptions import SerializationException, ValidationException
from litestar.openapi.spec import OpenAPIFormat, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from dataspace.web.auth import AnyRequest

CLIENT: Final = "`dataspace.client` makes it"
_PLACE: Final = re.compile(r"(.*) - at `\$\.?(.*)`")


async def check_types(request: AnyRequest) -> None:
    """Let pass a request whose JSON has the very types that its handler wants.

    Raises:
        ValidationException: a value is of another, which it names; the framework would convert some.

    """
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
        raise ValidationException(extra=[{"source": "body", "key": key, "message": message}]) from error


def taking(
    media_type: str, maker: str, limit: int | None = None, *, required: bool = True
) -> type[Operation]:
    """Return the operation of a route that takes bytes: of what kind, who makes them, and how many at most.

    Without `limit` the service's setting `upload_limit` is it.
    """
    most = "as many bytes as the setting upload_limit says" if limit is None else f"{limit} bytes"
    schema = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY, max_length=limit)
    body = RequestBody(
        content={media_type: OpenAPIMediaType(schema=schema, example="<the bytes>")},
        description=f"{maker}; at most {most}",
        required=required,
    )

    @dataclass
    class Taking(Operation):
        def __post_init__(self) -> None:
            self.request_body = body

    return Taking

"""The description of the API: OpenAPI 3.1 at /api/openapi.json, and a page rendered from it at /api/docs.

Every example is put together from the examples of the fields, so that the
description and its examples are one text.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Server

from dataspace import __version__
from dataspace.settings import Settings
from dataspace.web.auth import AnyRequest
from dataspace.web.bodies import UPLOAD_LIMIT
from dataspace.web.described import ANSWERS, HEADERS
from dataspace.web.pages import page
from dataspace.web.problems import PROBLEMS
from dataspace.web.prose import Block, blocks
from dataspace.web.service import Service
from dataspace.wire import PROBLEM

_DESCRIPTION: Final = (
    "A trusted data space: datasets are shared under policy as desensitized rows, protected aggregates or "
    "homomorphically encrypted answers, and every act is an entry of a ledger that anyone can verify. "
    "Programs send a bearer token. Errors are problem documents (RFC 9457)."
)
_PROBLEM_SCHEMA: Final = {
    "type": "object",
    "description": "A problem document (RFC 9457); further members are facts of the problem.",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "an address that explains this type of problem"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "enum": sorted(PROBLEMS)},
        "reasons": {"type": "array", "items": {"type": "object"}, "description": "of a denial by the policy"},
        "entry": {"type": "integer", "description": "the entry of a refusal in the ledger"},
    },
    "examples": [
        {
            "type": "http://127.0.0.1:8000/problems/policy-denied",
            "title": "The policy denied the act",
            "status": 403,
            "detail": "the policy denies it: purpose-not-agreed (asked statistics; agreed audit)",
            "code": "policy-denied",
            "reasons": [{"code": "purpose-not-agreed", "asked": "statistics", "agreed": "audit"}],
            "entry": 41,
        }
    ],
}
_PUBLIC: Final = ("/ledger/", "/health", "/problems/", "/joint/")
_METHODS: Final = ("get", "post", "put", "patch", "delete")


def config(settings: Settings) -> OpenAPIConfig:
    """Return how the API is described."""
    return OpenAPIConfig(
        title="Data space",
        version=__version__,
        description=_DESCRIPTION,
        servers=[Server(url=settings.url)],
        path="/api/docs",
        render_plugins=[_DocsPage(path="/"), _Document(path="/openapi.json", media_type=MediaType.JSON)],
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                "token": SecurityScheme(type="http", scheme="bearer", description="a bearer token")
            }
        ),
        security=[{"token": []}],
    )


@get("/api/openapi.json", sync_to_thread=True, include_in_schema=False)
def openapi_document(request: AnyRequest) -> Response[bytes]:
    """Give out the description of the API."""
    schema = request.app.openapi_schema.to_schema()
    return Response(_encoded(schema, upload_limit(request)), media_type=MediaType.JSON)


class _Document(OpenAPIRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return _encoded(openapi_schema, upload_limit(request))


class _DocsPage(OpenAPIRenderPlugin):
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        described = complete(openapi_schema, upload_limit(request))
        operations = list(_operations(described))
        tags = list(dict.fromkeys(operation.tag for operation in operations))
        found = page(request, "docs.html", described=described, operations=operations, tags=tags)
        return found.content.encode()


@dataclass(frozen=True)
class Operation:
    """One operation as the page shows it; bodies are pretty-printed examples."""

    method: str
    path: str
    tag: str
    summary: str
    description: list[Block]
    parameters: list[dict[str, Any]]
    request: str
    sent: str
    answers: list[tuple[str, str, str]]
    curl: str


def upload_limit(request: AnyRequest) -> int:
    """Return how many bytes an upload to this service may have."""
    service: Service = request.app.state.service
    return service.space.settings.upload_limit


def complete(schema: dict[str, Any], limit: int) -> dict[str, Any]:
    """Return the description with our problem documents, `limit` of uploads and an example in every body."""
    described: dict[str, Any] = json.loads(msgspec.json.encode(schema, enc_hook=str))
    schemas = described.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM_SCHEMA
    for path, item in described["paths"].items():
        for method in item.keys() & set(_METHODS):
            _add_bodies(item[method], method, path)
            _add_limit(item[method].get("requestBody", {}), limit)
            _complete_operation(item[method], schemas)
            if path.startswith(_PUBLIC) or (method, path) == ("post", "/api/session"):
                item[method]["security"] = []
    return described


def _add_bodies(operation: dict[str, Any], method: str, path: str) -> None:
    headers = HEADERS.get((method, path), ())
    if headers:
        operation.setdefault("parameters", []).extend(_header(*one) for one in headers)
    if path in ANSWERS:
        meaning = "The answer is the whole body: its SHA-256 is the digest in its ledger entry"
        operation["responses"]["200"] = {"description": meaning, "content": deepcopy(ANSWERS[path])}


def _add_limit(body: dict[str, Any], limit: int) -> None:
    told = body.get("description", "")
    if told.endswith(UPLOAD_LIMIT):
        body["description"] = f"{told}, here {limit} bytes"
        for content in body["content"].values():
            content["schema"]["maxLength"] = limit


def _header(name: str, meaning: str, shown: str) -> dict[str, Any]:
    schema = {"type": "string"}
    return {
        "name": name,
        "in": "header",
        "required": True,
        "description": meaning,
        "schema": schema,
        "example": shown,
    }


def _complete_operation(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    operation["summary"] = operation["description"].partition("\n")[0].rstrip(".")
    answers = operation["responses"]
    # The framework's own words for an error are not ours, and nothing has no type.
    answers.pop("400", None)
    answers.get("204", {}).pop("content", None)
    for content in [operation.get("requestBody", {}), *answers.values()]:
        for body in content.get("content", {}).values():
            if "example" not in body:
                body["example"] = example(body.get("schema", {}), schemas)
    reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
    reference["example"] = example(_PROBLEM_SCHEMA, schemas)
    answers["default"] = {"description": "A problem document (RFC 9457)", "content": {PROBLEM: reference}}


def example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return an example of a schema, made of the examples of its parts."""
    if "$ref" in schema:
        return example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("example", "const"):
        if name in schema:
            return schema[name]
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    for name in ("oneOf", "anyOf"):
        if name in schema:
            return example(next(one for one in schema[name] if one.get("type") != "null"), schemas)
    if "properties" in schema:
        return {
            name: example(part, schemas)
            for name, part in schema["properties"].items()
            if "default" not in part
        }
    return _plain_example(schema, schemas)


def _plain_example(schema: dict[str, Any], schemas: dict[str, Any]) -> Any:
    kind = schema.get("type")
    kind = next((one for one in kind if one != "null"), None) if isinstance(kind, list) else kind
    if kind == "array":
        return [example(schema.get("items", {}), schemas)]
    return {"string": "text", "integer": 1, "number": 1, "boolean": True, "object": {}}.get(kind or "")


def _operations(described: dict[str, Any]) -> Iterator[Operation]:
    for path, item in described["paths"].items():
        for method in _METHODS:
            if method in item:
                yield _operation(method, path, item[method])


def _operation(method: str, path: str, told: dict[str, Any]) -> Operation:
    kind, body = _first(told.get("requestBody", {}))
    sent = _pretty(body["example"]) if "json" in kind else ""
    answers = []
    for status, answer in told["responses"].items():
        media, content = _first(answer)
        shown = _pretty(content["example"]) if "json" in media and status != "default" else ""
        answers.append((status, f"{answer.get('description', '')} {media}".strip(), shown))
    return Operation(
        method=method.upper(),
        path=path,
        tag=(told.get("tags") or ["other"])[0],
        summary=told.get("summary", ""),
        description=blocks(told.get("description", "")),
        parameters=told.get("parameters", []),
        request=sent,
        sent=f"{kind}: {meant}" if (meant := told.get("requestBody", {}).get("description")) else "",
        answers=answers,
        curl=_curl(method, path, told, kind, body),
    )


def _first(told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the first media type of a body, and what is said of it."""
    found: dict[str, dict[str, Any]] = told.get("content", {})
    return next(iter(found.items()), ("", {}))


def _curl(method: str, path: str, told: dict[str, Any], kind: str, body: dict[str, Any]) -> str:
    parts = ["curl"]
    if method != "get":
        parts.append(f"-X {method.upper()}")
    if told.get("security") != []:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    parts += [
        f'-H "{one["name"]}: {one["example"]}"'
        for one in told.get("parameters", [])
        if one["in"] == "header" and "example" in one
    ]
    if "json" in kind:
        sent = json.dumps(body["example"], ensure_ascii=False).replace("'", "'\\''")
        parts += [f'-H "Content-Type: {kind}"', f"-d '{sent}'"]
    elif kind:
        parts += [f'-H "Content-Type: {kind}"', "--data-binary @FILE"]
    query = [
        f"{one['name']}=..."
        for one in told.get("parameters", [])
        if one["in"] == "query" and one.get("required")
    ]
    address = f"$URL{path}" + (f"?{'&'.join(query)}" if query else "")
    return " ".join([*parts, f'"{address}"'])


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)


def _encoded(schema: dict[str, Any], limit: int) -> bytes:
    return json.dumps(complete(schema, limit), ensure_ascii=False).encode()

"""The page of the API tells the whole language of queries, and what it tells is so."""

import html
import json
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.testing import TestClient

from dataspace.catalog.models import Form
from dataspace.errors import Malformed, Refused
from dataspace.table import Column, Method, Type
from dataspace.transfer.sql.query import parse, resolve
from dataspace.web.api.grammar import QUERY
from dataspace.web.prose import Block, blocks
from dataspace.wire import JSON, OCTETS
from tests.simulator import Simulator
from tests.web.words import PAGE

Client = TestClient[Litestar]
PATH = "/api/agreements/{agreement}/queries"
COLUMNS = [
    Column("district", Type.TEXT),
    Column("用户编号", Type.INTEGER),
    Column("odd name", Type.INTEGER, aggregable=True),
    Column("income", Type.DECIMAL, aggregable=True),
    Column("age", Type.INTEGER, method=Method.GENERALIZE, parameters={"width": 10}),
    Column("code", Type.TEXT, method=Method.GENERALIZE, parameters={"first": 3}),
    Column("born", Type.DATE, method=Method.GENERALIZE, parameters={"unit": "quarter"}),
    Column("day", Type.DATE),
    Column("phone", Type.TEXT, method=Method.MASK, parameters={"first": 3}),
]
TAKEN = [
    "SELECT * FROM data LIMIT 5",
    'SELECT data.district AS d, "odd name", 用户编号, phone FROM data',
    "SELECT age FROM data WHERE age >= 20 AND age < 60 OR age = '[20, 30)'",
    "SELECT age FROM data WHERE code = '310*' AND born >= '2024-Q3' AND day = '2024-07-31'",
    "SELECT age FROM data WHERE NOT (income BETWEEN 1 AND 2.5 OR district IN ('a', 'b')) AND age IS NOT NULL",
]
TAKEN_GROUPED = [
    "SELECT COUNT(*), COUNT(phone) FROM data",
    'SELECT district, SUM(income), AVG("odd name") AS m FROM data GROUP BY district ORDER BY district DESC',
]


@pytest.mark.parametrize("sql", TAKEN)
def test_what_is_told_of_rows_is_taken(sql: str) -> None:
    assert resolve(parse(sql), COLUMNS, Form.ROWS)


@pytest.mark.parametrize("sql", TAKEN_GROUPED)
def test_what_is_told_of_aggregates_is_taken(sql: str) -> None:
    assert resolve(parse(sql), COLUMNS, Form.AGGREGATE)


def test_every_example_is_taken_in_its_form() -> None:
    rows, grouped = (
        " ".join(text.split())
        for text in re.findall(r"`(SELECT [^`]* FROM [^`]*|SELECT [^`]*\nFROM [^`]*)`", QUERY)
    )
    assert resolve(parse(rows), COLUMNS, Form.ROWS)
    assert resolve(parse(grouped), COLUMNS, Form.AGGREGATE)


@pytest.mark.parametrize(
    "sql", ["SELECT age FROM data WHERE phone = '138'", "SELECT phone FROM data GROUP BY phone"]
)
def test_masked_columns_are_neither_filtered_nor_grouped(sql: str) -> None:
    with pytest.raises(Refused):
        resolve(parse(sql), COLUMNS, Form.AGGREGATE if "GROUP" in sql else Form.ROWS)


@pytest.mark.parametrize("part", ["DISTINCT age", "MIN(age)", "age + 1"])
def test_what_is_told_not_to_be_taken_is_not(part: str) -> None:
    with pytest.raises(Malformed):
        parse(f"SELECT {part} FROM data")


def test_the_grammar_is_in_the_description_and_a_table_on_the_page(client: Client) -> None:
    operation = client.get("/api/openapi.json").json()["paths"][PATH]["post"]
    assert operation["description"] == QUERY
    assert operation["summary"].startswith("Answer a query")
    page = client.get("/api/docs", headers=PAGE).text
    assert "<td><code>ORDER BY</code></td>" in page
    assert "thousand rows begun" in page
    assert "|---" not in page


def test_the_headers_of_an_upload_in_many_requests_are_told(client: Client) -> None:
    told = client.get("/api/openapi.json").json()["paths"]["/api/uploads/resumable"]["post"]
    assert [one["name"] for one in told["parameters"]] == [
        "Tus-Resumable",
        "Upload-Length",
        "Upload-Metadata",
    ]
    page = client.get("/api/docs", headers=PAGE).text
    assert "Tus-Resumable: 1.0.0" in page
    assert "Upload-Metadata: zone Y29tbWVyY2U=" in page


def test_descriptions_are_paragraphs_and_tables() -> None:
    found = blocks("One.\nStill one.\n\n| a | b |\n|---|---|\n| `1` | 2 |\n")
    assert found == [Block("One.\nStill one."), Block("", (("a", "b"), ("`1`", "2")))]
    assert all(one != other for one, other in pairwise(blocks(QUERY)))


def _writing(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Every described operation that may have a body: path, method, handler."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method in {"POST", "PUT", "PATCH"} and handler.resolve_include_in_schema():
                    yield route.path_format, method.lower(), handler


def test_every_body_is_described(space: Simulator, app: Litestar, client: Client) -> None:
    paths = client.get("/api/openapi.json").json()["paths"]
    raw = set()
    for path, method, handler in _writing(app):
        told, taken = paths[path][method], handler.parsed_fn_signature.parameters.keys()
        if not taken & {"data", "body", "request"}:
            assert "requestBody" not in told, path
        elif "data" in taken:
            assert "$ref" in json.dumps(told["requestBody"]["content"][JSON]["schema"]), path
        else:
            raw.add(path)
            (content,) = told["requestBody"]["content"].values()
            assert content["schema"]["format"] == "binary", path
            limit = handler.resolve_request_max_body_size() or space.settings.upload_limit
            assert content["schema"]["maxLength"] == limit, path
            assert "; at most " in told["requestBody"]["description"], path
    assert len(raw) == 13


def test_a_body_of_bytes_is_on_the_page(client: Client) -> None:
    page = client.get("/api/docs", headers=PAGE).text
    assert f"Body: {OCTETS}: <code>dataspace.client</code> makes it; at most " in page
    assert (
        f'-H "Content-Type: {OCTETS}" --data-binary @FILE "$URL/api/agreements/{{agreement}}/evaluations'
        in html.unescape(page)
    )


def test_every_way_to_go_on_with_an_upload_is_told(client: Client) -> None:
    told = client.get("/api/openapi.json").json()["paths"]["/api/uploads/resumable/{upload}"]
    for method in ("patch", "post"):
        names = [one["name"] for one in told[method]["parameters"] if one["in"] == "header"]
        assert names[:2] == ["Tus-Resumable", "Upload-Offset"]
        assert "application/offset+octet-stream" in told[method]["requestBody"]["content"]
        assert "204" in told[method]["responses"]
    assert told["post"]["parameters"][-1]["name"] == "X-HTTP-Method-Override"


def test_the_limit_of_uploads_is_told_with_its_number(space: Simulator, client: Client) -> None:
    limit = space.settings.upload_limit
    paths = client.get("/api/openapi.json").json()["paths"]
    page = client.get("/api/docs", headers=PAGE).text
    for path in ("/api/uploads", "/api/uploads/resumable", "/api/datasets/sealed"):
        body = paths[path]["post"]["requestBody"]
        assert body["description"].endswith(f"at most DATASPACE_UPLOAD_LIMIT, here {limit} bytes")
        assert all(one["schema"]["maxLength"] == limit for one in body["content"].values())
    assert f"here {limit} bytes" in page

"""Lookups and intersections over HTTP: limits in bytes, parameters, and what an answer's headers say."""

import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.wire import ENTRY_HEADER, ENVELOPE, OCTETS, UNITS_HEADER
from dataspace.wire.intersection import OPENING_LIMIT, RETURNED_LIMIT
from dataspace.wire.oprf import LOOKUP, Scalar, hashed
from tests.simulator import Simulator
from tests.transfer.blinding import Consumer, consumer_of
from tests.web.words import bearer

Client = TestClient[Litestar]


def _path(consumer: Consumer, rest: str) -> str:
    return f"/api/agreements/{consumer.agreement.id}/{rest}"


def _point() -> bytes:
    return Scalar.fresh().of(hashed("P000001", LOOKUP))


def test_points_come_back_as_octets_with_their_entry_and_the_table_after_them(
    space: Simulator, client: Client
) -> None:
    consumer = consumer_of(space, 400, "lookup")
    headers = bearer(space, consumer.caller)
    path = _path(consumer, "evaluations?identifier=number")
    answer = client.post(path, headers=headers, content=_point())
    assert (answer.status_code, answer.headers["content-type"], len(answer.content)) == (200, OCTETS, 32)
    assert answer.headers[UNITS_HEADER] == "1"
    table = client.get(_path(consumer, "lookup?identifier=number"), headers=headers).json()
    assert (table["progress"], table["records"], table["buckets"]) == (100, 400, 1)
    entry = answer.headers[ENTRY_HEADER]
    fetched = client.get(_path(consumer, f"lookup/{table['table']}?entry={entry}"), headers=headers)
    assert fetched.headers["content-type"] == OCTETS
    assert len(fetched.content) == 400 * (16 + table["length"])
    assert "no-store" in fetched.headers["cache-control"]
    space.audit()


def test_bodies_and_parameters_have_limits(space: Simulator, client: Client) -> None:
    consumer = consumer_of(space, 400, "lookup")
    headers = bearer(space, consumer.caller)
    for path, limit in (
        ("evaluations?identifier=number", 32_000),
        ("intersections", OPENING_LIMIT),
        ("intersections/is-0011223344556677", RETURNED_LIMIT),
    ):
        answer = client.post(_path(consumer, path), headers=headers, content=bytes(limit + 1))
        assert (answer.status_code, answer.json()["limit"]) == (413, limit), path
        assert f"larger than the {limit} bytes" in answer.json()["detail"]
    for path in ("evaluations", f"evaluations?identifier={'x' * 201}"):
        assert client.post(_path(consumer, path), headers=headers, content=_point()).status_code == 400
    for path in ("lookup/lt-0011223344556677", "lookup/lt-0011223344556677?entry=1&bucket=-2"):
        assert client.get(_path(consumer, path), headers=headers).status_code == 400


def test_what_is_no_point_is_a_problem_and_says_so(space: Simulator, client: Client) -> None:
    consumer = consumer_of(space, 400, "lookup")
    path = _path(consumer, "evaluations?identifier=number")
    answer = client.post(path, headers=bearer(space, consumer.caller), content=b"\xff" * 32)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
    assert "point" in answer.json()["detail"]
    space.audit()


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("encrypted", ENVELOPE),
        ("selectors", ENVELOPE),
        ("scores", ENVELOPE),
        ("joint", ENVELOPE),
        ("evaluations?identifier=number", OCTETS),
        ("intersections", OCTETS),
        ("intersections/is-0011223344556677", OCTETS),
    ],
)
def test_bytes_of_another_media_type_are_refused_and_bare_ones_are_read(
    space: Simulator, client: Client, path: str, wanted: str
) -> None:
    address = f"/api/agreements/ag-0011223344556677/{path}"
    headers = bearer(space, space.consumer())

    def send(media_type: str) -> Response:
        given = {"Content-Type": media_type} if media_type else {}
        return client.post(address, headers={**headers, **given}, content=b"x")

    for other in ("text/html", "application/json", "application/x-www-form-urlencoded"):
        answer = send(other)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-format"), other
        assert answer.json()["detail"].endswith(f"want {wanted}")
    for taken in ("", OCTETS, wanted, f"{wanted.upper()}; version=1"):
        assert send(taken).status_code in {400, 404}, taken

"""The public ledger as an auditor reads it, without an account."""

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.merkle import leaf_hash, root
from dataspace.proof.note import Verifier
from dataspace.proof.tiles import split_entries, split_hashes
from tests.simulator import Simulator

Client = TestClient[Litestar]


def _head(space: Simulator, client: Client) -> Checkpoint:
    answer = client.get("/ledger/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    return Checkpoint.open(answer.text, Verifier.parse(space.service.space.log.vkey()))


def test_tiles_and_entries_lead_to_the_signed_root(space: Simulator, client: Client) -> None:
    space.consumer()
    head = _head(space, client)
    tile = client.get(f"/ledger/tile/0/000.p/{head.size}")
    bundle = client.get(f"/ledger/tile/entries/000.p/{head.size}")
    leaves = [leaf_hash(entry) for entry in split_entries(bundle.content, head.size)]
    assert split_hashes(tile.content, head.size) == leaves
    assert root(leaves) == head.root


def test_a_tile_may_be_kept_for_ever(client: Client) -> None:
    answer = client.get("/ledger/tile/0/000.p/1")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path",
    [
        "0/0",
        "0/00",
        "00/000",
        "-1/000",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/1000",
        "x/000",
        "64/000",
        "0/x000/000",
        "0/000/",
        "entries/000.p/",
        "0/９９９",
    ],
)
def test_another_spelling_of_a_tile_is_malformed(client: Client, path: str) -> None:
    answer = client.get(f"/ledger/tile/{path}")
    assert answer.status_code in {400, 404}
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "path", ["0/001", "0/x999/x999/x999/x999/x999/999", "1/000", "0/000.p/255", "entries/001"]
)
def test_a_tile_that_is_not_there_yet_is_not_found(client: Client, path: str) -> None:
    answer = client.get(f"/ledger/tile/{path}")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


def test_the_key_comes_with_a_warning(space: Simulator, client: Client) -> None:
    text = client.get("/ledger/key").text
    assert text.startswith(space.service.space.log.vkey() + "\n")
    assert "outside of this service" in text


def test_health_tells_the_size_of_the_log(space: Simulator, client: Client) -> None:
    assert client.get("/health").json() == {"status": "ok", "entries": _head(space, client).size}

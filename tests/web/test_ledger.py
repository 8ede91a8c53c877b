"""The public ledger as an auditor reads it, without an account."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.key import Verifier
from dataspace.proof.merkle import leaf_hash, root, verify_inclusion
from dataspace.proof.note import open_note
from dataspace.proof.receipt import AnchorEvidence, InclusionProof
from dataspace.proof.tiles import Tile, split_entries, split_hashes
from dataspace.proof.vkey import parse_vkey
from tests.simulator import Simulator
from tests.web.asgi import chunk, send

Client = TestClient[Litestar]


def _verifier(space: Simulator) -> Verifier:
    return Verifier.parse(space.service.space.log.vkey())


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


@given(st.text(alphabet="0123456789x/.pentris-%+ ", max_size=40) | st.text(max_size=20))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_path_of_noise_is_a_tile_or_is_not_there(app: Litestar, noise: str) -> None:
    path = f"/ledger/tile/{quote(noise)}"
    reply = send(app, "GET", path, {}, [chunk(b"", more=False)])
    assert reply.status in {200, 400, 404}
    if reply.status == 200:
        assert Tile.parse(f"tile/{noise}").path() == f"tile/{noise}"


def test_every_partial_tile_of_a_published_size_is_there(space: Simulator, client: Client) -> None:
    sizes = []
    for _ in range(3):
        space.consumer()
        sizes.append(space.service.publisher.publish())
    listed = client.get("/ledger/published").json()
    heads = [Checkpoint.open(item["checkpoint"], _verifier(space)) for item in listed]
    assert [head.size for head in heads][-3:] == sizes
    for head in heads:
        hashes = split_hashes(client.get(f"/ledger/tile/0/000.p/{head.size}").content, head.size)
        assert root(hashes) == head.root


def test_the_listing_is_read_page_by_page(space: Simulator, client: Client) -> None:
    for _ in range(3):
        space.consumer()
        space.service.publisher.publish()
    whole = client.get("/ledger/published").json()
    pages, after = [], 0
    while page := client.get(f"/ledger/published?after={after}&count=1").json():
        pages += page
        after = Checkpoint.open(page[0]["checkpoint"], _verifier(space)).size
    assert pages == whole
    assert client.get("/ledger/published?count=0").status_code == 400
    assert client.get("/ledger/published?after=-1").status_code == 400


def test_a_published_checkpoint_comes_with_the_evidence_of_its_anchor(
    space: Simulator, client: Client
) -> None:
    space.consumer()
    space.service.publisher.publish()
    assert client.get("/ledger/published").json()[-1]["anchor"] is None
    size = space.service.publisher.anchor()
    *_, last = client.get("/ledger/published").json()
    evidence = AnchorEvidence.from_json(last["anchor"])
    assert Checkpoint.open(evidence.checkpoint, _verifier(space)).size == size
    assert last["timestamps"] == []
    *_, alone = client.get(f"/ledger/published?after={(size or 0) - 1}").json()
    assert alone == last


def test_the_checkpoint_served_carries_every_line_once_it_is_published(
    space: Simulator, client: Client
) -> None:
    space.consumer()
    assert client.get("/ledger/checkpoint").text.count("— ") == 1
    space.service.publisher.publish()
    keys = client.get("/ledger/keys").json()
    note = client.get("/ledger/checkpoint").text
    assert client.get("/ledger/published").json()[-1]["checkpoint"] == note
    known = [parse_vkey(keys[name]) for name in ("log", "post_quantum", "anchor")]
    assert {key for key, _ in open_note(note, known).signed} == set(known)


def test_the_keys_are_listed_for_comparison(space: Simulator, client: Client) -> None:
    answer = client.get("/ledger/keys")
    assert answer.headers["cache-control"] == "no-cache"
    keys = answer.json()
    assert keys["log"] == space.service.space.log.vkey()
    name = f"{space.settings.origin}/witness"
    assert [parse_vkey(vkey).name for vkey in keys["witness"]] == [name, name]
    assert keys["rotations"] == []


def test_the_key_comes_with_a_warning(space: Simulator, client: Client) -> None:
    text = client.get("/ledger/key").text
    assert text.startswith(space.service.space.log.vkey() + "\n")
    assert "outside of this service" in text


def test_health_tells_the_size_of_the_log(space: Simulator, client: Client) -> None:
    assert client.get("/health").json() == {
        "status": "ok",
        "entries": _head(space, client).size,
        "anchored": space.service.anchors.status.anchored,
        "pending": 0,
    }


def test_anybody_gets_the_proof_of_an_entrys_place(space: Simulator, client: Client) -> None:
    space.consumer()
    head = _head(space, client)
    index = head.size - 1
    answer = client.get(f"/ledger/proof/{index}")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    proof = InclusionProof.parse(answer.text)
    bundle = split_entries(client.get(f"/ledger/tile/entries/000.p/{head.size}").content, head.size)
    checkpoint = Checkpoint.open(proof.checkpoint, _verifier(space))
    verify_inclusion(leaf_hash(bundle[index]), index, checkpoint.size, proof.hashes, root=checkpoint.root)
    assert client.get(f"/ledger/proof/{head.size}").status_code == 404

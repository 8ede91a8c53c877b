"""The witness over HTTP: the protocol's statuses, media types and limits, for whoever asks."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar
from litestar.testing import TestClient

from dataspace import web
from dataspace.ledger.witness import BODY_LIMIT
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import cosigned
from dataspace.proof.key import Verifier
from dataspace.proof.vkey import parse_vkey
from tests.ledger.parties import submission
from tests.simulator import Simulator, simulated
from tests.web.asgi import chunk, send

Client = TestClient[Litestar]

_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(9)]
_TEXT = "text/plain; charset=utf-8"


def _log(name: str) -> Verifier:
    return Verifier(f"example.com/{name}", _KEY.public_key().public_bytes_raw())


def _note(name: str, size: int) -> str:
    log = _log(name)
    return Checkpoint(log.name, size, merkle.root(_LEAVES[:size])).sign(log, _KEY.sign)


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    folder: Path = tmp_path_factory.mktemp("witness")
    others = (Verifier(f"example.com/{name}", bytes([at]) * 32) for at, name in enumerate(("one", "two")))
    (folder / "policy").write_text(
        f"log {_log('log')}\n" + "".join(f"log {log}\n" for log in others) + "quorum none\n"
    )
    with simulated(folder / "home", witnesses=str(folder / "policy")) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def app(space: Simulator) -> Litestar:
    return web.create(space.service)


def test_the_answers_are_those_of_the_protocol(space: Simulator, client: Client) -> None:
    digest = sha256(b"example.com/log").hexdigest()
    assert client.get(f"/witness/{digest}/checkpoint").status_code == 404
    first = client.post("/witness/add-checkpoint", content=submission(0, (), _note("log", 3)))
    assert (first.status_code, first.headers["content-type"]) == (200, _TEXT)
    keys = [parse_vkey(vkey) for vkey in client.get("/ledger/keys").json()["witness"]]
    assert len(cosigned(_note("log", 3) + first.text, keys)) == 2
    late = client.post("/witness/add-checkpoint", content=submission(0, (), _note("log", 5)))
    assert (late.status_code, late.headers["content-type"], late.text) == (409, "text/x.tlog.size", "3\n")
    shown = client.get(f"/witness/{digest}/checkpoint")
    assert (shown.headers["content-type"], shown.headers["cache-control"]) == (_TEXT, "no-cache")
    assert shown.text == _note("log", 3) + first.text
    proof = merkle.consistency_proof(3, 5, merkle.nodes_of(_LEAVES))
    grown = client.post("/witness/add-checkpoint", content=submission(3, proof, _note("log", 5)))
    assert grown.status_code == 200
    space.audit()


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "invalid input"),
        (b"\xff" * 9, 400, "invalid input"),
        (submission(0, (), _note("unknown", 3)), 404, "unknown log"),
        (submission(0, (), _note("one", 3)), 403, "invalid signature"),
        (submission(9, (), _note("log", 3)), 400, "old size"),
        (submission(0, [bytes(32)] * 64, _note("log", 3)), 400, "invalid input"),
    ],
)
def test_a_refusal_is_plain_text(client: Client, body: bytes, status: int, said: str) -> None:
    answer = client.post("/witness/add-checkpoint", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, _TEXT)
    assert said in answer.text


def test_a_body_of_more_than_64_kilobytes_is_too_large(app: Litestar) -> None:
    block = b"x" * 1024
    events = [chunk(block) for _ in range(BODY_LIMIT // len(block) + 1)]
    assert send(app, "POST", "/witness/add-checkpoint", {}, events).status == 413
    declared = {"content-length": str(BODY_LIMIT + 1)}
    assert send(app, "POST", "/witness/add-checkpoint", declared, [chunk(b"")]).status == 413


def test_submissions_above_the_limit_are_refused_at_once(space: Simulator, client: Client) -> None:
    limiter = space.service.limits.cosignatures
    with limiter.holding(""), limiter.holding(""), limiter.holding(""), limiter.holding(""):
        answer = client.post("/witness/add-checkpoint", content=submission(0, (), _note("log", 3)))
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)


@pytest.mark.parametrize("digest", ["0" * 64, "..", "x", sha256(b"localhost/dataspace").hexdigest()])
def test_a_head_of_no_witnessed_log_is_not_found(client: Client, digest: str) -> None:
    assert client.get(f"/witness/{digest}/checkpoint").status_code == 404


def test_a_space_without_a_policy_is_a_witness_of_none(tmp_path: Path) -> None:
    with simulated(tmp_path / "home") as alone, TestClient(web.create(alone.service)) as client:
        answer = client.post("/witness/add-checkpoint", content=submission(0, (), _note("log", 3)))
        assert (answer.status_code, "unknown log" in answer.text) == (404, True)
        assert client.get(f"/witness/{'0' * 64}/checkpoint").status_code == 404

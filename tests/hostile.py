"""Hostile messages of each kind, made by a `Fuzzer` of honest ones, and who reads them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import tenseal

from dataspace.bfv.ciphertext import read_context, read_vector
from dataspace.client.encrypted import Keys
from dataspace.client.models import read_model
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.intersection import Blinded, Opening
from dataspace.wire.joint import Job
from dataspace.wire.keyservice import Message
from dataspace.wire.model import LinearModel
from dataspace.wire.oprf import POINT, pack, unpack
from dataspace.wire.part import Part, Request
from dataspace.wire.score import Layout, ScoreAnswer, ScoreQuery
from dataspace.wire.selector import SelectorAnswer, SelectorQuery
from tests import fuzzing
from tests.client.test_models import CLASSIFIER, GEMM
from tests.fuzzing import Fuzzer
from tests.privacy.scene import PARAMETERS, answer, cube, keys, query
from tests.privacy.scores import linear, prepare, request, scorer
from tests.wire.test_joint import JOB, PART
from tests.wire.test_selector import ANSWER, QUERY

Made = Callable[[Fuzzer], bytes]
Read = Callable[[bytes], object]

TABLE = cube([1, 2, 3], [4, 5, 6])
LINEAR = linear([311, -27])
ROWS = [[123, -456], [7, 8]]


@cache
def _stranger() -> Keys:
    return Keys.create()


@cache
def _vectors() -> tuple[bytes, ...]:
    """Vectors of the key: seeded, as our client sends them, and plain, as TenSEAL's own writes them."""
    own = tenseal.bfv_vector(keys()._context, [1, -1, 7] + [0] * 8189).serialize()
    return keys().seal([1, -1, 7]), own


@cache
def foreign() -> tuple[bytes, ...]:
    """Messages that are right elsewhere: of another key, of other parameters, of another kind."""
    small = tenseal.context(tenseal.SCHEME_TYPE.BFV, 4096, plain_modulus=1032193, n_threads=1)
    public = small.serialize(save_secret_key=False, save_galois_keys=False, save_relin_keys=False)
    return (
        _stranger().seal([5]),
        _stranger().public,
        tenseal.bfv_vector(small, [1, 2]).serialize(),
        public,
        _vectors()[1],
        fuzzing.bomb(),
    )


def cube_query(fuzzer: Fuzzer, *, context: bool) -> bytes:
    honest, chance = query(), fuzzer.chance
    if not context:
        honest = replace(honest, context=b"")
    honest = replace(honest, vector=chance.choice(_vectors()))
    body = honest.encode()

    def head() -> bytes:
        parts = fuzzing.split(body, b"DSHQ\x01")
        return fuzzing.join(b"DSHQ\x01", [fuzzer.member(parts[0]), *parts[1:]])

    def vector(change: Callable[[bytes], bytes]) -> bytes:
        return replace(honest, vector=change(honest.vector)).encode()

    def key() -> bytes:
        changed = _public(fuzzer)
        return replace(honest, context=changed, key=hashlib.sha256(changed).hexdigest()).encode()

    return fuzzing.choice(
        chance,
        (3, lambda: fuzzer.bits(body)),
        (2, lambda: fuzzer.framed(body, b"DSHQ\x01")),
        (2, head),
        (2, lambda: vector(fuzzer.bits)),
        (2, lambda: vector(fuzzer.message)),
        (4, lambda: vector(lambda whole: fuzzer.inside(whole, [2]))),
        (1 if context else 0, key),
    )


def score_query(fuzzer: Fuzzer, *, context: bool) -> bytes:
    chance = fuzzer.chance
    honest = _scored(chance.choice([*Layout]))
    honest = honest if context else replace(honest, context=b"")
    body = honest.encode()

    def head() -> bytes:
        parts = fuzzing.split(body, b"DSSQ\x01")
        return fuzzing.join(b"DSSQ\x01", [fuzzer.member(parts[0]), *parts[1:]])

    def vector(change: Callable[[bytes], bytes]) -> bytes:
        vectors = list(honest.vectors)
        at = chance.randrange(len(vectors))
        vectors[at] = change(vectors[at])
        return replace(honest, vectors=tuple(vectors)).encode()

    def other() -> bytes:
        return replace(honest, **chance.choice(OTHER)).encode()

    return fuzzing.choice(
        chance,
        (3, lambda: fuzzer.bits(body)),
        (2, lambda: fuzzer.framed(body, b"DSSQ\x01")),
        (2, head),
        (2, other),
        (2, lambda: vector(fuzzer.bits)),
        (2, lambda: vector(fuzzer.message)),
        (4, lambda: vector(lambda whole: fuzzer.inside(whole, [2]))),
    )


OTHER: list[dict[str, Any]] = [
    {"samples": 8192},
    {"samples": 4097},
    {"layout": Layout.BLOCKS},
    {"layout": Layout.COLUMNS},
    {"model": "mo-0123456789abcdef"},
    {"key": "0" * 64},
    {"vectors": ()},
    {"parameters": "bfv-8192-t20"},
]


@cache
def _scored(layout: Layout) -> ScoreQuery:
    return prepare(ROWS, layout)


def _public(fuzzer: Fuzzer) -> bytes:
    return fuzzing.choice(
        fuzzer.chance,
        (1, lambda: fuzzer.bits(keys().public)),
        (1, lambda: fuzzer.message(keys().public)),
        (1, lambda: fuzzer.inside(keys().public, [1])),
        (1, lambda: fuzzer.inside(keys().public, [2, 1])),
        (1, lambda: fuzzer.chance.choice(foreign())),
    )


def _vector(fuzzer: Fuzzer) -> bytes:
    whole = fuzzer.chance.choice(_vectors())
    return fuzzing.choice(
        fuzzer.chance,
        (2, lambda: fuzzer.bits(whole)),
        (2, lambda: fuzzer.message(whole)),
        (4, lambda: fuzzer.inside(whole, [2])),
        (1, lambda: fuzzer.chance.choice(foreign())),
    )


@cache
def _answers() -> tuple[bytes, bytes]:
    return answer(TABLE, query().encode()), scorer().score(request(_scored(Layout.BLOCKS), LINEAR))["answer"]


def _answer(fuzzer: Fuzzer, place: int) -> bytes:
    body, magic = _answers()[place], [b"DSHA\x01", b"DSSA\x01"][place]

    def head() -> bytes:
        parts = fuzzing.split(body, magic)
        return fuzzing.join(magic, [fuzzer.member(parts[0]), *parts[1:]])

    return fuzzing.choice(
        fuzzer.chance,
        (2, lambda: fuzzer.bits(body)),
        (2, lambda: fuzzer.framed(body, magic)),
        (1, head),
    )


def _read_query(body: bytes) -> None:
    found = EncryptedQuery.decode(bytearray(body))
    if found.context:
        read_context(found.context, PARAMETERS)
    read_vector(found.vector, PARAMETERS)


def _read_score(body: bytes) -> None:
    found = ScoreQuery.decode(bytearray(body))
    if found.context:
        read_context(found.context, PARAMETERS)
    for vector in found.vectors:
        read_vector(vector, PARAMETERS)


def _document(fuzzer: Fuzzer) -> bytes:
    whole = LINEAR.to_bytes()
    return fuzzer.member(whole) if fuzzer.chance.random() < 0.6 else fuzzer.bits(whole)


PARSERS: dict[str, tuple[int, Callable[[Fuzzer], bytes], Callable[[bytes], object]]] = {
    "cube query": (3500, lambda one: cube_query(one, context=False), _read_query),
    "cube query with its key": (1000, lambda one: cube_query(one, context=True), _read_query),
    "score query": (3500, lambda one: score_query(one, context=False), _read_score),
    "score query with its key": (500, lambda one: score_query(one, context=True), _read_score),
    "context": (1500, _public, lambda body: read_context(body, PARAMETERS)),
    "vector": (4000, _vector, lambda body: read_vector(body, PARAMETERS)),
    "cube answer": (1500, lambda one: _answer(one, 0), EncryptedAnswer.decode),
    "score answer": (1000, lambda one: _answer(one, 1), ScoreAnswer.decode),
    "model": (1600, _document, LinearModel.from_bytes),
    "ONNX file": (1500, lambda one: one.bits(one.chance.choice([GEMM, CLASSIFIER])), read_model),
}


# -- the other forms of answer


def framed(body: bytes) -> Made:
    """Return what mutates an envelope of the house: its bytes, its parts, or its head."""
    magic = body[:5]

    def make(fuzzer: Fuzzer) -> bytes:
        parts = fuzzing.split(body, magic)

        def head() -> bytes:
            return fuzzing.join(magic, [fuzzer.member(parts[0]), *parts[1:]])

        plain = parts[0][:1] == b"{"
        return fuzzing.choice(
            fuzzer.chance,
            (2, lambda: fuzzer.bits(body)),
            (2, lambda: fuzzer.framed(body, magic)),
            (2 if plain else 0, head),
        )

    return make


_POINTS: Sequence[bytes] = sorted(hashlib.sha256(bytes([place])).digest()[:POINT] for place in range(20))
_TERMS = {"identifier": "number", "epsilon": 1_000_000, "reveal": False}


def others() -> dict[str, tuple[int, Made, Read]]:
    """Return what reads the messages of the other forms, and mutations of honest ones."""
    job = replace(JOB, key=hashlib.sha256(keys().public).hexdigest())
    statement = Message.sign({"format": "a test"}, [b"attached"], lambda _: bytes(64))
    signed = replace(PART, signature=bytes(64))
    return {
        "selector query": (300, framed(QUERY.encode()), SelectorQuery.decode),
        "selector answer": (300, framed(ANSWER.encode()), SelectorAnswer.decode),
        "joint job": (300, lambda one: one.member(JOB.encode()), Job.decode),
        "joint request": (300, framed(Request(job, keys().public).encode()), Request.decode),
        "joint part": (300, framed(signed.encode()), Part.decode),
        "opening": (300, framed(Opening(_POINTS[0], [*_POINTS], _TERMS).encode()), Opening.decode),
        "blinded set": (300, framed(Blinded("is-0011223344556677", [*_POINTS]).encode()), Blinded.decode),
        "points": (300, lambda one: one.bits(pack(_POINTS)), lambda body: unpack(body, 100, rising=True)),
        "key service": (300, framed(statement.encode()), Message.decode),
    }

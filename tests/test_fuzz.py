"""Twenty thousand hostile messages: no crash, one error, no wrong answer that is taken (HE-04, HE-05, HE-06).

Structured mutations of what the service and its clients read of homomorphic
encryption. Most go to the parsers; some hundreds to real worker processes and
through HTTP, where what is accepted must decrypt to what its own ciphertext
asks for, or be refused by the client.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from litestar.testing import TestClient

from dataspace import web
from dataspace.bfv.ciphertext import read_vector, write_vector
from dataspace.client.scoring import decrypt_scores, encrypt_samples
from dataspace.errors import Malformed, VerificationError
from dataspace.sandbox import Pool
from dataspace.wire.envelope import EncryptedAnswer, EncryptedQuery
from dataspace.wire.score import Layout, ScoreQuery
from tests import fuzzing
from tests.fuzzing import Fuzzer
from tests.hostile import (
    LINEAR,
    OTHER,
    PARSERS,
    ROWS,
    TABLE,
    Made,
    Read,
    cube_query,
    foreign,
    others,
    score_query,
)
from tests.privacy.scene import CUBE, PARAMETERS, keys
from tests.privacy.scores import MODEL, plain
from tests.simulator import Simulator, people
from tests.web.words import bearer

SEED = 20261123


@pytest.mark.parametrize("kind", PARSERS)
def test_he_04_he_06_mutated_messages_are_refused_with_one_error(kind: str) -> None:
    count, mutate, parse = PARSERS[kind]
    seen = _parsed(kind, count, mutate, parse)
    # Each run reaches beyond the first check, and stops most of what it makes.
    assert seen["Malformed"] > count / 3, seen
    assert seen["read"] < count * 0.65, seen


@pytest.mark.parametrize("kind", others())
def test_he_04_mutated_messages_of_the_other_forms_are_refused_with_one_error(kind: str) -> None:
    count, mutate, parse = others()[kind]
    assert _parsed(kind, count, mutate, parse)["read"] < count / 2


def _parsed(kind: str, count: int, mutate: Made, parse: Read) -> Counter[str]:
    fuzzer, seen = Fuzzer(random.Random(f"{SEED} {kind}"), foreign()), Counter[str]()
    for _ in range(count):
        try:
            parse(mutate(fuzzer))
            seen["read"] += 1
        except Malformed as error:  # anything else fails the test
            seen[type(error).__name__] += 1
    return seen


def test_twenty_thousand_messages_are_made() -> None:
    assert sum(count for count, _, _ in PARSERS.values()) + _WORKED + _SERVED >= 20_000


# -- real workers: what is accepted is answered rightly, or the client refuses the answer

_WORKED = 500
_SERVED = 200


@contextmanager
def _pool(target: str) -> Iterator[Pool]:
    pool = Pool(target, workers=1, memory=2 << 30, deadline=10)
    try:
        yield pool
    finally:
        pool.close()


def _opened(vector: bytes) -> list[int] | None:
    """Return what a vector encrypts under the consumer's key, whatever size and version it says, or None."""
    try:
        stream = fuzzing.closed(read_vector(vector, PARAMETERS)[16:])
        return keys().open(write_vector(stream, PARAMETERS.slots))
    except (VerificationError, Malformed):
        return None


def _centred(total: int) -> int:
    half = PARAMETERS.plain_modulus // 2
    return (total + half) % PARAMETERS.plain_modulus - half


def _judge_cube(body: bytes, content: bytes) -> str:
    """Compare the totals that the client opens with those of the weights that the ciphertext holds."""
    sent, found = EncryptedQuery.decode(body), EncryptedAnswer.decode(content)
    assert found.binding == sent.binding
    weights = _opened(sent.vector)
    for name, vector in zip(found.measures, found.vectors, strict=True):
        try:
            slots = keys().open(vector, budget=24)
        except VerificationError:
            return "refused by the client"
        assert weights is not None, "an answer was taken to what is no ciphertext of this key"
        expected = sum(map(int.__mul__, TABLE.values[name], weights))
        assert _centred(sum(slots)) == _centred(expected)
    return "answered"


def test_he_05_a_worker_answers_what_was_encrypted_or_the_client_refuses_it() -> None:
    fuzzer, seen = Fuzzer(random.Random(SEED), foreign()), Counter[str]()
    told = {"cube_id": CUBE, "cube": TABLE.to_bytes(), "context": keys().public}
    with _pool("dataspace.privacy.encrypted:Evaluator") as pool:
        for _ in range(_WORKED // 2):
            body = cube_query(fuzzer, context=False)
            try:
                seen[_judge_cube(body, pool.call("answer", {**told, "query": body})["answer"])] += 1
            except Malformed:
                seen["refused"] += 1
    assert set(seen) == {"answered", "refused", "refused by the client"}, seen


def _judge_score(body: bytes, content: bytes) -> str:
    sent = ScoreQuery.decode(body)
    columns = [_opened(vector) for vector in sent.vectors]
    try:
        sums = decrypt_scores(content, sent, len(LINEAR.weights), keys())
    except VerificationError:
        return "refused by the client"
    held = [column for column in columns if column is not None]
    assert len(held) == len(columns), "a score was taken of what is no ciphertext of this key"
    width = len(LINEAR.weights)
    rows = (
        [list(row) for row in zip(*held, strict=True)]
        if sent.layout is Layout.COLUMNS
        else [held[0][at : at + width] for at in range(0, 8190, width)]
    )
    assert sums == [_centred(total) for total in plain(LINEAR, rows[: sent.samples])]
    return "answered"


def test_he_05_a_worker_scores_what_was_encrypted_or_the_client_refuses_it() -> None:
    fuzzer, seen = Fuzzer(random.Random(SEED + 1), foreign()), Counter[str]()
    with _pool("dataspace.privacy.score:Scorer") as pool:
        for _ in range(_WORKED // 2):
            body = score_query(fuzzer, context=False)
            told = {"model_id": MODEL, "model": LINEAR.to_bytes(), "context": keys().public}
            try:
                content = pool.call("score", {**told, "query": body, "blurred": False})["answer"]
                seen[_judge_score(body, content)] += 1
            except Malformed:
                seen["refused"] += 1
    assert set(seen) == {"answered", "refused", "refused by the client"}, seen


def test_he_04_the_service_answers_every_blob_and_goes_on(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(
        provider, people(200), subjects=["number"], forms=("score", "encrypted"), units=1000
    )
    model = space.service.models.register(
        provider, registered.dataset, "a model", LINEAR.to_json(), releasable=True
    )
    agreement = space.agreed(consumer, registered.offer)
    fuzzer, seen = Fuzzer(random.Random(SEED + 2), foreign()), Counter[int]()
    honest = encrypt_samples(model.id, ROWS, Layout.BLOCKS, keys(), agreement.id, pinned=False)
    with TestClient(web.create(space.service), base_url=space.settings.url) as client:
        headers = bearer(space, consumer)
        for number in range(_SERVED):
            body = _sent(fuzzer, honest)
            path = ("scores", "scores", "encrypted")[number % 3]
            found = client.post(f"/api/agreements/{agreement.id}/{path}", headers=headers, content=body)
            seen[found.status_code] += 1
            assert found.status_code in {200, 400, 404, 409, 413, 422}, found.text
            if found.status_code == 200:
                decrypted = _judge_score(body, found.content)
                assert decrypted in {"answered", "refused by the client"}
        final = replace(honest, nonce="f" * 32)
        answered = client.post(
            f"/api/agreements/{agreement.id}/scores", headers=headers, content=final.encode()
        )
        assert decrypt_scores(answered.content, final, 2, keys()) == plain(LINEAR, ROWS)
        assert client.get("/api/me", headers=headers).status_code == 200
    assert seen[400] > _SERVED / 3, seen
    space.audit()


def _sent(fuzzer: Fuzzer, honest: ScoreQuery) -> bytes:
    """Return a mutated query with a nonce of its own: what is right is answered."""
    fresh = replace(honest, nonce=fuzzer.chance.randbytes(16).hex())
    vector = fresh.vectors[0]
    return fuzzing.choice(
        fuzzer.chance,
        (2, lambda: fuzzer.bits(fresh.encode())),
        (2, lambda: fuzzer.framed(fresh.encode(), b"DSSQ\x01")),
        (1, lambda: replace(fresh, **fuzzer.chance.choice(OTHER)).encode()),
        (1, lambda: replace(fresh, vectors=(fuzzer.message(vector),)).encode()),
        (3, lambda: replace(fresh, vectors=(fuzzer.inside(vector, [2]),)).encode()),
    )

"""Encrypted scores: exact, one for each sample and nothing else; and what only trust keeps."""

import hashlib
import math
import random
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import tenseal.sealapi as seal

from dataspace.bfv import stream
from dataspace.bfv.ciphertext import read_vector, write_vector
from dataspace.client.encrypted import Keys
from dataspace.client.scoring import decrypt_scores
from dataspace.errors import Malformed, Unprocessable, VerificationError
from dataspace.wire.model import LinearModel
from dataspace.wire.parameters import DEFAULT_PARAMETERS, PARAMETER_SETS
from dataspace.wire.protobuf import fields
from dataspace.wire.score import Layout, ScoreAnswer, ScoreQuery
from tests.privacy import adversary
from tests.privacy.scores import MODEL, keys, linear, plain, prepare, request, score, scorer

PARAMETERS = PARAMETER_SETS[DEFAULT_PARAMETERS]


def _rows(count: int, width: int, seed: int = 1) -> list[list[int]]:
    chance = random.Random(seed)
    return [[chance.randint(-10_000, 10_000) for _ in range(width)] for _ in range(count)]


@pytest.mark.parametrize(
    ("count", "width", "layout"),
    [
        (1, 1, Layout.BLOCKS),
        (1, 7, Layout.BLOCKS),
        (1170, 7, Layout.BLOCKS),
        (32, 256, Layout.BLOCKS),
        (9, 3, Layout.COLUMNS),
        (8192, 2, Layout.COLUMNS),
    ],
)
def test_he_14_scores_equal_those_of_plain_integers(count: int, width: int, layout: Layout) -> None:
    model = linear([random.Random(width).randint(-9000, 9000) for _ in range(width)])
    rows = _rows(count, width)
    assert score(model, rows, layout) == plain(model, rows)


@pytest.mark.parametrize("layout", Layout)
def test_weights_that_are_zero_are_scored(layout: Layout) -> None:
    for weights in ([0, 0], [0, 5]):
        model, rows = linear(weights), _rows(2, 2)
        assert score(model, rows, layout) == plain(model, rows)


def test_he_14_the_greatest_score_does_not_wrap() -> None:
    most = PARAMETERS.plain_modulus // 2
    weight = (most - 10) // 20_000
    model = linear([weight, -weight], intercept=0, output=3)
    rows = [[10_000, -10_000], [-10_000, 10_000]]
    assert score(model, rows) == plain(model, rows)
    with pytest.raises(Unprocessable, match="would wrap"):
        LinearModel.from_bytes(linear([weight, -weight - 1], output=3, intercept=2_000_000).to_bytes())


def _slots(model: LinearModel, query: ScoreQuery, **changed: object) -> list[int]:
    answer = scorer().score(request(query, model, **changed))["answer"]
    return keys().open(ScoreAnswer.decode(answer).vector)


def test_slots_of_a_block_tell_no_product_and_those_beyond_the_samples_nothing() -> None:
    model, rows = linear([3, 5, 7]), [[1, 1, 1]] * 2000
    query = prepare(rows)
    first = np.array(_slots(model, query), float) / PARAMETERS.plain_modulus
    assert abs(first.mean()) < 0.02
    assert abs(first.std() - 12**-0.5) < 0.01
    fewer = replace(query, samples=1)
    slots = _slots(model, fewer)
    blocks = [sum(slots[start : start + 3]) % PARAMETERS.plain_modulus for start in range(0, 8190, 3)]
    [total] = plain(model, rows[:1])
    assert blocks[0] == total
    assert total not in blocks[1:]
    assert len(set(blocks)) == len(blocks)


def test_slots_beyond_the_samples_of_columns_tell_not_even_the_intercept() -> None:
    slots = _slots(linear([3, 5]), prepare([[1, 1], [2, 2]], Layout.COLUMNS))
    assert slots[:2] == plain(linear([3, 5]), [[1, 1], [2, 2]])
    assert len(set(slots[2:])) == len(slots) - 2


def test_a_blurred_score_is_within_a_unit_and_its_further_digits_are_uniform() -> None:
    model, rows = linear([311, -27]), [[123, 456]] * 4000
    [true] = set(plain(model, rows))
    sums = np.array(score(model, rows, blurred=True))
    assert abs(sums - true).max() <= model.unit // 2
    digits = np.bincount(sums % model.unit, minlength=model.unit)
    assert model.unit == 10
    assert digits.min() > 4000 / model.unit * 0.7


def test_two_answers_to_one_query_share_nothing_but_the_scores() -> None:
    model, query = linear([1, 2]), prepare([[3, 4]])
    first, second = _slots(model, query), _slots(model, query)
    assert sum(first[:2]) % PARAMETERS.plain_modulus == sum(second[:2]) % PARAMETERS.plain_modulus
    assert not set(first) & set(second)


# -- why a model is either for the consumer to know, or the consumer is trusted


def test_naive_d_plus_1_exact_scores_tell_a_model() -> None:
    model = linear([311, -27, 90])
    rows = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]
    zero, *others = score(model, rows)
    assert tuple(one - zero for one in others) == model.operand
    assert zero == model.constant


def test_d_plus_1_blurred_scores_of_one_digit_do_not_tell_it_to_the_last() -> None:
    model = linear([311, -27, 90], output=1)
    zero, *others = score(model, [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], blurred=True)
    assert tuple(one - zero for one in others) != model.operand


def _inflated(vector: bytes, place: int) -> bytes:
    """Return a vector whose ciphertext has 2^106 added to one coefficient."""
    return _added(vector, place, 1 << 106)


def _added(vector: bytes, place: int, value: int) -> bytes:
    """Return a vector with `value` added to one coefficient of its ciphertext."""
    scheme = scorer()._circuit._scheme
    words = adversary.pair(scheme.save(scheme.load(seal.Ciphertext(), read_vector(vector, PARAMETERS))))
    primes = PARAMETERS.coefficient_moduli[:-1]
    words[0, :, place] = (words[0, :, place] + value) % np.array(primes, object)
    head = stream._CIPHERTEXT.pack(PARAMETERS.parms_id(4), 0, 2, PARAMETERS.degree, 4, 1.0, 1)
    body = head + stream._array(words.astype("<u8").tobytes(), words.size)
    frame = pa.compress(body, codec="zstd", asbytes=True)
    header = stream._HEADER.pack(0xA15E, 16, 4, 3, 2, 0, 16 + len(frame))
    return write_vector(header + bytes(frame), PARAMETERS.slots)


def test_he_09_a_malicious_consumer_reads_every_weight_with_one_answer_whatever_the_blur() -> None:
    """Inflated noise: honest keys, ciphertexts of zero, and one large coefficient in each (privacy.md, 2).

    Flood and mask are for consumers that follow the protocol. This succeeds, and is why a model that is not
    to be known is for those alone that the offer names semi-honest.
    """
    model = linear([311, -27, 90])
    query = prepare([[0, 0, 0]], Layout.COLUMNS)
    vectors = tuple(_inflated(vector, place) for place, vector in enumerate(query.vectors))
    forged = replace(query, vectors=vectors)
    answer = ScoreAnswer.decode(scorer().score(request(forged, model, blurred=True))["answer"])
    found = adversary.answer_noise(scorer()._circuit, _stream(answer.vector))
    total = math.prod(PARAMETERS.coefficient_moduli[:-1])
    reach = total // (PARAMETERS.plain_modulus << 106)
    read = [round(share * reach) for share in found[: len(model.weights)]]
    assert read == list(model.operand)


def _stream(vector: bytes) -> bytes:
    [saved] = [bytes(value) for tag, value in fields(vector) if tag == 0x12 and not isinstance(value, int)]
    return saved


# -- HE-01 to HE-06, at the worker


def test_he_01_a_secret_key_in_an_envelope_is_refused_and_wiped() -> None:
    private = keys()._private
    forged = replace(prepare([[1]]), context=private, key=hashlib.sha256(private).hexdigest())
    body = bytearray(forged.encode())
    with pytest.raises(Unprocessable, match="secret key"):
        ScoreQuery.decode(body)
    assert private not in body
    with pytest.raises(Unprocessable, match="make a new key"):
        scorer().admit({"context": private})


def test_he_02_parameters_are_those_of_scoring() -> None:
    forged = replace(prepare([[1]]), parameters="bfv-32768-t60")
    with pytest.raises(Unprocessable, match="unknown parameter set"):
        scorer().score(request(forged, linear([1])))


def test_he_05_a_query_under_a_key_that_was_not_pinned_is_refused() -> None:
    other = replace(prepare([[1]]), key="0" * 64, context=b"")
    with pytest.raises(Unprocessable, match="not under the key"):
        scorer().score(request(other, linear([1]), context=keys().public))


def test_he_05_an_answer_under_another_key_is_not_taken() -> None:
    query = prepare([[1]])
    stranger = Keys.create()
    forged = replace(prepare([[1]], by=stranger), nonce=query.nonce)
    answer = scorer().score(request(forged, linear([1])))["answer"]
    with pytest.raises(VerificationError):
        decrypt_scores(answer, query, 1, keys())
    mine = replace(ScoreAnswer.decode(answer), key=keys().id, binding=query.binding).encode()
    with pytest.raises(VerificationError, match="not computed under this key"):
        decrypt_scores(mine, query, 1, keys())


def test_he_06_samples_and_vectors_must_fit_the_model() -> None:
    query = prepare([[1, 2]])
    for forged in (
        replace(query, samples=4097),
        replace(prepare([[1, 2]], Layout.COLUMNS), vectors=query.vectors),
        replace(query, model="mo-0000000000000000"),
    ):
        with pytest.raises(Unprocessable):
            scorer().score(request(forged, linear([1, 2])))


def test_he_04_blobs_that_are_no_ciphertext_are_refused() -> None:
    for blob in (b"", b"\x0a\x01\x01\x12\x00", bytes(1000), random.Random(4).randbytes(100_000)):
        with pytest.raises(Malformed):
            scorer().score(request(replace(prepare([[1]]), vectors=(blob,)), linear([1])))


def test_a_query_without_a_key_needs_a_pinned_one() -> None:
    query = replace(prepare([[4]]), context=b"")
    with pytest.raises(Malformed, match="none is pinned"):
        scorer().score(request(query, linear([1])))
    assert scorer().score(request(query, linear([1]), context=keys().public))


def test_evicted_models_are_forgotten() -> None:
    score(linear([1]), [[1]])
    scorer().evict({"model_id": MODEL})
    assert not [name for name in scorer()._models if name[0] == MODEL]


def _overflowing(vector: bytes) -> bytes:
    """Return a vector whose noise is three tenths of its bound, in one coefficient."""
    total = math.prod(PARAMETERS.coefficient_moduli[:-1])
    return _added(vector, 0, 3 * total // (10 * PARAMETERS.plain_modulus))


def test_he_06_noise_that_overflows_in_one_coefficient_is_not_taken_for_a_score() -> None:
    model = linear([3], intercept=0, precision=1, output=1)
    query = prepare([[50]], Layout.COLUMNS)
    query = replace(query, vectors=(_overflowing(query.vectors[0]),))
    answer = scorer().score(request(query, model))["answer"]
    # The naive client, which asks for any budget at all, takes a score that is off by one.
    assert keys().open(ScoreAnswer.decode(answer).vector)[0] == 3 * 50 + 1
    with pytest.raises(VerificationError):
        decrypt_scores(answer, query, 1, keys())

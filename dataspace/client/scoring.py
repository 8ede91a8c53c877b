"""Scores on a provider's model, from features that the service never sees.

    scored = space.score(agreement, model, {"age": 41, "income": 5200.5}, keys=keys)
    scored.value                                     # 0.37, and scored.within is how far off it may be
    space.score(agreement, model, frame, keys=keys).series()

What is sent is whole numbers of the precision that the model names, encrypted;
the link (of a logistic model, say) is applied here, and the score is rounded to
the digits that the model promises.
"""

import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from dataspace.client.http import Http
from dataspace.client.models import model_document, scaled
from dataspace.client.providing import part
from dataspace.errors import Malformed, NotFound, Unprocessable, VerificationError
from dataspace.wire import ENVELOPE
from dataspace.wire.model import Feature, Link
from dataspace.wire.parameters import DEFAULT_PARAMETERS
from dataspace.wire.score import COLUMNS_LIMIT, Layout, ScoreAnswer, ScoreQuery

if TYPE_CHECKING:
    from dataspace.client.answer import Answer
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

_QUERY_SECONDS: Final = 600
_BUDGET: Final = 24  # bits of noise budget; an honest answer has 36 left


@dataclass(frozen=True)
class Scored:
    """One score for each sample, in their order.

    `within` is how far a score may be from that of the registered model: half
    a unit of its last digit, and as much again where the service blurs it.
    """

    values: tuple[float, ...]
    within: float
    answers: tuple["Answer", ...] = field(repr=False)
    index: Any = field(default=None, repr=False)

    @property
    def value(self) -> float:
        """Return the score of the one sample; Unprocessable when there are more."""
        if len(self.values) != 1:
            raise Unprocessable(f"there are {len(self.values)} scores: take `values`")
        return self.values[0]

    def series(self) -> Any:
        """Return the scores as a pandas Series, with the index of the DataFrame that was scored."""
        pandas = import_module("pandas")  # only who asks for it needs it
        return pandas.Series(self.values, index=self.index, name="score", dtype=float)


@dataclass(frozen=True)
class Scoreable:
    """What a consumer is told of a model, as far as scoring needs it."""

    id: str
    features: tuple[Feature, ...]
    link: Link
    digits: int
    output: int
    blurred: bool

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> "Scoreable":
        """Read a model as the service lists it; Malformed when it is none."""
        try:
            features = tuple(Feature(**one) for one in told["features"])
            link, blurred = Link(told["link"]), told["releasable"] is not True
            return cls(str(told["id"]), features, link, int(told["digits"]), int(told["output"]), blurred)
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed("malformed model: want id, features, link, digits and output") from error

    def integers(self, sample: Mapping[str, Any], *, clip: bool) -> list[int]:
        """Return a sample's features as the integers that are encrypted.

        Raises:
            Malformed: a feature is missing, or is no finite number.
            Unprocessable: one is beyond its bounds, and is not to be clipped.

        """
        return [_integer(feature, sample, clip=clip) for feature in self.features]

    def read(self, total: int) -> float:
        """Return the score of a decrypted sum: through the link, and rounded."""
        linear = Decimal(total).scaleb(-self.digits)
        if self.link is Link.IDENTITY:
            return float(linear.quantize(Decimal(1).scaleb(-self.output), ROUND_HALF_EVEN))
        return round(_logistic(float(linear)), self.output)

    @property
    def within(self) -> float:
        """Return how far a score may be from the model's, in its own unit."""
        return float(10.0**-self.output * (1.0 if self.blurred else 0.5))


class Scoring:
    """Models and scores, a part of `DataSpace`."""

    _http: Http
    _answer: "Callable[[Any], Answer]"
    _pinned: set[tuple[str, str]]

    def register_model(
        self,
        dataset: str,
        model: Any,
        features: Sequence[Mapping[str, Any]],
        *,
        name: str,
        subjects: int,
        releasable: bool = True,
        **form: Any,
    ) -> dict[str, Any]:
        """Register a model on the newest version of a dataset of one's own.

        `model` is a fitted LinearRegression, Ridge or LogisticRegression of
        scikit-learn, an ONNX file's bytes, or weights; see `model_document`,
        which also takes `form`: `output`, `precision`, `samples`. `subjects`
        is from how many persons it was learnt. One that is not `releasable`
        is for consumers that the offer names semi-honest.
        """
        document = model_document(model, features, subjects=subjects, **form).to_json()
        body = {"name": name, "releasable": releasable, "model": document}
        return dict(self._http.post(f"/api/datasets/{part(dataset)}/models", body))

    def models(self, dataset: str) -> list[dict[str, Any]]:
        """Return the models of a dataset of one's own, newest first."""
        return list(self._http.get(f"/api/datasets/{part(dataset)}/models"))

    def withdraw_model(self, model: str) -> int:
        """Withdraw a model of one's own; return the index of the entry."""
        return int(self._http.delete(f"/api/models/{part(model)}")["entry"])

    def score_models(self, agreement: str) -> list[dict[str, Any]]:
        """Return the models that an agreement may use; weights are shown of releasable ones."""
        return list(self._http.get(f"/api/agreements/{part(agreement)}/models"))

    def score(
        self, agreement: str, model: str, features: Any, *, keys: "Keys | KeyRing", clip: bool = False
    ) -> Scored:
        """Return the scores of one sample (a mapping), of several, or of the rows of a DataFrame.

        With `clip`, a feature beyond its bounds counts as the bound.

        Raises:
            NotFound: the agreement has no such model.
            Unprocessable: a feature is beyond its bounds.
            VerificationError: an answer is to another query or under another key.

        """
        told = next((one for one in self.score_models(agreement) if one.get("id") == model), None)
        if told is None:
            raise NotFound("the agreement has no such model")
        scoreable, keys = Scoreable.from_json(told), _pair(keys)
        samples, index = _samples(features)
        rows = [scoreable.integers(sample, clip=clip) for sample in samples]
        totals, answers = list[int](), list["Answer"]()
        for layout, some in batches(rows, keys.parameters.slots):
            query = encrypt_samples(
                scoreable.id, some, layout, keys, agreement, pinned=(agreement, keys.id) in self._pinned
            )
            path = f"/api/agreements/{part(agreement)}/scores"
            answer = self._answer(self._http.exchange(path, accept=ENVELOPE, content=query.encode()))
            self._pinned.add((agreement, keys.id))
            totals += decrypt_scores(answer.content, query, len(some[0]), keys)
            answers.append(answer)
        values = tuple(map(scoreable.read, totals))
        return Scored(values, scoreable.within, tuple(answers), index)


def _pair(keys: "Keys | KeyRing") -> "Keys":
    """Return the key pair that scores are computed under, of a ring too."""
    from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

    return KeyRing.holding(keys).of(DEFAULT_PARAMETERS)


def batches(rows: Sequence[list[int]], slots: int) -> Iterator[tuple[Layout, Sequence[list[int]]]]:
    """Yield the samples in queries, each in the layout that sends fewer ciphertexts there and back."""
    while rows:
        width = len(rows[0])
        block = slots // width
        some = rows[:slots]
        # A query of blocks is one vector there and one back; one of columns is `width` there, and one back.
        layout = Layout.BLOCKS
        if width <= COLUMNS_LIMIT and 2 * -(-len(some) // block) > width + 1:
            layout = Layout.COLUMNS
        taken = block if layout is Layout.BLOCKS else slots
        yield layout, rows[:taken]
        rows = rows[taken:]


def encrypt_samples(
    model: str, rows: Sequence[list[int]], layout: Layout, keys: "Keys", agreement: str, *, pinned: bool
) -> ScoreQuery:
    """Return the query for the scores of some samples, under a fresh nonce."""
    if keys.parameters.id != DEFAULT_PARAMETERS:
        raise Unprocessable(f"scores are computed under {DEFAULT_PARAMETERS}: this key is for another set")
    columns = [list(column) for column in zip(*rows, strict=True)]
    filled = columns if layout is Layout.COLUMNS else [[value for row in rows for value in row]]
    return ScoreQuery(
        parameters=keys.parameters.id,
        model=model,
        agreement=agreement,
        key=keys.id,
        nonce=secrets.token_hex(16),
        layout=layout,
        samples=len(rows),
        expires=int(time.time()) + _QUERY_SECONDS,
        vectors=tuple(keys.seal(slots) for slots in filled),
        context=b"" if pinned else keys.public,
    )


def decrypt_scores(answer: bytes, query: ScoreQuery, width: int, keys: "Keys") -> list[int]:
    """Return the sum of each sample, in units of 10^-digits of the model.

    Raises:
        Malformed: `answer` is no envelope.
        VerificationError: it answers another query, or was not computed under this key.

    """
    found = ScoreAnswer.decode(answer)
    if not hmac.compare_digest(found.binding, query.binding) or found.model != query.model:
        raise VerificationError("the answer is to another query")
    if not hmac.compare_digest(found.key, keys.id) or found.parameters != keys.parameters.id:
        raise VerificationError("the answer is for another key")
    slots, modulus = keys.open(found.vector, budget=_BUDGET), keys.parameters.plain_modulus
    if query.layout is Layout.COLUMNS:
        return slots[: query.samples]
    sums = [sum(slots[start : start + width]) for start in range(0, query.samples * width, width)]
    return [(total + modulus // 2) % modulus - modulus // 2 for total in sums]


def _samples(features: Any) -> tuple[list[Mapping[str, Any]], Any]:
    """Return samples as mappings, and the index of a DataFrame."""
    if isinstance(features, Mapping):
        return [features], None
    if hasattr(features, "to_dict") and hasattr(features, "index"):
        return features.to_dict("records"), features.index
    samples = list(features)
    if not all(isinstance(sample, Mapping) for sample in samples):
        raise Malformed("malformed samples: want a mapping of features, several, or a DataFrame")
    return samples, None


def _integer(feature: Feature, sample: Mapping[str, Any], *, clip: bool) -> int:
    if feature.name not in sample:
        raise Malformed(f"malformed sample: the feature {feature.name!r} is missing")
    value = scaled(sample[feature.name], feature.precision)
    if not feature.low <= value <= feature.high:
        if not clip:
            low, high = (Decimal(end).scaleb(-feature.precision) for end in (feature.low, feature.high))
            raise Unprocessable(f"the feature {feature.name!r} is beyond its bounds, {low} to {high}")
        value = min(max(value, feature.low), feature.high)
    return value


def _logistic(score: float) -> float:
    # Each branch computes the exponential of what is not positive, which cannot overflow.
    if score >= 0:
        return 1.0 / (1.0 + math.exp(-score))
    return math.exp(score) / (1.0 + math.exp(score))

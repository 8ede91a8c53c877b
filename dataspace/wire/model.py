"""A linear model as it crosses the wire: integers alone, and what they may be.

    {"features":[{"name":"age","low":0,"high":1200,"precision":1}, ...],
     "weights":[-37, ...], "intercept":105, "precision":3,
     "link":"logistic", "output":2, "subjects":4100, "samples":0}

A feature's bounds are in units of 10^-precision of its own, weights and
intercept in units of 10^-precision of the model. `output` is how many digits of
a score are meant, `subjects` from how many persons the model was learnt,
`samples` how many one legal entity may score in all, 0 being as many as it pays
for. The sum is exact: for no features within their bounds does it pass half the
plain modulus.
"""

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, Self

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.parameters import DEFAULT_PARAMETERS, PARAMETER_SETS, ParameterSet

FEATURES_LIMIT: Final = 256
DIGITS_LIMIT: Final = 12
DOCUMENT_LIMIT: Final = 1 << 17
# Of one entity, for each feature of a model that is not to be known: d + 1 samples solve for d weights.
SAMPLES_FACTOR: Final = 10
_NAME_LIMIT: Final = 128
_NUMBER: Final = 1 << 63
_MEMBERS: Final = ("features", "intercept", "link", "output", "precision", "samples", "subjects", "weights")


class Link(StrEnum):
    """What the consumer applies to the sum, after it decrypted it."""

    IDENTITY = "identity"
    LOGISTIC = "logistic"


@dataclass(frozen=True)
class Feature:
    """One input of a model: integers from `low` to `high`, in units of 10^-`precision`."""

    name: str
    low: int
    high: int
    precision: int = 0


@dataclass(frozen=True)
class LinearModel:
    """A linear or logistic model; two with equal members have equal bytes."""

    features: tuple[Feature, ...]
    weights: tuple[int, ...]
    intercept: int
    precision: int
    link: Link = Link.IDENTITY
    output: int = 2
    subjects: int = 0
    samples: int = 0

    @property
    def digits(self) -> int:
        """Return the decimal digits of a sum: it is in units of 10^-digits."""
        return self.precision + self._finest

    @property
    def operand(self) -> tuple[int, ...]:
        """Return what each feature's integer is multiplied with, so that all products have one unit."""
        pairs = zip(self.features, self.weights, strict=True)
        return tuple(weight * 10 ** (self._finest - feature.precision) for feature, weight in pairs)

    @property
    def constant(self) -> int:
        """Return the intercept in the unit of the sum."""
        return int(self.intercept * 10**self._finest)

    @property
    def unit(self) -> int:
        """Return how many units of the sum are one in the last digit of the output."""
        return int(10 ** (self.digits - self.output))

    @property
    def bound(self) -> int:
        """Return what no sum passes, in absolute value, while each feature is within its bounds."""
        ends = [
            sorted((weight * feature.low, weight * feature.high))
            for feature, weight in zip(self.features, self.operand, strict=True)
        ]
        low, high = (self.constant + sum(end[side] for end in ends) for side in (0, 1))
        return max(abs(low), abs(high)) + self.unit

    @property
    def _finest(self) -> int:
        return max(feature.precision for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """Return the members of the document."""
        return {
            **asdict(self),
            "features": [asdict(one) for one in self.features],
            "weights": [*self.weights],
        }

    def to_bytes(self) -> bytes:
        """Return the document: compact JSON, names sorted, UTF-8."""
        told = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return told.encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> Self:
        """Read a document; see `from_json`.

        Raises:
            Malformed: it is none.
            Unprocessable: a sum could pass half the plain modulus, or it says otherwise what cannot be.

        """
        if len(document) > DOCUMENT_LIMIT:
            raise Malformed(f"malformed model: {len(document)} bytes, want at most {DOCUMENT_LIMIT}")
        try:
            return cls.from_json(json.loads(document))
        except (ValueError, RecursionError) as error:
            raise Malformed("malformed model: it is not JSON") from error

    @classmethod
    def from_json(cls, told: Any) -> Self:
        """Read the members of a document, of a provider's and untrusted.

        Raises:
            Malformed: they are not exactly those, or not of their kinds and ranges.
            Unprocessable: a sum could pass half the plain modulus, or has fewer digits than its output.

        """
        if not isinstance(told, dict) or tuple(sorted(map(str, told))) != _MEMBERS:
            raise Malformed(f"malformed model: want exactly the members {', '.join(_MEMBERS)}")
        features, weights = _features(told["features"]), _weights(told["weights"])
        if len(features) != len(weights):
            raise Malformed(f"malformed model: {len(weights)} weights for {len(features)} features")
        if told["link"] not in list(Link):
            raise Malformed(f"malformed model: link is none of {', '.join(Link)}")
        made = cls(
            features,
            weights,
            _integer(told["intercept"], "intercept", -_NUMBER, _NUMBER),
            _integer(told["precision"], "precision", 0, DIGITS_LIMIT),
            Link(told["link"]),
            _integer(told["output"], "output", 0, DIGITS_LIMIT),
            _integer(told["subjects"], "subjects", 1, _NUMBER),
            _integer(told["samples"], "samples", 0, SAMPLES_FACTOR * FEATURES_LIMIT),
        )
        check_model(made)
        return made


def check_model(model: LinearModel, parameters: ParameterSet = PARAMETER_SETS[DEFAULT_PARAMETERS]) -> None:
    """Check that no sum can wrap, and that it has the digits of its output.

    Raises:
        Unprocessable: it can, or it has not.

    """
    if model.digits < model.output:
        raise Unprocessable(
            f"a score of this model has {model.digits} digits, and {model.output} are promised: "
            "write its weights or features more precisely"
        )
    if 2 * model.bound >= parameters.plain_modulus:
        raise Unprocessable(
            "a score of features within their bounds could pass half the plain modulus, and would wrap: "
            "want narrower bounds or fewer digits",
            bound=model.bound,
            limit=parameters.plain_modulus // 2,
        )


def _features(told: Any) -> tuple[Feature, ...]:
    if not isinstance(told, list) or not 0 < len(told) <= FEATURES_LIMIT:
        raise Malformed(f"malformed model: want one to {FEATURES_LIMIT} features")
    features = tuple(map(_feature, told))
    if len({feature.name for feature in features}) != len(features):
        raise Malformed("malformed model: two features have one name")
    return features


def _feature(told: Any) -> Feature:
    if not isinstance(told, dict) or sorted(map(str, told)) != ["high", "low", "name", "precision"]:
        raise Malformed("malformed model: a feature has exactly name, low, high and precision")
    name = told["name"]
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        raise Malformed(f"malformed model: a feature's name is 1 to {_NAME_LIMIT} printable characters")
    low, high = (_integer(told[end], f"{end} of a feature", -_NUMBER, _NUMBER) for end in ("low", "high"))
    if low > high:
        raise Malformed("malformed model: a feature's low is above its high")
    return Feature(name, low, high, _integer(told["precision"], "precision of a feature", 0, DIGITS_LIMIT))


def _weights(told: Any) -> tuple[int, ...]:
    if not isinstance(told, list):
        raise Malformed("malformed model: weights is not a list")
    return tuple(_integer(one, "a weight", -_NUMBER, _NUMBER) for one in told)


def _integer(value: Any, what: str, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise Malformed(f"malformed model: {what} is not a whole number from {low} to {high}")
    return value

"""Fitted models as documents: from scikit-learn, from ONNX, from plain weights. Nothing is ever unpickled.

    model_document(fitted, [{"name": "age", "low": 18, "high": 120, "precision": 0}, ...], subjects=4100)

Weights are rounded to as many digits as fit: where the rounding could show in
the output, the document is refused.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DecimalException
from typing import Any, Final

from dataspace.client.onnx import read_onnx
from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.model import DIGITS_LIMIT, FEATURES_LIMIT, Feature, LinearModel, Link, check_model
from dataspace.wire.parameters import DEFAULT_PARAMETERS, PARAMETER_SETS

# Exact for every double times 10^12.
_EXACT: Final = Context(prec=800, rounding=ROUND_HALF_EVEN)
_LARGEST: Final = 1e15


@dataclass(frozen=True)
class Weights:
    """A linear model in doubles: the sum of `weights` times features, plus `intercept`, through `link`."""

    weights: tuple[float, ...]
    intercept: float
    link: Link


def model_document(
    model: Any,
    features: Sequence[Mapping[str, Any]],
    *,
    subjects: int,
    output: int = 2,
    precision: int | None = None,
    samples: int = 0,
) -> LinearModel:
    """Return a model as it is registered.

    `model` is a fitted linear model of scikit-learn, the bytes of an ONNX
    file, or `{"weights": [...], "intercept": ..., "link": "identity"}`. Each
    of `features` has name, low, high and precision, in the model's order.
    `precision` is the digits of the weights: without it, as many as fit.

    Raises:
        Malformed: the model is none of these, or a number is not finite.
        Unprocessable: it is not linear, the features are not its own, or its
            scores cannot have the digits of `output` and never wrap.

    """
    found = read_model(model)
    chosen = tuple(map(_feature, features))
    if len(chosen) != len(found.weights) or not 0 < len(chosen) <= FEATURES_LIMIT:
        raise Unprocessable(f"{len(chosen)} features for a model of {len(found.weights)}")
    digits = range(DIGITS_LIMIT, -1, -1) if precision is None else [precision]
    for number in digits:
        made = LinearModel(
            chosen,
            tuple(scaled(weight, number) for weight in found.weights),
            scaled(found.intercept, number),
            number,
            found.link,
            output,
            subjects,
            samples,
        )
        if precision is not None or _fits(made):
            break
    check_model(made)
    _check_rounding(made)
    return LinearModel.from_json(made.to_json())


def read_model(model: Any) -> Weights:
    """Return the weights of a fitted model, of an ONNX file's bytes, or of plain weights.

    Raises:
        Malformed: it is none of these, or a number is not finite.
        Unprocessable: it is not one linear or binary logistic model.

    """
    if isinstance(model, bytes | bytearray | memoryview):
        weights, intercept, logistic = read_onnx(bytes(model))
        found = Weights(tuple(weights), intercept, Link.LOGISTIC if logistic else Link.IDENTITY)
    elif isinstance(model, Mapping):
        found = _plain(model)
    else:
        found = _fitted(model)
    if not all(
        math.isfinite(number) and abs(number) < _LARGEST for number in (*found.weights, found.intercept)
    ):
        raise Malformed("malformed model: a weight is not a finite number below 10^15")
    return found


def scaled(value: float | str | Decimal, precision: int) -> int:
    """Return a number in units of 10^-precision, half to even.

    Raises:
        Malformed: it is not a finite number.

    """
    try:
        # A numpy number is a float by its own word; an integer or a text keeps every digit.
        exact = value if isinstance(value, Decimal | int | str) else float(value)
        return int((Decimal(exact).scaleb(precision, _EXACT)).to_integral_value(ROUND_HALF_EVEN, _EXACT))
    except (DecimalException, TypeError, ValueError, OverflowError) as error:
        raise Malformed("malformed number: want a finite one") from error


def _fits(model: LinearModel) -> bool:
    return 2 * model.bound < PARAMETER_SETS[DEFAULT_PARAMETERS].plain_modulus


def _check_rounding(model: LinearModel) -> None:
    """Let pass what the rounding of the weights changes by less than half a unit of the output."""
    reach = sum(
        max(abs(feature.low), abs(feature.high)) * 10.0**-feature.precision for feature in model.features
    )
    if (reach + 1) * 10.0**-model.precision > 10.0**-model.output:
        raise Unprocessable(
            f"the weights have room for {model.precision} digits, which is too few for {model.output} of the "
            "output: want narrower bounds, features of fewer digits, or a smaller output"
        )


def _feature(told: Mapping[str, Any]) -> Feature:
    if sorted(told) not in (["high", "low", "name"], ["high", "low", "name", "precision"]):
        raise Malformed("malformed feature: want name, low, high and precision")
    precision = told.get("precision", 0)
    if type(precision) is not int or not 0 <= precision <= DIGITS_LIMIT:
        raise Malformed(f"malformed feature: precision is not a whole number up to {DIGITS_LIMIT}")
    return Feature(
        str(told["name"]), scaled(told["low"], precision), scaled(told["high"], precision), precision
    )


def _plain(told: Mapping[str, Any]) -> Weights:
    if not {"weights"} <= told.keys() <= {"weights", "intercept", "link"}:
        raise Malformed("malformed model: want weights, intercept and link")
    link = told.get("link", Link.IDENTITY)
    if link not in list(Link):
        raise Malformed(f"malformed model: link is none of {', '.join(Link)}")
    return Weights(_numbers(told["weights"]), _numbers([told.get("intercept", 0.0)])[0], Link(link))


def _fitted(model: Any) -> Weights:
    """Read what fitted linear models of scikit-learn have: `coef_`, `intercept_`, perhaps `classes_`."""
    rows, intercepts = getattr(model, "coef_", None), getattr(model, "intercept_", None)
    if rows is None or intercepts is None:
        raise Malformed("malformed model: want a fitted one with coef_, an ONNX file, or weights")
    classes = getattr(model, "classes_", None)
    if classes is not None and (len(classes) != 2 or not hasattr(model, "predict_proba")):
        raise Unprocessable("want a regression, or a logistic one of two classes")
    weights, shift = _flat(rows), _flat(intercepts)
    if len(shift) != 1 or (hasattr(rows, "ndim") and rows.ndim > 1 and len(rows) != 1):
        raise Unprocessable("want a model of one target")
    return Weights(weights, shift[0], Link.IDENTITY if classes is None else Link.LOGISTIC)


def _flat(values: Any) -> tuple[float, ...]:
    flat = values.ravel().tolist() if hasattr(values, "ravel") else values
    return _numbers(flat if isinstance(flat, Iterable) else [flat])


def _numbers(values: Any) -> tuple[float, ...]:
    try:
        return tuple(map(float, values))
    except (TypeError, ValueError, OverflowError) as error:
        raise Malformed("malformed model: a weight is not a number") from error

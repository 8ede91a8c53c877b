"""Fitted models as documents: scikit-learn's by their shape, ONNX files as untrusted bytes."""

import pickle
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.client.models import model_document, read_model, scaled
from dataspace.client.onnx import read_onnx
from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.model import Link

FEATURES = [
    {"name": "age", "low": 18, "high": 120},
    {"name": "income", "low": 0, "high": 500, "precision": 2},
]


@dataclass
class Fitted:
    """What scikit-learn's LinearRegression and Ridge are, after `fit`."""

    coef_: Any
    intercept_: Any


@dataclass
class Classifier(Fitted):
    """... and its LogisticRegression."""

    classes_: Any

    def predict_proba(self) -> None:
        """Be asked for by name alone."""


def _document(model: Any, **changed: Any) -> Any:
    return model_document(model, FEATURES, **{"subjects": 100, **changed})


def test_a_fitted_regression_is_read_by_its_shape() -> None:
    model = _document(Fitted(np.array([0.5, -0.00125]), 3.25))
    assert model.link is Link.IDENTITY
    assert [weight * 10.0**-model.precision for weight in model.weights] == [0.5, -0.00125]
    assert model.intercept * 10.0**-model.precision == 3.25


def test_a_logistic_regression_of_two_classes_is_read() -> None:
    model = _document(Classifier(np.array([[0.5, -0.00125]]), np.array([3.25]), np.array([0, 1])))
    assert model.link is Link.LOGISTIC


@pytest.mark.parametrize(
    "model",
    [
        Classifier(np.ones((3, 2)), np.ones(3), np.arange(3)),
        Fitted(np.ones((2, 2)), np.ones(2)),
        Fitted(np.ones(3), 0.0),
        {"weights": [1, 2, 3]},
        {"weights": [1e14, 1]},
    ],
)
def test_a_model_of_another_shape_is_refused(model: Any) -> None:
    with pytest.raises(Unprocessable):
        _document(model)


@pytest.mark.parametrize(
    "model",
    [
        object(),
        Fitted(np.array([np.nan, 1]), 0.0),
        Fitted(np.array([1, np.inf]), 0.0),
        {"weights": ["x", 1]},
        {"weights": [1, 2], "link": "probit"},
        {"weights": 3},
        {"intercept": 3},
        "weights",
    ],
)
def test_what_is_no_model_is_refused(model: Any) -> None:
    with pytest.raises(Malformed):
        _document(model)


def test_he_12_a_pickle_is_never_opened(tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "opened"), "w"))

    with pytest.raises(Malformed):
        _document(pickle.dumps(Trap()))
    assert not (tmp_path / "opened").exists()


def test_weights_get_as_many_digits_as_never_wrap() -> None:
    model = _document({"weights": [1 / 3, 1 / 7]}, output=2)
    assert 2 * model.bound < 1099511480321 < 20 * model.bound
    with pytest.raises(Unprocessable, match="too few"):
        _document({"weights": [1 / 3, 1 / 7]}, output=7)


@given(st.floats(-1e15, 1e15), st.integers(0, 12))
def test_scaling_is_exact_to_half_a_unit(value: float, digits: int) -> None:
    from fractions import Fraction  # noqa: PLC0415

    assert abs(scaled(value, digits) - Fraction(value) * 10**digits) <= Fraction(1, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x", None, [1]])
def test_what_is_no_number_is_not_scaled(value: Any) -> None:
    with pytest.raises(Malformed):
        scaled(value, 2)


# -- ONNX, written by hand as onnx.proto says


def _varint(number: int) -> bytes:
    return bytes(
        [number & 127 | (128 if number > 127 else 0), *(_varint(number >> 7) if number > 127 else [])]
    )


def _field(number: int, value: bytes | float) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _attribute(name: str, *values: float, text: bytes = b"") -> bytes:
    told = b"".join(_field(7, float(value)) for value in values)
    return _field(5, _field(1, name.encode()) + (_field(4, text) if text else told))


def _node(kind: str, given: list[str], made: str, *attributes: bytes) -> bytes:
    named = b"".join(_field(1, name.encode()) for name in given) + _field(2, made.encode())
    return _field(1, named + _field(4, kind.encode()) + b"".join(attributes))


def _tensor(name: str, shape: list[int], *values: float, raw: bool = False) -> bytes:
    dims = b"".join(_field(1, size) for size in shape)
    packed = struct.pack(f"<{len(values)}f", *values)
    told = _field(9 if raw else 4, packed)
    return _field(5, dims + _field(2, 1) + told + _field(8, name.encode()))


def _file(*graph: bytes) -> bytes:
    return _field(1, 8) + _field(7, b"".join(graph))


REGRESSOR = _file(
    _node("LinearRegressor", ["x"], "y", _attribute("coefficients", 0.5, -2), _attribute("intercepts", 3))
)
CLASSIFIER = _file(
    _node(
        "LinearClassifier",
        ["x"],
        "label",
        _attribute("coefficients", -0.5, 2, 0.5, -2),
        _attribute("intercepts", -3, 3),
        _attribute("post_transform", text=b"LOGISTIC"),
    ),
    _node("Normalizer", ["label"], "p"),
    _node("ZipMap", ["p"], "z"),
)
GEMM = _file(
    _node("Gemm", ["x", "w", "b"], "y"),
    _node("Sigmoid", ["y"], "p"),
    _tensor("w", [2, 1], 0.5, -2),
    _tensor("b", [1], 3, raw=True),
)
MATMUL = _file(
    _node("MatMul", ["x", "w"], "m"),
    _node("Add", ["m", "b"], "y"),
    _tensor("w", [2], 0.5, -2),
    _tensor("b", [1], 3),
)  # fmt: skip


@pytest.mark.parametrize(
    ("content", "logistic"), [(REGRESSOR, False), (CLASSIFIER, True), (GEMM, True), (MATMUL, False)]
)
def test_onnx_graphs_of_one_linear_model_are_read(content: bytes, logistic: bool) -> None:
    assert read_onnx(content) == ((0.5, -2.0), 3.0, logistic)
    assert read_model(content).link is (Link.LOGISTIC if logistic else Link.IDENTITY)


def test_a_softmax_of_two_scores_is_the_logistic_function_of_their_difference() -> None:
    content = CLASSIFIER.replace(b"LOGISTIC", b"SOFTMAX\x00")
    with pytest.raises(Unprocessable):
        read_onnx(content)
    node = _node(
        "LinearClassifier",
        ["x"],
        "label",
        _attribute("coefficients", -0.5, 2, 0.5, -2),
        _attribute("intercepts", -3, 3),
        _attribute("post_transform", text=b"SOFTMAX"),
    )
    assert read_onnx(_file(node)) == ((1.0, -4.0), 6.0, True)


@pytest.mark.parametrize(
    "graph",
    [
        [_node("TreeEnsembleRegressor", ["x"], "y")],
        [_node("Scaler", ["x"], "s"), _node("LinearRegressor", ["s"], "y", _attribute("coefficients", 1))],
        [_node("Gemm", ["x", "w"], "y"), _tensor("w", [2, 2], 1, 2, 3, 4)],
        [_node("Gemm", ["x", "x"], "y")],
        [_node("MatMul", ["x", "w"], "m"), _node("Add", ["q", "b"], "y"), _tensor("w", [1], 1)],
        [],
    ],
)  # fmt: skip
def test_another_graph_is_refused(graph: list[bytes]) -> None:
    with pytest.raises(Unprocessable):
        read_onnx(_file(*graph))


@given(st.data())
def test_a_mutated_onnx_file_is_refused_with_one_error_or_read(data: Any) -> None:
    body = bytearray(data.draw(st.sampled_from([REGRESSOR, CLASSIFIER, GEMM, MATMUL])))
    for _ in range(data.draw(st.integers(1, 3))):
        match data.draw(st.integers(0, 2)):
            case 0:
                body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            case 1:
                body[data.draw(st.integers(1, len(body))) :] = b""
            case _:
                at = data.draw(st.integers(0, len(body)))
                body[at:at] = data.draw(st.binary(min_size=1, max_size=5))
    try:
        read_model(bytes(body))
    except Malformed:
        return


@given(st.binary(max_size=300))
def test_noise_is_no_onnx_file(noise: bytes) -> None:
    with pytest.raises(Malformed):
        read_onnx(noise)


def test_scikit_learn_and_onnx_agree_with_us() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    helper = pytest.importorskip("onnx.helper")
    chance = np.random.default_rng(1)
    samples = chance.normal(size=(200, 2))
    for kind in (linear_model.LinearRegression(), linear_model.Ridge(), linear_model.LogisticRegression()):
        target = samples @ [1, -2] > 0
        fitted = kind.fit(samples, target)
        found = read_model(fitted)
        assert np.allclose(found.weights, np.ravel(fitted.coef_))
        node = helper.make_node(
            "LinearRegressor",
            ["x"],
            ["y"],
            domain="ai.onnx.ml",
            coefficients=[float(weight) for weight in found.weights],
            intercepts=[found.intercept],
        )
        number = helper.make_tensor_value_info
        graph = helper.make_graph([node], "g", [number("x", 1, [None, 2])], [number("y", 1, [None, 1])])
        read = read_model(helper.make_model(graph).SerializeToString())
        assert np.allclose(read.weights, found.weights, rtol=1e-6)
        assert np.isclose(read.intercept, found.intercept, rtol=1e-6)

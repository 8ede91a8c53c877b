"""Linear models in ONNX files, read without ONNX: untrusted bytes, of which one error comes.

Taken are the graphs of one LinearRegressor or LinearClassifier (ai.onnx.ml), or
of one Gemm, or of MatMul and Add, on the graph's one input, and behind them
what changes no score: Cast, Identity, Normalizer, ZipMap and the like, and
Sigmoid. The messages and their numbers are those of onnx.proto.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.model import FEATURES_LIMIT
from dataspace.wire.protobuf import read_varint

_SIZE: Final = 1 << 22
_FIELDS: Final = 4096  # of one message: a float that is not packed is a field
_HARMLESS: Final = frozenset({"Cast", "Identity", "Normalizer", "ZipMap", "Flatten", "Reshape", "Squeeze"})
_WIDTHS: Final = {1: 8, 5: 4}
_FLOAT, _DOUBLE = 1, 11  # TensorProto.DataType


@dataclass
class _Node:
    kind: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tensor:
    shape: tuple[int, ...]
    values: tuple[float, ...]


Linear = tuple[tuple[float, ...], float, bool]


def read_onnx(content: bytes) -> Linear:
    """Return weights, intercept, and whether the logistic function follows, of an ONNX file.

    Raises:
        Malformed: it is no ONNX file.
        Unprocessable: it is one of another model than one linear or logistic one.

    """
    if len(content) > _SIZE:
        raise Malformed(f"malformed ONNX file: {len(content)} bytes, want at most {_SIZE}")
    try:
        graphs = [_bytes(value) for number, value in _fields(memoryview(content)) if number == 7]
        if len(graphs) != 1:
            raise Malformed("malformed ONNX file: want one graph")
        nodes, tensors = _graph(graphs[0])
        return _linear(nodes, tensors)
    except (UnicodeDecodeError, struct.error, IndexError, ValueError, TypeError) as error:
        raise Malformed("malformed ONNX file: a field is not of its kind") from error


def _linear(nodes: list[_Node], tensors: dict[str, _Tensor]) -> Linear:
    kinds = [node.kind for node in nodes if node.kind not in _HARMLESS]
    used = [node for node in nodes if node.kind not in _HARMLESS]
    logistic = kinds[-1:] == ["Sigmoid"]
    if logistic:
        kinds.pop()
    _chained(nodes, tensors)
    if kinds == ["LinearRegressor"]:
        weights, shifts = _coefficients(used[0], 1)
        return weights, shifts[0], logistic
    if kinds == ["LinearClassifier"] and not logistic:
        return _classifier(used[0])
    if kinds == ["Gemm"]:
        return (*_gemm(used[0], tensors), logistic)
    if kinds == ["MatMul", "Add"]:
        weights = _vector(used[0], tensors)
        return weights, _shift(used[1], tensors), logistic
    raise Unprocessable("the ONNX file is not of one linear or logistic model, or of a pipeline with more")


def _chained(nodes: list[_Node], tensors: dict[str, _Tensor]) -> None:
    """Check that each node has the output of an earlier one, or the graph's input, and constants besides."""
    made: set[str] = set()
    for place, node in enumerate(nodes):
        given = [name for name in node.inputs if name and name not in tensors]
        if len(given) != 1 or (place > 0 and given[0] not in made):
            raise Unprocessable("the ONNX file's graph is no chain of one input")
        made |= {name for name in node.outputs if name}


def _coefficients(node: _Node, rows: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    flat = tuple(node.attributes.get("coefficients", ()))
    shifts = tuple(node.attributes.get("intercepts", ())) or (0.0,) * rows
    transform = node.attributes.get("post_transform", b"NONE")
    expected = {b"NONE"} if rows == 1 else {b"NONE", b"LOGISTIC", b"SOFTMAX"}
    if transform not in expected or node.attributes.get("targets", 1) != 1:
        raise Unprocessable("the ONNX file's model has several targets, or another transform")
    if len(shifts) != rows or not flat or len(flat) % rows or len(flat) // rows > FEATURES_LIMIT:
        raise Unprocessable(f"the ONNX file's model is not of {rows} times one to {FEATURES_LIMIT} weights")
    return flat, shifts


def _classifier(node: _Node) -> Linear:
    rows = len(node.attributes.get("intercepts", ())) or 1
    flat, shifts = _coefficients(node, rows) if rows in {1, 2} else ((), ())
    if not flat:
        raise Unprocessable("the ONNX file's model is of more than two classes")
    if rows == 1:
        return flat, shifts[0], True
    width = len(flat) // 2
    none, one = flat[:width], flat[width:]
    if node.attributes.get("post_transform") == b"SOFTMAX":
        # The softmax of two scores is the logistic function of their difference.
        difference = tuple(second - first for first, second in zip(none, one, strict=True))
        return difference, shifts[1] - shifts[0], True
    if none != tuple(-weight for weight in one) or shifts[0] != -shifts[1]:
        raise Unprocessable("the ONNX file's two classes have scores of their own")
    return one, shifts[1], True


def _gemm(node: _Node, tensors: dict[str, _Tensor]) -> tuple[tuple[float, ...], float]:
    attributes = node.attributes
    plain = attributes.get("alpha", 1.0) == 1.0 and attributes.get("beta", 1.0) == 1.0
    if not plain or attributes.get("transA", 0):
        raise Unprocessable("the ONNX file's Gemm has factors, or turns its input")
    return _vector(node, tensors), _shift(node, tensors) if len(node.inputs) > 2 else 0.0


def _vector(node: _Node, tensors: dict[str, _Tensor]) -> tuple[float, ...]:
    """Return the constant of a product: a matrix of one row or one column."""
    found = tensors.get(node.inputs[1])
    if found is None or len(found.shape) > 2 or (len(found.shape) == 2 and 1 not in found.shape):
        raise Unprocessable("the ONNX file's product is not with one constant vector")
    if not 0 < len(found.values) <= FEATURES_LIMIT:
        raise Unprocessable(f"the ONNX file's model is not of one to {FEATURES_LIMIT} weights")
    return found.values


def _shift(node: _Node, tensors: dict[str, _Tensor]) -> float:
    constants = [tensors[name] for name in node.inputs if name in tensors]
    if not constants or len(constants[-1].values) != 1:
        raise Unprocessable("the ONNX file's sum is not with one constant number")
    return constants[-1].values[0]


def _graph(message: memoryview) -> tuple[list[_Node], dict[str, _Tensor]]:
    nodes, tensors = [], {}
    for number, value in _fields(message):
        if number == 1:
            nodes.append(_node(_bytes(value)))
        elif number == 5:
            name, tensor = _tensor(_bytes(value))
            tensors[name] = tensor
    return nodes, tensors


def _node(message: memoryview) -> _Node:
    node = _Node()
    for number, value in _fields(message):
        match number:
            case 1:
                node.inputs.append(_text(value))
            case 2:
                node.outputs.append(_text(value))
            case 4:
                node.kind = _text(value)
            case 5:
                name, told = _attribute(_bytes(value))
                node.attributes[name] = told
    return node


def _attribute(message: memoryview) -> tuple[str, Any]:
    """Return name and value: of a float, a whole number, a text, or several floats; None of anything else."""
    name, told, floats = "", None, list[float]()
    for number, value in _fields(message):
        match number:
            case 1:
                name = _text(value)
            case 2:
                [told] = struct.unpack("<f", _bytes(value))
            case 3:
                told = value
            case 4:
                told = bytes(_bytes(value))
            case 7:
                floats += _floats(_bytes(value), "f")
    return name, tuple(floats) or told


def _tensor(message: memoryview) -> tuple[str, _Tensor]:
    name, shape, kind, values = "", list[int](), 0, list[float]()
    raw: memoryview | None = None
    for number, value in _fields(message):
        match number:
            case 1:
                shape += [value] if isinstance(value, int) else _numbers(value)
            case 2:
                kind = value if isinstance(value, int) else 0
            case 4:
                values += _floats(_bytes(value), "f")
            case 8:
                name = _text(value)
            case 9:
                raw = _bytes(value)
            case 10:
                values += _floats(_bytes(value), "d")
    if raw is not None and kind in {_FLOAT, _DOUBLE}:
        values = _floats(raw, "f" if kind == _FLOAT else "d")
    return name, _Tensor(tuple(shape), tuple(values))


def _floats(packed: memoryview, letter: str) -> list[float]:
    return list(struct.unpack(f"<{len(packed) // struct.calcsize(letter)}{letter}", packed))


def _numbers(packed: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(packed):
        number, at = read_varint(packed, at)
        numbers.append(number)
    return numbers


def _fields(view: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield number and value of each field of a message.

    Raises:
        Malformed: it is cut off, or has a wire type that ONNX does not.

    """
    at, left = 0, _FIELDS
    while at < len(view):
        left -= 1
        tag, at = read_varint(view, at)
        if not left or not tag >> 3:
            raise Malformed("malformed ONNX file: too many fields, or one of no number")
        if tag & 7 == 0:
            value, at = read_varint(view, at)
            yield tag >> 3, value
            continue
        size = _WIDTHS.get(tag & 7, -1)
        if tag & 7 == 2:
            size, at = read_varint(view, at)
        if not 0 <= size <= len(view) - at:
            raise Malformed("malformed ONNX file: a field is longer than what is left")
        yield tag >> 3, view[at : at + size]
        at += size


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Malformed("malformed ONNX file: a number where bytes are wanted")
    return value


def _text(value: int | memoryview) -> str:
    return bytes(_bytes(value)).decode()

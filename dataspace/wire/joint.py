"""Joint statistics across zones: the job that every zone gets, its parts, and their sum.

A job is canonical JSON (compact, names sorted, ASCII), and its SHA-256 is what
all that comes of it is bound to: masks, parts, sum and ledger entries.

    {"id": "<32 hex>", "peers": ["a", "b", "c"], "coordinator": "a",
     "agreements": {"a": "ag-...", ...}, "rows": {"a": 5000, ...},
     "dimensions": ["district"], "cells": [["east"], ["west"]],
     "measures": [{"kind": "count"},
                  {"kind": "sum", "column": "amount", "low": 0, "high": 5000, "precision": 2}],
     "max_rows": 1, "epsilon": 1000000, "parameters": "bfv-8192-t40",
     "key": "<SHA-256 of the public context>", "expires": 1795395973}

The values of a part are integers modulo t: measure after measure, in each the
cells in the job's order, in the slots of as many ciphertexts as they need.
`rows` are those of each zone's dataset, as its catalogue says: with them, no
total can pass t / 2, or the job is none.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from dataspace.errors import Malformed, Unprocessable
from dataspace.wire.compact import compact, integer, read_compact, text, token
from dataspace.wire.parameters import DEFAULT_PARAMETERS, ParameterSet, parameter_set

Cell: TypeAlias = tuple[str | int | bool | None, ...]

PEERS_LIMIT: Final = 16
CELLS_LIMIT: Final = 8192
MEASURES_LIMIT: Final = 8
DIMENSIONS_LIMIT: Final = 4
ROWS_LIMIT: Final = 1000  # of one subject
LIFETIME_SECONDS: Final = 86_400
JOB_LIMIT: Final = 1 << 20  # bytes
TAIL: Final = 64  # scales of noise that a draw passes with a chance below e^-64: values are clamped there
_MILLION: Final = 1_000_000
_LARGEST: Final = 1 << 53
_BINDING: Final = b"dataspace joint job v1\n"
NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_ID: Final = re.compile(r"[0-9a-f]{32}")
_AGREEMENT: Final = re.compile(r"ag-[0-9a-f]{16}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_SUM: Final = frozenset({"kind", "column", "low", "high", "precision"})


@dataclass(frozen=True)
class Measure:
    """One number for each cell: its rows if `column` is empty, else the sum of its clamped values."""

    column: str = ""
    low: int = 0
    high: int = 1
    precision: int = 0

    @property
    def name(self) -> str:
        """Return what the job's result calls it."""
        return f"sum({self.column})" if self.column else "count"

    @property
    def peak(self) -> int:
        """Return the most by which one row can change it, in units of 10^-precision."""
        unit: int = 10**self.precision
        return max(abs(self.low), abs(self.high)) * unit

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads."""
        if not self.column:
            return {"kind": "count"}
        bounds = {"low": self.low, "high": self.high, "precision": self.precision}
        return {"kind": "sum", "column": self.column, **bounds}

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read one measure of a job.

        Raises:
            Malformed: it is none.

        """
        if data == {"kind": "count"}:
            return cls()
        if not isinstance(data, dict) or data.keys() != _SUM or data["kind"] != "sum":
            raise Malformed("malformed job: a measure is a count, or a sum with column, low, high, precision")
        precision = integer(data["precision"], "precision", 0, 6)
        column = text(data["column"])
        low, high = (integer(data[end], f"{end} of {column}", -(1 << 40), 1 << 40) for end in ("low", "high"))
        if low >= high:
            raise Malformed(f"malformed job: low of {column} is {low}, want less than high, {high}")
        return cls(column, low, high, precision)


@dataclass(frozen=True)
class Job:
    """What a consumer asks of several zones together; `epsilon`, in millionths, is charged by each of them.

    Peers, dimensions and measures are in the order of their names.
    `expires` is in seconds since 1970.
    """

    id: str
    peers: tuple[str, ...]
    coordinator: str
    agreements: Mapping[str, str]
    rows: Mapping[str, int]
    dimensions: tuple[str, ...]
    cells: tuple[Cell, ...]
    measures: tuple[Measure, ...]
    max_rows: int
    epsilon: int
    key: str
    expires: int
    parameters: str = DEFAULT_PARAMETERS

    @property
    def limits(self) -> ParameterSet:
        """Return the parameter set of its ciphertexts."""
        return parameter_set(self.parameters)

    @property
    def length(self) -> int:
        """Return how many integers a part holds."""
        return len(self.measures) * len(self.cells)

    @property
    def vectors(self) -> int:
        """Return how many ciphertexts a part is."""
        return -(-self.length // self.limits.slots)

    @property
    def share(self) -> int:
        """Return the epsilon of each measure, and of the decision which cells have enough subjects."""
        return self.epsilon // (len(self.measures) + 1)

    @property
    def sha256(self) -> str:
        """Return the digest that everything is bound to, in hex."""
        return hashlib.sha256(_BINDING + self.encode()).hexdigest()

    def sensitivity(self, measure: Measure) -> int:
        """Return by how much one subject can change a measure of one zone, over all cells together."""
        return self.max_rows * measure.peak

    def noise(self, measure: Measure) -> int:
        """Return the scale of each zone's Laplace noise in units of 10^-precision, rounded up."""
        return -(-self.sensitivity(measure) * _MILLION // self.share)

    def reach(self, measure: Measure, peer: str) -> int:
        """Return what no value of a zone's part passes: its rows all in one cell, and its noise."""
        return self.rows[peer] * measure.peak + TAIL * self.noise(measure)

    def limit(self, measure: Measure) -> int:
        """Return what no joint total passes."""
        return sum(self.reach(measure, peer) for peer in self.peers)

    def encode(self) -> bytes:
        """Return the canonical JSON."""
        told = {**vars(self), "measures": [measure.to_json() for measure in self.measures]}
        return compact({name: told[name] for name in self.__dataclass_fields__})

    @classmethod
    def decode(cls, data: bytes | memoryview) -> Self:
        """Read a job.

        Raises:
            Malformed: it is none, or not written canonically.
            Unprocessable: a total might pass half of the plain modulus, or the parameter set is another.

        """
        told = read_compact(data, "job", JOB_LIMIT)
        if told.keys() != cls.__dataclass_fields__.keys():
            raise Malformed(f"malformed job: want {', '.join(sorted(cls.__dataclass_fields__))}")
        peers = _names(told["peers"], "peers", 2, PEERS_LIMIT)
        dimensions = _names(told["dimensions"], "dimensions", 1, DIMENSIONS_LIMIT)
        job = cls(
            id=token(told["id"], "id", _ID),
            peers=tuple(token(peer, "peer", NAME) for peer in peers),
            coordinator=token(told["coordinator"], "coordinator", NAME),
            agreements=_by_peer(told["agreements"], "agreements", peers),
            rows=_by_peer(told["rows"], "rows", peers),
            dimensions=dimensions,
            cells=_cells(told["cells"], len(dimensions)),
            measures=_measures(told["measures"]),
            max_rows=integer(told["max_rows"], "max_rows", 1, ROWS_LIMIT),
            # At least a millionth for each share.
            epsilon=integer(told["epsilon"], "epsilon", MEASURES_LIMIT + 1, 100 * _MILLION),
            key=token(told["key"], "key", _DIGEST),
            expires=integer(told["expires"], "expires", 1, _LARGEST),
            parameters=token(told["parameters"], "parameters", re.compile(r"[a-z0-9-]{1,32}")),
        )
        return job.checked()

    def checked(self) -> Self:
        """Return the job if what it says fits together.

        Raises:
            Malformed: the coordinator is none of the peers, or a name is no agreement.
            Unprocessable: a total might pass half of the plain modulus, or the parameter set is another.

        """
        if self.coordinator not in self.peers:
            raise Malformed(f"malformed job: its coordinator {self.coordinator!r} is none of the peers")
        for peer in self.peers:
            token(self.agreements[peer], "agreement", _AGREEMENT)
            integer(self.rows[peer], "rows", 0, 1 << 40)
        if self.parameters != DEFAULT_PARAMETERS:
            raise Unprocessable(f"a joint statistic is of the parameter set {DEFAULT_PARAMETERS}")
        for measure in self.measures:
            # Beyond it a total would come back as another number: refused before anything is sent.
            if 2 * self.limit(measure) >= self.limits.plain_modulus:
                raise Unprocessable(
                    f"a joint total of {measure.name} might pass {self.limits.plain_modulus // 2}: "
                    "lower its precision or its bounds, or raise epsilon",
                    measure=measure.name,
                )
        return self


def _names(data: Any, what: str, least: int, most: int) -> tuple[str, ...]:
    if not isinstance(data, list) or not least <= len(data) <= most:
        raise Malformed(f"malformed job: want {least} to {most} {what}")
    names = tuple(map(text, data))
    if list(names) != sorted(set(names)):
        raise Malformed(f"malformed job: {what} are not different, or not in the order of their names")
    return names


def _by_peer(data: Any, what: str, peers: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(data, dict) or set(data) != set(peers):
        raise Malformed(f"malformed job: {what} are not of each peer one")
    return dict(data)


def _measures(data: Any) -> tuple[Measure, ...]:
    if not isinstance(data, list) or not 0 < len(data) <= MEASURES_LIMIT:
        raise Malformed(f"malformed job: want one to {MEASURES_LIMIT} measures")
    found = tuple(map(Measure.from_json, data))
    names = [measure.name for measure in found]
    if names != sorted(set(names)):
        raise Malformed("malformed job: measures are not different, or not in the order of their names")
    return found


def _cells(data: Any, width: int) -> tuple[Cell, ...]:
    if not isinstance(data, list) or not 0 < len(data) <= CELLS_LIMIT:
        raise Malformed(f"malformed job: want one to {CELLS_LIMIT} cells")
    if not all(isinstance(cell, list) and len(cell) == width for cell in data):
        raise Malformed(f"malformed job: a cell is a list of {width} values")
    cells = tuple(tuple(map(_value, cell)) for cell in data)
    # True equals 1, and is another value.
    if len({tuple((type(value), value) for value in cell) for cell in cells}) != len(cells):
        raise Malformed("malformed job: a cell is named twice")
    return cells


def _value(value: Any) -> str | int | bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return integer(value, "value of a cell", -_LARGEST, _LARGEST)
    return text(value, least=0)

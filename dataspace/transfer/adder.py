"""Totals of sealed datasets, computed on ciphertext alone: the class that lives in a worker with SEAL.

Rows stand in the order of their cells, so most blocks have one weight: those of
equal weight are added up, and multiplied once. Blocks in which several weights
meet are multiplied by a mask. Blocks are kept in NTT form, as far as there is room.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv.scheme import REFUSALS, Scheme
from dataspace.bfv.sealed import Signed, pack_result, residues, row_weights, unpack_block
from dataspace.catalog.payloads import into_memfd
from dataspace.errors import Malformed, Unavailable, VerificationError
from dataspace.wire.frame import join_parts
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.sealed import BLOCK_ROWS, BLOCK_SIZE, RESULT_MAGIC

Weights = np.ndarray[tuple[int, int], np.dtype[np.int64]]

_KEPT: Final = 256  # ciphertexts of half a megabyte in NTT form
_FILES: Final = 4  # containers in memory, as they came: encrypted


class Adder:
    """Adds up blocks of sealed datasets; the target of a `dataspace.sandbox.Pool`."""

    def __init__(self) -> None:
        self._parameters = parameter_set(DEFAULT_PARAMETERS)
        self._scheme = Scheme(self._parameters)
        self._evaluator = self._scheme.evaluator
        self._files: dict[str, tuple[str, int]] = {}  # by path: the dataset, the file in memory
        self._kept: dict[tuple[str, int], Any] = {}

    def total(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"result": bytes}`: for each group the total of the values, and of the tags.

        Request: `dataset`; `path`, `key`, `context` of its sealed container, `sha256` of its
        bytes, `start` of the measure's first block in it, `counts` of rows by
        cell, and `groups`: each the weights of all cells.

        Raises:
            Unavailable: the container does not open.
            Malformed: a block is none.

        """
        self._open(request)
        path, start = request["path"], request["start"]
        parts: list[bytes] = []
        try:
            for weights in request["groups"]:
                rows = row_weights(weights, request["counts"]).reshape(-1, BLOCK_ROWS)
                parts += self._sums(path, start, rows)
        except REFUSALS as error:
            raise Malformed("malformed sealed dataset: SEAL refuses a block") from error
        return {"result": join_parts(RESULT_MAGIC, parts)}

    def evict(self, request: Mapping[str, Any]) -> None:
        """Forget the containers of `{"dataset"}`."""
        for path in [path for path, (dataset, _) in self._files.items() if dataset == request["dataset"]]:
            self._close(path)

    def _open(self, request: Mapping[str, Any]) -> None:
        path = request["path"]
        if path in self._files:
            return
        while len(self._files) >= _FILES:
            self._close(next(iter(self._files)))
        try:
            opened = into_memfd(path, request["key"], request["context"], sha256=request["sha256"])
            self._files[path] = (request["dataset"], opened)
        except (OSError, VerificationError) as error:
            raise Unavailable("the sealed dataset does not open") from error

    def _close(self, path: str) -> None:
        os.close(self._files.pop(path)[1])
        self._kept = {name: cipher for name, cipher in self._kept.items() if name[0] != path}

    def _sums(self, path: str, start: int, rows: Weights) -> list[bytes]:
        """Return the weighted sums of a measure's values and of its tags; `rows` are weights by block."""
        mixed, alike = self._pair(), dict[int, tuple[_Sum, _Sum]]()
        for place, weights in enumerate(rows):
            if not weights.any():
                continue
            pair = [self._block(path, start + (2 * place + half) * BLOCK_SIZE) for half in (0, 1)]
            if (weights == weights[0]).all():
                _add(alike.setdefault(int(weights[0]), self._pair()), pair)
            else:
                _add(mixed, self._times(pair, weights))
        for weight, sums in sorted(alike.items()):
            found = [one.value for one in sums]
            one = np.full(BLOCK_ROWS, weight, np.int64)
            _add(mixed, found if weight == 1 else self._times(found, one))
        return [self._result(total) for total in mixed]

    def _pair(self) -> "tuple[_Sum, _Sum]":
        return _Sum(self._evaluator), _Sum(self._evaluator)

    def _times(self, pair: Sequence[Any], weights: Signed) -> list[Any]:
        """Return both ciphertexts times a mask, which is encoded once."""
        mask, products = seal.Plaintext(), [seal.Ciphertext(), seal.Ciphertext()]
        self._scheme.encoder.encode(residues(weights, self._parameters.plain_modulus).tolist(), mask)
        ready = self._scheme.to_ntt(mask)
        for cipher, product in zip(pair, products, strict=True):
            self._evaluator.multiply_plain(cipher, ready, product)
        return products

    def _result(self, total: "_Sum") -> bytes:
        found = seal.Ciphertext()
        self._evaluator.transform_from_ntt(total.value, found)
        for _ in range(len(self._parameters.coefficient_moduli) - 1 - self._parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(found)
        return pack_result(self._scheme.save(found), self._parameters)

    def _block(self, path: str, offset: int) -> Any:
        """Return a block as a ciphertext in NTT form."""
        known = self._kept.get((path, offset))
        if known is not None:
            return known
        data = os.pread(self._files[path][1], BLOCK_SIZE, offset)
        cipher = self._scheme.load(seal.Ciphertext(), unpack_block(data, self._parameters))
        self._evaluator.transform_to_ntt_inplace(cipher)
        # What came first stays: to make room would throw out the very blocks that the next sum begins with.
        if len(self._kept) < _KEPT:
            self._kept[path, offset] = cipher
        return cipher


def _add(sums: "tuple[_Sum, _Sum]", pair: Sequence[Any]) -> None:
    for total, cipher in zip(sums, pair, strict=True):
        total.add(cipher)


class _Sum:
    """A sum of ciphertexts, which leaves its first summand as it is."""

    def __init__(self, evaluator: Any) -> None:
        self._evaluator = evaluator
        self._own = False
        self.value: Any = None

    def add(self, cipher: Any) -> None:
        if self.value is None:
            self.value = cipher
        elif self._own:
            self._evaluator.add_inplace(self.value, cipher)
        else:
            total = seal.Ciphertext()
            self._evaluator.add(self.value, cipher, total)
            self.value, self._own = total, True

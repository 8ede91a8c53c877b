"""Totals of sealed datasets, computed on ciphertext alone: the class that lives in a worker with SEAL.

A slot is of one cell in every block, so the blocks of a measure are added up once,
whatever is asked of it, and kept as that one sum. A group of a plan is the sum times
a mask: what it costs does not grow with the rows.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tenseal.sealapi as seal

from dataspace.bfv.scheme import REFUSALS, Scheme
from dataspace.bfv.sealed import Signed, pack_result, slot_weights, unpack_block
from dataspace.catalog.payloads import into_memfd
from dataspace.errors import Malformed, Unavailable, VerificationError
from dataspace.wire.frame import join_parts
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.sealed import BLOCK_SIZE, RESULT_MAGIC, depth

# Containers in memory, as they came: encrypted; beside each two sums of half a megabyte for a measure.
_FILES: Final = 4


class Adder:
    """Adds up blocks of sealed datasets; the target of a `dataspace.sandbox.Pool`."""

    def __init__(self) -> None:
        self._parameters = parameter_set(DEFAULT_PARAMETERS)
        self._scheme = Scheme(self._parameters)
        self._evaluator = self._scheme.evaluator
        self._files: dict[str, tuple[str, int]] = {}  # by path: the dataset, the file in memory
        self._sums: dict[tuple[str, int], tuple[Any, Any]] = {}  # by path and start: values, tags

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
        counts, parts = request["counts"], list[bytes]()
        blocks = depth(counts)
        try:
            pair = self._sum(request["path"], request["start"], blocks)
            for weights in request["groups"]:
                parts += self._weighted(pair, slot_weights(weights, counts, blocks))
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
        self._sums = {name: pair for name, pair in self._sums.items() if name[0] != path}

    def _sum(self, path: str, start: int, blocks: int) -> tuple[Any, Any]:
        """Return the sums of a measure's blocks, of values and of tags, in NTT form; made once."""
        known = self._sums.get((path, start))
        if known is None:
            known = self._added(path, start, blocks), self._added(path, start + BLOCK_SIZE, blocks)
            self._sums[path, start] = known
        return known

    def _added(self, path: str, start: int, blocks: int) -> Any:
        total = self._block(path, start)
        for place in range(1, blocks):
            self._evaluator.add_inplace(total, self._block(path, start + 2 * place * BLOCK_SIZE))
        self._evaluator.transform_to_ntt_inplace(total)
        return total

    def _block(self, path: str, offset: int) -> Any:
        data = os.pread(self._files[path][1], BLOCK_SIZE, offset)
        return self._scheme.load(seal.Ciphertext(), unpack_block(data, self._parameters))

    def _weighted(self, pair: Sequence[Any], weights: Signed) -> list[bytes]:
        """Return both sums times a mask, which is encoded once."""
        mask = self._scheme.to_ntt(self._scheme.encode(weights.tolist()))
        return [self._times(cipher, mask) for cipher in pair]

    def _times(self, cipher: Any, mask: Any) -> bytes:
        found = seal.Ciphertext()
        self._evaluator.multiply_plain(cipher, mask, found)
        self._evaluator.transform_from_ntt_inplace(found)
        for _ in range(len(self._parameters.coefficient_moduli) - 1 - self._parameters.answer_moduli):
            self._evaluator.mod_switch_to_next_inplace(found)
        return pack_result(self._scheme.save(found), self._parameters)

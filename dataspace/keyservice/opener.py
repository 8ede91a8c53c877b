"""Opening a result: the class that lives in a worker with SEAL, and the secrets of one dataset at a time.

No exact total leaves this process: a result is opened only if its tags show
that it is the plan's, over this dataset, and what is returned has noise.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tenseal.sealapi as seal

from dataspace.bfv.scheme import REFUSALS, Scheme
from dataspace.bfv.sealed import Tags, multiply, residues, slot_weights, unpack_result
from dataspace.bfv.stream import Words
from dataspace.errors import Malformed, Refused, Unprocessable, VerificationError
from dataspace.privacy.noise import add_noise
from dataspace.wire.frame import split_parts
from dataspace.wire.manifest import Manifest
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.sealed import BLOCK_ROWS, RESULT_MAGIC, Group, Plan, depth

_LARGEST: Final = 1 << 53  # of a total, and of what one subject changes of all: noise is drawn below it


class Opener:
    """Opens results of plans; the target of a `dataspace.sandbox.Pool`. It keeps nothing between calls."""

    def __init__(self) -> None:
        self._parameters = parameter_set(DEFAULT_PARAMETERS)
        self._scheme = Scheme(self._parameters)

    def open(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"totals": [...]}`, noised, in units of 10^-precision; `{"manifest", "plan", "result"}`.

        Raises:
            Malformed: the manifest, the plan or the result is.
            Refused: a group has too few subjects.
            Unprocessable: a total could wrap, or the plan names what the dataset has not.
            VerificationError: the result is not the plan's.

        """
        manifest = Manifest.decode(request["manifest"])
        plan = Plan.from_json(request["plan"])
        number, bounds = manifest.measure(plan.measure)
        cells = len(manifest.facts.cells)
        weights = [plan.weights(group, cells) for group in plan.groups]
        _check_subjects(plan, manifest)
        for of_group in weights:
            _check_room(of_group, manifest.facts.counts, bounds.peak, self._modulus)
        sensitivity = manifest.facts.max_rows * plan.heaviest * bounds.peak
        if sensitivity >= _LARGEST:
            raise Unprocessable("the weights are too large for noise that would hide one subject")
        if number < 0:
            totals = _counted(request["result"], weights, manifest)
        else:
            tags = Tags(manifest.seed, bounds.alpha, number, self._parameters)
            totals = self._totals(request["result"], weights, tags, manifest)
        noised = add_noise(totals, sensitivity=sensitivity, epsilon=plan.epsilon)
        # Noise of a tiny epsilon may pass what JSON carries: an answer that fails is drawn again for nothing.
        return {"totals": [max(1 - _LARGEST, min(_LARGEST - 1, total)) for total in noised]}

    def _totals(self, result: bytes, weights: list[list[int]], tags: Tags, manifest: Manifest) -> list[int]:
        parts = split_parts(result, RESULT_MAGIC, 2 * len(weights))
        decryptor, found = self._decryptor(manifest.secret_key), []
        counts, blocks = manifest.facts.counts, depth(manifest.facts.counts)
        pads = self._pads(tags, blocks)
        for of_group, values, sums in zip(weights, parts[::2], parts[1::2], strict=True):
            factors = residues(slot_weights(of_group, counts, blocks), self._modulus)
            slots = self._slots(decryptor, values)
            padded = tags.multiplied(slots) + multiply(pads, factors, self._modulus)
            expected = padded % np.uint64(self._modulus)
            if not np.array_equal(self._slots(decryptor, sums), expected):
                raise VerificationError("the result is not the plan's")
            found.append(_centred(slots, self._modulus))
        return found

    @property
    def _modulus(self) -> int:
        return self._parameters.plain_modulus

    def _pads(self, tags: Tags, blocks: int) -> Words:
        """Return the sum of the pads of all blocks, slot by slot."""
        total = np.zeros(BLOCK_ROWS, np.uint64)
        for place in range(blocks):
            total = (total + tags.pads(place)) % np.uint64(self._modulus)
        return total

    def _decryptor(self, secret_key: bytes) -> Any:
        try:
            secret = self._scheme.load(seal.SecretKey(), secret_key)
            return seal.Decryptor(self._scheme.context, secret)
        except REFUSALS as error:
            raise Malformed("malformed manifest: SEAL refuses its key") from error

    def _slots(self, decryptor: Any, result: memoryview) -> Words:
        stream = unpack_result(result, self._parameters)
        try:
            cipher = self._scheme.load(seal.Ciphertext(), stream)
            plain = seal.Plaintext()
            decryptor.decrypt(cipher, plain)
            return np.array(self._scheme.encoder.decode_uint64(plain), np.uint64)
        except REFUSALS as error:
            raise VerificationError("the result does not decrypt") from error


def _check_subjects(plan: Plan, manifest: Manifest) -> None:
    """Let pass what tells of enough subjects: all cells of one weight in a group together, each weight alone.

    Weights of a million and one would otherwise make one small cell of a large
    group. The limit is the provider's: one that the platform chose, from plan to
    plan, would count the subjects of a cell for it.
    """
    least = manifest.facts.min_group
    if plan.min_group > least:
        raise Refused(
            f"the dataset was sealed for groups of {least} subjects, the plan wants more", least=least
        )
    for group in plan.groups:
        for weight in set(group.weights):
            if _subjects(group, weight, manifest, least) < least:
                raise Refused(f"a group of the plan has fewer than {least} subjects", least=least)


def _subjects(group: Group, weight: int, manifest: Manifest, enough: int) -> int:
    """Return how many distinct subjects the cells of a weight have; not exactly, once they are enough."""
    cells = [cell for cell, its in zip(group.cells, group.weights, strict=True) if its == weight]
    most = max(manifest.facts.subjects[cell] for cell in cells)
    if most >= enough:
        return most
    # Sorted in numpy: a set of the subjects of the largest manifest does not fit into a worker.
    found = np.concatenate([np.frombuffer(manifest.subjects_of(cell), "<u4") for cell in cells])
    found.sort()
    return int(np.count_nonzero(np.diff(found))) + min(1, len(found))


def _check_room(weights: Sequence[int], counts: Sequence[int], peak: int, modulus: int) -> None:
    """Refuse a group whose total could pass t in a slot, or what noise can be added to: nothing wraps."""
    blocks, cells = depth(counts), list(zip(weights, counts, strict=True))
    if max(abs(weight) * min(count, blocks) for weight, count in cells) * peak > modulus // 2:
        raise Unprocessable("a total could pass what is computed with: lower the weights")
    if sum(abs(weight) * count for weight, count in cells) * peak >= _LARGEST:
        raise Unprocessable("a total could pass 2^53: lower the weights")


def _counted(result: bytes, weights: list[list[int]], manifest: Manifest) -> list[int]:
    """Return the weighted counts of rows, which need no ciphertext."""
    if result:
        raise VerificationError("the result is not the plan's: a count has none")
    counts = manifest.facts.counts
    return [sum(weight * count for weight, count in zip(some, counts, strict=True)) for some in weights]


def _centred(slots: Words, modulus: int) -> int:
    """Return the sum of slots that stand for signed numbers."""
    negative = int((slots > np.uint64(modulus // 2)).sum())
    return sum(slots.tolist()) - negative * modulus

"""An encrypted query over a full cube, against the bare calls of SEAL that any such answer needs."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import tenseal
import tenseal.sealapi as seal

from dataspace.client.encrypted import Keys
from dataspace.client.layout import Layout
from dataspace.privacy.cube import Cube
from dataspace.privacy.encrypted import Evaluator
from dataspace.privacy.spec import CubeSpec
from dataspace.wire.envelope import EncryptedQuery
from dataspace.wire.parameters import ParameterSet
from dataspace.wire.protobuf import fields
from tests.bench.timing import cpu_in_turn

_ID: Final = "cb-00112233445566ff"


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured: CPU seconds of ours and of the bare calls, best of 15 rounds in turn."""
    keys = Keys.create()
    for measures in (1, 4):
        yield _answer(keys, measures)
    yield _client(keys)


def _answer(keys: Keys, measures: int) -> tuple[str, float, float, str]:
    cube, worker = cube_of(measures), Evaluator()
    layout = Layout.from_json(cube.layout(_ID))
    query = keys.encrypt(
        layout, [1] * 8192, agreement="ag-00112233445566ff", expires=2_000_000_000, pinned=True
    )
    request = {"query": query.body, "context": keys.public, "cube_id": _ID, "cube": cube.to_bytes()}
    bare = _Bare(layout.parameters, keys, cube, EncryptedQuery.decode(query.body).vector)
    ours, theirs = cpu_in_turn(lambda: worker.answer(request), bare.answer)
    note = "bare: load, NTT, product, flood, mask, switch, save; nothing checked, no envelope"
    return f"encrypted query, 8192 cells, {measures} measure{'s' * (measures > 1)}", ours, theirs, note


def _client(keys: Keys) -> tuple[str, float, float, str]:
    layout = Layout.from_json(cube_of(1).layout(_ID))
    context = tenseal.context_from(keys._private, n_threads=1)
    ours, theirs = cpu_in_turn(
        lambda: keys.encrypt(layout, [1] * 8192, agreement="ag-00112233445566ff", expires=2_000_000_000),
        lambda: tenseal.bfv_vector(context, [1] * 8192).serialize(),
    )
    note = "seeded, half as long; bare: TenSEAL's bfv_vector().serialize()"
    return "client: encrypt 8192 weights", ours, theirs, note


class _Bare:
    """The same circuit with SEAL alone: bytes are trusted, the operand and the key are at hand."""

    def __init__(self, parameters: ParameterSet, keys: Keys, cube: Cube, vector: bytes) -> None:
        chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        chosen.set_poly_modulus_degree(parameters.degree)
        chosen.set_coeff_modulus([seal.Modulus(prime) for prime in parameters.coefficient_moduli])
        chosen.set_plain_modulus(parameters.plain_modulus)
        self._context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
        self._evaluator, self._encoder = seal.Evaluator(self._context), seal.BatchEncoder(self._context)
        self._key = seal.Encryptor(
            self._context, tenseal.context_from(keys.public, n_threads=1).public_key().data
        )
        self._modulus = parameters.plain_modulus
        self._operands = [self._ntt(self._encode(list(values))) for values in cube.values.values()]
        self._stream = next(
            bytes(value) for tag, value in fields(vector) if tag == 18 and not isinstance(value, int)
        )
        self._file = os.memfd_create("bare")

    def answer(self) -> list[bytes]:
        cipher = seal.Ciphertext()
        os.pwrite(self._file, self._stream, 0)
        cipher.load(self._context, f"/proc/self/fd/{self._file}")
        self._evaluator.transform_to_ntt_inplace(cipher)
        return [self._total(cipher, operand) for operand in self._operands]

    def _total(self, cipher: Any, operand: Any) -> bytes:
        total, product = seal.Ciphertext(), seal.Ciphertext()
        self._key.encrypt_zero(total)
        self._evaluator.transform_to_ntt_inplace(total)
        for _ in range(2):
            self._evaluator.multiply_plain_inplace(total, self._ntt(self._encode(self._random())))
        self._evaluator.multiply_plain(cipher, operand, product)
        self._evaluator.add_inplace(total, product)
        self._evaluator.transform_from_ntt_inplace(total)
        mask = self._random()
        mask[0] = -sum(mask[1:]) % self._modulus
        self._evaluator.add_plain_inplace(total, self._encode(mask))
        for _ in range(2):
            self._evaluator.mod_switch_to_next_inplace(total)
        path = Path(f"/proc/self/fd/{self._file}")
        total.save(str(path))
        return path.read_bytes()

    def _random(self) -> list[int]:
        words: list[int] = (np.frombuffer(secrets.token_bytes(8 * 8192), np.uint64) % self._modulus).tolist()
        return words

    def _encode(self, slots: list[int]) -> Any:
        plain = seal.Plaintext()
        self._encoder.encode(slots, plain)
        return plain

    def _ntt(self, plain: Any) -> Any:
        transformed = seal.Plaintext()
        self._evaluator.transform_to_ntt(plain, self._context.first_parms_id(), transformed)
        return transformed


def cube_of(measures: int, *, shift: int = 0) -> Cube:
    """Return a full cube of so many measures; `shift` makes another of the same kind."""
    names = ("amount", "fee", "tax", *(f"c{number}" for number in range(measures)))
    sums = [{"kind": "sum", "column": name, "low": 0, "high": 5000, "precision": 2} for name in names]
    items = [{"kind": "count"}, *sums][:measures]
    spec = CubeSpec.from_json({"dimensions": ["n"], "measures": items, "max_rows": 1, "epsilon": 1_000_000})
    values = tuple(range(1 + shift, 8193 + shift))
    return Cube(
        spec,
        tuple((number,) for number in range(8192)),
        dict.fromkeys((m.name for m in spec.measures), values),
    )

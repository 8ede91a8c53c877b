"""A sealed dataset with all its secrets, and SEAL at hand: what an attacker has, and what it wants."""

import os
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import tenseal.sealapi as seal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.bfv.scheme import Scheme
from dataspace.bfv.sealed import pack_result, residues, unpack_block, unpack_result
from dataspace.catalog.payloads import seal as put
from dataspace.sealing.seal import seal as seal_dataset
from dataspace.sealing.terms import Measure, Terms
from dataspace.transfer.forms.adder import Adder
from dataspace.wire.frame import join_parts, split_parts
from dataspace.wire.hpke import SealingKey
from dataspace.wire.keyservice import ServiceKey
from dataspace.wire.manifest import Manifest
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.sealed import BLOCK_ROWS, BLOCK_SIZE, MANIFEST_INFO, RESULT_MAGIC, Head, Plan
from dataspace.zones.pack import load_pack
from tests.simulator import ZONES

PARAMETERS = parameter_set(DEFAULT_PARAMETERS)
TERMS = Terms(
    "government", (Measure("income", 0, 200_000), Measure("debt", -5000, 5000)), ("district",), ("number",)
)
_KEY = os.urandom(32)


def rows(count: int, districts: int = 3) -> list[tuple[str, str, int, int]]:
    return [
        (f"P{n:06d}", f"district {n % districts}", 3000 + n * 7919 % 90_000, n * 7919 % 4001 - 2000)
        for n in range(count)
    ]


def csv(table: list[tuple[str, str, int, int]]) -> bytes:
    lines = [",".join(map(str, row)) for row in table]
    return ("\n".join(["number,district,income,debt", *lines]) + "\n").encode()


@dataclass
class Local:
    """A container, its manifest as the key service reads it, and the platform's worker."""

    container: bytes
    manifest: Manifest
    adder: Adder
    path: Path

    @classmethod
    def make(cls, folder: Path, content: bytes, terms: Terms = TERMS) -> "Local":
        key = SealingKey.create()
        (folder / "file.csv").write_bytes(content)
        sealed = seal_dataset(
            folder / "file.csv",
            folder / "out",
            terms,
            pack=load_pack(ZONES / "government"),
            keyservice=ServiceKey(bytes(32), key.public),
            key=Ed25519PrivateKey.generate(),
        )
        container = sealed.container.read_bytes()
        head = Head.read(BytesIO(container))
        path = folder / "stored"
        with path.open("wb") as file:
            put(BytesIO(container), file, _KEY, b"stored")
        return cls(container, Manifest.decode(key.open(head.manifest, MANIFEST_INFO)), Adder(), path)

    @property
    def head(self) -> Head:
        return Head.read(BytesIO(self.container))

    def cell(self, *labels: str | None) -> int:
        return self.manifest.facts.cells.index(list(labels))

    def plan(self, *groups: dict[int, int], measure: str = "income", **more: Any) -> Plan:
        told = [{"cells": list(group), "weights": list(group.values())} for group in groups]
        return Plan.from_json(
            {
                "format": "dataspace-sealed-plan@v1",
                "agreement": "ag-1",
                "dataset": "ds-1",
                "version": 1,
                "container": self.head.id,
                "measure": measure,
                "groups": told,
                "epsilon": 1_000_000,
                "min_group": 10,
                "consumer": "0" * 64,
                **more,
            }
        )

    def start(self, measure: str) -> int:
        report = self.head.check()
        return self.head.size + report.measures.index(measure) * 2 * report.blocks * BLOCK_SIZE

    def computed(self, plan: Plan) -> bytes:
        """What an honest platform computes."""
        counts = self.manifest.facts.counts
        groups = [plan.weights(group, len(counts)) for group in plan.groups]
        result: bytes = self.adder.total(
            {
                "dataset": "ds-1", "path": str(self.path), "key": _KEY, "context": b"stored", "sha256": "",
                "start": self.start(plan.measure), "counts": counts, "groups": groups,
            }
        )["result"]  # fmt: skip
        return result

    def request(self, plan: Plan, result: bytes) -> dict[str, Any]:
        return {"manifest": self.manifest.encode(), "plan": plan.to_json(), "result": result}

    def with_facts(self, **changed: Any) -> "Local":
        facts = msgspec.structs.replace(self.manifest.facts, **changed)
        return replace(self, manifest=msgspec.structs.replace(self.manifest, facts=facts))

    def weighted(self, masks: dict[int, Any], measure: str = "income") -> bytes:
        """What a malicious platform makes: each block times whatever mask it likes, values and tags alike."""
        return join_parts(RESULT_MAGIC, [self._weighted(masks, measure, half) for half in (0, 1)])

    def block(self, place: int, measure: str = "income", half: int = 0) -> Any:
        at = self.start(measure) + (2 * place + half) * BLOCK_SIZE
        stream = unpack_block(self.container[at : at + BLOCK_SIZE], PARAMETERS)
        return self.adder._scheme.load(seal.Ciphertext(), stream)

    def _weighted(self, masks: dict[int, Any], measure: str, half: int) -> bytes:
        scheme, total = self.adder._scheme, None
        for place, mask in masks.items():
            cipher = self.block(place, measure, half)
            scheme.evaluator.multiply_plain_inplace(cipher, scheme.encode(mask))
            if total is None:
                total = cipher
            else:
                scheme.evaluator.add_inplace(total, cipher)
        for _ in range(2):
            scheme.evaluator.mod_switch_to_next_inplace(total)
        return pack_result(scheme.save(total), PARAMETERS)

    def naive(self, result: bytes) -> list[int]:
        """A key service that checks nothing."""
        return decrypted(self.manifest, result)


def decrypted(manifest: Manifest, result: bytes) -> list[int]:
    """The values of each group, decrypted and added up: what no key service may tell."""
    scheme = Scheme(PARAMETERS)
    secret = scheme.load(seal.SecretKey(), manifest.secret_key)
    decryptor, found = seal.Decryptor(scheme.context, secret), []
    for part in split_parts(result, RESULT_MAGIC)[::2]:
        plain = seal.Plaintext()
        decryptor.decrypt(scheme.load(seal.Ciphertext(), unpack_result(part, PARAMETERS)), plain)
        found.append(sum(scheme.encoder.decode_int64(plain)))
    return found


def one_hot(place: int) -> list[int]:
    mask = np.zeros(BLOCK_ROWS, np.int64)
    mask[place] = 1
    return residues(mask, PARAMETERS.plain_modulus).tolist()

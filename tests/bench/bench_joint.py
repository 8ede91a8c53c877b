"""A zone's part of a joint statistic and the sum of three, against the bare calls that it needs."""

import secrets
from collections.abc import Iterator
from typing import Final

import tenseal
import tenseal.sealapi as seal

from dataspace.bfv.scheme import Scheme
from dataspace.client.encrypted import Keys
from dataspace.privacy.joint import ADD, SUBTRACT, Adder, Masker
from dataspace.privacy.noise import add_noise
from dataspace.wire.joint import Job, Measure
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from tests.bench.timing import cpu_in_turn

_PEERS: Final = ("east", "north", "south")
_PARAMETERS: Final = parameter_set(DEFAULT_PARAMETERS)


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured: CPU seconds of ours and of the bare calls, best of 7 rounds in turn."""
    keys = Keys.create()
    for cells in (100, 8192):
        yield _masked(keys, cells)
    yield _encrypted(keys)
    yield _added(keys)


def _masked(keys: Keys, cells: int) -> tuple[str, float, float, str]:
    job, values = _job(keys, cells), [100] * cells
    asked = {
        "cells": {"keys": [[n] for n in range(cells)], "subjects": values, "count": values, "sums": {}},
        "job": job.encode(),
        "peer": "north",
        "min_group": 10,
        "masks": [[secrets.token_bytes(32), SUBTRACT], [secrets.token_bytes(32), ADD]],
    }
    worker = Masker()
    ours, theirs = cpu_in_turn(
        lambda: worker.part(asked),
        lambda: [add_noise(values, sensitivity=1, epsilon=job.share) for _ in range(2)],
    )
    note = "bare: the noise alone, of the values and of their presence"
    return f"joint part, {cells} cells: noise, presence, masks of 2 peers", ours, theirs, note


def _encrypted(keys: Keys) -> tuple[str, float, float, str]:
    worker, scheme = Adder(), Scheme(_PARAMETERS)
    asked = {"values": bytes(8 * 8192), "parameters": DEFAULT_PARAMETERS, "context": keys.public}
    public = tenseal.context_from(keys.public, n_threads=1).public_key().data
    encryptor = seal.Encryptor(scheme.context, public)

    def bare() -> bytes:
        cipher = seal.Ciphertext()
        encryptor.encrypt(scheme.encode([0] * 8192), cipher)
        return scheme.save(cipher)

    ours, theirs = cpu_in_turn(lambda: worker.encrypt(asked), bare)
    return "joint part, 8192 values: encrypt", ours, theirs, "bare: encode, encrypt, save; the key is at hand"


def _added(keys: Keys) -> tuple[str, float, float, str]:
    worker, scheme = Adder(), Scheme(_PARAMETERS)
    asked = {"values": bytes(8 * 8192), "parameters": DEFAULT_PARAMETERS, "context": keys.public}
    parts = [worker.encrypt(asked)["vectors"] for _ in _PEERS]

    def bare() -> bytes:
        total, *others = (scheme.load(seal.Ciphertext(), part[0]) for part in parts)
        for other in others:
            scheme.evaluator.add_inplace(total, other)
        for _ in range(2):
            scheme.evaluator.mod_switch_to_next_inplace(total)
        return scheme.save(total)

    ours, theirs = cpu_in_turn(lambda: worker.add({"parameters": DEFAULT_PARAMETERS, "parts": parts}), bare)
    return "joint sum of 3 parts, 8192 values", ours, theirs, "bare: load, add, switch, save; nothing checked"


def _job(keys: Keys, cells: int) -> Job:
    return Job(
        id="0" * 32,
        peers=_PEERS,
        coordinator="east",
        agreements={peer: f"ag-{place:016x}" for place, peer in enumerate(_PEERS)},
        rows=dict.fromkeys(_PEERS, 1_000_000),
        dimensions=("n",),
        cells=tuple((number,) for number in range(cells)),
        measures=(Measure(),),
        max_rows=1,
        epsilon=1_000_000,
        key=keys.id,
        expires=2_000_000_000,
    )

"""Sealing a file before it leaves its provider: classified, graded, bounded, encrypted, reported, signed."""

import hashlib
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.errors import Conflict, Unprocessable
from dataspace.proof.canonical import canonical
from dataspace.sealing.cells import Arranged, arrange
from dataspace.sealing.columns import File, read_file
from dataspace.sealing.terms import Terms
from dataspace.wire.hpke import seal_to
from dataspace.wire.keyservice import ServiceKey
from dataspace.wire.manifest import Bounds, Facts, Manifest
from dataspace.wire.parameters import DEFAULT_PARAMETERS, parameter_set
from dataspace.wire.sealed import (
    MANIFEST_INFO,
    REPORT_FORMAT,
    Head,
    Report,
    depth,
    report_message,
)
from dataspace.zones.pack import Pack

CONTAINER: Final = "dataset.sealed"
REPORT: Final = "report.json"
_BLOCKS: Final = "blocks.part"


@dataclass(frozen=True)
class SealedFile:
    """What sealing wrote: the container to upload, and the report that its provider signed."""

    container: Path
    report: Report
    left_out: int  # rows of the file that do not count


def seal(
    path: Path, out: Path, terms: Terms, *, pack: Pack, keyservice: ServiceKey, key: Ed25519PrivateKey
) -> SealedFile:
    """Seal a file into a new folder, for a key service; `key` is its provider's, and signs the report.

    Raises:
        Conflict: the folder is there already.
        Malformed: the file is no table that is taken, or has no such column.
        Refused: the zone does not let a column leave as a sum or a group.
        Unprocessable: too few subjects, or bounds that a total could pass.

    """
    file = read_file(path, terms, pack)
    min_group = max(terms.min_group, pack.min_group)
    coded = [file.labels(name) for name in terms.dimensions]
    arranged = arrange(
        [code for code, _ in coded],
        [labels for _, labels in coded],
        file.subjects(terms.subjects),
        max_rows=terms.max_rows,
        min_group=min_group,
        random=np.random.default_rng(secrets.randbits(256)),
    )
    bounds = [_bounds(one.column, one.low, one.high, one.precision) for one in terms.measures]
    _check_room(bounds, depth(arranged.counts))
    _create(out)
    try:
        seed = os.urandom(32)
        with (out / _BLOCKS).open("xb") as blocks:
            digest, secret_key = _encrypt(file, terms, arranged, bounds, seed, blocks)
        facts = Facts(
            provider_key=key.public_key().public_bytes_raw().hex(),
            blocks_sha256=digest,
            dimensions=list(terms.dimensions),
            cells=arranged.labels,
            counts=arranged.counts,
            subjects=arranged.subjects,
            measures=bounds,
            max_rows=terms.max_rows,
            min_group=min_group,
            epsilon=terms.budget(pack.epsilon),
        )
        manifest = Manifest(facts=facts, secret_key=secret_key, seed=seed, pairs=arranged.pairs)
        sealed = seal_to(keyservice.seal, manifest.encode(), MANIFEST_INFO)
        report = _report(file, terms, facts, pack, keyservice, sealed)
        _assemble(out, Head(report, key.sign(report_message(report)), sealed))
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return SealedFile(out / CONTAINER, Report.decode(report), file.table.num_rows - len(arranged.rows))


def _bounds(name: str, low: int, high: int, precision: int) -> Bounds:
    modulus = parameter_set(DEFAULT_PARAMETERS).plain_modulus
    alpha = secrets.randbelow(modulus - 1) + 1
    return Bounds(name=name, low=low, high=high, precision=precision, alpha=alpha)


def _check_room(bounds: list[Bounds], blocks: int) -> None:
    """Refuse what could pass t before anything is encrypted: a wrapped total is a wrong one."""
    limit = parameter_set(DEFAULT_PARAMETERS).plain_modulus // 2
    for measure in bounds:
        if measure.peak * blocks > limit:
            raise Unprocessable(
                f"measure {measure.name}: {blocks} blocks of up to {measure.peak} a row could pass {limit}: "
                "lower its decimals or its bounds"
            )


def _encrypt(
    file: File, terms: Terms, arranged: Arranged, bounds: list[Bounds], seed: bytes, blocks: Any
) -> tuple[str, bytes]:
    """Write every block of every measure; return the digest of all, and the secret key."""
    import tenseal.sealapi as native  # noqa: PLC0415 - a second, which reading and refusing need not wait for

    from dataspace.bfv.scheme import Scheme  # noqa: PLC0415
    from dataspace.bfv.sealed import Tags, by_block, pack_block, residues  # noqa: PLC0415

    parameters, digest = parameter_set(DEFAULT_PARAMETERS), hashlib.sha256()
    scheme = Scheme(parameters)
    secret = native.KeyGenerator(scheme.context).secret_key()
    encryptor = native.Encryptor(scheme.context, secret)
    for number, (measure, bound) in enumerate(zip(terms.measures, bounds, strict=True)):
        tags = Tags(seed, bound.alpha, number, parameters)
        rows = by_block(file.values(measure)[arranged.rows], arranged.counts, depth(arranged.counts))
        for place, values in enumerate(rows):
            slots = residues(values, parameters.plain_modulus)
            for one in (slots, tags.of(slots, place)):
                stream = scheme.save(encryptor.encrypt_symmetric(scheme.encode(one.tolist())))
                block = pack_block(stream, parameters)
                digest.update(block)
                blocks.write(block)
    return digest.hexdigest(), scheme.save(secret)


def _report(
    file: File, terms: Terms, facts: Facts, pack: Pack, keyservice: ServiceKey, manifest: bytes
) -> bytes:
    roles = {**dict.fromkeys(terms.subjects, "subject"), **dict.fromkeys(terms.dimensions, "dimension")}
    columns = [{**one.to_json(), "role": roles.get(one.name, "measure")} for one in file.columns]
    return canonical(
        {
            "format": REPORT_FORMAT,
            "zone": pack.name,
            "pack_sha256": pack.digest,
            "keyservice": keyservice.id,
            "provider_key": facts.provider_key,
            "parameters": DEFAULT_PARAMETERS,
            "columns": columns,
            "grading": file.grading.to_json(),
            "level": file.grading.level,
            "measures": [measure.name for measure in facts.measures],
            "dimensions": facts.dimensions,
            "rows": sum(facts.counts),
            "counts": facts.counts,
            "min_group": facts.min_group,
            "max_rows": facts.max_rows,
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "blocks_sha256": facts.blocks_sha256,
        }
    )


def _create(out: Path) -> None:
    try:
        out.mkdir(mode=0o700, parents=True)
    except FileExistsError as error:
        raise Conflict(f"there is a folder already: {out}") from error


def _assemble(out: Path, head: Head) -> None:
    with (out / CONTAINER).open("xb") as container, (out / _BLOCKS).open("rb") as blocks:
        container.write(head.encode())
        shutil.copyfileobj(blocks, container, 1 << 20)
    (out / _BLOCKS).unlink()
    (out / REPORT).write_bytes(head.report)

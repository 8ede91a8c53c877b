"""An evidence folder: the log of a home as files, to be checked without the database and without trust."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from sqlmodel import Session, col, select

from dataspace.audit.evidence import (
    ANCHORS,
    CHECKPOINT,
    INPUTS,
    KEYS,
    POLICIES,
    PUBLISHED,
    README,
    RECORDS,
    ROTATED,
)
from dataspace.audit.home import Home
from dataspace.database import Database
from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.models import LedgerKey
from dataspace.policy.models import PolicyBundle
from dataspace.proof.canonical import canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.note import split
from dataspace.proof.tiles import WIDTH, Tile, tiles_at

_TEXT: Final = """\
# Evidence of the ledger {origin}

{size} entries, exported from the service's database. Check it with the log's
verifier key from a source you trust, never from this folder:

    dataspace audit THIS_FOLDER --key 'origin+id+key'

Add what you trust besides: `--policy FILE`, a tlog-policy of your own that
names witnesses and their quorum; `--tsa FILE`, the root certificates of
time-stamping authorities; `--anchor URL`, the chain as you reach it; `--since
FILE`, the checkpoint you kept of the last audit. What was not given is
reported as not checked.

| file | what it is |
|---|---|
| `checkpoint` | the signed tree head (C2SP tlog-checkpoint, signed-note) |
| `tile/` | hashes and entries (C2SP tlog-tiles); `tile/entries/` holds the entries |
| `records.jsonl` | what each entry commits to, and its salts; an erased record has no line |
| `published.jsonl` | the checkpoints that were published: notes with every signature line, of the log's \
keys and of witnesses (C2SP tlog-cosignature), and time tokens over their texts (RFC 3161) |
| `rotations.jsonl` | the notes by which the log's key handed over to its next, signed by both |
| `anchors.jsonl` | where checkpoints were fixed outside of the log |
| `policies/`, `inputs.jsonl` | the policy bundles and the inputs that decisions name by their SHA-256 |
| `keys.json` | the keys that entries adopt, for reading: nothing is checked by this file |

An entry is the byte 1 and the root of a tree over its record's fields, hashed
as in RFC 6962: the leaf of a field is 32 bytes of salt and then the canonical
JSON (RFC 8785) of `[name, value]`, the fields ordered by name. Who holds
`records.jsonl` or `inputs.jsonl` can read every record: hand the two to
auditors only. Without them the rest still proves the log whole, and every
published checkpoint a state it went through.

The lines of `records.jsonl` and `inputs.jsonl` are in the order of their
entries, those of `published.jsonl` in the order of their sizes: all of it can
be checked in one pass and little memory.
"""


def export(home: Path | Database, target: Path, *, anchors: Path | None = None) -> None:
    """Write the evidence of a home, or of an open database, into the new folder `target`.

    `anchors` is the anchor file of an open database; a home's own is found.

    Raises:
        Conflict: `target` holds something.
        Unavailable: the home cannot be read, or the folder not be written.
        VerificationError: what is stored is not a log; nothing that is not one is exported.

    """
    source = Home.of(home, anchors) if isinstance(home, Database) else Home(home)
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise Conflict(f"{target} is not empty: export into a new folder")
        with source:
            _write(source, target)
    except OSError as error:
        raise Unavailable(f"{target} cannot be written: {error.strerror}") from error


def export_url(url: str, home: Path, target: Path) -> None:
    """Write the evidence of the database at `url`, in use or not, into the new folder `target`.

    `home` is the service's, for its anchor file; nothing of the two is locked or written.

    Raises:
        Malformed: the URL names no database of ours.
        Unavailable: there is none, or it does not answer; or the folder cannot be written.

    and what `export` raises.

    """
    database = Database(url, readonly=True)
    try:
        export(database, target, anchors=home / ANCHORS)
    finally:
        database.close()


def _write(source: Home, target: Path) -> None:
    note = source.checkpoint()
    head = Checkpoint.parse(split(note)[0])
    for tile in tiles_at(head.size):
        _write_tile(source, target, tile)
        if tile.level == 0:
            _write_tile(source, target, Tile(None, tile.number, tile.width))
    _write_lines(target / RECORDS, _records(source, head.size))
    _write_lines(target / PUBLISHED, (published.to_json() for published in source.published()))
    _write_lines(target / ROTATED, ({"statement": note} for note in source.rotations()))
    _write_lines(target / ANCHORS, (evidence.to_json() for evidence in source.anchors()))
    _write_lines(target / INPUTS, _inputs(source, head.size))
    _write_policies(source.database(), target / POLICIES)
    _write_keys(source.database(), target / KEYS)
    (target / README).write_text(_TEXT.format(origin=head.origin, size=head.size), encoding="utf-8")
    # Last: a folder without it is no evidence, so one that was not finished is not taken for one.
    (target / CHECKPOINT).write_text(note, encoding="utf-8", newline="")


def _write_tile(source: Home, target: Path, tile: Tile) -> None:
    path = target / tile.path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source.tile(tile))


def _write_lines(path: Path, items: Iterable[dict[str, Any]]) -> None:
    with path.open("xb") as file:
        for item in items:
            file.write(canonical(item) + b"\n")


def _records(source: Home, size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, size, WIDTH):
        for index, record in source.records(start, min(start + WIDTH, size)).items():
            if isinstance(record, VerificationError):
                raise VerificationError(f"entry {index}: {record}")
            yield {"index": index, **record.to_json()}


def _inputs(source: Home, size: int) -> Iterator[dict[str, Any]]:
    for start in range(0, size, WIDTH):
        for entry, content in sorted(source.decision_inputs(start, min(start + WIDTH, size)).items()):
            yield {"digest": hashlib.sha256(content.encode()).hexdigest(), "entry": entry, "input": content}


def _write_policies(session: Session, folder: Path) -> None:
    folder.mkdir()
    for digest in session.exec(select(PolicyBundle.digest)).all():
        if not digest.isalnum():
            raise VerificationError("policy_bundle: a digest that is not one")
        (folder / digest).write_bytes(session.get_one(PolicyBundle, digest).content)


def _write_keys(session: Session, path: Path) -> None:
    rows = session.exec(select(LedgerKey).order_by(col(LedgerKey.index))).all()
    keys = [{"entry": row.index, "role": row.role, "vkey": row.vkey} for row in rows]
    path.write_text(json.dumps({"adopted": keys}, indent=2) + "\n", encoding="utf-8")

"""What an auditor asks for: the target, and the auditor's own files; how they are read, and what is kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from dataspace.audit.files import read_file, replace_file
from dataspace.audit.report import Stage
from dataspace.errors import Malformed, VerificationError
from dataspace.proof import note
from dataspace.proof.canonical import parse
from dataspace.proof.key import Verifier
from dataspace.proof.verify import AnchorChecker
from dataspace.proof.witnesses import LIMIT as POLICY_LIMIT
from dataspace.proof.witnesses import WitnessPolicy

SKEW: Final = timedelta(minutes=5)  # how far the clock of the log may be ahead of the auditor's
MEMORY: Final = ".memory"  # after the name of the checkpoint's file: what the next audit goes on from
_AUTHORITIES_LIMIT: Final = 1 << 20
_OF_RECORDS: Final = (Stage.RECORDS, Stage.MEANING, Stage.DECISIONS)
_CONNECTIONS: Final = 4  # to one service, however many cores there are


@dataclass(frozen=True)
class Order:
    """One audit as it is asked for.

    `vkey` is the log's key, or `@` and the file it is in; `since` is the file
    of the checkpoint remembered from the last audit; `save` is written when
    the verdict is right, and may be the same; `anchor` is the URL of the anchor
    to ask, as in the settings, from the auditor's own sources; `policy` is a
    tlog-policy file, `authorities` the roots of time-stamping authorities in PEM.
    """

    target: str
    vkey: str
    since: Path | None = None
    save: Path | None = None
    token: str | None = field(default=None, repr=False)
    anchor: str | None = None
    policy: Path | None = None
    authorities: Path | None = None
    jobs: int | None = None

    @property
    def asked(self) -> frozenset[Stage]:
        """The steps that what the auditor brings is for: one that cannot be run is no success."""
        brought = {
            Stage.REMEMBERED: self.since,
            Stage.COSIGNATURES: self.policy,
            Stage.ANCHORS: self.anchor,
            Stage.TIMES: self.authorities,
        }
        # A token is for a service; a copy shows its records without one.
        of_records = _OF_RECORDS if self.token is not None and self._is_service() else ()
        return frozenset([stage for stage, means in brought.items() if means is not None]).union(of_records)

    def _is_service(self) -> bool:
        return self.target.startswith(("http://", "https://"))

    def workers(self) -> int:
        """Return how many processes are to read: by default one for each core."""
        wanted = self.jobs or len(os.sched_getaffinity(0))
        return min(wanted, _CONNECTIONS) if self._is_service() else wanted

    def memory(self) -> bytes | None:
        """Return what was saved beside the remembered checkpoint, if anything was."""
        # Imported here, so that verifying a receipt loads nothing but `proof`.
        from dataspace.audit.memory import LIMIT  # noqa: PLC0415

        path = None if self.since is None else beside(self.since)
        return read_file(path, path.name, LIMIT) if path is not None and path.is_file() else None

    def keep(self, checkpoint: str, memory: bytes | None) -> None:
        """Write what the next audit remembers; the checkpoint last, for the memory is bound to it.

        Raises:
            Unavailable: it cannot be written.

        """
        if self.save is None:
            return
        if memory is not None:
            replace_file(beside(self.save), memory)
        replace_file(self.save, checkpoint.encode())


def beside(checkpoint: Path) -> Path:
    """Return the file beside a checkpoint's that holds what the next audit goes on from."""
    return checkpoint.with_name(checkpoint.name + MEMORY)


def read_key(vkey: str) -> Verifier:
    """Return the auditor's key; a wrong one is the auditor's mistake, not the evidence's."""
    text = read_text(Path(vkey[1:])).strip() if vkey.startswith("@") else vkey
    try:
        return Verifier.parse(text)
    except VerificationError as error:
        raise Malformed(str(error)) from error


def read_policy(path: Path | None) -> WitnessPolicy | None:
    """Return the auditor's policy of witnesses."""
    if path is None:
        return None
    try:
        return WitnessPolicy.parse(read_text(path, POLICY_LIMIT))
    except VerificationError as error:
        raise Malformed(f"{path}: {error}") from error


def read_authorities(path: Path | None) -> bytes | None:
    """Return the auditor's roots of time-stamping authorities, in PEM."""
    return None if path is None else read_file(path, path.name, _AUTHORITIES_LIMIT)


def read_rotations(path: Path | None) -> list[str]:
    """Return the notes by which one key of the log handed over to the next.

    The file is what a service answers at `/ledger/keys`, or the
    `rotations.jsonl` of an evidence folder: each statement is signed.

    Raises:
        Malformed: it is neither.

    """
    if path is None:
        return []
    data = read_file(path, path.name, note.LIMIT)
    try:
        if path.suffix == ".jsonl":
            notes = [parse(line)["statement"] for line in data.splitlines()]
        else:
            notes = parse(data, limit=note.LIMIT)["rotations"]
    except (VerificationError, LookupError, TypeError) as error:
        raise Malformed(f"{path} holds no rotations of a key") from error
    if not isinstance(notes, list) or not all(isinstance(one, str) for one in notes):
        raise Malformed(f"{path} holds no rotations of a key")
    return notes


def read_text(path: Path, limit: int = note.LIMIT) -> str:
    """Return the text in a file of the auditor's own."""
    try:
        return read_file(path, str(path), limit).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"{path} is not UTF-8") from error


def read_checkers(anchor: str | None, verifier: Verifier) -> Mapping[str, AnchorChecker]:
    """Return the checker of the anchor at a URL, by its kind."""
    if anchor is None:
        return {}
    from dataspace.ledger.anchors import open_anchor  # noqa: PLC0415 - a receipt needs no anchor

    return {urlsplit(anchor).scheme: open_anchor(anchor, verifier.name)}


def now() -> datetime:
    """Return the latest time that an entry may tell."""
    return datetime.now(UTC) + SKEW

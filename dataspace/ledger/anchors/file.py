"""An anchor that is a file: one line of evidence a head, appended and flushed to the disk.

Whoever can rewrite the log can rewrite the file. It shows what an anchor is,
and catches accidents; it proves nothing against the operator.
"""

import json
import logging
import os
import threading
from pathlib import Path

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Head
from dataspace.proof.canonical import JSON, canonical
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

KIND = "file"
_LOG = logging.getLogger("dataspace")


class FileAnchor:
    """The file of one log's heads; of other logs' lines it only keeps clear."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin = path, origin
        self._lock = threading.Lock()
        _LOG.warning(
            "the anchor %s is a file of this service's own: it proves nothing against its operator", path
        )

    def publish(self, size: int, root: bytes, note: str) -> AnchorEvidence:
        """Append a head, or find it there; see `Anchor`."""
        with self._lock:
            known = self._read()
            last = known[-1] if known else None
            if last and last[0].size >= size:
                return _same(last, Head(size, root))
            facts: dict[str, JSON] = {"origin": self._origin, "size": size, "root": root.hex()}
            evidence = AnchorEvidence(KIND, note, (), facts)
            self._append(canonical(evidence.to_json()) + b"\n")
            return evidence

    def latest(self) -> Head | None:
        """Return the head of the last line; see `Anchor`."""
        with self._lock:
            known = self._read()
        return known[-1][0] if known else None

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Find the line with the checkpoint; see `Anchor`."""
        wanted = Head(checkpoint.size, checkpoint.root)
        if evidence.kind != KIND or checkpoint.origin != self._origin:
            raise VerificationError(f"anchor: the evidence is of kind {evidence.kind!r}, or of another log")
        for head, kept in self._read():
            if head == wanted and kept.checkpoint == evidence.checkpoint:
                return f"{self._path.name} holds size {head.size}; the file is the operator's own"
        raise VerificationError(
            f"anchor: {self._path.name} does not hold this checkpoint of size {wanted.size}"
        )

    def _read(self) -> list[tuple[Head, AnchorEvidence]]:
        try:
            lines = self._path.read_bytes().split(b"\n")[:-1]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"the anchor file cannot be read: {error.strerror}") from error
        return [found for line in lines if (found := self._line(line))]

    def _line(self, line: bytes) -> tuple[Head, AnchorEvidence] | None:
        try:
            evidence = AnchorEvidence.from_json(json.loads(line))
            facts = evidence.facts
            if evidence.kind != KIND or facts.get("origin") != self._origin:
                return None
            head = Head(int(str(facts["size"])), bytes.fromhex(str(facts["root"])))
        except (ValueError, KeyError, RecursionError, VerificationError) as error:
            raise Unavailable("the anchor file holds a line that is no evidence") from error
        return head, evidence

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                _drop_torn_line(descriptor)
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise Unavailable(f"the anchor file cannot be written: {error.strerror}") from error


def _same(kept: tuple[Head, AnchorEvidence], head: Head) -> AnchorEvidence:
    if kept[0].size > head.size:
        raise Conflict(f"the anchor holds {kept[0].size} entries and the log {head.size}: it was rolled back")
    if kept[0].root != head.root:
        raise VerificationError(f"the anchor holds another root of size {head.size}: the log was forked")
    return kept[1]


def _drop_torn_line(descriptor: int) -> None:
    """Cut off what a crash left of a line: nobody was told that it is there."""
    size = os.fstat(descriptor).st_size
    content = os.pread(descriptor, size, 0)
    whole = content.rfind(b"\n") + 1
    if whole != size:
        os.ftruncate(descriptor, whole)


def _sync_folder(folder: Path) -> None:
    # A new file's name is on the disk only when its folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

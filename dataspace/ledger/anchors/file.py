"""An anchor that is a file: one line of evidence a head, appended and flushed to the disk.

Whoever can rewrite the log can rewrite the file. It shows what an anchor is,
and catches accidents; it proves nothing against the operator.
"""

import json
import logging
import threading
from pathlib import Path

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Growth, Head
from dataspace.ledger.anchors.kept import Kept
from dataspace.proof.canonical import JSON
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

KIND = "file"
_LOG = logging.getLogger("dataspace")
_Line = tuple[Head, AnchorEvidence]


class FileAnchor:
    """The file of one log's heads; of other logs' lines it only keeps clear."""

    def __init__(self, path: Path, origin: str) -> None:
        self._path, self._origin, self._kept = path, origin, Kept(path, origin)
        self._lock = threading.Lock()
        self._known: tuple[object, list[_Line]] = (None, [])
        _LOG.warning(
            "the anchor %s is a file of this service's own: it proves nothing against its operator", path
        )

    def publish(self, head: Checkpoint, note: str, _: Growth) -> AnchorEvidence:
        """Append a head, or find it there; see `Anchor`."""
        with self._lock:
            known = self._read()
            if known and known[-1][0].size >= head.size:
                return _same(known[-1], head)
            facts: dict[str, JSON] = {"origin": self._origin, "size": head.size, "root": head.root.hex()}
            evidence = AnchorEvidence(KIND, note, (), facts)
            self._kept.append(evidence)
            return evidence

    def latest(self, *, final: bool = True) -> Head | None:  # noqa: ARG002 - nothing in a file vanishes
        """Return the head of the last line; see `Anchor`."""
        with self._lock:
            known = self._read()
        return known[-1][0] if known else None

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Find the line with the checkpoint; see `Anchor`."""
        wanted = Head(checkpoint.size, checkpoint.root)
        if evidence.kind != KIND or checkpoint.origin != self._origin:
            raise VerificationError(f"anchor: the evidence is of kind {evidence.kind!r}, or of another log")
        with self._lock:
            known = self._read()
        for head, kept in known:
            if head == wanted and kept.checkpoint == evidence.checkpoint:
                return f"{self._path.name} holds size {head.size}; the file is the operator's own"
        raise VerificationError(
            f"anchor: {self._path.name} does not hold this checkpoint of size {wanted.size}"
        )

    def _read(self) -> list[_Line]:
        """Return this log's lines, read again when the file has changed."""
        try:
            now = self._path.stat()
            state = (now.st_size, now.st_mtime_ns, now.st_ino)
            if self._known[0] != state:
                lines = self._path.read_bytes().split(b"\n")[:-1]
                self._known = state, [found for line in lines if (found := self._line(line))]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"the anchor file cannot be read: {error.strerror}") from error
        return self._known[1]

    def _line(self, line: bytes) -> _Line | None:
        try:
            evidence = AnchorEvidence.from_json(json.loads(line))
            facts = evidence.facts
            if evidence.kind != KIND or facts.get("origin") != self._origin:
                return None
            head = Head(int(str(facts["size"])), bytes.fromhex(str(facts["root"])))
        except (ValueError, KeyError, RecursionError, VerificationError) as error:
            raise Unavailable("the anchor file holds a line that is no evidence") from error
        return head, evidence


def _same(kept: _Line, head: Checkpoint) -> AnchorEvidence:
    if kept[0].size > head.size:
        raise Conflict(f"the anchor holds {kept[0].size} entries and the log {head.size}: it was rolled back")
    if kept[0].root != head.root:
        raise VerificationError(f"the anchor holds another root of size {head.size}: the log was forked")
    return kept[1]

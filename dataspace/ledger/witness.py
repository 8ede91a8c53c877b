r"""Serving as a witness of other logs (C2SP tlog-witness, add-checkpoint).

A submitted checkpoint is cosigned once it is, in this order,

 1. of a known log                                              or 404 (NotFound)
 2. signed by one of its keys, and by none of them wrongly      or 403 (Refused)
 3. well formed, and not smaller than the old size it states    or 400 (Malformed);
    with lines behind its root only if a key signed these too   or 403 (Refused)
 4. submitted with the old size that is stored here             or 409 (Conflict, with that size)
 5. proven to extend the head that is stored here               or 422 (Unprocessable)

4 and 5, and the new head in the place of the old one, are one act of the
database, committed before the answer leaves: of two submissions at once one
is too late. The known logs and their keys are the `log` lines of the policy
file. A log that changes its key gets a second line there; the protocol has no
message for it.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple

from sqlmodel import Session, col, update

from dataspace.database import Database
from dataspace.errors import (
    Conflict,
    Malformed,
    NotFound,
    Refused,
    TooLarge,
    Unavailable,
    Unprocessable,
    VerificationError,
)
from dataspace.keys import KeyStore
from dataspace.ledger.keyring import witness_name
from dataspace.ledger.models import WitnessedLog
from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint, decimal
from dataspace.proof.cosignature import Cosigner, PostQuantumCosigner
from dataspace.proof.encoding import decode_base64
from dataspace.proof.key import NoteKey, Verifier
from dataspace.proof.note import read_note, signature_line, split
from dataspace.proof.vkey import EcdsaKey
from dataspace.proof.witnesses import KnownLog

PROOF_LINES: Final = 63
BODY_LIMIT: Final = 1 << 16  # bytes of one submission
NAME_LIMIT: Final = 255  # bytes of a log's origin, in what ML-DSA-44 signs
_WHOLE: Final = (Verifier, EcdsaKey, Cosigner)  # keys whose signature covers the lines behind the root
_AGAIN: Final = 10  # seconds in which the same head gets the same cosignatures, and writes nothing


class Submission(NamedTuple):
    """A parsed request; `root` stands apart because that of an empty tree is judged late."""

    old: int
    proof: tuple[bytes, ...]
    head: Checkpoint
    root: bytes

    def text(self) -> str:
        """Return what the log signed; of a head that is cosigned `root` is the head's."""
        return self.head.text()


class Witness:
    """The witness of one space: `origin` is its own log's, which it never cosigns.

    Raises:
        Malformed: a log's name is too long to be cosigned.
        Unavailable: the space has no witness keys.

    """

    def __init__(
        self,
        database: Database,
        keys: KeyStore,
        origin: str,
        logs: Sequence[KnownLog],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database, self._keys, self._clock = database, keys, clock
        name = witness_name(origin)
        self._cosigners: dict[str, Cosigner | PostQuantumCosigner] = {
            "witness": Cosigner(name, keys.public_key("witness")),
            "witness-pq": PostQuantumCosigner(name, keys.public_key("witness-pq")),
        }
        self._logs: dict[str, list[NoteKey]] = {}
        for known in logs:
            if len(known.key.name.encode()) > NAME_LIMIT:
                raise Malformed(f"witness policy: a log's name is longer than {NAME_LIMIT} bytes")
            if known.key.name != origin:
                self._logs.setdefault(known.key.name, []).append(known.key)

    def add_checkpoint(self, body: bytes) -> str:
        """Return the cosignatures of a submitted checkpoint, a line each; the head is stored by then.

        Raises:
            NotFound: the log is unknown.
            Refused: no key of the log signed it, or one wrongly, or none all of its lines.
            Malformed: the request or the checkpoint is malformed, or smaller than its old size.
            Conflict: another size is stored; `facts["size"]` is it.
            Unprocessable: it is not proven to extend the stored head.
            Unavailable: the clock went back behind the last cosignature, or the database failed.

        """
        submission, log_lines = self._checked(body)
        repeated = self._repeated(submission)
        if repeated:
            return repeated
        return self._database.commit(lambda session: self._cosign(session, submission, log_lines))

    def latest(self, session: Session, digest: str) -> str:
        """Return the last cosigned head of the log whose origin has this SHA-256, under its lines and ours.

        Raises:
            NotFound: there is none.

        """
        origin = next((name for name in self._logs if sha256(name.encode()).hexdigest() == digest), None)
        row = None if origin is None else session.get(WitnessedLog, origin)
        if row is None:
            raise NotFound("no head of such a log has been cosigned here")
        return row.note

    def _checked(self, body: bytes) -> tuple[Submission, str]:
        """Return a request of a known log, and the lines of the log's own keys; checks 1 to 3."""
        old, proof, note = split_request(body)
        note = _respelled(note)
        try:
            text, lines = split(note)
        except VerificationError as error:
            raise Malformed(f"invalid input: {error}") from error
        trusted = self._logs.get(text.partition("\n")[0])
        if trusted is None:
            raise NotFound("unknown log")
        try:
            signed = [key for key, _ in read_note(note, trusted).signed]
        except VerificationError as error:
            raise Refused("invalid signature: one of the log does not verify") from error
        if not signed:
            raise Refused("invalid signature: none of a key that is known for the log")
        head, root = _checkpoint(text)
        if old > head.size:
            raise Malformed(f"invalid input: old size {old}, and the checkpoint has {head.size}")
        if head.extensions and not any(isinstance(key, _WHOLE) for key in signed):
            # Anybody can add a line under a signature of size and root alone, and our keys would sign it.
            raise Refused("invalid signature: no key of the log signed the lines behind the root")
        return Submission(old, proof, head, root), _lines_of(signed, lines)

    def _repeated(self, asked: Submission) -> str:
        """Return the cosignatures that the same head got a moment ago, or nothing."""
        with self._database.reading() as session:
            row = session.get(WitnessedLog, asked.head.origin)
            if (
                row is None
                or asked.proof
                or {asked.old, asked.head.size} != {row.size}
                or row.root != asked.root
            ):
                return ""
            lines, time = self._own(row.note)
        return lines if 0 <= self._now() - time < _AGAIN else ""

    def _cosign(self, session: Session, asked: Submission, log_lines: str) -> str:
        """Compare, check and persist in one act: what is signed here is the stored head afterwards."""
        origin = asked.head.origin
        row = session.get(WitnessedLog, origin)
        stored = 0 if row is None else row.size
        if asked.old != stored:
            raise Conflict(f"the last cosigned head has {stored} entries", size=stored)
        _ensure_extends(asked, merkle.EMPTY if row is None else row.root)
        now, text = self._now(), asked.text()
        if row is not None and now < self._own(row.note)[1]:
            raise Unavailable("the clock is behind the last cosignature")
        lines = "".join(
            key.line(text, now, partial(self._keys.sign, name)) for name, key in self._cosigners.items()
        )
        values = {"size": asked.head.size, "root": asked.root, "note": f"{text}\n{log_lines}{lines}"}
        _swap(session, origin, row, values)
        return lines

    def _own(self, note: str) -> tuple[str, int]:
        """Return our lines under a stored note, and the time they state."""
        lines = split(note)[1]
        known = {(key.name, key.key_id) for key in self._cosigners.values()}
        times = [int.from_bytes(signed[:8]) for name, key_id, signed in lines if (name, key_id) in known]
        return _lines_of(list(self._cosigners.values()), lines), max(times, default=0)

    def _now(self) -> int:
        return int(self._clock().timestamp())


def split_request(body: bytes) -> tuple[int, tuple[bytes, ...], str]:
    """Return old size, proof and note of a request, of which the note is not looked into.

    Raises:
        Malformed: it is too large, not UTF-8, or not of the form that the module tells.

    """
    if len(body) > BODY_LIMIT:
        raise TooLarge(f"invalid input: {len(body)} bytes, want at most {BODY_LIMIT}", limit=BODY_LIMIT)
    try:
        head, blank, note = body.decode().partition("\n\n")
        first, *hashes = head.split("\n")
        if not (blank and first.startswith("old ")) or len(hashes) > PROOF_LINES:
            raise Malformed(f"invalid input: want `old <size>`, 0 to {PROOF_LINES} hashes and an empty line")
        proof = tuple(decode_base64(line, "consistency proof") for line in hashes)
        old = decimal(first.removeprefix("old "), "old size")
    except UnicodeDecodeError as error:
        raise Malformed("invalid input: not UTF-8") from error
    except VerificationError as error:
        raise Malformed(f"invalid input: {error}") from error
    if any(len(item) != merkle.HASH_SIZE for item in proof):
        raise Malformed("invalid input: a hash of the proof is not 32 bytes")
    return old, proof, note


def _respelled(note: str) -> str:
    """Return a note whose signatures' base64 is in its only spelling.

    Other programs pass over bits behind the last byte, which makes a signature
    wrong and not malformed: it gets the answer that theirs would.
    """
    text, blank, signatures = note.rpartition("\n\n")
    return text + blank + "\n".join(_respelled_line(line) for line in signatures.split("\n"))


def _respelled_line(line: str) -> str:
    words, space, encoded = line.rpartition(" ")
    try:
        return words + space + b64encode(b64decode(encoded, validate=True)).decode()
    except ValueError:
        return line


def _checkpoint(text: str) -> tuple[Checkpoint, bytes]:
    """Return the head in a signed text, and the root it claims: with size 0 that may be one of something.

    The protocol answers such a root with 422, after it has compared the sizes, and not with 400.
    """
    lines = text.split("\n")
    try:
        root = decode_base64(lines[2], "checkpoint root") if len(lines) > 2 else b""
        if lines[1:2] == ["0"] and len(root) == merkle.HASH_SIZE:
            lines[2] = b64encode(merkle.EMPTY).decode()
        return Checkpoint.parse("\n".join(lines)), root
    except VerificationError as error:
        raise Malformed(f"invalid checkpoint: {error}") from error


def _ensure_extends(asked: Submission, stored_root: bytes) -> None:
    """Let a head pass that continues the stored one, whose size is the old size; check 5.

    Against the root that is stored here: one that came with the request would prove anything.
    """
    head, problem = asked.head, "bad consistency proof"
    if head.size == 0 and asked.root != merkle.EMPTY:
        raise Unprocessable("a checkpoint of size 0 with the root of something")
    if asked.old == 0:
        if asked.proof:
            raise Unprocessable(f"{problem}: want none from size 0")
        return
    try:
        merkle.verify_consistency(
            asked.old, head.size, asked.proof, old_root=stored_root, new_root=asked.root
        )
    except VerificationError as error:
        raise Unprocessable(f"{problem}: {error}") from error


def _swap(session: Session, origin: str, row: WitnessedLog | None, values: dict[str, Any]) -> None:
    """Put the new head in the place of exactly the one that was compared, in whatever process."""
    if row is None:
        session.add(WitnessedLog(origin=origin, **values))
        return
    same = (col(WitnessedLog.origin) == origin, col(WitnessedLog.note) == row.note)
    if session.connection().execute(update(WitnessedLog).where(*same).values(**values)).rowcount != 1:
        raise Unavailable("another process moved the stored head at the same time")


def _lines_of(keys: Sequence[NoteKey], lines: Sequence[tuple[str, bytes, bytes]]) -> str:
    """Return the first signature line of each of `keys`."""
    first = {(name, key_id): signature for name, key_id, signature in reversed(lines)}
    found = [(key, first.get((key.name, key.key_id))) for key in keys]
    return "".join(signature_line(key, signature) for key, signature in found if signature is not None)

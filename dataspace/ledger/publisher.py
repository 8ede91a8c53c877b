"""Publishing: the log's heads under all of its own keys, then cosigned, stamped, and handed on to the anchor.

A round (1) takes the head, if it grew, adds the lines of the post-quantum key
and of the anchor key, checks every line with the public keys the log has
adopted, and stores it; (2) asks the witnesses that have not signed the newest
one; (3) asks the authority for its time token. Each step is stored before the
next begins, and what a crash or an outage left out the next round does. Only
the newest checkpoint is completed: it holds all older ones.

With a quorum and fail-closed, a checkpoint is neither served as the newest nor
anchored before the quorum has signed it. The log itself grows on.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from sqlmodel import Session

from dataspace.database import Database, crash_at
from dataspace.errors import DataSpaceError, Unavailable, VerificationError
from dataspace.keys import KeyStore
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.anchors.signing import anchor_signature
from dataspace.ledger.cosign import Cosignature, Witnesses
from dataspace.ledger.keyring import Role
from dataspace.ledger.log import Log
from dataspace.ledger.models import LedgerCheckpoint, LedgerCosignature, LedgerTimestamp
from dataspace.ledger.published import Published, PublishedCheckpoint, cosignatures_of, newest_row, whole
from dataspace.ledger.store import LOG, Store, StoredKey
from dataspace.ledger.timestamps import Authority
from dataspace.moment import written
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import PostQuantumCosigner
from dataspace.proof.key import NoteKey, Verifier
from dataspace.proof.note import read_note
from dataspace.proof.secp256k1 import AnchorKey
from dataspace.proof.vkey import parse_vkey
from dataspace.proof.witnesses import WitnessPolicy

_LOG: Final = logging.getLogger("dataspace.published")


class Publisher:
    """Publishes the log's heads; `anchors`, `witnesses` and `authority` are those of the settings, if any.

    Its methods may be called from any thread, and from several processes on one database.
    """

    def __init__(
        self,
        database: Database,
        log: Log,
        keys: KeyStore,
        *,
        clock: Callable[[], datetime],
        anchors: Anchorage | None = None,
        witnesses: Witnesses | None = None,
        authority: Authority | None = None,
    ) -> None:
        self._database, self._log, self._keys, self._clock = database, log, keys, clock
        self._anchors, self._witnesses, self._authority = anchors, witnesses, authority
        self.published = Published(closed=witnesses is not None and witnesses.closed)
        self._lock = threading.Lock()
        self._troubles = _Troubles()

    def publish(self) -> int | None:
        """Publish the head, if it has grown, and complete the newest checkpoint; return a new one's size.

        Raises:
            Unavailable: the database or a key of the log's own cannot be used.
            VerificationError: a line does not verify; nothing was stored.

        """
        with self._lock:
            size = self._publish_head()
            crash_at("published.stored")
            newest = self._incomplete()
            if newest is not None:
                newest = self._cosign(newest)
                crash_at("published.cosigned")
                self._stamp(newest)
            return size

    def anchor(self) -> int | None:
        """Hand the newest published checkpoint over to the anchor; return what `Anchorage.publish` does.

        Raises as that does.
        """
        with self._database.reading() as session:
            newest = self.published.newest(session)
        if newest is None or self._anchors is None:
            return None
        return self._anchors.publish(Checkpoint.parse(newest.text), newest.note)

    def head(self, session: Session) -> str:
        """Return the note to serve: the newest published one; with no quorum needed, a larger head before it.

        Raises:
            NotFound: the log has no entry yet.
            Unavailable: a quorum is needed and has signed none yet.

        """
        newest = self.published.newest(session)
        if self.published.closed:
            if newest is None:
                raise Unavailable("no checkpoint has been cosigned by the quorum of witnesses yet")
            return newest.note
        if newest is None or newest.size < self._log.size(session):
            return self._log.checkpoint(session)
        return newest.note

    def size(self, session: Session) -> int:
        """Return the size of what `head` serves, 0 when it serves nothing."""
        if not self.published.closed:
            return self._log.size(session)
        newest = newest_row(session, cosigned=True)
        return 0 if newest is None else newest.size

    def _publish_head(self) -> int | None:
        with self._database.reading() as session:
            size, newest = self._log.size(session), newest_row(session)
            if size == 0 or (newest is not None and newest.size >= size):
                return None
            note = self._log.checkpoint(session)
            adopted = Store(session).adopted_keys()
        head, note = self._sign(note, adopted)
        row = LedgerCheckpoint(size=head.size, root=head.root, note=note, published=written(self._clock()))

        def act(session: Session) -> bool:
            if session.get(LedgerCheckpoint, head.size) is not None:
                return False  # another process was first
            session.add(row)
            return True

        return head.size if self._database.commit(act) else None

    def _sign(self, note: str, adopted: Sequence[StoredKey]) -> tuple[Checkpoint, str]:
        """Return a head and its note with every line, each of them checked."""
        # Another process may have handed the log over: what the database names is the key of this head.
        latest = {row.role: row for row in adopted}
        log = Verifier.parse(latest[LOG].vkey if LOG in latest else self._log.vkey())
        head, signed = Checkpoint.open(note, log), list[NoteKey]([log])
        signers = {Role.POST_QUANTUM: self._post_quantum, Role.ANCHOR: self._anchor}
        for role, sign in signers.items():
            if role in latest:
                key = parse_vkey(latest[role].vkey)
                note += sign(key, head, latest[role].name)
                signed.append(key)
        found = {str(key) for key, _ in read_note(note, signed).signed}
        missing = {str(key) for key in signed} - found
        if missing:
            raise VerificationError(f"checkpoint {head.size}: {len(missing)} of its own keys did not sign")
        return head, note

    def _post_quantum(self, key: NoteKey, head: Checkpoint, name: str) -> str:
        if not isinstance(key, PostQuantumCosigner):
            raise VerificationError(f"the key {name} is not of type ML-DSA-44")
        return key.line(head.text(), self._now(), partial(self._keys.sign, name))

    def _anchor(self, key: NoteKey, head: Checkpoint, name: str) -> str:
        if not isinstance(key, AnchorKey) or not isinstance(self._keys, FileKeys):
            raise VerificationError(f"the key {name} is not of type secp256k1")
        signature = anchor_signature(self._keys.raw(name), head.origin, head.size, head.root)
        return key.line(head.text(), signature)

    def _incomplete(self) -> PublishedCheckpoint | None:
        with self._database.reading() as session:
            row = newest_row(session)
            return None if row is None else whole(session, row)

    def _cosign(self, newest: PublishedCheckpoint) -> PublishedCheckpoint:
        """Ask the witnesses that have not signed; return the checkpoint with what they answered, stored."""
        witnesses = self._witnesses
        if witnesses is None:
            return newest
        with self._database.reading() as session:
            held = {row.key for row in cosignatures_of(session, newest.size)}
            # Without the others' lines: a submission has its limits, and no witness reads them.
            own = session.get_one(LedgerCheckpoint, newest.size).note
        found: list[Cosignature] = []
        for url, reply in witnesses.ask(own, self._prove(newest.size), held, self._now()).items():
            self._troubles.tell(f"the witness {url}", reply if isinstance(reply, DataSpaceError) else None)
            found += reply if isinstance(reply, list) else []
        return self._keep(newest, found, witnesses.policy)

    def _keep(
        self, newest: PublishedCheckpoint, found: Sequence[Cosignature], policy: WitnessPolicy
    ) -> PublishedCheckpoint:
        """Store what was found, and whether the quorum is met by it."""

        def act(session: Session) -> PublishedCheckpoint:
            for item in found:
                if session.get(LedgerCosignature, (newest.size, item.key)) is None:
                    session.add(LedgerCosignature(size=newest.size, **vars(item)))
            session.flush()
            row = session.get_one(LedgerCheckpoint, newest.size)
            row.cosigned = row.cosigned or policy.judge(whole(session, row).note).met
            session.add(row)
            return whole(session, row)

        met = newest.quorum or policy.judge(newest.note).met
        kept = self._database.commit(act) if found or met != newest.quorum else newest
        short = Unavailable(f"checkpoint {kept.size} is not cosigned by the quorum")
        self._troubles.tell("publishing", None if kept.quorum else short)
        return kept

    def _stamp(self, newest: PublishedCheckpoint) -> None:
        """Get the time token of a checkpoint that has none."""
        authority = self._authority
        if authority is None or any(token.authority == authority.url for token in newest.timestamps):
            return
        try:
            token = authority.stamp(newest.text)
        except DataSpaceError as error:
            self._troubles.tell(f"the time-stamp authority {authority.url}", error)
            return
        self._troubles.tell(f"the time-stamp authority {authority.url}", None)

        def act(session: Session) -> None:
            if session.get(LedgerTimestamp, (newest.size, authority.url)) is None:
                session.add(LedgerTimestamp(size=newest.size, authority=authority.url, token=token))

        self._database.commit(act)

    def _prove(self, size: int) -> Callable[[int], list[bytes]]:
        def prove(old: int) -> list[bytes]:
            with self._database.reading() as session:
                return self._log.consistency(session, old, size)

        return prove

    def _now(self) -> int:
        return int(self._clock().timestamp())


class _Troubles:
    """Who failed at the last attempt: told when it begins and when it is over, and not in between."""

    def __init__(self) -> None:
        self._known: dict[str, type[DataSpaceError]] = {}

    def tell(self, who: str, error: DataSpaceError | None) -> None:
        if error is None:
            if self._known.pop(who, None) is not None:
                _LOG.warning("%s: as it should be again", who)
        elif self._known.get(who) is not type(error):
            self._known[who] = type(error)
            # Evidence that does not hold is worse than a server that is away.
            level = logging.ERROR if isinstance(error, VerificationError) else logging.WARNING
            _LOG.log(level, "%s: %s", who, error)

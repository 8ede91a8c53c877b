"""The history of a dataset version: all that was released of it exactly, to whomever.

Consumers may work together, so there is one history for all of them. An answer is
judged by it before anybody sees it, in a worker (`releases`), and appended to it
in the transaction of its entry: then the history must be the one it was judged by.
Within this process answers that tell something new about one version take turns,
from before they are judged until they are appended; what another process appends
meanwhile is met with `Conflict`, and the question asked again.

Bounds: at most `RELEASES_LIMIT` answers are stored for a version, each of which
told something that did not follow from those before it, and at most
`RELEASES_SHARE` of one legal entity: so none ends the exact answers of all others.
A cube has a place among them while no more than one in `CUBES_SHARE` is taken.
Beyond, as where the numbers pass the limits of `privacy.history`, whose room has
no shares, nothing new is answered exactly any more. A worker that has nothing of
a history is told it in portions.

A release is stored sealed under the version's data key: it names values. Its
`mark` is the nonce of the seal.
"""

import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlmodel import Session, col, func, select

from dataspace.catalog.models import Form, Offer
from dataspace.errors import Conflict, TooMany
from dataspace.privacy.history import CUBES_SHARE
from dataspace.privacy.release import Release
from dataspace.space import Space
from dataspace.table import Method
from dataspace.transfer.case import Case, agreements_of, offered
from dataspace.transfer.duck.past import Entry, Head, Judged, Past
from dataspace.transfer.engine import Payload, leaving_view
from dataspace.transfer.models import Released
from dataspace.transfer.sql.leaving import Protection

RELEASES_LIMIT: Final = 1024
RELEASES_SHARE: Final = 512
_PORTION: Final = 32  # releases of one message to a worker
_NONCE: Final = 12
# What rows show of a column leaves its value known, or nearly so, with any other method.
_HIDING: Final = {Method.SUPPRESS, Method.MASK, Method.PSEUDONYMIZE, Method.FPE}
_AS_ROWS: Final = {Form.ROWS, Form.LOOKUP}  # who knows the identifiers looks up all the rows that leave


class Histories:
    """Reads and appends to histories, and lets those who append take turns."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._turns: dict[tuple[str, int], threading.Lock] = {}
        self._guard = threading.Lock()

    @contextmanager
    def turn(self, case: Case) -> Iterator["Turn"]:
        """Return a turn on the history of a case: nobody else's is taken until it ends, or gives up."""
        with self._guard:
            lock = self._turns.setdefault((case.dataset.id, case.version.version), threading.Lock())
        turn = Turn(self._space, case, lock)
        try:
            yield turn
        finally:
            turn.end()


class Turn:
    """What one answer has to do with the history."""

    def __init__(self, space: Space, case: Case, lock: threading.Lock) -> None:
        self._space, self._case, self._lock = space, case, lock
        self._held = False
        self._head = Head()
        self._theirs = 0
        self._payload: Payload | None = None
        self._content = b""
        self.release = secrets.token_bytes(_NONCE)

    def past(self, payload: Payload) -> Past:
        """Wait for the turn, and return the history as it stands.

        Raises:
            TooMany: others took too long.

        """
        # As long as a query may take, and then some: whoever waits longer should hear of it.
        self._held = self._lock.acquire(timeout=2.0 * self._space.settings.query_seconds)
        if not self._held:
            raise TooMany("others ask too much about this dataset: ask again later", retry_after=5)
        with self._space.database.reading() as session:
            self._head = head_of(session, self._case)
            self._theirs = _releases_of_entity(session, self._case)
            offers = session.exec(select(Offer).where(Offer.dataset == self._case.dataset.id)).all()
        self._payload = payload
        views, hidden = _leaving(self._case, payload, offers)
        return Past(self._head, self.release, views, hidden, self._entries, self._mark)

    def judged(self, found: Mapping[str, Any]) -> Judged:
        """Return a worker's verdict on the answer, for which the history must have room."""
        self._content = bytes(found["content"])
        if not self._content:
            # It tells nothing that is not known, or will not be told: whoever waits need not.
            self.end()
        full = self._head.sequence >= RELEASES_LIMIT or self._theirs >= RELEASES_SHARE
        return Judged(found["isolates"], found["unchecked"] or (bool(self._content) and full))

    def append(self, session: Session, *, query_sha256: str, entry: int) -> None:
        """Append the answer, in the transaction of its entry.

        Raises:
            Conflict: something was appended since it was judged.

        """
        if not self._content or self._payload is None:
            return
        if head_of(session, self._case) != self._head:
            raise Conflict("something else was answered on this dataset meanwhile: ask again", moved=True)
        sealed = _sealed(self._payload, self._head.sequence + 1, self.release, self._content)
        _add(session, self._space, self._case, sealed, query_sha256=query_sha256, entry=entry)

    def end(self) -> None:
        """Let the next one have its turn."""
        if self._held:
            self._held = False
            self._lock.release()

    def _entries(self, sequence: int) -> Sequence[Entry]:
        last, payload = self._head.sequence, self._payload
        if payload is None:
            return []
        with self._space.database.reading() as session:
            query = _of(self._case).where(
                col(Released.sequence) > sequence, col(Released.sequence) <= min(last, sequence + _PORTION)
            )
            found = session.exec(query.order_by(col(Released.sequence))).all()
        return [(row.content[:_NONCE], _opened(payload, row)) for row in found]

    def _mark(self, sequence: int) -> bytes:
        if sequence in (0, self._head.sequence):
            return self._head.mark if sequence else b""
        with self._space.database.reading() as session:
            row = session.get(Released, (self._case.dataset.id, self._case.version.version, sequence))
        return row.content[:_NONCE] if row else b""


def head_of(session: Session, case: Case) -> Head:
    """Return where the history of a case's dataset version stands."""
    last = session.exec(_of(case).order_by(col(Released.sequence).desc()).limit(1)).first()
    return Head(last.sequence, last.content[:_NONCE]) if last else Head()


def _releases_of_entity(session: Session, case: Case) -> int:
    """Return how many releases of the history the legal entity behind the caller has, cubes among them."""
    counted = (
        select(func.count())
        .select_from(Released)
        .where(
            Released.dataset == case.dataset.id,
            Released.version == case.version.version,
            col(Released.agreement).in_(agreements_of(case)),
        )
    )
    return int(session.exec(counted).one())


def record_cube(
    session: Session,
    space: Space,
    case: Case,
    request: Mapping[str, Any],
    cells: Sequence[Sequence[Any]],
    *,
    query_sha256: str,
    entry: int,
) -> None:
    """Append a cube, in the transaction of its first grant: from then on all its cells count as released.

    `request`: what its cells were asked of a worker with. `cells`: the keys of those that are shown.
    One beyond the share of its legal entity, or of all cubes, is left to its noise: it would take the
    place of exact answers.
    """
    last = head_of(session, case).sequence
    if last >= RELEASES_LIMIT // CUBES_SHARE or _releases_of_entity(session, case) >= RELEASES_SHARE:
        return
    payload = case.payload(space)
    content = msgspec.msgpack.encode(
        {
            "form": "cube",
            "keys": request["keys"],
            "labels": request["labels"],
            "where": request.get("where", ""),
            "numbers": [
                ["count", "", ""],
                *(["sum", measure["value"], measure["column"]] for measure in request["sums"]),
            ],
            "shown": [list(key) for key in cells],
            "conditions": [],
            "group": [],
        }
    )
    sealed = _sealed(payload, last + 1, secrets.token_bytes(_NONCE), content)
    _add(session, space, case, sealed, query_sha256=query_sha256, entry=entry)


def _add(
    session: Session, space: Space, case: Case, sealed: tuple[int, bytes], *, query_sha256: str, entry: int
) -> None:
    session.add(
        Released(
            dataset=case.dataset.id,
            version=case.version.version,
            sequence=sealed[0],
            agreement=case.agreement.id,
            query_sha256=query_sha256,
            entry=entry,
            content=sealed[1],
            created=space.clock(),
        )
    )
    session.flush()


def _of(case: Case) -> Any:
    return select(Released).where(
        Released.dataset == case.dataset.id, Released.version == case.version.version
    )


def _sealed(payload: Payload, sequence: int, nonce: bytes, content: bytes) -> tuple[int, bytes]:
    context = _context(payload.dataset, payload.version, sequence)
    return sequence, nonce + AESGCM(payload.key).encrypt(nonce, content, context)


def _opened(payload: Payload, row: Released) -> bytes:
    context = _context(row.dataset, row.version, row.sequence)
    return AESGCM(payload.key).decrypt(row.content[:_NONCE], row.content[_NONCE:], context)


def _context(dataset: str, version: int, sequence: int) -> bytes:
    """Return what a release is sealed with: it opens at its own place alone."""
    return f"released/{dataset}/{version}/{sequence}".encode()


def _leaving(case: Case, payload: Payload, offers: Sequence[Offer]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return how rows leave by the offers that hold some back, and the columns that no row shows."""
    views: dict[str, dict[str, Any]] = {}
    shown: set[str] = set()
    for offer in offers:
        if offer.version != case.version.version or _AS_ROWS.isdisjoint(offer.forms):
            continue
        columns = offered(case.version.columns, offer.methods)
        shown |= {column.name for column in columns if column.method not in _HIDING}
        protection = Protection.of(Release.from_json(case.version.release), offer.sample, columns)
        if protection.enforced(columns):
            view = leaving_view(payload, columns, protection)
            views[view["name"]] = view
    names = [str(column["name"]) for column in case.version.columns]
    return [views[name] for name in sorted(views)], [name for name in names if name not in shown]

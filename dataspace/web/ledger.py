"""The public side of the ledger: checkpoints, tiles and keys (C2SP tlog-tiles).

Nobody needs an account for it. An entry's bytes say nothing of what the entry
records: that takes the record and its salts, which are for the parties. Tiles
and bundles are served as they are, because hashes do not compress.
"""

from base64 import b64encode
from itertools import takewhile
from typing import Annotated, Any, Final

from litestar import Controller, MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, PathParameter, QueryParameter

from dataspace.errors import Malformed, NotFound, VerificationError
from dataspace.ledger.anchors.kept import size_of
from dataspace.ledger.keyring import public_keys
from dataspace.ledger.published import PAGE, PublishedCheckpoint, text_of
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.tiles import Tile, width_at
from dataspace.web.service import Service

_TEXT: Final = "text/plain"  # to which Litestar adds the charset
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER: Final = {"Cache-Control": "no-cache"}
_PIN_IT: Final = (
    "An auditor must get this key from a source outside of this service, and keep it: a service that shows\n"
    "you another ledger would show you another key.\n"
)
_MOST: Final = 2**62  # the greatest size that every database can hold

After = Annotated[int, QueryParameter(description="show what is larger than this size", ge=0, le=_MOST)]
Count = Annotated[int, QueryParameter(description=f"how many; at most {PAGE} are shown", ge=1, le=_MOST)]


class Ledger(Controller):
    """What every auditor can read."""

    path = "/ledger"
    tags = ("ledger",)

    @get("/checkpoint", sync_to_thread=True, media_type=MediaType.TEXT)
    def checkpoint(self, service: NamedDependency[Service]) -> Response[str]:
        """Give out the newest checkpoint: a signed note with the size and the root of the log.

        Where a quorum of witnesses is needed it is the newest that the quorum has signed.
        """
        with service.space.database.reading() as session:
            note = service.publisher.head(session)
        return Response(note, media_type=_TEXT, headers=_NEVER)

    @get("/published", sync_to_thread=True)
    def published(
        self, service: NamedDependency[Service], after: After = 0, count: Count = PAGE
    ) -> Response[list[dict[str, Any]]]:
        """List published checkpoints, the smallest first, with every signature, token and anchor."""
        with service.space.database.reading() as session:
            found = service.publisher.published.all(session, after, count)
        anchored = _anchored(service, after, found[-1].size) if found else {}
        return Response([_told(item, anchored.get(item.text)) for item in found], headers=_NEVER)

    @get("/keys", sync_to_thread=True)
    def keys(self, service: NamedDependency[Service]) -> Response[dict[str, Any]]:
        """List the verifier keys that sign for this space now, and the notes that handed the log to its key.

        They are for comparing with those you have: a service that shows another ledger shows other keys.
        """
        with service.space.database.reading() as session:
            return Response(public_keys(service.space.log, session), headers=_NEVER)

    @get("/key", sync_to_thread=True, media_type=MediaType.TEXT)
    def key(self, service: NamedDependency[Service]) -> Response[str]:
        """Show the log's verifier key: for comparing with the one you have, not for learning it."""
        with service.space.database.reading() as session:
            vkey = public_keys(service.space.log, session)["log"]
        return Response(f"{vkey}\n\n{_PIN_IT}", media_type=_TEXT, headers=_NEVER)

    @get("/proof/{index:int}", sync_to_thread=True, media_type=MediaType.TEXT)
    def proof(
        self, index: Annotated[int, PathParameter(ge=0, le=_MOST)], service: NamedDependency[Service]
    ) -> Response[str]:
        """Prove an entry's place under the newest checkpoint: a C2SP tlog-proof file, for any verifier."""
        with service.space.database.reading() as session:
            found = service.space.log.proof(session, index, service.publisher.head(session))
        return Response(found.text(), media_type=_TEXT, headers=_NEVER)

    @get("/tile/{path:path}", sync_to_thread=True, media_type="application/octet-stream")
    def tile(self, path: FromPath[str], service: NamedDependency[Service]) -> Response[bytes]:
        """Give out a tile of hashes or a bundle of entries: `<level>/<number>` or `entries/<number>`.

        Numbers are spelled as in C2SP tlog-tiles: `x001/234`, and `.p/<width>` behind a partial tile.
        A partial tile is there for every width up to that of the newest checkpoint.
        """
        asked = _tile(path)
        log = service.space.log
        with service.space.database.reading() as session:
            if asked.width > width_at(service.publisher.size(session), asked.level or 0, asked.number):
                raise NotFound("there is no such tile under the newest checkpoint")
            if asked.level is None:
                content = log.bundle(session, asked.number, asked.width)
            else:
                content = log.tile(session, asked.level, asked.number, asked.width)
        return Response(content, media_type="application/octet-stream", headers=_FOREVER)


def _anchored(service: Service, after: int, last: int) -> dict[str, AnchorEvidence]:
    """Return the evidence of the anchored heads larger than `after` and at most `last`, by their texts."""
    found = takewhile(lambda evidence: size_of(evidence) <= last, service.anchors.all_evidence(after))
    return {text_of(evidence.checkpoint): evidence for evidence in found}


def _told(item: PublishedCheckpoint, anchor: AnchorEvidence | None) -> dict[str, Any]:
    return {
        "checkpoint": item.note,
        "timestamps": [
            {"authority": token.authority, "token": b64encode(token.token).decode()}
            for token in item.timestamps
        ],
        "anchor": None if anchor is None else anchor.to_json(),
    }


def _tile(path: str) -> Tile:
    try:
        return Tile.parse(f"tile/{path.lstrip('/')}")
    except VerificationError as error:
        raise Malformed(
            "malformed tile path: want tile/<level or entries>/<number> as in C2SP tlog-tiles"
        ) from error

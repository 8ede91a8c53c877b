"""The public side of the ledger: its newest checkpoint, its tiles and its key (C2SP tlog-tiles).

Nobody needs an account for it. An entry's bytes say nothing of what the entry
records: that takes the record and its salts, which are for the parties.
"""

from typing import Final

from litestar import Controller, MediaType, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from dataspace.errors import Malformed, VerificationError
from dataspace.proof.tiles import Tile
from dataspace.web.service import Service

_TEXT: Final = "text/plain"  # to which Litestar adds the charset
_FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
_NEVER: Final = {"Cache-Control": "no-cache"}
_PIN_IT: Final = (
    "An auditor must get this key from a source outside of this service, and keep it: a service that shows\n"
    "you another ledger would show you another key.\n"
)


class Ledger(Controller):
    """What every auditor can read."""

    path = "/ledger"
    tags = ("ledger",)

    @get("/checkpoint", sync_to_thread=True, media_type=MediaType.TEXT)
    def checkpoint(self, service: NamedDependency[Service]) -> Response[str]:
        """Give out the newest checkpoint: a signed note with the size and the root of the log."""
        with service.space.database.reading() as session:
            note = service.space.log.checkpoint(session)
        return Response(note, media_type=_TEXT, headers=_NEVER)

    @get("/key", sync_to_thread=True, media_type=MediaType.TEXT)
    def key(self, service: NamedDependency[Service]) -> Response[str]:
        """Show the log's verifier key: for comparing with the one you have, not for learning it."""
        return Response(f"{service.space.log.vkey()}\n\n{_PIN_IT}", media_type=_TEXT, headers=_NEVER)

    @get("/tile/{path:path}", sync_to_thread=True, media_type="application/octet-stream")
    def tile(self, path: FromPath[str], service: NamedDependency[Service]) -> Response[bytes]:
        """Give out a tile of hashes or a bundle of entries: `<level>/<number>` or `entries/<number>`.

        Numbers are spelled as in C2SP tlog-tiles: `x001/234`, and `.p/<width>` behind a partial tile.
        """
        asked = _tile(path)
        log = service.space.log
        with service.space.database.reading() as session:
            if asked.level is None:
                content = log.bundle(session, asked.number, asked.width)
            else:
                content = log.tile(session, asked.level, asked.number, asked.width)
        return Response(content, media_type="application/octet-stream", headers=_FOREVER)


def _tile(path: str) -> Tile:
    try:
        return Tile.parse(f"tile/{path.lstrip('/')}")
    except VerificationError as error:
        raise Malformed(
            "malformed tile path: want tile/<level or entries>/<number> as in C2SP tlog-tiles"
        ) from error

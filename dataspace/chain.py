"""The demonstration's chain: kept beside the space it anchors, and brought back when that is served again."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from dataspace.errors import Unavailable
from dataspace.ledger.anchors import anvil
from dataspace.settings import Settings

MARK = "demo.json"
STATE = "chain.json"
_LOG = logging.getLogger("dataspace.chain")
_START_SECONDS = 20.0


@contextmanager
def kept_chain(settings: Settings) -> Iterator[Settings]:
    """Yield the settings a demonstration's space is served with: its anchor, and the chain behind it running.

    Settings that name an anchor themselves, and homes no demonstration made, pass as they are.

    Raises:
        Unavailable: the space is anchored in a chain that does not start.

    """
    anchor = anchor_of(settings)
    if anchor == settings.anchor:
        yield settings
        return
    if not anchor.startswith("evm:http"):
        yield replace(settings, anchor=anchor)
        return
    port = urlsplit(anchor.removeprefix("evm:")).port or 0
    chain = anvil.start(settings.home / STATE, port=port, seconds=_START_SECONDS)
    if chain is None:
        raise Unavailable("the chain that this space is anchored in does not start: it needs Node.js")
    _LOG.info("the chain runs again on port %d", port)
    with chain:
        yield replace(settings, anchor=anchor)


def anchor_of(settings: Settings) -> str:
    """Return the anchor of a space: what its settings name, or where its demonstration anchored it."""
    mark, own = settings.home / MARK, Settings(home=settings.home).anchor
    if settings.anchor != own or not mark.is_file():
        return settings.anchor
    return str(json.loads(mark.read_text(encoding="utf-8")).get("anchor", own))


def log_in_lines(home: Path) -> list[str]:
    """Return the logins of a demonstration's space, a line each; none when no demonstration made it."""
    mark = home / MARK
    if not mark.is_file():
        return []
    members = json.loads(mark.read_text(encoding="utf-8")).get("members", [])
    widest = max((len(member["login"]) for member in members), default=0)
    return [f"{member['login']:<{widest}}  {member['password']}  {member['roles']}" for member in members]

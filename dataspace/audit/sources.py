"""The three sources of a ledger, and how a target's name says which one it is."""

from pathlib import Path

from dataspace.audit.evidence import Evidence
from dataspace.audit.home import FILE, Home
from dataspace.audit.remote import Remote
from dataspace.audit.source import AtRest, Source

__all__ = ["AtRest", "Evidence", "Home", "Remote", "Source", "open_source"]


def open_source(target: str, token: str | None = None) -> Source:
    """Return the source that `target` names: a service's URL, a copy of a home, or an evidence folder.

    `token` is an auditor's, and is sent to nobody but the service at the URL.

    Raises:
        Unavailable: there is nothing to audit there.

    """
    if target.startswith(("http://", "https://")):
        return Remote(target, token)
    if (Path(target) / FILE).is_file():
        return Home(Path(target))
    return Evidence(Path(target))

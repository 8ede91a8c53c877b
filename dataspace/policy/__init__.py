"""Policy decisions: OPA decides every request, in process or on a server, from the same bundle.

bundle:<folder>                     the folder's bundle, evaluated in process
opa:http://host:8181[#<folder>]     an OPA server that was given the folder's bundle
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from dataspace.errors import Malformed
from dataspace.policy.bundle import read_bundle, read_folder
from dataspace.policy.decision import OBLIGATIONS, Decision, Obligation, Reason
from dataspace.policy.facts import Facts, canonical_input, check_facts
from dataspace.settings import Settings

__all__ = [
    "OBLIGATIONS",
    "Decision",
    "Facts",
    "Obligation",
    "PolicyEngine",
    "Reason",
    "canonical_input",
    "check_facts",
    "open_bundle",
    "open_policy",
]


@runtime_checkable
class PolicyEngine(Protocol):
    """Who decides; called from any thread. No answer, a wrong one and a late one are denials."""

    @property
    def digest(self) -> str:
        """The SHA-256 of the bundle in force, hex."""

    @property
    def revision(self) -> str:
        """The SHA-256 of the list of its sources, hex; every answer must bear it."""

    def bundle(self) -> bytes:
        """Return the bundle in force; whoever does not keep it by its digest can never decide again."""

    def decide(self, facts: Mapping[str, Any]) -> Decision:
        """Return the decision on `facts`; MUST NOT raise for a failure of the policy's.

        Raises:
            Malformed: `facts` are none that can be decided on.

        """


def open_policy(url: str) -> PolicyEngine:
    """Return the engine that `url` names.

    Raises:
        Malformed: the URL is none of the two.
        Unavailable: there is no usable bundle in the folder.

    """
    scheme, _, rest = url.partition(":")
    if scheme not in _SCHEMES:
        raise Malformed(f"policy {url!r} is of no known scheme: want {' or '.join(_SCHEMES)}")
    return _SCHEMES[scheme](rest)


def open_bundle(content: bytes) -> PolicyEngine:
    """Return an engine of a bundle that was kept, to make an old decision again.

    Raises:
        Malformed: `content` is no bundle.
        Unavailable: its module is none that is evaluated here.

    """
    from dataspace.policy.wasm import BundlePolicy  # noqa: PLC0415 - loads a compiler of 20 MB

    return BundlePolicy(read_bundle(content))


def _open_bundle(folder: str) -> PolicyEngine:
    from dataspace.policy.wasm import BundlePolicy  # noqa: PLC0415 - loads a compiler of 20 MB

    return BundlePolicy(read_folder(Path(folder)))


def _open_server(address: str) -> PolicyEngine:
    from dataspace.policy.server import ServerPolicy  # noqa: PLC0415 - loads an HTTP client

    parts = urlsplit(address)
    plain = parts.path in {"", "/"} and not parts.query and parts.username is None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not plain:
        raise Malformed("policy opa: wants opa:http://host:port, without path, query or credentials")
    folder = parts.fragment or Settings().policy.removeprefix("bundle:")
    where = (parts.hostname, parts.port or 8181)
    return ServerPolicy(where, read_folder(Path(folder)), ssl=parts.scheme == "https")


_SCHEMES: Final[Mapping[str, Callable[[str], PolicyEngine]]] = {"bundle": _open_bundle, "opa": _open_server}

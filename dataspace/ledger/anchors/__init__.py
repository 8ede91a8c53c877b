"""Anchors: where a log's checkpoints are fixed outside of the log, so that it cannot be made anew.

file:<path>     a file beside the log: it anchors to itself, and warns
evm:http://host:8545#0x<contract>?chain=<id>&code=<sha256>&founder=0x<address>[&confirmations=<n>]...
                a LedgerAnchor contract; chain, code and founder are pinned (see `pins`)
evm:local       an EVM in this process, gone with it
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from dataspace.errors import Malformed
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence

__all__ = ["Anchor", "Growth", "Head", "Key", "open_anchor"]

Key = bytes | Callable[[], bytes]
Growth = Callable[[int], Sequence[bytes]]  # the consistency proof from a smaller size to the head's


@dataclass(frozen=True)
class Head:
    """The newest head an anchor holds: so many entries, with this root."""

    size: int
    root: bytes


@runtime_checkable
class Anchor(Protocol):
    """Holds the newest head of one log, which only grows; `check` makes it an auditor's `AnchorChecker`.

    An implementation MUST be usable from any thread, and MUST find a head that
    an interrupted `publish` left, rather than publish it twice.
    """

    def publish(self, head: Checkpoint, note: str, growth: Growth) -> AnchorEvidence | None:
        """Submit a head, or find it submitted; return its evidence once it is final, and None until then.

        It waits for nobody: call it again, with this head or a larger one.
        `note` is the signed checkpoint that goes into the evidence.

        Raises:
            Conflict: the anchor holds a larger head: the log was rolled back.
            VerificationError: it holds another history of the log, or proof of
                a fork: it takes no head of it any more.
            Unavailable: it does not answer, does not take the head, or is not
                the one that was pinned.

        """

    def latest(self, *, final: bool = True) -> Head | None:
        """Return the newest head it holds of this log, or None; `final` leaves out what may still vanish.

        Raises:
            VerificationError: it holds proof that the log was forked, or two
                of its sources contradict one another.
            Unavailable: it does not answer, or is not the one that was pinned.

        """

    def check(self, evidence: AnchorEvidence, checkpoint: Checkpoint) -> str:
        """Return where the anchor holds `checkpoint`, as a sentence.

        Raises:
            VerificationError: it does not hold it, or not as `evidence` says,
                or holds proof that the log was forked.
            Unavailable: it does not answer, is not the one that was pinned, or
                the checkpoint is there and not final yet.

        """


def open_anchor(url: str, origin: str, key: Key = b"") -> Anchor:
    """Return the anchor of the log `origin` that `url` names.

    `key` is a secp256k1 secret of 32 bytes, or gives it when it is needed;
    without one an anchor can be asked but not published to.

    Raises:
        Malformed: the URL is of none of the three forms.
        Unavailable: `evm:local` without what the extra `evm` installs.

    """
    scheme, _, rest = url.partition(":")
    if scheme not in _SCHEMES or not rest:
        raise Malformed(f"the anchor is of no known scheme: want {' or '.join(_SCHEMES)}")
    return _SCHEMES[scheme](rest, origin, key)


def _open_file(path: str, origin: str, _: Key) -> Anchor:
    from dataspace.ledger.anchors.file import FileAnchor  # noqa: PLC0415 - as the others

    return FileAnchor(Path(path), origin)


def _open_evm(address: str, origin: str, key: Key) -> Anchor:
    # Imported only when asked for: web3 takes two seconds.
    if address == "local":
        from dataspace.ledger.anchors.local import local_anchor  # noqa: PLC0415

        return local_anchor(origin, key)
    from dataspace.ledger.anchors.evm import remote_anchor  # noqa: PLC0415

    return remote_anchor(address, origin, key)


_SCHEMES: Final[Mapping[str, Callable[[str, str, Key], Anchor]]] = {"file": _open_file, "evm": _open_evm}

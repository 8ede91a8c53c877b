"""What an operator pins of an EVM anchor: contract, chain, code, and whose heads count.

    http://host:8545#0x<contract>?chain=31337&code=<sha256>&sender=0x<address>&confirmations=2

The address of the RPC may hold credentials and is never shown.
"""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from dataspace.errors import Malformed

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,15}|0")


@dataclass(frozen=True)
class Pins:
    """The contract at `contract` on chain `chain`, whose code has the SHA-256 `code`.

    Heads of `sender` count; empty means: of the key that publishes. A head
    counts when `confirmations` blocks follow its own: zero where a block is
    final at once (QBFT, PBFT).
    """

    contract: str
    chain: int
    code: str
    sender: str = ""
    confirmations: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows the `#` of an anchor's URL.

        Raises:
            Malformed: a pin is missing, unknown, given twice or of a wrong form.

        """
        contract, _, query = text.partition("?")
        try:
            given = parse_qsl(query, strict_parsing=True)
        except ValueError as error:
            raise Malformed("malformed anchor: its pins are no query") from error
        pins = dict(given)
        if len(pins) != len(given) or not {"chain", "code"} <= pins.keys() <= _FORMS.keys():
            raise Malformed(
                "malformed anchor: want the pins chain and code, and maybe sender and confirmations"
            )
        if not _ADDRESS.fullmatch(contract) or not all(
            _FORMS[name].fullmatch(pin) for name, pin in pins.items()
        ):
            raise Malformed("malformed anchor: want 0x<40 hex>?chain=<number>&code=<64 hex>")
        return cls(
            contract,
            int(pins["chain"]),
            pins["code"],
            pins.get("sender", ""),
            int(pins.get("confirmations", "0")),
        )

    def text(self) -> str:
        """Return what `parse` reads."""
        sender = f"&sender={self.sender}" if self.sender else ""
        confirmations = f"&confirmations={self.confirmations}" if self.confirmations else ""
        return f"{self.contract}?chain={self.chain}&code={self.code}{sender}{confirmations}"


_FORMS: Final = {"chain": _NUMBER, "code": _HASH, "sender": _ADDRESS, "confirmations": _NUMBER}


def split(address: str) -> tuple[str, Pins]:
    """Return the address of the RPC and the pins.

    Raises:
        Malformed: it is no `http` address with pins behind its `#`.

    """
    rpc, _, pinned = address.partition("#")
    try:
        parts = urlsplit(rpc)
    except ValueError as error:
        raise Malformed("malformed anchor: no address of an RPC") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Malformed("malformed anchor: want evm:http://host:port#<contract>?chain=<id>&code=<sha256>")
    return rpc, Pins.parse(pinned)

"""What an operator pins of an EVM anchor: contract, chain, code, whose log it is, and when a head counts.

    http://host:8545#0x<contract>?chain=31337&code=<sha256>&founder=0x<address>
        &confirmations=<n>      a head counts with n blocks after its own; else, when `finalized`
        &price=<wei>            the most that is paid for a unit of gas
        &second=<http address>  another RPC, percent-encoded, that must show the same

The address of an RPC may hold credentials and is never shown.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Self
from urllib.parse import parse_qsl, quote, urlsplit

from dataspace.errors import Malformed

FORM: Final = "evm:http://host:port#0x<contract>?chain=<id>&code=<sha256>&founder=0x<address>"
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,17}|0")
_RPC: Final = re.compile(r"https?://\S+")
_FORMS: Final = {
    "chain": _NUMBER,
    "code": _HASH,
    "founder": _ADDRESS,
    "confirmations": _NUMBER,
    "price": _NUMBER,
    "second": _RPC,
}
_NEEDED: Final = {"chain", "code", "founder"}


@dataclass(frozen=True)
class Pins:
    """The contract at `contract` on chain `chain`, whose code has the SHA-256 `code`; the log of `founder`.

    `confirmations`: how many blocks must follow a head's own, zero where a
    block is final at once (QBFT, PBFT); None asks for a `finalized` block.
    `price`: wei. `second`: the address of another RPC, or nothing.
    """

    contract: str
    chain: int
    code: str
    founder: str
    confirmations: int | None = None
    price: int | None = None
    second: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what follows the `#` of an anchor's URL.

        Raises:
            Malformed: a pin is missing, unknown, given twice or of a wrong form.

        """
        contract, _, query = text.partition("?")
        try:
            given = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
        except ValueError as error:
            raise Malformed("malformed anchor: its pins are no query") from error
        pins = dict(given)
        if len(pins) != len(given) or not pins.keys() >= _NEEDED or not pins.keys() <= _FORMS.keys():
            raise Malformed("malformed anchor: want the pins chain, code and founder, each once, "
                            "and maybe confirmations, price and second")  # fmt: skip
        if not _ADDRESS.fullmatch(contract) or not all(_FORMS[name].fullmatch(pins[name]) for name in pins):
            raise Malformed(
                "malformed anchor: want 0x<40 hex>?chain=<number>&code=<64 hex>&founder=0x<40 hex>"
            )
        return cls(
            contract,
            int(pins["chain"]),
            pins["code"],
            pins["founder"],
            _number(pins.get("confirmations")),
            _number(pins.get("price")),
            _rpc(pins["second"]) if "second" in pins else "",
        )

    def text(self) -> str:
        """Return what `parse` reads."""
        numbers = {"confirmations": self.confirmations, "price": self.price}
        maybe = "".join(f"&{name}={number}" for name, number in numbers.items() if number is not None)
        second = f"&second={quote(self.second, safe=':/')}" if self.second else ""
        return f"{self.contract}?chain={self.chain}&code={self.code}&founder={self.founder}{maybe}{second}"


def split(address: str) -> tuple[str, Pins]:
    """Return the address of the RPC and the pins.

    Raises:
        Malformed: it is no `http` address with pins behind its `#`.

    """
    rpc, _, pinned = address.partition("#")
    return _rpc(rpc), Pins.parse(pinned)


def _rpc(address: str) -> str:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError as error:
        raise Malformed("malformed anchor: no address of an RPC") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise Malformed(f"malformed anchor: want {FORM}")
    return address


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)

"""Where the service may connect to in a provider's name: hosts that its operator listed, and no address else.

`DATASPACE_SOURCES` is `host:port,host:port`; none is the default. A name is
resolved once, every address it has must be one that may be, and the connection
goes to that address: who changes the name's answer afterwards changes nothing
(attack UP-22). An entry that is an address itself, or `localhost`, means what
it says; any other name never leads to this machine or its link.
"""

import ipaddress
import socket
from collections.abc import Callable
from typing import Final

from dataspace.errors import Malformed, Unavailable

_LOCAL: Final = "localhost"
# Addresses of IPv6 that end in one of IPv4: compatible ones (RFC 4291), and gateways' (RFC 6052, 8215, 2765).
_ENDING: Final = tuple(
    map(ipaddress.IPv6Network, ("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "::ffff:0:0:0/96"))
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a host.

    Raises:
        Unavailable: it has none, or nobody says.

    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"the host {host!r} has no address") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Egress:
    """The hosts of one service's setting."""

    def __init__(self, allowed: str, resolve: Resolve = resolve) -> None:
        self._allowed = {entry.strip().lower() for entry in allowed.split(",") if entry.strip()}
        self._resolve = resolve

    def pin(self, host: str, port: int) -> str:
        """Return the address to connect to for `host`.

        Raises:
            Malformed: the host and port are not listed, or lead where no name may lead.
            Unavailable: the name has no address.

        """
        name = host.lower()
        shown = f"[{name}]" if ":" in name else name
        if f"{shown}:{port}" not in self._allowed:
            raise Malformed(f"this service may not connect to {shown}:{port}: its operator lists the hosts")
        literal = _address(name)
        if literal:
            return str(literal)
        addresses = [_address(text) for text in self._resolve(name, port)]
        if not addresses or any(not _may(address, local=name == _LOCAL) for address in addresses):
            raise Malformed(f"the host {shown} leads to an address that no name may lead to")
        return str(addresses[0])


def _address(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _may(address: Address | None, *, local: bool) -> bool:
    if address is None:
        return False
    inner = _inner(address)
    if local:
        return inner.is_loopback
    denied = (inner.is_loopback, inner.is_link_local, inner.is_multicast, inner.is_unspecified)
    return not any(denied) and not (inner.is_reserved and inner.version == 4)


def _inner(address: Address) -> Address:
    """Return the address of IPv4 that one of IPv6 leads to by a gateway or a tunnel, or itself."""
    if isinstance(address, ipaddress.IPv4Address) or address.is_loopback or address.is_unspecified:
        return address
    tunnelled = address.teredo
    inner = address.ipv4_mapped or address.sixtofour or (tunnelled[1] if tunnelled else None)
    if inner is None and any(address in network for network in _ENDING):
        inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address

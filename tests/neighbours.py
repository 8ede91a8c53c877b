"""Several spaces that are one another's peers, each with a home, a ledger and an address of its own."""

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dataspace.catalog.models import Form
from dataspace.client import DataSpace
from dataspace.keys.file import FileKeys
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from dataspace.transfer.forms.peers import MASKING, PEER_KEYS, SIGNING
from tests.running import free_port
from tests.simulator import Simulator, people, simulated
from tests.web.served import served

MEASURES = [{"kind": "count"}, {"kind": "sum", "column": "income", "low": 0, "high": 5000, "precision": 0}]
DISTRICTS = {"district": ["district 0", "district 1", "district 2"]}
EPSILON = 3_000_000


@dataclass
class Neighbour:
    """One space with a dataset, and one consumer with an agreement on it."""

    name: str
    space: Simulator
    url: str
    provider: Caller
    consumer: Caller
    dataset: str
    agreement: Agreement
    sdk: DataSpace
    server: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Serve the space at its address; `server.close()` ends that."""
        self.server.enter_context(served(self.space, int(self.url.rpartition(":")[2])))


def peer_keys(home: Path) -> FileKeys:
    """Make the keys that a peers' file tells of, before there is a space."""
    keys = FileKeys(home / "keys")
    for name in PEER_KEYS:
        keys.create(name)
    return keys


def peers_file(path: Path, peers: Sequence[Mapping[str, str]]) -> Path:
    """Write a peers' file."""
    tables = [
        "[[peer]]\n" + "".join(f'{name} = "{value}"\n' for name, value in peer.items()) for peer in peers
    ]
    path.write_text("\n".join(tables))
    return path


def told(name: str, url: str, keys: FileKeys) -> dict[str, str]:
    """Return what the file has of a peer."""
    key, vkey = (b64encode(keys.public_key(kept)).decode() for kept in (MASKING, SIGNING))
    return {"name": name, "url": url, "key": key, "vkey": vkey}


@contextmanager
def neighbours(
    folder: Path, names: Sequence[str], rows: int = 600, databases: Mapping[str, str] = {}
) -> Iterator[dict[str, Neighbour]]:
    """Open and serve a space for each name; the n-th has `rows` + n people, and its database may be named."""
    ports = {name: free_port() for name in names}
    entries = [
        told(name, f"http://127.0.0.1:{ports[name]}", peer_keys(folder / name)) for name in sorted(names)
    ]
    path = peers_file(folder / "peers.toml", entries)
    with ExitStack() as stack:
        found = {}
        for place, name in enumerate(names):
            settings = {"peers": str(path), "origin": f"localhost/{name}", "workers": 1}
            settings |= {"database": databases[name]} if name in databases else {}
            space = stack.enter_context(simulated(folder / name, **settings))
            found[name] = settled(name, space, f"http://127.0.0.1:{ports[name]}", rows + place)
            found[name].start()
            stack.callback(found[name].server.close)
            stack.callback(found[name].sdk.close)
        yield found


def settled(name: str, space: Simulator, url: str, rows: int) -> Neighbour:
    """Register a dataset of so many people in a space, and conclude an agreement on it."""
    provider, consumer = space.provider(), space.consumer()
    offer: dict[str, Any] = {"forms": (Form.JOINT, Form.AGGREGATE), "units": 100, "epsilon": 90_000_000}
    registered = space.registered(provider, people(rows), subjects=["number"], **offer)
    agreement = space.agreed(consumer, registered.offer, forms=[Form.JOINT])
    sdk = DataSpace(url, space.tokens[consumer.id])
    return Neighbour(name, space, url, provider, consumer, registered.dataset, agreement, sdk)

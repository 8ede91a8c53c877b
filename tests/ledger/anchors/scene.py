"""A log with its keys and its publisher, anchored on anvil by its own anchor key; and its fork."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path

from dataspace.ledger.anchored import Anchorage
from dataspace.ledger.anchors.chain import account_of, connect, transfer
from dataspace.ledger.anchors.evm import EvmAnchor
from dataspace.ledger.anchors.pins import Pins
from dataspace.ledger.publisher import Publisher
from tests.ledger.anchors.conftest import KEY, Place, Prompt
from tests.ledger.conftest import ORIGIN, Ledger
from tests.ledger.parties import keyed, publisher


@dataclass
class Time:
    """A clock of seconds that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Scene:
    """The service's side of an anchor on anvil; `restart` forgets what only a process knows."""

    def __init__(self, place: Place, ledger: Ledger, folder: Path, **pins: int | None) -> None:
        self.place, self.ledger, self.file = place, keyed(ledger), folder / "anchors.jsonl"
        self.key = ledger.keys.raw("anchor")
        self.founder = account_of(self.key).address
        transfer(place.web3, account_of(KEY), self.founder, 10**17)
        self.pins: Pins = replace(place.pins, founder=self.founder, **pins)  # type: ignore[arg-type]
        self.rpc, self.time = place.rpc, Time()
        self.restart()

    @property
    def url(self) -> str:
        """The anchor's, for auditors."""
        return f"evm:{self.place.rpc}#{self.pins.text()}"

    def restart(self) -> None:
        """Begin with a new process's memory."""
        web3 = connect(self.rpc)
        self.chain = EvmAnchor(web3, self.pins, ORIGIN, self.key, sender=Prompt(web3))
        ledger = self.ledger
        self.anchors = Anchorage(ledger.database, ledger.log, self.chain, self.file, clock=self.time)
        self.publisher: Publisher = publisher(ledger, anchors=self.anchors)

    def publish(self) -> int | None:
        """Publish the head, and bring it to the anchor."""
        self.publisher.publish()
        return self.publisher.anchor()

    def note(self) -> str:
        """Return the newest published checkpoint."""
        with self.ledger.database.reading() as session:
            newest = self.publisher.published.newest(session)
        assert newest
        return newest.note

    def kept(self) -> list[int]:
        """Return the sizes of the evidence that is kept."""
        return [int(str(evidence.facts["size"])) for evidence in self.anchors.all_evidence()]


def forked(ledger: Ledger, folder: Path) -> Ledger:
    """Return a second history of the log, from a copy of its database, under the same keys."""
    twin = copy.copy(ledger)
    ledger.execute(f"VACUUM INTO '{folder}/twin.db'")
    twin.url = f"sqlite:///{folder}/twin.db"
    twin.open()
    return twin

"""Two chains with the contract on them: one in this process, and anvil."""

import itertools
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import pytest

from dataspace.ledger.anchors import anvil
from dataspace.ledger.anchors.chain import account_of, connect
from dataspace.ledger.anchors.ethereum import LocalAccount, RPCEndpoint, Web3
from dataspace.ledger.anchors.evm import EvmAnchor, deploy
from dataspace.ledger.anchors.local import local_chain
from dataspace.ledger.anchors.pins import Pins, split
from dataspace.ledger.anchors.sender import Sender
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence
from tests.contracts.trees import growth, root
from tests.programs import need

KEY = secrets.token_bytes(31).rjust(32, b"\1")
PATIENCE = 5.0  # seconds
_NUMBERS = itertools.count()


def need_evm() -> None:
    """Skip the test where the extra `evm` is not installed.

    Looked for and not imported: the import raises the recursion limit of the
    whole process, and `local_chain` takes that back.
    """
    if find_spec("eth_tester") is None:
        pytest.skip("needs the extra evm: pip install 'dataspace[evm]'")


@dataclass(frozen=True)
class Place:
    """A chain to open anchors on."""

    web3: Web3
    pins: Pins
    reverts: tuple[type[Exception], ...] = ()
    rpc: str = ""

    def open(
        self, origin: str = "", key: bytes = KEY, pins: Pins | None = None, sender: Sender | None = None
    ) -> EvmAnchor:
        """Open the anchor of a log that nobody anchored before, or of `origin`."""
        named = origin or f"example.org/log-{next(_NUMBERS)}"
        prompt = Prompt(self.web3) if self.rpc else None
        return EvmAnchor(
            self.web3, pins or self.pins, named, key, reverts=self.reverts, sender=sender or prompt
        )

    def ask(self, method: str, *parameters: Any) -> Any:
        """Call a method of the RPC that web3 does not know."""
        return self.web3.provider.make_request(RPCEndpoint(method), list(parameters))["result"]

    def anchored(self, anchor: EvmAnchor) -> int:
        """Return how many heads of a log the contract ever took."""
        logs = anchor._reader.contract.events.Anchored().get_logs(
            from_block=0,
            argument_filters={"founder": anchor._reader.founder, "origin": anchor._reader.origin},
        )
        return len(list(logs))


class Prompt(Sender):
    """Waits for what anvil mines at once, and yet a little later than it answers."""

    def send(self, account: LocalAccount, call: Any) -> None:
        """Send, and wait unless nothing is mined without being asked for."""
        super().send(account, call)
        automine = self._web3.provider.make_request(RPCEndpoint("anvil_getAutomine"), [])
        deadline = time.monotonic() + PATIENCE
        while automine.get("result") and self.under_way(account.address) and time.monotonic() < deadline:
            time.sleep(0.01)


def head(anchor: EvmAnchor, size: int) -> Checkpoint:
    """Return the head of `size` entries of the log of an anchor."""
    return Checkpoint(anchor._origin, size, root(size))


def publish(anchor: EvmAnchor, size: int, note: str = "note") -> AnchorEvidence | None:
    """Publish such a head once."""
    return anchor.publish(head(anchor, size), note, lambda old: growth(old, size))


def final(anchor: EvmAnchor, size: int, note: str = "note") -> AnchorEvidence:
    """Publish such a head where it is final as soon as it is mined."""
    deadline = time.monotonic() + PATIENCE
    while (evidence := publish(anchor, size, note)) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return evidence


def through(rpc: str, place: Place, origin: str, *, second: str = "") -> EvmAnchor:
    """Open the anchor of a log through another RPC."""
    web3 = connect(rpc)
    return EvmAnchor(web3, replace(place.pins, second=second), origin, KEY, sender=Prompt(web3))


@pytest.fixture(scope="session")
def local() -> Place:
    """A chain in this process."""
    need_evm()
    chain = local_chain(KEY)
    return Place(chain.web3, chain.pins, chain.reverts)


@pytest.fixture(scope="session")
def anvil_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Anvil on loopback."""
    state = tmp_path_factory.mktemp("chain") / "state.json"
    chain = anvil.start(state, command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    with chain:
        web3 = connect(chain.rpc)
        web3.provider.make_request(RPCEndpoint("anvil_setBalance"), [account_of(KEY).address, hex(10**24)])
        _, pins = split(deploy(chain.rpc, KEY, confirmations=0).removeprefix("evm:"))
        yield Place(web3, pins, rpc=chain.rpc)


@pytest.fixture
def remote(anvil_place: Place) -> Iterator[Place]:
    """Anvil that mines every transaction at once, whatever a test before did to it."""
    yield anvil_place
    anvil_place.ask("evm_setAutomine", True)
    anvil_place.ask("anvil_dropAllTransactions")


@pytest.fixture(params=["local", "remote"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each chain in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found

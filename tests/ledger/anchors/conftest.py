"""Two chains with the contract on them: one in this process, and anvil."""

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import pytest

from dataspace.ledger.anchors import anvil
from dataspace.ledger.anchors.chain import connect
from dataspace.ledger.anchors.ethereum import Web3
from dataspace.ledger.anchors.evm import EvmAnchor, deploy
from dataspace.ledger.anchors.local import local_chain
from dataspace.ledger.anchors.pins import Pins, split
from tests.programs import need

KEY = secrets.token_bytes(31).rjust(32, b"\1")
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

    def open(self, origin: str = "", key: bytes = KEY, pins: Pins | None = None) -> EvmAnchor:
        """Open the anchor of a log that nobody anchored before, or of `origin`."""
        named = origin or f"example.org/log-{next(_NUMBERS)}"
        return EvmAnchor(self.web3, pins or self.pins, named, key, reverts=self.reverts)


@pytest.fixture(scope="session")
def local() -> Place:
    """A chain in this process."""
    need_evm()
    chain = local_chain(KEY)
    return Place(chain.web3, chain.pins, chain.reverts)


@pytest.fixture(scope="session")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Anvil on loopback."""
    state = tmp_path_factory.mktemp("chain") / "state.json"
    chain = anvil.start(state, command=[need("anvil")], seconds=30)
    assert chain is not None, "anvil did not start"
    with chain:
        chain.fund(KEY)
        rpc, pins = split(deploy(chain.rpc, KEY).removeprefix("evm:"))
        yield Place(connect(rpc), pins, rpc=rpc)


@pytest.fixture(scope="session", params=["local", "remote"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each chain in turn."""
    found: Place = request.getfixturevalue(request.param)
    return found

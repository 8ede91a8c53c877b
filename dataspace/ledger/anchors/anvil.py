"""A development chain for demonstrations: anvil as a process, through npx where it is not installed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.request import ProxyHandler, Request, build_opener

PACKAGE: Final = "@foundry-rs/anvil@1.7.1"
# The first account of every development chain of this kind: published, and worth nothing anywhere else.
PURSE: Final = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
_POLL_SECONDS: Final = 0.05
_STOP_SECONDS: Final = 10.0
_REST_SECONDS: Final = 2.0
# Without the proxies of the environment: the chain is on this machine.
_OPEN = build_opener(ProxyHandler({})).open


@dataclass
class Chain:
    """A running chain on loopback; whoever started it stops it."""

    rpc: str
    _process: "subprocess.Popen[bytes]" = field(repr=False)

    def fund(self, key: bytes) -> None:
        """Give the account of `key` one ether of the published account.

        Raises:
            Unavailable: `key` is no key.

        """
        from dataspace.ledger.anchors.chain import account_of, connect, transfer  # noqa: PLC0415 - web3 is slow

        transfer(connect(self.rpc), account_of(PURSE), account_of(key).address, 10**18)

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """End the process and what it started, after `seconds` by force; the state is then in its file."""
        for wanted in (signal.SIGTERM, signal.SIGKILL):
            # Its own process group: npx, node and anvil, and nothing else.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, wanted)
            if self._ended(seconds):
                return

    def _ended(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self._process.poll() is None or _listens(self.rpc):
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        self._wait_for_the_rest()
        return True

    def _wait_for_the_rest(self) -> None:
        """Give what the process started a moment to write its state; nobody may be there to reap it."""
        deadline = time.monotonic() + _REST_SECONDS
        with suppress(ProcessLookupError):
            while time.monotonic() < deadline:
                os.killpg(self._process.pid, 0)
                time.sleep(_POLL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(state: Path, *, port: int = 0, seconds: float = 60.0, command: Sequence[str] = ()) -> Chain | None:
    """Start a chain that keeps its state in the file `state`; None when it cannot be had in `seconds`.

    `command` is anvil's; by default the one on PATH, else npx with the
    published package, which needs Node.js and, the first time, a network.
    """
    found = list(command) or _command()
    if not found:
        return None
    port = port or _free_port()
    arguments = [
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--state",
        str(state),
        "--state-interval",
        "1",
        "--silent",
    ]
    process = subprocess.Popen(
        [*found, *arguments],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    chain = Chain(f"http://127.0.0.1:{port}", process)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        if _answers(chain.rpc):
            return chain
        time.sleep(_POLL_SECONDS)
    chain.stop(seconds=1.0)  # it never answered, so there is no state to write
    return None


def _command() -> list[str]:
    if anvil := shutil.which("anvil"):
        return [anvil]
    npx = shutil.which("npx")
    return [npx, "-y", PACKAGE] if npx else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(rpc: str) -> bool:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).encode()
    request = Request(rpc, body, {"Content-Type": "application/json"})  # noqa: S310 - loopback
    try:
        with _OPEN(request, timeout=2) as answer:
            return "result" in json.loads(answer.read(1 << 12))
    except (OSError, ValueError):
        return False


def _listens(rpc: str) -> bool:
    """Tell whether the port is still open: npx may be gone before the chain that it started."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(rpc.rpartition(":")[2]))) == 0

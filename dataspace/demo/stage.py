"""The stage of the demonstration: a fresh home, a chain where there is one, the real service as a process."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from rich.console import Console

from dataspace.chain import MARK, STATE
from dataspace.errors import Conflict, Unavailable
from dataspace.keys.file import FileKeys
from dataspace.ledger.anchors import anvil
from dataspace.ledger.anchors.evm import deploy
from dataspace.settings import Settings

_CHAIN_SECONDS = 25.0
_START_SECONDS = 40.0


def fresh_home(home: Path) -> None:
    """Clear the home of an earlier demonstration; leave any other alone.

    Raises:
        Conflict: the folder holds something that no demonstration made.

    """
    if home.exists() and any(home.iterdir()):
        if not (home / MARK).is_file():
            raise Conflict(
                f"{home} holds a space that the demonstration did not make: "
                "set DATASPACE_HOME to another folder"
            )
        shutil.rmtree(home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_mark(home, {})


def write_mark(home: Path, content: dict[str, object]) -> None:
    """Write what `serve` and the next demonstration read; only the owner may."""
    path = home / MARK
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)


@contextmanager
def chain(settings: Settings, console: Console) -> Iterator[str]:
    """Start the chain to anchor in, and yield the anchor's URL; without Node.js, one inside the service."""
    started = anvil.start(settings.home / STATE, seconds=_CHAIN_SECONDS)
    if started is None:
        console.print(
            "no Node.js, or no anvil through npx: anchoring to an EVM inside the service, gone with it"
        )
        yield "evm:local"
        return
    with started:
        key = FileKeys(Path(settings.keys.removeprefix("file:"))).raw("anchor")
        started.fund(key)
        # A block of this chain is final at once: it has one producer, and nobody reorganises it.
        anchor = deploy(started.rpc, key, confirmations=0)
        console.print(f"anchoring to the contract LedgerAnchor on anvil, {started.rpc}")
        yield anchor


@dataclass(frozen=True)
class Running:
    """A service that answers."""

    url: str
    process: "subprocess.Popen[bytes]"


@contextmanager
def service(settings: Settings, port: int) -> Iterator[Running]:
    """Start `dataspace serve` on loopback; stop it, and only it, at the end.

    Raises:
        Conflict: the port is taken.
        Unavailable: it did not answer within 40 seconds.

    """
    _ensure_free(port)
    home, url = settings.home, settings.url
    environment = {
        **os.environ,
        "DATASPACE_HOME": str(home),
        "DATASPACE_URL": url,
        "DATASPACE_ANCHOR": settings.anchor,
        "DATASPACE_ANCHOR_SECONDS": str(settings.anchor_seconds),
    }
    with (home / "service.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dataspace", "serve", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            _wait(url, process, home)
            yield Running(url, process)
        finally:
            process.terminate()
            process.wait(timeout=60)


def _ensure_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Conflict(f"port {port} is taken: choose another with --port") from error


def _wait(url: str, process: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(f"{url}/health", timeout=2):  # noqa: S310  a loopback address of ours
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise Unavailable(f"the service did not start: see {home / 'service.log'}")

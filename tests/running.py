"""A real service as a process of its own, on loopback, for the tests that need nothing less."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
DATASPACE = [sys.executable, "-m", "dataspace"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(
    arguments: list[str], environment: Mapping[str, str], cwd: Path
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end; two minutes at most."""
    return subprocess.run(
        arguments,
        env={**os.environ, **environment},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def script(
    source: str, arguments: list[str], environment: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Run Python source in a process of its own, which can import the tests; two minutes at most."""
    return command([sys.executable, "-c", source, *arguments], environment, ROOT)


@contextmanager
def serving(environment: Mapping[str, str], port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Start `dataspace serve`, wait until it answers, and end it, and only it."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*DATASPACE, "serve", "--port", str(port)],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/health", process, log)
            yield process
        finally:
            process.terminate()
            process.wait(timeout=60)


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=2):  # noqa: S310 - loopback
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"the service did not start: {log.read_text()}")

"""The two engines, each over the committed bundle."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataspace.policy import PolicyEngine, open_policy
from dataspace.policy.bundle import read_folder
from dataspace.policy.server import ServerPolicy
from tests.policy.cases import admit
from tests.programs import need

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="session")
def bundled() -> PolicyEngine:
    """The committed bundle, evaluated in process."""
    return open_policy(f"bundle:{POLICIES}")


@pytest.fixture(scope="session")
def served() -> Iterator[PolicyEngine]:
    """The committed bundle on an OPA server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [need("opa"), "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    process = subprocess.Popen(
        [*command, "--bundle", str(POLICIES / "bundle.tar.gz")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # A generous limit: the machine that tests may be busy.
        engine = ServerPolicy(("127.0.0.1", port), read_folder(POLICIES), seconds=20.0)
        _await(engine)
        yield engine
    finally:
        process.terminate()
        process.wait(timeout=20)


@pytest.fixture(scope="session", params=["bundle", "server"])
def engine(request: pytest.FixtureRequest) -> PolicyEngine:
    """Each engine in turn."""
    found: PolicyEngine = request.getfixturevalue({"bundle": "bundled", "server": "served"}[request.param])
    return found


def _await(engine: ServerPolicy) -> None:
    deadline = time.monotonic() + 20
    while not engine.decide(admit()).allow:
        assert time.monotonic() < deadline, "the OPA server did not start"
        time.sleep(0.05)

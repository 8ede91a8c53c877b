"""A policy decision: in process, against the same bundle on an OPA server."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from timeit import repeat

from dataspace.policy import PolicyEngine, open_policy
from tests.policy.cases import query

_POLICIES = Path(__file__).parents[2] / "policies"


def run() -> Iterator[tuple[str, float, float, str]]:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    ours = open_policy(f"bundle:{_POLICIES}")
    if shutil.which("opa") is None:
        seconds = _seconds(ours, 2000)
        yield "policy decision, in process", seconds, seconds, "no opa program to compare with"
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["opa", "run", "--server", "--addr", f"127.0.0.1:{port}", "--log-level", "error"]
    process = subprocess.Popen(
        [*command, "--bundle", str(_POLICIES / "bundle.tar.gz")], stderr=subprocess.DEVNULL
    )
    try:
        served = open_policy(f"opa:http://127.0.0.1:{port}#{_POLICIES}")
        _await(served)
        note = "a query of two columns; bare = OPA server on loopback"
        yield "policy decision", _seconds(ours, 2000), _seconds(served, 200), note
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await(engine: PolicyEngine) -> None:
    for _ in range(100):
        if engine.decide(query()).allow:
            return
        time.sleep(0.1)
    raise TimeoutError("the OPA server did not start")


def _seconds(engine: PolicyEngine, times: int) -> float:
    facts = query()
    return min(repeat(lambda: engine.decide(facts), number=times, repeat=5)) / times

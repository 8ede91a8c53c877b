"""A policy decision: in process, against the same bundle on an OPA server."""

import math
import shutil
import socket
import subprocess
import time
from pathlib import Path

from dataspace.policy import PolicyEngine, open_policy
from tests.bench.timing import Rows, in_turn
from tests.policy.cases import query

_POLICIES = Path(__file__).parents[2] / "policies"


def run() -> Rows:
    """Yield what was measured, our seconds, the bare seconds, and a note."""
    ours, facts = open_policy(f"bundle:{_POLICIES}"), query()
    if shutil.which("opa") is None:
        here, _ = in_turn(lambda: ours.decide(facts), lambda: None, times=200)
        yield "policy decision", here, math.nan, "no program opa on the PATH to compare with"
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
        here, there = in_turn(lambda: ours.decide(facts), lambda: served.decide(facts), times=200)
        yield "policy decision", here, there, "a query of two columns; bare = OPA server on loopback"
    finally:
        process.terminate()
        process.wait(timeout=20)


def _await(engine: PolicyEngine) -> None:
    for _ in range(100):
        if engine.decide(query()).allow:
            return
        time.sleep(0.1)
    raise TimeoutError("the OPA server did not start")

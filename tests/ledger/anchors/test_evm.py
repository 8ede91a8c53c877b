"""The anchor on an EVM chain, in process and on anvil."""

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from dataspace.errors import Conflict, Unavailable, VerificationError
from dataspace.ledger.anchors import Anchor, Head, open_anchor
from dataspace.ledger.anchors.contract import artefact
from dataspace.ledger.anchors.ethereum import RPCEndpoint
from dataspace.ledger.anchors.evm import EvmAnchor
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.receipt import AnchorEvidence
from dataspace.proof.verify import AnchorChecker
from tests.ledger.anchors.conftest import KEY, Place, need_evm

ROOT, OTHER = b"\1" * 32, b"\2" * 32
NOWHERE = "0x" + "22" * 20 + "?chain=1&code=" + "0" * 64
STRANGER = b"\7" * 32


def checkpoint(anchor: EvmAnchor, size: int = 5, root: bytes = ROOT) -> Checkpoint:
    return Checkpoint(anchor._origin, size, root)


def test_a_head_is_published_and_found_again(place: Place) -> None:
    anchor = place.open()
    assert anchor.latest() is None
    evidence = anchor.publish(5, ROOT, "the note\n")
    assert anchor.latest() == Head(5, ROOT)
    assert evidence.checkpoint == "the note\n"
    assert evidence.facts["size"] == 5
    assert evidence.facts["root"] == ROOT.hex()
    assert str(evidence.facts["block"]) in anchor.check(evidence, checkpoint(anchor))


def test_it_is_an_anchor_and_a_checker(place: Place) -> None:
    checker: AnchorChecker = place.open()
    assert isinstance(checker, Anchor)


def test_evidence_survives_being_written_down(place: Place) -> None:
    anchor = place.open()
    evidence = AnchorEvidence.from_json(anchor.publish(5, ROOT, "note").to_json())
    assert anchor.check(evidence, checkpoint(anchor))


def test_heads_only_grow(place: Place) -> None:
    anchor = place.open()
    for size in (1, 2, 40):
        anchor.publish(size, bytes([size]) * 32, "note")
    assert anchor.latest() == Head(40, bytes([40]) * 32)


def test_le_05_a_smaller_head_is_a_rollback(place: Place) -> None:
    anchor = place.open()
    anchor.publish(5, ROOT, "note")
    with pytest.raises(Conflict, match="rolled back"):
        anchor.publish(4, ROOT, "note")


def test_le_14_another_root_of_the_same_size_is_a_fork(place: Place) -> None:
    anchor = place.open()
    anchor.publish(5, ROOT, "note")
    with pytest.raises(VerificationError, match="forked"):
        anchor.publish(5, OTHER, "note")


def test_ch_02_what_is_on_the_chain_already_is_not_sent_again(place: Place) -> None:
    anchor = place.open()
    first = anchor.publish(5, ROOT, "note")
    height = place.web3.eth.block_number
    assert place.open(anchor._origin).publish(5, ROOT, "note") == first
    assert place.web3.eth.block_number == height


def test_ch_03_threads_take_turns(place: Place) -> None:
    anchors = [place.open() for _ in range(3)]
    lock = threading.Lock()

    def publish(anchor: EvmAnchor) -> None:
        for size in (1, 2, 3):
            with lock:  # another process of the same key would have to wait and try again
                anchor.publish(size, ROOT, "note")

    threads = [threading.Thread(target=publish, args=[anchor]) for anchor in anchors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {anchor.latest() for anchor in anchors} == {Head(3, ROOT)}


def test_logs_of_other_origins_and_senders_do_not_meet(place: Place) -> None:
    anchor = place.open()
    anchor.publish(5, ROOT, "note")
    assert place.open().latest() is None
    other = replace(place.pins, sender="0x" + "11" * 20)
    assert place.open(anchor._origin, key=b"", pins=other).latest() is None


@pytest.mark.parametrize(("pin", "value"), [("chain", 1), ("code", "0" * 64), ("contract", "0x" + "22" * 20)])
def test_le_13_another_chain_code_or_contract_is_not_used(place: Place, pin: str, value: Any) -> None:
    anchor = place.open()
    evidence = anchor.publish(5, ROOT, "note")
    other = place.open(anchor._origin, pins=replace(place.pins, **{pin: value}))
    acts: list[Callable[[], object]] = [lambda: other.publish(6, ROOT, "note"), other.latest]
    for act in acts:
        with pytest.raises(Unavailable, match="pinned"):
            act()
    with pytest.raises(VerificationError, match="another"):
        other.check(evidence, checkpoint(anchor))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 6), ("root", OTHER.hex()), ("block", 1), ("block_hash", "0x" + "00" * 32), ("block_time", 0),
        ("log", 7), ("log", "0"), ("transaction", "0x" + "ab" * 32), ("transaction", "0x"),
        ("transaction", None),
        ("chain", 1), ("contract", "0x" + "22" * 20), ("sender", "0x" + "33" * 20), ("code", "0" * 64),
    ],
)  # fmt: skip
def test_le_13_evidence_with_another_value_does_not_hold(place: Place, name: str, value: Any) -> None:
    anchor = place.open()
    evidence = anchor.publish(5, ROOT, "note")
    forged = replace(evidence, facts={**evidence.facts, name: value})
    with pytest.raises(VerificationError):
        anchor.check(forged, checkpoint(anchor))


def test_evidence_with_a_fact_too_few_or_too_many_does_not_hold(place: Place) -> None:
    anchor = place.open()
    evidence = anchor.publish(5, ROOT, "note")
    fewer = {name: fact for name, fact in evidence.facts.items() if name != "log"}
    for facts in (fewer, {**evidence.facts, "more": 1}, {}):
        with pytest.raises(VerificationError):
            anchor.check(replace(evidence, facts=facts), checkpoint(anchor))


def test_evidence_of_another_checkpoint_does_not_hold(place: Place) -> None:
    anchor = place.open()
    evidence = anchor.publish(5, ROOT, "note")
    for wrong in (
        checkpoint(anchor, 6),
        checkpoint(anchor, 5, OTHER),
        Checkpoint("example.org/other", 5, ROOT),
    ):
        with pytest.raises(VerificationError):
            anchor.check(evidence, wrong)


def test_ch_06_a_transaction_of_someone_elses_log_does_not_count(place: Place) -> None:
    mine, theirs = place.open(), place.open()
    evidence = theirs.publish(5, ROOT, "note")
    with pytest.raises(VerificationError, match="does not anchor"):
        mine.check(evidence, checkpoint(mine))


def test_an_auditor_needs_no_key_but_must_know_whose_heads_count(place: Place) -> None:
    anchor = place.open()
    evidence = anchor.publish(5, ROOT, "note")
    assert place.open(anchor._origin, key=b"").check(evidence, checkpoint(anchor))
    nobody = place.open(anchor._origin, key=b"", pins=replace(place.pins, sender=""))
    with pytest.raises(Unavailable, match="sender"):
        nobody.check(evidence, checkpoint(anchor))


def test_a_key_that_is_not_the_pinned_senders_does_not_publish(place: Place) -> None:
    with pytest.raises(Unavailable, match="sender"):
        place.open(key=STRANGER).publish(5, ROOT, "note")


def test_a_key_that_is_none_is_not_shown(place: Place) -> None:
    secret = b"\xff" * 32
    with pytest.raises(Unavailable) as caught:
        place.open(key=secret).publish(5, ROOT, "note")
    assert secret.hex() not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_ch_05_an_account_without_funds_is_told_as_unavailable(place: Place) -> None:
    poor = place.open(key=STRANGER, pins=replace(place.pins, sender=""))
    with pytest.raises(Unavailable):
        poor.publish(5, ROOT, "note")


def test_ch_01_a_chain_that_is_down_is_unavailable(remote: Place) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"evm:http://127.0.0.1:{probe.getsockname()[1]}#{remote.pins.text()}"
        anchor = open_anchor(url, "example.org/log", KEY)
        with pytest.raises(Unavailable):
            anchor.publish(5, ROOT, "note")
        with pytest.raises(Unavailable):
            anchor.latest()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>"), (200, b"{}"), (200, b"[]"), (200, b"null"), (429, b"{}"), (500, b""), (302, b""),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": null}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": "0xzz"}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "result": {"a": []}}'),
        (200, b'{"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": "no"}}'),
    ],
)  # fmt: skip
def test_ch_01_an_rpc_that_answers_nonsense_is_unavailable(local: Place, status: int, body: bytes) -> None:
    with nonsense(status, body) as port:
        anchor = open_anchor(f"evm:http://127.0.0.1:{port}#{local.pins.text()}", "example.org/log", KEY)
        with pytest.raises(Unavailable):
            anchor.publish(5, ROOT, "note")


def test_ch_04_a_reorganisation_takes_the_anchor_and_it_is_made_again(remote: Place) -> None:
    anchor = remote.open()
    evidence = anchor.publish(5, ROOT, "note")
    remote.web3.provider.make_request(RPCEndpoint("anvil_reorg"), [1, []])
    assert anchor.latest() is None
    with pytest.raises(VerificationError):
        anchor.check(evidence, checkpoint(anchor))
    again = anchor.publish(5, ROOT, "note")
    assert anchor.check(again, checkpoint(anchor))


def test_ch_04_an_anchor_is_not_told_before_it_is_confirmed(remote: Place) -> None:
    anchor = remote.open(pins=replace(remote.pins, confirmations=2))
    done: list[AnchorEvidence] = []
    thread = threading.Thread(target=lambda: done.append(anchor.publish(5, ROOT, "note")))
    height = remote.web3.eth.block_number
    thread.start()
    while remote.web3.eth.block_number == height:
        thread.join(0.01)
    thread.join(0.3)
    assert not done
    remote.web3.provider.make_request(RPCEndpoint("anvil_mine"), [2])
    thread.join(10)
    assert anchor.check(done[0], checkpoint(anchor))


def test_ch_10_a_chain_that_forgot_is_anchored_to_again(remote: Place) -> None:
    anchor = remote.open()
    snapshot = remote.web3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"]
    anchor.publish(5, ROOT, "note")
    remote.web3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])
    assert anchor.latest() is None
    assert anchor.check(anchor.publish(6, OTHER, "note"), checkpoint(anchor, 6, OTHER))


@pytest.mark.parametrize("url", ["evm:local", "evm:http://127.0.0.1:1#" + NOWHERE])
def test_lo_09_the_libraries_leave_the_recursion_limit_alone(url: str) -> None:
    need_evm()
    program = (
        "import sys; limit = sys.getrecursionlimit()\n"
        "from dataspace.ledger.anchors import open_anchor; from dataspace.errors import Unavailable\n"
        f"try: open_anchor({url!r}, 'o', bytes([1]) * 32).publish(1, bytes(32), 'note')\n"
        "except Unavailable: pass\n"
        "assert sys.getrecursionlimit() == limit"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_the_code_on_the_chain_is_the_artefacts(place: Place) -> None:
    assert place.pins.code == artefact().code_hash


@contextmanager
def nonsense(status: int, body: bytes) -> Iterator[int]:
    """Serve an RPC on loopback that answers everything with `body`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "http://127.0.0.1:1/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()

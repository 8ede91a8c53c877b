"""The development chain of demonstrations."""

import os
import secrets
import socket
import stat
from pathlib import Path

import pytest

from dataspace.ledger.anchors import Head, anvil, open_anchor
from dataspace.ledger.anchors.evm import deploy
from dataspace.proof.checkpoint import Checkpoint
from tests.programs import need


def test_what_is_anchored_survives_a_restart(tmp_path: Path) -> None:
    key, command = secrets.token_bytes(32), [need("anvil")]
    first = anvil.start(tmp_path / "state.json", command=command, seconds=30)
    assert first
    with first:
        first.fund(key)
        url = deploy(first.rpc, key, confirmations=0)
        head = Checkpoint("example.org/log", 5, b"\1" * 32)
        assert open_anchor(url, head.origin, key).publish(head, "note", lambda _: [])
    port = int(first.rpc.rpartition(":")[2])
    second = anvil.start(tmp_path / "state.json", port=port, command=command, seconds=30)
    assert second
    with second:
        assert open_anchor(url, "example.org/log", key).latest() == Head(5, b"\1" * 32)


def test_stopping_it_ends_all_that_it_started(tmp_path: Path) -> None:
    chain = anvil.start(tmp_path / "state.json", command=[need("anvil")], seconds=30)
    assert chain
    chain.stop()
    chain.stop()
    assert chain._process.returncode is not None
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(chain.rpc.rpartition(":")[2])))


def test_without_a_program_there_is_no_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert anvil.start(tmp_path / "state.json") is None


def test_a_program_that_never_answers_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "anvil"
    program.write_text("#!/bin/sh\ntrap '' TERM\necho $$ > \"$0.pid\"\nexec sleep 600\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert anvil.start(tmp_path / "state.json", command=[str(program)], seconds=0.3) is None
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "anvil.pid").read_text()), 0)


def test_a_program_that_fails_is_not_waited_for(tmp_path: Path) -> None:
    assert anvil.start(tmp_path / "state.json", command=["/bin/false"], seconds=30) is None

"""What sits at the address of a key service, or on the way to it: it costs the platform little."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from time import sleep
from types import SimpleNamespace
from typing import Any

import pytest

from dataspace.errors import Unavailable
from dataspace.transfer.forms import keyservice
from dataspace.transfer.forms.keyservice import KeyServiceClient
from dataspace.wire.keyservice import ANSWER, Message
from tests.keyservice.scene import scene
from tests.simulator import people

_HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


def test_an_endless_answer_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyservice, "_ANSWER_LIMIT", 1 << 20)
    with _answering(64, 1 << 16, 0) as client, pytest.raises(Unavailable, match="longer"):
        client._exchange("GET", "/key")


def test_an_answer_that_drips_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyservice, "_SECONDS", 0.5)
    with _answering(30, 1, 0.1) as client, pytest.raises(Unavailable, match="longer"):
        client._exchange("GET", "/key")


def test_he_11_a_layout_that_was_told_to_another_is_not_taken_for_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attacker in the network plays it again: it would be charged, and kept as the answer for good."""
    with scene(tmp_path) as stage:
        agreed = stage.agreed(people(3_000))
        sealed, ours = stage.space.service.sealed, stage.agreed(people(3_000))
        heard = sealed.layout(agreed.consumer, agreed.agreement.id, agreed.keys.public).content
        # A naive platform believes what the key service signed: this it did.
        Message.decode(heard).check(stage.ours.identity.public.verify, ANSWER)
        with monkeypatch.context() as patch:
            patch.setattr(sealed._keyservice, "_exchange", lambda *_: heard)
            with pytest.raises(Unavailable, match="something else"):
                sealed.layout(ours.consumer, ours.agreement.id, ours.keys.public)
        usage = stage.space.service.answers.usage(ours.consumer, ours.agreement.id)
        assert (usage["units"]["spent"], usage["epsilon"]["spent"]) == (0, 0)
        assert sealed.layout(ours.consumer, ours.agreement.id, ours.keys.public).content != heard


@contextmanager
def _answering(chunks: int, size: int, pause: float) -> Iterator[KeyServiceClient]:
    """Answer one request in chunks with a pause after each, where the platform asks its key service."""
    with create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with suppress(OSError), server.accept()[0] as peer:
                peer.recv(1 << 16)
                peer.sendall(_HEAD)
                for _ in range(chunks):
                    peer.sendall(bytes(size))
                    sleep(pause)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        setting = f"http://127.0.0.1:{server.getsockname()[1]}#{'0' * 64}"
        space: Any = SimpleNamespace(settings=SimpleNamespace(keyservice=setting))
        yield KeyServiceClient(space)
        thread.join(10)

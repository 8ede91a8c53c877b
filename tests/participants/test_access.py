"""Logins at once: bounded, and no address in another's way."""

import threading

import pytest

from dataspace.errors import TooMany
from dataspace.participants import access


def test_au_07_an_address_that_guesses_leaves_a_slot_to_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "_SLOT_SECONDS", 0.1)
    hashing, entered, leave = access._Hashing(), threading.Event(), threading.Event()

    def guess() -> None:
        with hashing.slot("10.0.0.1"):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=guess)
    thread.start()
    assert entered.wait(10)
    with pytest.raises(TooMany), hashing.slot("10.0.0.1"):
        pass
    with hashing.slot("10.0.0.2"), pytest.raises(TooMany), hashing.slot("10.0.0.3"):
        pass
    leave.set()
    thread.join()
    with hashing.slot("10.0.0.1"):
        pass

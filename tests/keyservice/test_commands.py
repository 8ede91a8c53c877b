"""The commands of who keeps the key, and of who seals."""

import sys
from contextlib import closing
from pathlib import Path

import pytest

from dataspace.app import initialise, log_key
from dataspace.cli.keyservice import forget, seal_file
from dataspace.errors import Conflict, NotFound, Refused, VerificationError
from dataspace.keyservice.home import Home
from dataspace.keyservice.store import Store
from dataspace.settings import Settings
from dataspace.wire.keyservice import ServiceKey
from dataspace.wire.sealed import Head
from tests.running import DATASPACE, command
from tests.simulator import PASSWORD, people


def test_a_key_service_is_made_shown_and_sealed_to(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "platform")
    initialise(settings, "operator", "operator", PASSWORD)
    ours, public, out = tmp_path / "ks", tmp_path / "ks.pub", tmp_path / "out"
    keyservice = [*DATASPACE, "keyservice"]
    made = command([*keyservice, "init", "--home", str(ours), "--platform", log_key(settings)], {}, tmp_path)
    assert made.returncode == 0, made.stderr
    shown = command([*keyservice, "key", "--home", str(ours), "--public", str(public)], {}, tmp_path)
    assert shown.stdout == made.stdout
    name = shown.stdout.strip()
    assert ServiceKey.parse(public.read_text(), name) == Home.open(ours).identity.public
    with pytest.raises(Conflict, match="already"):
        Home.create(ours, log_key(settings))

    (tmp_path / "people.csv").write_bytes(people(60))
    seal = [*DATASPACE, "seal", "people.csv", "--zone", "government", "--measure", "income:0:200000:2"]
    seal += ["--dimension", "district", "--subject", "number", "--keyservice", str(public), "--out", str(out)]
    asked = tmp_path / "people.csv", "government", ["income:0:200000:2"]
    with pytest.raises(VerificationError, match="pinned"):
        seal_file(*asked, public, "0" * 64, out)
    with pytest.raises(NotFound, match=r"none\.pub"):
        seal_file(*asked, tmp_path / "none.pub", name, out)
    assert not out.exists()
    done = command([*seal, "--keyservice-id", name], {}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 rows in 3 cells, 0 left out" in done.stdout
    with (out / "dataset.sealed").open("rb") as file:
        assert Head.read(file).check().keyservice == name
    assert sys.platform != "linux" or (tmp_path / "provider.pem").stat().st_mode & 0o777 == 0o600


def test_a_dataset_is_forgotten_by_hand_for_good(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "platform")
    initialise(settings, "operator", "operator", PASSWORD)
    home = Home.create(tmp_path / "ks", log_key(settings))
    with closing(Store(home.database)) as store:
        store.keep("c", b"head", 1_000_000)
        with pytest.raises(NotFound):
            forget(home.folder, "mistyped")
        assert store.head("c") == b"head"
        forget(home.folder, "c")
        store.keep("c", b"head", 1_000_000)
        with pytest.raises(Refused, match="forgotten"):
            store.head("c")

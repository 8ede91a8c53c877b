"""The commands of who keeps the key, and of who seals."""

import sys
from pathlib import Path

from dataspace.app import initialise, log_key
from dataspace.keyservice.home import Home
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
    again = command([*keyservice, "init", "--home", str(ours), "--platform", log_key(settings)], {}, tmp_path)
    assert (again.returncode, "already" in again.stderr) == (2, True)

    (tmp_path / "people.csv").write_bytes(people(60))
    seal = [*DATASPACE, "seal", "people.csv", "--zone", "government", "--measure", "income:0:200000:2"]
    seal += ["--dimension", "district", "--subject", "number", "--keyservice", str(public), "--out", str(out)]
    other = command([*seal, "--keyservice-id", "0" * 64], {}, tmp_path)
    assert (other.returncode, out.exists()) == (2, False)
    missing = [word if word != str(public) else "none.pub" for word in seal]
    none = command([*missing, "--keyservice-id", name], {}, tmp_path)
    assert (none.returncode, "Traceback" in none.stderr, "none.pub" in none.stderr) == (2, False, True)
    done = command([*seal, "--keyservice-id", name], {}, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "60 rows in 3 cells, 0 left out" in done.stdout
    with (out / "dataset.sealed").open("rb") as file:
        assert Head.read(file).check().keyservice == name
    assert sys.platform != "linux" or (tmp_path / "provider.pem").stat().st_mode & 0o777 == 0o600

"""The three journeys on both databases, and the demonstration of them."""

import json
import os
import socket
from pathlib import Path

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import PolicyDenied
from tests.postgres import postgres_server, postgres_url
from tests.programs import need
from tests.running import DATASPACE, command, free_port, serving
from tests.simulator import Simulator, people, simulated

__all__ = ["postgres_server", "postgres_url"]  # fixtures


def _journey(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(provider, people(600), subjects=["number"])
    agreement = space.agreed(consumer, registered.offer)
    sql = "SELECT district, COUNT(*) FROM data GROUP BY district"
    assert len(json.loads(space.query(consumer, agreement.id, sql).content)["rows"]) == 3
    assert (
        len(
            json.loads(space.query(consumer, agreement.id, "SELECT age FROM data", Form.ROWS).content)["rows"]
        )
        == 600
    )
    with pytest.raises(PolicyDenied):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE number = 'P000001'")
    space.audit()
    space.service.registrar.withdraw(provider, registered.dataset)
    space.audit()


def test_the_journeys_on_sqlite(tmp_path: Path) -> None:
    with simulated(tmp_path / "home") as space:
        _journey(space)


def test_the_journeys_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with simulated(tmp_path / "home", database=postgres_url) as space:
        _journey(space)


def test_cr_11_a_second_service_on_one_home_ends_with_a_clear_text(tmp_path: Path) -> None:
    environment = {"DATASPACE_HOME": str(tmp_path / "home")}
    assert command([*DATASPACE, "init"], environment, tmp_path).returncode == 0
    port = free_port()
    with serving(environment, port, tmp_path / "log"):
        second = command([*DATASPACE, "serve", "--port", str(free_port())], environment, tmp_path)
    assert second.returncode == 2
    assert "is in use by process" in second.stderr


def test_a_home_given_as_a_relative_path_works_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with simulated(Path("data")) as space:
        _journey(space)


def test_a_stopped_service_leaves_nothing_open(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert command([*DATASPACE, "init"], {"DATASPACE_HOME": str(home)}, tmp_path).returncode == 0
    with serving({"DATASPACE_HOME": str(home)}, free_port(), tmp_path / "log") as process:
        pass
    assert process.returncode == 0
    assert not list(home.glob("*-wal"))


def test_init_makes_nothing_of_a_bad_password_and_may_be_run_again(tmp_path: Path) -> None:
    environment = {"DATASPACE_HOME": str(tmp_path / "home")}
    refused = command([*DATASPACE, "init", "--password", "short"], environment, tmp_path)
    assert (refused.returncode, "want at least 12" in refused.stderr) == (2, True)
    assert "token" in command([*DATASPACE, "init"], environment, tmp_path).stdout
    again = command([*DATASPACE, "init"], environment, tmp_path)
    assert (again.returncode, "there already" in again.stdout) == (0, True)


def test_what_keeps_a_service_from_starting_is_one_clear_line(tmp_path: Path) -> None:
    environment = {"DATASPACE_HOME": str(tmp_path / "home")}
    assert command([*DATASPACE, "init"], environment, tmp_path).returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = str(taken.getsockname()[1])
        for changed, port, said in (
            ({}, busy, "choose another with --port"),
            ({"DATASPACE_ORIGIN": "another/log"}, "0", "leave DATASPACE_ORIGIN as it was"),
            ({"DATASPACE_DATABASE": "bogus://x"}, "0", "mend DATASPACE_DATABASE"),
            ({"DATASPACE_HOME": str(tmp_path / "none")}, "0", "dataspace init"),
        ):
            chosen = str(free_port()) if port == "0" else port
            ended = command([*DATASPACE, "serve", "--port", chosen], {**environment, **changed}, tmp_path)
            assert ended.returncode == 2, ended.stderr
            assert said in ended.stderr
            assert "Traceback" not in ended.stderr


def _demonstrated(tmp_path: Path, path: str) -> tuple[str, dict[str, object]]:
    environment = {"DATASPACE_HOME": str(tmp_path / "home"), "PATH": path}
    done = command(
        [*DATASPACE, "demo", "--port", str(free_port()), "--json", str(tmp_path / "done.json")],
        environment,
        tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for named in (
        "one byte of a stored record changed: WRONG",
        "one byte of a tile changed: WRONG",
        "one budget in the database changed: WRONG",
        "everything was as it should be",
    ):
        assert named in done.stdout
    return done.stdout, json.loads((tmp_path / "done.json").read_text())


def test_the_demonstration_anchors_to_a_chain_of_its_own_and_is_served_again(tmp_path: Path) -> None:
    need("anvil")
    printed, done = _demonstrated(tmp_path, os.environ["PATH"])
    assert "LedgerAnchor on anvil" in printed
    assert str(done["anchor"]).startswith("evm:http://127.0.0.1:")
    with serving({"DATASPACE_HOME": str(tmp_path / "home")}, free_port(), tmp_path / "log"):
        assert "demo login" in (tmp_path / "log").read_text()


def test_the_demonstration_without_node_anchors_in_process_and_says_so(tmp_path: Path) -> None:
    printed, done = _demonstrated(tmp_path, str(tmp_path))
    assert "anchoring to an EVM inside the service" in printed
    assert done["anchor"] == "evm:local"


def test_a_demonstration_leaves_a_home_alone_that_none_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "precious").write_text("data")
    done = command([*DATASPACE, "demo"], {"DATASPACE_HOME": str(home)}, tmp_path)
    assert done.returncode == 2
    assert (home / "precious").read_text() == "data"

"""The README is true: its commands run, and it lists every setting, command and error."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from dataspace import errors
from dataspace.cli import app, participant
from dataspace.client import DataSpace
from dataspace.settings import Settings
from tests.running import DATASPACE, command, free_port, serving
from tests.simulator import people

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def _commands(word: str) -> list[list[str]]:
    lines = [line.removeprefix("$ ") for block in _blocks("console") for line in block.splitlines()]
    return [
        shlex.split(part, comments=True)
        for line in lines
        for part in line.split("&&")
        if part.split()[0] == word
    ]


def test_it_lists_every_setting_with_its_default() -> None:
    listed = set(re.findall(r"^\| `(DATASPACE_[A-Z_]+)` \|", README, flags=re.MULTILINE))
    assert listed == {f"DATASPACE_{field.name.upper()}" for field in fields(Settings)}


def test_it_lists_every_error() -> None:
    codes = {
        kind.code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DataSpaceError)
    } - {"error"}
    assert (
        codes
        == set(re.findall(r"`([a-z-]+)`", README.partition("## Errors")[2].partition("## Settings")[0]))
        & codes
    )


def test_it_shows_every_command() -> None:
    shown = {words[1] for words in _commands("dataspace")} | set(re.findall(r"`dataspace ([a-z]+)", README))
    assert shown >= {
        str(one.name or one.callback.__name__) for one in app.registered_commands if one.callback
    }
    assert "participant" in shown
    assert participant.registered_commands


def test_its_make_targets_are_those_of_the_makefile() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert targets == {"setup", "demo", "serve", "test", "fuzz", "check", "bench", "policies", "contracts"}
    assert {words[1] for words in _commands("make")} <= targets
    assert len((ROOT / "Makefile").read_text().splitlines()) <= 45


@dataclass
class Newcomer:
    """Somebody who follows the README: a folder, a port, the words of its commands replaced by theirs."""

    folder: Path
    url: str
    token: str = ""

    @property
    def environment(self) -> dict[str, str]:
        return {"DATASPACE_URL": self.url, "DATASPACE_TOKEN": self.token}

    def run(self, words: list[str]) -> str:
        arguments = [self.url if word == "http://127.0.0.1:8000" else word for word in words[1:]]
        done = command([*DATASPACE, *arguments], self.environment, self.folder)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    port = free_port()
    one = Newcomer(tmp_path_factory.mktemp("newcomer"), f"http://127.0.0.1:{port}")
    made = one.run(next(words for words in _commands("dataspace") if words[1] == "init"))
    one.token = re.findall(r"dsp_\S+", made)[0]
    home = {"DATASPACE_HOME": str(one.folder / "data"), "DATASPACE_ANCHOR_SECONDS": "1"}
    with serving({**one.environment, **home}, port, one.folder / "log"):
        yield one


def _offered(newcomer: Newcomer) -> tuple[str, dict[str, Any]]:
    """Register people as a provider; return a consumer's token and the dataset."""
    with DataSpace(newcomer.url, newcomer.token) as operator:
        provider = operator.admit("City bureau of data", "bureau-2", ["provider"])["token"]
        consumer = operator.admit("A buyer", "buyer-1", ["consumer"])["token"]
    (newcomer.folder / "people.csv").write_bytes(people(600))
    with DataSpace(newcomer.url, provider) as space:
        upload = space.upload(newcomer.folder / "people.csv", "government")
        offer = {"forms": ["aggregate", "encrypted", "lookup", "intersection"], "epsilon": 9_000_000}
        found = space.confirm(upload["id"], "people", price=1, subjects=["number"], offer=offer)
    return consumer, found


def test_its_commands_run_in_their_order(newcomer: Newcomer) -> None:
    consumer, _ = _offered(newcomer)
    shared: dict[str, Any] = {"token": consumer}
    for block in _blocks("python"):
        exec(block.replace("http://127.0.0.1:8000", newcomer.url), shared)  # noqa: S102  the README's own words
    (newcomer.folder / "receipt.json").write_bytes(shared["receipt"])
    for words in _commands("dataspace"):
        if words[1] in {"init", "serve"}:
            continue  # the fixture ran them
        if words[1] in {"audit", "verify"}:
            newcomer.token = ""
        printed = newcomer.run(words)
        if words[1] == "key":
            (newcomer.folder / "log.key").write_text(printed)

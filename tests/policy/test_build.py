"""The committed bundle, its capabilities and its documentation are those of the sources."""

import json
import re
import shutil
from pathlib import Path

import pytest

from dataspace.errors import Unprocessable
from dataspace.policy import OBLIGATIONS, decision
from dataspace.policy.build import COVERAGE, check, compile_policies, opa
from dataspace.policy.bundle import FILE, pack, read_bundle, read_sources, revision
from dataspace.policy.capabilities import asked_of_host, native
from tests.policy.conftest import POLICIES
from tests.programs import need

README = (POLICIES / "README.md").read_text()
CAPABILITIES = json.loads((POLICIES / "capabilities.json").read_text())
SOURCES = read_sources(POLICIES)
REGO = "\n".join(source.decode() for source in SOURCES.values())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of policies to change."""
    need("opa")
    shutil.copytree(POLICIES, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_the_committed_bundle_has_the_revision_of_the_sources() -> None:
    bundle = read_bundle((POLICIES / FILE).read_bytes())
    assert bundle.revision == revision(SOURCES)
    assert bundle.sources == SOURCES


def test_the_committed_bundle_is_what_the_sources_compile_to() -> None:
    need("opa")
    bundle = read_bundle((POLICIES / FILE).read_bytes())
    assert compile_policies(POLICIES) == bundle.wasm
    assert pack(SOURCES, bundle.wasm) == pack(SOURCES, compile_policies(POLICIES))


def test_the_policies_pass_their_tests() -> None:
    need("opa")
    assert check(POLICIES) >= COVERAGE


def test_a_failing_policy_is_not_built(folder: Path) -> None:
    (folder / "wrong_test.rego").write_text("package wrong_test\n\ntest_wrong if 1 == 2\n")
    with pytest.raises(Unprocessable, match="opa test fails"):
        check(folder)


def test_an_untested_policy_is_not_built(folder: Path) -> None:
    for path in folder.glob("*_test.rego"):
        if path.name not in {"cases_test.rego", "groups_test.rego"}:
            path.unlink()
    with pytest.raises(Unprocessable, match="of the lines"):
        check(folder)


@pytest.mark.parametrize(
    "call",
    [
        'http.send({"method": "get", "url": "http://127.0.0.1/"})',
        'sprintf("%s", ["x"])',
        "opa.runtime()",
        "time.now_ns()",
        'trace("x")',
        'rand.intn("x", 2)',
        'net.lookup_ip_addr("localhost")',
    ],
)
def test_po_04_a_policy_that_asks_the_world_does_not_compile(folder: Path, call: str) -> None:
    (folder / "asks.rego").write_text(f"package dataspace\n\nasked := {call}\n")
    with pytest.raises(Unprocessable, match="undefined function"):
        compile_policies(folder)


def test_po_04_a_policy_that_calls_itself_does_not_compile(folder: Path) -> None:
    (folder / "loop.rego").write_text("package dataspace\n\nloop(x) := loop(x)\n")
    with pytest.raises(Unprocessable, match="recursive"):
        compile_policies(folder)


def test_every_admitted_builtin_is_native() -> None:
    need("opa")
    operators = {"assign", "eq"}
    called = [
        one
        for one in CAPABILITIES["builtins"]
        if one["name"] not in operators and not one["name"].startswith("internal.")
    ]
    assert len(called) > 80
    assert asked_of_host(called) == set()
    assert CAPABILITIES["allow_net"] == []


def test_the_capabilities_are_made_as_they_say() -> None:
    need("opa")
    current = json.loads(opa(POLICIES, "capabilities", "--current"))
    made = {one["name"] for one in native(current)["builtins"]}
    committed = {one["name"] for one in CAPABILITIES["builtins"]}
    assert committed <= made, "this opa lacks a builtin that policies may use"


def test_no_policy_names_a_zone() -> None:
    zones = [path.name for path in (POLICIES.parent / "zones").glob("*") if path.is_dir()]
    assert [zone for zone in zones if zone in REGO] == []


def test_the_readme_lists_every_reason_and_its_fields() -> None:
    written = dict(
        re.findall(r"^\| `([a-z-]+)` \| .+? \| ?([a-z, ]*?) ?\|$", _section("Reasons"), re.MULTILINE)
    )
    found: dict[str, set[str]] = {}
    for body in re.findall(r'\{\s*("code": .*?)\}', REGO, re.DOTALL):
        names = re.findall(r'"([a-z]+)": ', body)
        found.setdefault(re.findall(r'"code": "([a-z-]+)"', body)[0], set()).update(names[1:])
    assert {code: set(fields.replace(",", "").split()) for code, fields in written.items()} == found


def test_the_readme_lists_every_reason_of_the_engines() -> None:
    codes = {
        value
        for name, value in vars(decision).items()
        if name.isupper() and isinstance(value, str) and not name.startswith("_")
    }
    assert set(re.findall(r"^\| `([a-z-]+)` \| [^|]+ \|$", _section("Reasons"), re.MULTILINE)) == codes


def test_the_readme_lists_every_obligation_and_every_act() -> None:
    kinds = set(re.findall(r"^\| `([a-z_]+)` \|", _section("Obligations"), re.MULTILINE))
    assert kinds == set(OBLIGATIONS) == set(re.findall(r'"kind": "([a-z_]+)"', REGO))
    acts = set(re.findall(r"^\| `([a-z]+)` \|", README.split("## Reasons")[0], re.MULTILINE))
    assert acts == {"admit", "approve", "register", "withdraw", "negotiate", "query"}


def _section(title: str) -> str:
    return README.split(f"## {title}\n")[1].split("\n## ")[0]

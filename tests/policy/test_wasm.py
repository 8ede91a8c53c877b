"""The engine in process: what a bad policy can do, and what it cannot."""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from dataspace.errors import Malformed, Unavailable
from dataspace.policy import PolicyEngine, open_bundle, open_policy
from dataspace.policy.bundle import FILE, data_of, pack, read_bundle, read_sources, revision
from tests.policy.cases import admit
from tests.policy.conftest import POLICIES
from tests.programs import need

COMMITTED = (POLICIES / FILE).read_bytes()
ALLOW = '{"allow": true, "reasons": [], "obligations": [], "revision": data.dataspace.revision}'


@pytest.fixture
def compiled(tmp_path: Path) -> Callable[[str], PolicyEngine]:
    """Compile a policy of one file."""

    def compile_text(text: str) -> PolicyEngine:
        source = f"package dataspace\n\n{text}\n".encode()
        (tmp_path / "one.rego").write_bytes(source)
        command = [need("opa"), "build", "-t", "wasm", "-e", "dataspace/decision", "one.rego"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        with tarfile.open(tmp_path / FILE) as archive:
            module = archive.extractfile("/policy.wasm")
            assert module
            return open_bundle(pack({"one.rego": source}, module.read()))

    return compile_text


def code(engine: PolicyEngine) -> str:
    decision = engine.decide(admit())
    assert not decision.allow
    return decision.reasons[0].code


def test_a_policy_that_allows_is_obeyed(compiled: Callable[[str], PolicyEngine]) -> None:
    assert compiled(f"decision := {ALLOW}").decide(admit()).allow


def test_po_02_a_policy_that_decides_nothing_denies(compiled: Callable[[str], PolicyEngine]) -> None:
    assert code(compiled(f"decision := {ALLOW} if input.never")) == "policy-undefined"


def test_po_02_a_policy_that_contradicts_itself_denies(compiled: Callable[[str], PolicyEngine]) -> None:
    engine = compiled(f'decision := {ALLOW} if input.now\n\ndecision := "no" if input.action')
    assert code(engine) == "policy-failed"
    assert code(engine) == "policy-failed"


def test_po_02_a_policy_without_end_denies(compiled: Callable[[str], PolicyEngine]) -> None:
    loop = "xs := numbers.range(1, 1000); not never(xs)"
    never = "never(xs) if { some a in xs; some b in xs; some c in xs; a == b; b == c; c == 0 }"
    assert code(compiled(f"decision := {ALLOW} if {{ {loop} }}\n\n{never}")) == "policy-too-costly"


def test_po_02_a_policy_that_takes_all_memory_denies(compiled: Callable[[str], PolicyEngine]) -> None:
    assert code(compiled(f"decision := {ALLOW} if count(numbers.range(1, 3000000)) > 0")) == "policy-failed"


def test_po_04_a_policy_that_would_ask_its_host_is_not_opened(
    compiled: Callable[[str], PolicyEngine],
) -> None:
    with pytest.raises(Unavailable, match=r"http\.send"):
        compiled('decision := http.send({"method": "get", "url": "http://127.0.0.1/"})')


def test_po_10_a_policy_that_obliges_to_the_unknown_denies(compiled: Callable[[str], PolicyEngine]) -> None:
    obliging = ALLOW.replace('"obligations": []', '"obligations": [{"kind": "delete_after", "value": 30}]')
    assert code(compiled(f"decision := {obliging}")) == "unknown-obligation"


def test_po_05_a_bundle_brings_no_data_but_its_revision() -> None:
    more = b'{"dataspace": {"revision": "' + read_bundle(COMMITTED).revision.encode() + b'"}, "zone": {}}'
    with pytest.raises(Malformed, match="revision"):
        read_bundle(_with({"data.json": more}))


def test_a_bundle_whose_sources_were_changed_is_refused() -> None:
    with pytest.raises(Malformed, match="revision"):
        read_bundle(_with({"actors.rego": b"package dataspace\n"}))


def test_a_bundle_without_a_policy_is_refused() -> None:
    for module in (b"", b"not wasm", b"\0asm\1\0\0\0"):
        sources = {"a.rego": b"package dataspace\n"}
        with pytest.raises(Unavailable):
            open_bundle(pack(sources, module))


def test_a_bundle_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(Malformed, match="more than"):
        read_bundle(gzip.compress(bytes(20 << 20)))


@given(some.binary(max_size=200))
def test_noise_is_no_bundle(noise: bytes) -> None:
    for content in (noise, gzip.compress(noise)):
        with pytest.raises(Malformed):
            read_bundle(content)


@given(some.integers(0, 8191), some.integers(0, 255))
def test_a_changed_byte_is_refused_or_changes_nothing(position: int, value: int) -> None:
    plain = bytearray(gzip.decompress(COMMITTED))
    plain[position] = value
    try:
        found = read_bundle(gzip.compress(bytes(plain), 1))
    except Malformed:
        return
    committed = read_bundle(COMMITTED)
    assert (found.sources, found.wasm, found.data) == (committed.sources, committed.wasm, committed.data)


def test_a_folder_whose_policies_were_edited_is_not_opened(tmp_path: Path) -> None:
    for path in POLICIES.glob("*"):
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert open_policy(f"bundle:{tmp_path}").digest
    with (tmp_path / "actors.rego").open("a") as file:
        file.write("# edited\n")
    with pytest.raises(Unavailable, match="make policies"):
        open_policy(f"bundle:{tmp_path}")


def test_a_folder_without_a_bundle_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        open_policy(f"bundle:{tmp_path}")


@pytest.mark.parametrize(
    "url", ["rego:policies", "policies", "opa:ftp://a", "opa:http://", "opa:http://a/v1", "opa:http://u:p@a"]
)
def test_a_url_of_another_scheme_is_refused(url: str) -> None:
    with pytest.raises(Malformed):
        open_policy(url)


def test_the_revision_is_of_the_list_that_sha256sum_prints(tmp_path: Path) -> None:
    sources = {"b.rego": b"package b\n", "a.rego": b"package a\n", "zones/c.rego": b""}
    (tmp_path / "zones").mkdir()
    for name, content in sources.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "a_test.rego").write_bytes(b"package a_test\n")
    printed = "".join(
        f"{sha256(sources[name]).hexdigest()}  {name}\n" for name in ("a.rego", "b.rego", "zones/c.rego")
    )
    assert revision(read_sources(tmp_path)) == sha256(printed.encode()).hexdigest()


def _with(changed: dict[str, bytes]) -> bytes:
    """Return the committed bundle with other files in it."""
    target = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(gzip.decompress(COMMITTED))) as old,
        tarfile.open(fileobj=target, mode="w") as new,
    ):
        for member in old:
            name, stream = member.name.removeprefix("/"), old.extractfile(member)
            assert stream
            data = changed.get(name, stream.read())
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
    return gzip.compress(target.getvalue())


def test_the_data_of_a_revision_is_the_revision_alone() -> None:
    assert data_of("x") == b'{"dataspace": {"revision": "x"}}'

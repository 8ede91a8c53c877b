"""Decisions made again: real ones of a real space, and what a liar or a hostile bundle makes of them."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import wat2wasm

from dataspace.audit import replay, trial
from dataspace.audit.evidence import Evidence
from dataspace.audit.export import export
from dataspace.audit.replay import ALLOWED, REFUSED, Replay
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import DataSpaceError, NotFound, PolicyDenied
from dataspace.participants.access import Caller
from dataspace.policy.bundle import pack
from dataspace.proof.record import Record
from tests.simulator import Simulator, people

_SHELL = """(module (import "env" "memory" (memory 4))
 (global (export "opa_wasm_abi_version") i32 (i32.const 1))
 (global (export "opa_wasm_abi_minor_version") i32 (i32.const 2))
 (data (i32.const 16) "{{\\"dataspace/decision\\":0}}\\00") (data (i32.const 64) "{{}}\\00")
 (func (export "entrypoints") (result i32) (i32.const 16))
 (func (export "builtins") (result i32) (i32.const 64))
 (func (export "opa_json_dump") (param i32) (result i32) (local.get 0))
 (func (export "opa_malloc") (param i32) (result i32) (i32.const 1024))
 (func (export "opa_json_parse") (param i32 i32) (result i32) (i32.const 2048))
 (func (export "opa_heap_ptr_get") (result i32) (i32.const 4096))
 (func (export "opa_eval") (param i32 i32 i32 i32 i32 i32 i32) (result i32) {body}))"""
_SPINS = "(loop (br 0)) (i32.const 0)"
_NESTS = "(memory.fill (i32.const 65536) (i32.const 91) (i32.const 100000)) (i32.const 65536)"
_NEVER_ENDS = "(memory.fill (i32.const 65536) (i32.const 91) (i32.const 196608)) (i32.const 65536)"

Entry = tuple[int, dict[str, Any], str]


@pytest.fixture(scope="module")
def folder(space: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The evidence of a space in which everything was decided that can be."""
    provider, consumer = space.provider(), space.consumer()
    for rows, granted in ((203, True), (204, False)):
        _answered(space, provider, rows, granted=granted)
    offer = space.registered(provider, people(200, 50), subjects=["number"])
    agreement = space.agreed(consumer, offer.offer)
    space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    space.query(consumer, agreement.id, "SELECT district FROM data LIMIT 10", Form.ROWS)
    with pytest.raises(PolicyDenied):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data WHERE district = 'district 1'")
    with pytest.raises(PolicyDenied):
        space.query(consumer, agreement.id, "SELECT number, COUNT(*) FROM data GROUP BY number")
    with pytest.raises(PolicyDenied):
        space.service.negotiator.request(consumer, offer.offer, "espionage")
    space.service.registrar.withdraw(provider, offer.dataset)
    with pytest.raises(DataSpaceError):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    target = tmp_path_factory.mktemp("replay") / "evidence"
    export(space.service.space.database, target)
    return target


def _answered(space: Simulator, provider: Caller, rows: int, *, granted: bool) -> None:
    """Ask a second person for a lower level, who answers."""
    upload, lower = space.upload(provider, people(rows)), Registration("x", OfferTerms(price=1), level=1)
    asked = space.service.approvals.ask(provider, upload.id, lower, "a test")
    space.service.approvals.answer(space.operator, asked.id, granted=granted)


@pytest.fixture
def source(folder: Path) -> Iterator[Evidence]:
    with Evidence(folder) as opened:
        yield opened


def _decided(source: Evidence) -> dict[str, Entry]:
    """The last entry of every kind that names a decision, with its fields and its input."""
    inputs = source.decision_inputs(0, 1000)
    found = {}
    for index, record in source.records(0, 1000).items():
        assert isinstance(record, Record)
        if record.fields["kind"] in ALLOWED | REFUSED:
            found[record.fields["kind"]] = (index, record.fields, inputs[index])
    return found


def test_every_decision_of_a_space_is_made_again_and_is_the_same(source: Evidence) -> None:
    engine, inputs = Replay(source), source.decision_inputs(0, 1000)
    for index, record in source.records(0, 1000).items():
        assert isinstance(record, Record)
        assert engine.take(index, record.fields, inputs.get(index)) is None, record.fields
    assert set(engine.counts) == {"replayed", "own"}
    assert engine.counts["replayed"] >= 7
    assert _decided(source).keys() == (ALLOWED | REFUSED) - {
        "cube.granted",
        "model.registered",
        "sealed.computed",
    }


def test_a_refusal_the_policy_did_not_make_is_found(source: Evidence) -> None:
    index, fields, content = _decided(source)["query.answered"]
    told = {**fields, "kind": "query.refused", "reasons": ["units-exhausted"]}
    assert Replay(source).take(index, told, content) == "its policy allows it, the entry says units-exhausted"


def test_an_answer_the_policy_denied_is_found(source: Evidence) -> None:
    index, fields, content = _decided(source)["negotiation.refused"]
    told = {**fields, "kind": "agreement.concluded", "purpose": "espionage"}
    facts = json.loads(content)
    told |= {"dataset": facts["dataset"]["id"], "provider": facts["dataset"]["provider"]}
    told["forms"] = facts["agreement"]["forms"]
    problem = Replay(source).take(index, told, content)
    assert problem == "its policy denies it: purpose-not-in-zone, purpose-not-offered"


def test_other_reasons_than_the_policys_are_found(source: Evidence) -> None:
    index, fields, content = _decided(source)["negotiation.refused"]
    problem = Replay(source).take(index, {**fields, "reasons": ["role-missing"]}, content)
    assert problem == (
        "its policy says purpose-not-in-zone, purpose-not-offered, the entry says role-missing"
    )


def test_work_that_failed_was_allowed_before(source: Evidence) -> None:
    index, fields, content = _decided(source)["query.answered"]
    failed = {**fields, "kind": "query.refused", "reasons": ["too-costly"]}
    engine = Replay(source)
    assert engine.take(index, failed, content) is None
    assert engine.counts["own"] == 1


CHANGED = [
    ("dataset.registered", "provider", "pt-x"),
    ("dataset.registered", "zone", "finance"),
    ("dataset.registered", "level", 1),
    ("dataset.registered", "price", 7),
    ("dataset.registered", "approval", "ap-x"),
    ("dataset.registered", "lifted", ["level-lowered"]),
    ("approval.granted", "kind", "approval.rejected"),
    ("approval.granted", "approval", "ap-x"),
    ("approval.granted", "provider", "pt-x"),
    ("approval.granted", "codes", []),
    ("approval.rejected", "kind", "approval.granted"),
    ("approval.rejected", "by", "pt-x"),
    ("dataset.withdrawn", "by", "pt-x"),
    ("dataset.withdrawn", "dataset", "ds-x"),
    ("agreement.concluded", "consumer", "pt-x"),
    ("agreement.concluded", "provider", "pt-x"),
    ("agreement.concluded", "offer", "of-x"),
    ("agreement.concluded", "dataset", "ds-x"),
    ("agreement.concluded", "purpose", "research"),
    ("agreement.concluded", "forms", ["rows"]),
    ("query.answered", "agreement", "ag-x"),
    ("query.answered", "dataset", "ds-x"),
    ("query.answered", "version", 2),
    ("query.answered", "version", True),
    ("query.answered", "form", "encrypted"),
    ("query.answered", "units", 1000),
    ("query.answered", "epsilon", 1),
    ("query.answered", "time", "2020-01-01T00:00:00.000000Z"),
    ("query.answered", "time", "2090-01-01T00:00:00.000000Z"),
    ("query.refused", "agreement", "ag-x"),
    ("query.refused", "form", "encrypted"),
    ("query.refused", "units", 1000),
    ("negotiation.refused", "consumer", "pt-x"),
    ("negotiation.refused", "offer", "of-x"),
]


@pytest.mark.parametrize(("kind", "name", "value"), CHANGED)
def test_a_real_decision_under_another_entry_is_found(
    source: Evidence, kind: str, name: str, value: Any
) -> None:
    index, fields, content = _decided(source)[kind]
    assert name in fields
    problem = Replay(source).take(index, {**fields, name: value}, content)
    assert str(problem).startswith("its decision was another's: ")


def test_the_decision_before_the_work_is_none_on_its_answer(source: Evidence) -> None:
    index, fields, content = _decided(source)["query.answered"]
    facts = json.loads(content)
    before = json.dumps({**facts, "stage": "before"}, sort_keys=True, separators=(",", ":"))
    told = {**fields, "input": hashlib.sha256(before.encode()).hexdigest()}
    assert "stage was 'before', the entry says 'after'" in str(Replay(source).take(index, told, before))


@pytest.mark.parametrize(
    "content", ["{}", "", "[", '{"a":1.5}', "[" * 100_000, '{"a":"\ud800"}', '{"now": 1}']
)
def test_an_input_that_is_none_is_found(source: Evidence, content: str) -> None:
    index, fields, _ = _decided(source)["query.answered"]
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
    problem = Replay(source).take(index, {**fields, "input": digest}, content)
    assert problem
    assert "input is" in problem or "its decision was another's" in problem


@given(content=st.text())
def test_noise_in_place_of_an_input_is_a_finding(folder: Path, content: str) -> None:
    with Evidence(folder) as source:
        index, fields, _ = _decided(source)["query.refused"]
        digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()
        assert Replay(source).take(index, {**fields, "input": digest}, content)


def test_another_input_than_the_entry_names_is_found(source: Evidence) -> None:
    index, fields, content = _decided(source)["query.answered"]
    assert "another SHA-256" in str(Replay(source).take(index, fields, content + " "))


def test_an_input_or_a_bundle_that_is_held_back_is_found(source: Evidence) -> None:
    index, fields, content = _decided(source)["query.answered"]
    engine = Replay(source)
    assert engine.take(index, fields, None) == "its decision's input is not there"
    without = engine.take(index, {**fields, "policy": "ab" * 32}, content)
    assert without == "its policy bundle is not there"
    assert engine.counts == {"no-input": 1, "no-bundle": 1}


def _with_bundle(source: Evidence, folder: Path, content: bytes, name: str = "") -> tuple[Replay, Entry]:
    """Put a bundle into the evidence; return what replays, and an entry that names it."""
    digest = name or hashlib.sha256(content).hexdigest()
    (folder / "policies" / digest).write_bytes(content)
    index, fields, asked = _decided(source)["query.answered"]
    return Replay(source), (index, {**fields, "policy": digest}, asked)


def _hostile(body: str) -> bytes:
    return pack({"a.rego": b"package a"}, bytes(wat2wasm(_SHELL.format(body=body))))


def test_a_bundle_under_another_digest_is_found(source: Evidence, folder: Path) -> None:
    engine, entry = _with_bundle(source, folder, b"something else", "cd" * 32)
    assert "another SHA-256" in str(engine.take(*entry))


@pytest.mark.parametrize("content", [b"", b"noise", b"\x1f\x8b"])
def test_a_broken_bundle_is_one_finding(source: Evidence, folder: Path, content: bytes) -> None:
    engine, entry = _with_bundle(source, folder, content)
    assert "cannot be run: malformed policy bundle" in str(engine.take(*entry))
    assert engine.take(*entry) is None
    assert engine.counts["broken"] == 2


def test_a_bundle_that_never_answers_is_given_up(
    source: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "FREE_SECONDS", 0.0)
    engine, entry = _with_bundle(source, folder, _hostile(_SPINS))
    assert engine.take(*entry) == "its policy denies it: policy-too-costly"
    assert "cannot be run: 1 of its decisions took" in str(engine.take(*entry))


@pytest.mark.parametrize("body", [_NESTS, _NEVER_ENDS, "unreachable"])
def test_a_bundle_that_answers_nonsense_is_a_finding(source: Evidence, folder: Path, body: str) -> None:
    engine, entry = _with_bundle(source, folder, _hostile(body))
    assert engine.take(*entry)


def test_a_bundle_that_is_too_large_is_not_compiled(
    source: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "WASM_LIMIT", 10)
    engine, entry = _with_bundle(source, folder, _hostile(_SPINS))
    assert "want at most 10" in str(engine.take(*entry))


def test_a_large_module_is_compiled_where_it_can_be_killed(
    source: Evidence, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "WASM_SMALL", 10)
    index, fields, content = _decided(source)["query.answered"]
    engine = Replay(source)
    assert engine.take(index, fields, content) is None
    assert engine.counts["replayed"] == 1
    monkeypatch.setattr(trial, "SECONDS", 2.0)
    blocks = "(block (br 0))" * 130_000
    engine, entry = _with_bundle(source, folder, _hostile(f"{blocks} (i32.const 0)"))
    assert "its module was not compiled in 2 seconds" in str(engine.take(*entry))


def test_a_folder_without_policies_says_so(source: Evidence, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_text((folder / "checkpoint").read_text())
    index, fields, content = _decided(source)["query.answered"]
    with Evidence(tmp_path) as other, pytest.raises(NotFound, match="holds no policies"):
        Replay(other).take(index, fields, content)

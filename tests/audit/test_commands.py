"""The commands: what they print, and by which code they end."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dataspace.audit.commands import audit_and_keep, audit_command, verify_command
from dataspace.audit.order import Order
from dataspace.audit.report import Stage
from dataspace.audit.sources import Home
from dataspace.proof.disclosure import disclose
from dataspace.proof.receipt import Receipt
from dataspace.proof.record import Record
from tests.audit.authority import authority
from tests.audit.conftest import Copy
from tests.audit.published import WITNESSES
from tests.audit.scene import Scene


def audited(target: str, vkey: str, *, json: bool = False, **asked: Any) -> int:
    return audit_command(Order(target, vkey, **asked), json=json)


@pytest.fixture
def receipt(scene: Scene, tmp_path: Path) -> Path:
    with scene.database.reading() as session:
        made: Receipt = scene.log.receipt(session, 17)
    path = tmp_path / "receipt.json"
    path.write_bytes(made.to_bytes())
    return path


def test_the_audit_of_a_right_home_ends_with_0(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    assert audited(str(home.folder), home.vkey) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(
        "\nRIGHT as far as checked: 600 entries; "
        "not checked: remembered checkpoint, published checkpoints, cosignatures, anchored checkpoints, "
        "anchors, time tokens\n"
    )
    assert "not checked: 7 remembered checkpoint\n    no remembered checkpoint was given" in printed


def test_the_audit_of_a_wrong_home_ends_with_1_and_names_the_entry(
    home: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    home.execute(
        'UPDATE ledger_record SET record = replace(record, \'"units":1\', \'"units":2\') WHERE "index" = 17'
    )
    assert audited(str(home.folder), home.vkey) == 1
    printed = capsys.readouterr().out
    assert "entry 17: the record does not match its leaf" in printed
    assert "WRONG: 1 of 15 steps failed" in printed


@pytest.mark.parametrize("target", ["nowhere", "http://127.0.0.1:1"])
def test_what_cannot_be_read_ends_with_2(home: Copy, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audited(target, home.vkey) == 2
    printed = capsys.readouterr().out
    assert "NOT CHECKED" in printed
    lines = [line for line in printed.splitlines() if line]
    assert len(lines) == 3  # the target, all fifteen steps, the verdict with the one reason
    assert len(set(lines)) == 3


def test_a_folder_of_nothing_says_how_a_space_on_postgresql_is_audited(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(str(tmp_path), home.vkey) == 2
    assert "a space on PostgreSQL is audited by the service's URL" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "not a note", "{}"])
def test_a_remembered_file_that_is_no_checkpoint_is_the_auditors_mistake(
    home: Copy, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "memory").write_text(text)
    assert audited(str(home.folder), home.vkey, since=tmp_path / "memory") == 2
    assert "memory holds no checkpoint of this log: " in capsys.readouterr().out


def test_a_checkpoint_that_cannot_be_saved_does_not_lose_the_report(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "none" / "checkpoint"
    assert audited(str(home.folder), home.vkey, json=True, save=nowhere) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] == "right"
    assert "the checkpoint was not saved" in printed.err


@pytest.mark.parametrize("pins", ["", "#0xab?chain=1&code=ff", "#?founder=0x1"])
def test_an_anchor_without_its_pins_is_the_auditors_mistake(
    home: Copy, pins: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(str(home.folder), home.vkey, anchor=f"evm:http://127.0.0.1:1{pins}") == 2
    assert "malformed anchor: want" in capsys.readouterr().out


def test_a_wrong_key_of_the_auditors_ends_with_2(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    assert audited(str(home.folder), "example.com/space+00000000+AAAA") == 2
    assert "verifier key" in capsys.readouterr().out


def test_the_key_may_be_in_a_file(home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(home.vkey + "\n")
    assert audited(str(home.folder), f"@{tmp_path}/key") == 0
    assert audited(str(home.folder), f"@{tmp_path}/other") == 2
    assert "other cannot be read" in capsys.readouterr().out


def test_the_report_as_json_says_the_same(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    home.execute("UPDATE budget SET units = 7")
    code = audited(str(home.folder), home.vkey, json=True)
    report = json.loads(capsys.readouterr().out)
    assert (code, report["exit_code"], report["verdict"]) == (1, 1, "wrong")
    assert report["findings"][0] == {
        "step": 15,
        "place": "budget ag-1",
        "problem": "units is 7, the entries imply 1000",
    }
    assert [step["outcome"] for step in report["steps"]].count("passed") == 8


def test_an_audit_that_was_right_is_remembered_and_asked_for_the_next_time(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = tmp_path / "checkpoint"
    assert audited(str(home.folder), home.vkey, save=memory) == 0
    assert audited(str(home.folder), home.vkey, since=memory, save=memory) == 0
    assert "extends the remembered size 600" in capsys.readouterr().out


def test_the_next_audit_goes_on_from_what_is_saved_beside_the_checkpoint(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = tmp_path / "checkpoint"
    assert audited(str(home.folder), home.vkey, save=memory) == 0
    assert (tmp_path / "checkpoint.memory").is_file()
    assert audited(str(home.folder), home.vkey, since=memory) == 0
    assert "0 entries from entry 600 on" in capsys.readouterr().out


def test_a_round_of_a_monitor_keeps_what_the_next_one_goes_on_from(home: Copy, tmp_path: Path) -> None:
    order = Order(str(home.folder), home.vkey, save=tmp_path / "state", jobs=1)
    assert audit_and_keep(order).ok
    again = audit_and_keep(replace(order, since=tmp_path / "state"))
    assert "0 entries from entry 600 on" in [step.detail for step in again.steps]


def test_the_quorum_of_a_policy_is_asked_for(home: Copy, tmp_path: Path) -> None:
    (tmp_path / "policy").write_text("quorum none\n")
    assert audited(str(home.folder), home.vkey, policy=tmp_path / "policy") == 2


@pytest.mark.parametrize("option", ["policy", "authorities"])
def test_a_file_of_the_auditors_that_is_none_ends_with_2(
    home: Copy, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("nothing of use\n")
    for name in ("file", "none"):
        wrong: dict[str, Any] = {option: tmp_path / name}
        assert audited(str(home.folder), home.vkey, **wrong) == 2
    assert "none cannot be read" in capsys.readouterr().out


def test_a_wrong_audit_leaves_the_memory_as_it_was(home: Copy, tmp_path: Path) -> None:
    memory = tmp_path / "checkpoint"
    memory.write_text(home.older)
    home.execute("UPDATE budget SET units = 7")
    assert audited(str(home.folder), home.vkey, since=memory, save=memory) == 1
    assert memory.read_text() == home.older


def test_a_receipt_that_holds_ends_with_0(
    scene: Scene, receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert verify_command(receipt, scene.vkey) == 0
    printed = capsys.readouterr().out
    assert "RIGHT: the entry is in the log; not checked: remembered checkpoint, anchored" in printed
    assert "\nentry 17: query.answered at 20" in printed
    assert "\n  agreement      ag-1\n" in printed
    assert verify_command(receipt, scene.vkey, json=True) == 0
    assert json.loads(capsys.readouterr().out)["record"]["kind"] == "query.answered"


def test_a_receipt_shown_in_part_tells_how_much_it_hides(
    scene: Scene, receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Receipt.parse(receipt.read_bytes())
    assert isinstance(whole.record, Record)
    receipt.write_bytes(replace(whole, record=disclose(whole.record, ["agreement", "units"])).to_bytes())
    assert verify_command(receipt, scene.vkey) == 0
    assert "\n  agreement  ag-1\n  units      1\n  and 11 fields that are hidden\n" in capsys.readouterr().out
    assert verify_command(receipt, scene.vkey, json=True) == 0
    assert json.loads(capsys.readouterr().out)["hidden"] == 11


def test_a_receipt_under_a_rotated_key_is_verified_under_the_pinned_one(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pinned = scene.vkey
    scene.keys.create("log/v2")
    scene.database.commit(lambda session: scene.log.rotate(session, "log/v2", "scheduled"))
    scene.answer()
    with scene.database.reading() as session:
        (tmp_path / "receipt").write_bytes(scene.log.receipt(session, 17).to_bytes())
    with Home.of(scene.database) as source:
        (tmp_path / "keys.json").write_text(json.dumps({"rotations": source.rotations()}))
    assert verify_command(tmp_path / "receipt", pinned) == 1
    assert verify_command(tmp_path / "receipt", pinned, rotations=tmp_path / "keys.json") == 0
    assert "with a rotated key" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "[]", '{"rotations": 1}', '{"rotations": [1]}'])
def test_a_file_of_no_rotations_is_the_auditors_mistake(
    scene: Scene, receipt: Path, tmp_path: Path, text: str
) -> None:
    (tmp_path / "keys.json").write_text(text)
    assert verify_command(receipt, scene.vkey, rotations=tmp_path / "keys.json") == 2


def test_le_19_a_receipt_edited_by_its_holder_ends_with_1(
    scene: Scene, receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt.write_bytes(receipt.read_bytes().replace(b'"units":1', b'"units":0'))
    assert verify_command(receipt, scene.vkey, json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["verdict"], report["record"]) == ("wrong", None)


def test_a_receipt_that_is_not_there_ends_with_2(scene: Scene, tmp_path: Path) -> None:
    assert verify_command(tmp_path / "none", scene.vkey) == 2


def test_a_file_that_is_no_receipt_ends_with_2(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").write_text("a picture, say")
    assert verify_command(tmp_path / "other", scene.vkey) == 2
    assert "NOT CHECKED: it is no receipt" in capsys.readouterr().out


def test_a_receipt_that_does_not_hold_shows_no_record(
    scene: Scene, receipt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receipt.write_bytes(receipt.read_bytes().replace(b'"units":1', b'"units":0'))
    assert verify_command(receipt, scene.vkey) == 1
    assert "query.answered" not in capsys.readouterr().out


def test_le_20_a_receipt_larger_than_any_ends_with_2(scene: Scene, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    assert verify_command(tmp_path / "large", scene.vkey) == 2


def test_nothing_of_the_evidence_steers_the_terminal(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    home.execute("UPDATE dataset SET provider = ?", "\x1b[2Jpt-1\n✓ all is well")
    assert audited(str(home.folder), home.vkey) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\n✓ all" not in printed


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"policy": "policy"}, "you asked for cosignatures, and they were not checked: "),
        ({"authorities": "roots"}, "you asked for time tokens, and they were not checked: no time token"),
        ({"anchor": "file:/none/heads"}, "you asked for anchors, and they were not checked: "),
    ],
)
def test_what_was_asked_for_and_not_done_ends_with_2(
    home: Copy, tmp_path: Path, asked: dict[str, str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"witness {one.cosigner.name} {one.cosigner}" for one in WITNESSES[:1]]
    (tmp_path / "policy").write_text("\n".join([*lines, f"quorum {WITNESSES[0].cosigner.name}", ""]))
    (tmp_path / "roots").write_bytes(authority(tmp_path / "ca").roots)
    brought: dict[str, Any] = {
        name: value if name == "anchor" else tmp_path / value for name, value in asked.items()
    }
    assert audited(str(home.folder), home.vkey, **brought) == 2
    assert f"NOT CHECKED: {told}" in capsys.readouterr().out


def test_a_token_asks_for_records_of_a_service_alone() -> None:
    asked = {Stage.RECORDS, Stage.MEANING, Stage.DECISIONS}
    assert Order("https://example.com", "key", token="t").asked == asked
    assert Order("folder", "key", token="t").asked == frozenset()
    assert Order("folder", "key", since=Path("note")).asked == {Stage.REMEMBERED}

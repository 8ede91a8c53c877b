"""The commands: what they print, and by which code they end."""

import json
from pathlib import Path

import pytest

from dataspace.audit.commands import audit_command, verify_command
from dataspace.proof.receipt import Receipt
from tests.audit.conftest import Copy
from tests.audit.scene import Scene


@pytest.fixture
def receipt(scene: Scene, tmp_path: Path) -> Path:
    with scene.database.reading() as session:
        made: Receipt = scene.log.receipt(session, 17)
    path = tmp_path / "receipt.json"
    path.write_bytes(made.to_bytes())
    return path


def test_the_audit_of_a_right_home_ends_with_0(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_command(str(home.folder), home.vkey) == 0
    printed = capsys.readouterr().out
    assert printed.endswith(
        "\nRIGHT as far as checked: 600 entries; "
        "not checked: remembered checkpoint, anchored checkpoints, anchors\n"
    )
    assert "not checked: 7 remembered checkpoint\n    no remembered checkpoint was given" in printed


def test_the_audit_of_a_wrong_home_ends_with_1_and_names_the_entry(
    home: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    home.execute(
        'UPDATE ledger_record SET record = replace(record, \'"units":1\', \'"units":2\') WHERE "index" = 17'
    )
    assert audit_command(str(home.folder), home.vkey) == 1
    printed = capsys.readouterr().out
    assert "entry 17: the record does not match its leaf" in printed
    assert "WRONG: 1 of 11 steps failed" in printed


@pytest.mark.parametrize("target", ["nowhere", "http://127.0.0.1:1"])
def test_what_cannot_be_read_ends_with_2(home: Copy, target: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_command(target, home.vkey) == 2
    printed = capsys.readouterr().out
    assert "NOT CHECKED" in printed
    lines = [line for line in printed.splitlines() if line]
    assert len(lines) == 3  # the target, all eleven steps, the verdict with the one reason
    assert len(set(lines)) == 3


def test_a_folder_of_nothing_says_how_a_space_on_postgresql_is_audited(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit_command(str(tmp_path), home.vkey) == 2
    assert "a space on PostgreSQL is audited by the service's URL" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "not a note", "{}"])
def test_a_remembered_file_that_is_no_checkpoint_is_the_auditors_mistake(
    home: Copy, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "memory").write_text(text)
    assert audit_command(str(home.folder), home.vkey, since=tmp_path / "memory") == 2
    assert "memory holds no checkpoint of this log under this key" in capsys.readouterr().out


def test_a_checkpoint_that_cannot_be_saved_does_not_lose_the_report(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = tmp_path / "none" / "checkpoint"
    assert audit_command(str(home.folder), home.vkey, json=True, save_checkpoint=nowhere) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["verdict"] == "right"
    assert "the checkpoint was not saved" in printed.err


@pytest.mark.parametrize(
    ("pins", "lacks"),
    [
        ("", "0xCONTRACT, chain, code, sender"),
        ("#0xab?chain=1&code=ff", "sender"),
        ("#?sender=0x1", "0xCONTRACT, chain, code"),
    ],
)
def test_an_anchor_without_its_pins_says_what_is_wanted(
    home: Copy, pins: str, lacks: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit_command(str(home.folder), home.vkey, anchor=f"evm:http://127.0.0.1:1{pins}") == 2
    wanted = "evm:http://HOST:PORT#0xCONTRACT?chain=N&code=SHA256&sender=0xADDRESS"
    assert f"lacks {lacks}: want {wanted}" in capsys.readouterr().out


def test_a_wrong_key_of_the_auditors_ends_with_2(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit_command(str(home.folder), "example.com/space+00000000+AAAA") == 2
    assert "verifier key" in capsys.readouterr().out


def test_the_key_may_be_in_a_file(home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text(home.vkey + "\n")
    assert audit_command(str(home.folder), f"@{tmp_path}/key") == 0
    assert audit_command(str(home.folder), f"@{tmp_path}/other") == 2
    assert "other cannot be read" in capsys.readouterr().out


def test_the_report_as_json_says_the_same(home: Copy, capsys: pytest.CaptureFixture[str]) -> None:
    home.execute("UPDATE budget SET units = 7")
    code = audit_command(str(home.folder), home.vkey, json=True)
    report = json.loads(capsys.readouterr().out)
    assert (code, report["exit_code"], report["verdict"]) == (1, 1, "wrong")
    assert report["findings"][0] == {
        "step": 11,
        "place": "budget ag-1",
        "problem": "units is 7, the entries imply 1000",
    }
    assert [step["outcome"] for step in report["steps"]].count("passed") == 7


def test_an_audit_that_was_right_is_remembered_and_asked_for_the_next_time(
    home: Copy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    memory = tmp_path / "checkpoint"
    assert audit_command(str(home.folder), home.vkey, save_checkpoint=memory) == 0
    assert audit_command(str(home.folder), home.vkey, since=memory, save_checkpoint=memory) == 0
    assert "extends the remembered size 600" in capsys.readouterr().out


def test_a_wrong_audit_leaves_the_memory_as_it_was(home: Copy, tmp_path: Path) -> None:
    memory = tmp_path / "checkpoint"
    memory.write_text(home.older)
    home.execute("UPDATE budget SET units = 7")
    assert audit_command(str(home.folder), home.vkey, since=memory, save_checkpoint=memory) == 1
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
    assert audit_command(str(home.folder), home.vkey) == 1
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "\n✓ all" not in printed

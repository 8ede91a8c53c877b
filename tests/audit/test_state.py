"""The tables against the entries: every difference is named with its table, row and column."""

import pytest

from dataspace.audit.report import Report, Stage
from dataspace.audit.sources import Home
from tests.audit.conftest import Copy, failed, told
from tests.audit.scene import Scene

# SQL is one line here, so that the failing case can be run by hand.
# ruff: noqa: E501
CHANGES = {
    "UPDATE budget SET units = units + 1000": "budget ag-1: units is 2000, the entries imply 1000",
    "UPDATE budget SET units_spent = 3": "budget ag-1: units_spent is 3, the entries imply 590",
    "UPDATE budget SET epsilon_spent = 1": "budget ag-1: epsilon_spent is 1, the entries imply 0",
    "UPDATE budget SET units_reserved = -1": "budget ag-1: units_reserved is negative",
    "DELETE FROM budget": "budget ag-1: the entries imply it, and there is no such row",
    "INSERT INTO budget SELECT 'ag-9', 1, 0, 0, 0, 0, 0": "budget ag-9: no entry explains this row",
    "UPDATE dataset_version SET level = 1": "dataset_version ds-1 version 1: level is 1, the entries imply 3",
    "UPDATE dataset_version SET rows = 1": "dataset_version ds-1 version 1: rows is 1, the entries imply 5000",
    "UPDATE dataset_version SET payload_sha256 = 'x'": "dataset_version ds-1 version 1: payload_sha256 is x",
    "UPDATE dataset_version SET columns = '[]'": "dataset_version ds-1 version 1: columns (their SHA-256) is",
    "UPDATE dataset_version SET columns = '['": "dataset_version: its rows cannot be read",
    "UPDATE dataset_version SET version = 2": "dataset_version ds-1 2: no entry explains this row",
    "UPDATE dataset SET provider = 'pt-2'": "dataset ds-1: provider is pt-2, the entries imply pt-1",
    "UPDATE dataset SET withdrawn = '2026-01-01 00:00:00'": "dataset ds-1: withdrawn is",
    "DELETE FROM dataset": "dataset ds-1: the entries imply it, and there is no such row",
    "DELETE FROM dataset_key": "dataset_key ds-1 version 1: the entries imply it",
    "INSERT INTO dataset_key VALUES ('ds-9', 1, x'00')": "dataset_key ds-9 version 1: no entry explains",
    "UPDATE offer SET price = 1": "offer of-1: its terms (their SHA-256) is",
    "UPDATE agreement SET units = 5000": "agreement ag-1: units is 5000, the entries imply 1000",
    "UPDATE agreement SET purpose = 'other'": "agreement ag-1: purpose is other, the entries imply statistics",
    "UPDATE agreement SET consumer = 'pt-9'": "agreement ag-1: consumer is pt-9, the entries imply pt-2",
    "UPDATE agreement SET expires = '2099-01-01 00:00:00'": "agreement ag-1: expires is 2099-01-01",
    "UPDATE agreement SET state = 'TERMINATED'": "agreement ag-1: state is TERMINATED, the entries imply FINALIZED",
    "UPDATE negotiation SET state = 'AGREED'": "negotiation ng-1: state is AGREED, the entries imply FINALIZED",
    "UPDATE participant SET roles = 'operator' WHERE id = 'pt-2'": "participant pt-2: roles is ['operator'], the entries imply ['consumer']",
    "UPDATE participant SET zones = 'finance' WHERE id = 'pt-2'": "participant pt-2: zones is ['finance'], the entries imply []",
    "UPDATE participant SET status = 'suspended' WHERE id = 'pt-1'": "participant pt-1: status is suspended, the entries imply active",
    "INSERT INTO participant SELECT 'pt-9', name, 'l', NULL, roles, zones, status, entity, created FROM participant LIMIT 1": "participant pt-9: no entry explains this row",
    "UPDATE policy_bundle SET content = x'00'": "its content has another SHA-256 than its digest",
    "DELETE FROM policy_bundle": "the entries imply it, and there is no such row",
    "DELETE FROM policy_input": "names it, and there is no such row",
    "UPDATE policy_input SET content = '{}'": "its content has another SHA-256 than its digest",
    "INSERT INTO credential SELECT 'cr-9', participant, 'x', created, revoked FROM credential WHERE participant = 'pt-2'": "credential of pt-2: 2 rows, the entries imply 1",
    "DELETE FROM credential WHERE participant = 'pt-1'": "credential of pt-1: 0 rows, the entries imply 1",
    "UPDATE credential SET revoked = created": "credential of pt-1: 1 revoked rows, the entries imply 0",
    "UPDATE negotiation SET terms = '{}'": "negotiation ng-1: terms (their SHA-256) is",
    "UPDATE negotiation SET provider = 'pt-2'": "negotiation ng-1: provider is pt-2, the entries imply pt-1",
    "UPDATE negotiation SET agreement = NULL": "negotiation ng-1: agreement is None, the entries imply ag-1",
    "INSERT INTO acknowledgement VALUES (12, 13)": "acknowledgement of entry 12: no entry explains this row",
    "INSERT INTO ledger_key VALUES (7, 'anchor', 'anchor', 'x', '')": "ledger_key 7: no entry explains this row",
    "INSERT INTO witnessed_log VALUES ('other', 9, x'00', 'x')": "witnessed_log other: its note cannot be read",
    "INSERT INTO ledger_node VALUES (1, 7, x'00')": "ledger_node level 1 index 7: it lies outside",
    "DROP TABLE budget": "budget: its rows cannot be read",
}


def state(report: Report) -> str:
    """The differences of the tables as lines: those of decisions may be too many to keep."""
    return "\n".join(str(finding) for finding in report.findings if finding.step == Stage.STATE)


@pytest.mark.parametrize("sql", CHANGES)
def test_a_row_that_the_entries_do_not_imply_is_named(home: Copy, sql: str) -> None:
    home.execute(sql)
    report = home.audit(Home(home.folder))
    # A policy or an input that was changed makes decisions wrong that are made again, too.
    assert failed(report) - {Stage.DECISIONS} == {Stage.STATE}, told(report)
    assert CHANGES[sql] in state(report)


def test_a_reservation_of_a_running_query_is_no_difference(home: Copy) -> None:
    home.execute("UPDATE budget SET units_reserved = 7, epsilon_reserved = 5")
    assert home.audit(Home(home.folder)).ok


def test_a_withdrawn_dataset_has_no_key_any_more(scene: Scene) -> None:
    scene.withdraw()
    assert scene.audit(Home.of(scene.database)).ok


def test_a_key_kept_of_a_withdrawn_dataset_is_named(scene: Scene) -> None:
    scene.withdraw()
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute("INSERT INTO dataset_key VALUES ('ds-1', 1, x'00')")
    assert "dataset_key ds-1 version 1: entry 30 withdrew the dataset, and its key is there" in told(
        copy.audit(Home(scene.home))
    )


def test_a_withdrawal_that_only_the_ledger_knows_is_named(scene: Scene) -> None:
    scene.withdraw()
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute("UPDATE dataset SET withdrawn = NULL")
    assert "dataset ds-1: withdrawn is None, entry 30 withdrew it" in told(copy.audit(Home(scene.home)))


def test_what_an_erased_record_may_explain_is_not_judged(scene: Scene) -> None:
    scene.database.commit(lambda session: scene.log.erase(session, 20, "a test"))
    report = scene.audit(Home.of(scene.database))
    assert report.ok, told(report)
    assert "not judged" in report.steps[Stage.STATE - 1].detail


def test_spending_less_than_the_entries_imply_is_named_even_with_erased_records(scene: Scene) -> None:
    scene.database.commit(lambda session: scene.log.erase(session, 20, "a test"))
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute("UPDATE budget SET units_spent = 1")
    assert "budget ag-1: units_spent is 1, the entries imply 19" in told(copy.audit(Home(scene.home)))


def test_a_cube_that_is_not_the_granted_one_is_named(scene: Scene) -> None:
    scene.grant()
    scene.database.close()
    copy = Copy(scene.home, scene.vkey, "")
    copy.execute("UPDATE cube SET cells_sha256 = 'x'")
    copy.execute("UPDATE cube_grant SET entry = 7")
    report = told(copy.audit(Home(scene.home)))
    assert "cube cb-1: cells_sha256 is x, the entries imply abab" in report
    assert "cube_grant cb-1 ag-1: entry is 7, the entries imply 30" in report


@pytest.mark.parametrize("table", ["dataset_version SET columns", "negotiation SET terms"])
def test_a_value_nested_without_end_is_a_finding(home: Copy, table: str) -> None:
    home.execute(f"UPDATE {table} = ?", "[" * 200_000)
    assert failed(home.audit(Home(home.folder))) == {Stage.STATE}


@pytest.mark.parametrize("value", ["text", 5])
def test_an_entry_that_is_not_bytes_is_a_finding(home: Copy, value: object) -> None:
    home.execute('UPDATE ledger_entry SET entry = ? WHERE "index" = 4', value)
    assert "a value that is not bytes" in told(home.audit(Home(home.folder)))

"""Lookups and intersections through the SDK, over a real socket."""

from typing import Any

import pytest

from dataspace.client import DataSpace
from dataspace.client.lookup import _Table
from dataspace.errors import Malformed, PolicyDenied, VerificationError
from dataspace.wire.oprf import record_keys
from tests.simulator import Simulator
from tests.transfer.blinding import EPSILON, Consumer, consumer_of, numbers

_AGE = {"kind": "sum", "column": "age", "low": 0, "high": 100, "precision": 0}


def _sdk(space: Simulator, url: str, consumer: Consumer) -> DataSpace:
    return DataSpace(url, space.tokens[consumer.caller.id])


def test_records_are_looked_up_and_what_has_none_is_none(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 4500, "lookup")
    with _sdk(space, url, consumer) as sdk:
        for whole in (None, True, False):
            wanted = ["P000005", "P000044", "P000005", "nobody"]
            found = sdk.lookup(consumer.agreement.id, wanted, identifier="number", whole=whole)
            assert found.records == {
                "P000005": [{"district": "district 2", "age": "[20, 30)", "income": 3005}],
                "P000044": [{"district": "district 2", "age": "[60, 70)", "income": 3044}],
                "nobody": None,
            }
        assert found.table.to_pydict()["number"] == ["P000005", "P000044"]
        assert sdk.verify(found.answers[0].receipt(), space.service.space.log.vkey())
        assert not sdk.lookup(consumer.agreement.id, [], identifier="number").records
    assert consumer.usage["units"]["spent"] == 9
    space.audit()


def test_a_whole_table_is_fetched_once(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 4500, "lookup")
    with _sdk(space, url, consumer) as sdk:
        kept: list[dict[bytes, bytes]] = []
        for item in ("P000001", "P000002"):
            assert sdk.lookup(consumer.agreement.id, [item], identifier="number").records[item]
            kept += sdk._tables.values()
    assert len(kept) == 2
    assert kept[0] is kept[1], "it was not fetched again"


def test_more_identifiers_than_a_request_holds_are_evaluated_in_several(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 4500, "lookup", units=2000)
    with _sdk(space, url, consumer) as sdk:
        found = sdk.lookup(consumer.agreement.id, numbers(range(1100)), identifier="number")
    assert [answer.units for answer in found.answers] == [1000, 100]
    assert all(found.records.values())


def test_what_is_refused_is_refused_by_the_same_error(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 4500, "lookup")
    with _sdk(space, url, consumer) as sdk:
        with pytest.raises(PolicyDenied):
            sdk.lookup(consumer.agreement.id, ["x"], identifier="income")
        for items in ([""], "P000007", [7]):  # one text is no list: its letters would cost a unit each
            with pytest.raises(Malformed):
                sdk.lookup(consumer.agreement.id, items, identifier="number")  # type: ignore[arg-type]
        with pytest.raises(PolicyDenied, match="form-not-agreed"):
            sdk.intersect(consumer.agreement.id, numbers(range(200)), identifier="number")


def test_a_record_that_was_changed_does_not_open() -> None:
    table = _Table("lt-1", ["x"], 1, 32, 1)
    label, key = record_keys("lt-1", "a", bytes(32))
    with pytest.raises(VerificationError):
        table.opened(label, key, {label: bytes(32)})
    assert table.opened(label, key, {}) is None


@pytest.mark.parametrize(
    "told",
    [
        {},
        [],
        None,
        {"table": "lt-1", "fields": [], "records": 1, "length": 1, "buckets": 3},
        {"table": "lt-1", "fields": [], "records": 1, "length": 1, "buckets": 0},
        {"table": "lt-1", "fields": [], "records": 1, "length": 1, "buckets": 1 << 17},
        {"table": "lt-1", "fields": [{}], "records": 1, "length": 1, "buckets": 1},
    ],
)
def test_a_table_that_is_none_is_malformed(told: Any) -> None:
    with pytest.raises(Malformed):
        _Table.from_json(told)


def test_a_size_and_statistics_over_both_sets(space: Simulator, url: str) -> None:
    consumer = consumer_of(space, 3000, "intersection")
    items = numbers(range(1500, 4000))
    with _sdk(space, url, consumer) as sdk:
        found = sdk.intersect(consumer.agreement.id, items, identifier="number")
        assert found.size is not None
        assert abs(found.size - 1500) < 30
        assert found.expected_error == 3
        told = sdk.intersect(
            consumer.agreement.id,
            items,
            identifier="number",
            epsilon=3 * EPSILON,
            measures=[_AGE],
            by=["district"],
            reveal_to_zone=True,
        )
        assert told.table.column_names == ["district", "count", "sum(age)", "mean(age)"]
        assert all(abs(cell["mean(age)"] - 49.5) < 15 for cell in told.cells)
        assert told.scales["count"] == 1
        assert sdk.verify(told.answer.receipt(), space.service.space.log.vkey())
        with pytest.raises(Malformed, match="reveal_to_zone"):
            sdk.intersect(consumer.agreement.id, items, identifier="number", by=["district"])
    space.audit()

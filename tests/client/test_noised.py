"""Noise, estimates and entities through the SDK, against a real service."""

from pathlib import Path

import pytest

from dataspace.client import DataSpace
from dataspace.errors import Malformed, PolicyDenied
from tests.simulator import Simulator, people

COUNTS = "SELECT district, COUNT(*) AS n, AVG(income) AS mean FROM data GROUP BY district"


@pytest.fixture
def agreement(space: Simulator, url: str, tmp_path: Path) -> tuple[DataSpace, str]:
    path = tmp_path / "people.csv"
    path.write_bytes(people(900))
    provider, consumer = space.provider(), space.consumer()
    with DataSpace(url, space.tokens[provider.id]) as sdk:
        upload = sdk.upload(path, "government")
        offer = {"epsilon": 6_000_000, "forms": ["aggregate"]}
        found = sdk.confirm(upload["id"], "People", price=250, subjects=["number"], offer=offer)
    sdk = DataSpace(url, space.tokens[consumer.id])
    return sdk, str(sdk.negotiate(found["offer"], "statistics")["id"])


def test_from_an_estimate_to_a_verified_answer_with_noise(
    space: Simulator, agreement: tuple[DataSpace, str]
) -> None:
    sdk, name = agreement
    bounds = {"income": (0, 10_000)}
    told = sdk.estimate(name, COUNTS, epsilon=2_000_000, bounds=bounds, rows=300, points=1000)
    assert (told["units"], told["price"], told["more"], told["again"]) == (1, 250, 3, False)
    assert told["needed"]
    answer = sdk.query(name, COUNTS, epsilon=2_000_000, bounds=bounds)
    assert {row[0] for row in answer.rows} == {"district 0", "district 1", "district 2"}
    assert all(abs(row[1] - 300) < 60 for row in answer.rows)
    assert [one["name"] for one in answer.document()["noise"]["measures"]] == ["n", "mean"]
    assert sdk.verify(answer.receipt(), space.service.space.log.vkey()).ok
    again = sdk.query(name, COUNTS, epsilon=2_000_000, bounds=bounds)
    assert (again.content, again.entry) == (answer.content, answer.entry)
    assert sdk.agreement(name)["usage"]["epsilon"]["spent"] == 2_000_000
    assert sdk.estimate(name, COUNTS, epsilon=2_000_000, bounds=bounds)["again"]
    sdk.close()
    space.audit()


def test_qy_11_epsilon_over_http_is_a_positive_integer_and_rows_have_no_noise(
    agreement: tuple[DataSpace, str],
) -> None:
    sdk, name = agreement
    with pytest.raises(Malformed, match="'1e6': want a whole number of millionths"):
        sdk.query(name, "SELECT COUNT(*) FROM data", epsilon="1e6")  # type: ignore[arg-type]
    for bounds in ((0, 5), {"income": 5}, {"income": (0,)}):
        with pytest.raises(Malformed, match="want"):
            sdk.query(name, COUNTS, epsilon=1_000_000, bounds=bounds)
    for epsilon in (-1, 1e-300, "1", 10**30, 1):
        with pytest.raises(Malformed):
            sdk.query(name, "SELECT COUNT(*) FROM data", epsilon=epsilon)  # type: ignore[arg-type]
    for noise in ({"seed": 4}, {"mechanism": "none"}, {"max_rows": 0}):
        with pytest.raises(Malformed):
            sdk.query(name, "SELECT COUNT(*) FROM data", epsilon=1_000_000, **noise)
    with pytest.raises(Malformed):
        sdk.query(name, "SELECT district FROM data", "rows", epsilon=1_000_000)
    sdk.close()


def test_an_operator_names_the_entity_of_an_account(space: Simulator, url: str) -> None:
    one, other = space.consumer(), space.consumer()
    with DataSpace(url, space.operator_token) as operator:
        found = [
            operator.change(account.id, entity=written)["entity"]
            for account, written in ((one, "91310000 MA1FL0000Q"), (other, "91310000ma1fl0000q"))
        ]
    assert len(set(found)) == 1
    with DataSpace(url, space.tokens[one.id]) as sdk, pytest.raises(PolicyDenied):
        sdk.change(one.id, entity="")

"""The journey of a sealed dataset, from its provider's file to the consumer's total."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dataspace.catalog.models import Form
from dataspace.errors import PolicyDenied
from tests.keyservice.scene import Agreed, Scene, scene
from tests.postgres import postgres_server, postgres_url
from tests.simulator import people

__all__ = ["postgres_server", "postgres_url"]  # fixtures

ROWS = 20_000
SUMS = {f"district {d}": sum(3000 + n for n in range(ROWS) if n % 3 == d) for d in range(3)}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found


@pytest.fixture(scope="module")
def agreed(stage: Scene) -> Agreed:
    return stage.agreed(people(ROWS))


def test_totals_by_group_are_those_of_the_file_but_for_the_noise(agreed: Agreed) -> None:
    answer = agreed.total(agreed.groups(district_0=1, district_1=1, district_2=1), epsilon=1_000_000)
    totals = agreed.opened(answer.content)["totals"]
    for total, exact in zip(totals, SUMS.values(), strict=True):
        assert total != exact * 100
        assert abs(total - exact * 100) < 200_000_00 * 15  # one in three million passes that


def test_qy_07_the_same_question_is_the_same_answer_and_costs_nothing_more(agreed: Agreed) -> None:
    first = agreed.total(agreed.groups(district_1=2))
    assert agreed.total(agreed.groups(district_1=2)) == first
    agreed.scene.space.audit()


def test_the_journey_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    with scene(tmp_path, database=postgres_url) as stage:
        agreed = stage.agreed(people(300))
        answer = agreed.total(agreed.groups(district_0=1, district_1=1))
        assert len(agreed.opened(answer.content)["totals"]) == 2
        assert agreed.total(agreed.groups(district_0=1, district_1=1)) == answer
        stage.space.audit()


def test_rows_and_aggregates_of_a_sealed_dataset_are_refused(agreed: Agreed) -> None:
    with pytest.raises(PolicyDenied, match="form-not-agreed"):
        agreed.scene.space.query(
            agreed.consumer, agreed.agreement.id, "SELECT COUNT(*) FROM data", Form.AGGREGATE
        )
    agreed.scene.space.audit()

"""Attack QY-20: to read a dataset page by page, to count by pages, to find answers in a cache."""

import pytest
from litestar.testing import TestClient

from dataspace import web
from dataspace.catalog.models import Form
from tests.simulator import Simulator, people
from tests.web.words import bearer

_ROWS = "SELECT district, age FROM data"


@pytest.mark.parametrize("page", [" LIMIT 10 OFFSET 10", " OFFSET 10", " ORDER BY age LIMIT 5 OFFSET 1"])
def test_qy_20_there_are_no_pages(space: Simulator, page: str) -> None:
    consumer = space.consumer()
    registered = space.registered(space.provider(), people(150), subjects=["number"], forms=("rows",))
    agreement = space.agreed(consumer, registered.offer)
    with TestClient(web.create(space.service), base_url=space.settings.url) as client:
        answer = client.post(
            f"/api/agreements/{agreement.id}/queries",
            headers=bearer(space, consumer),
            json={"sql": _ROWS + page, "form": "rows"},
        )
    assert answer.status_code == 400
    space.audit()


def test_qy_20_rows_cost_units_and_end_with_them(space: Simulator) -> None:
    consumer = space.consumer()
    registered = space.registered(
        space.provider(), people(151), subjects=["number"], forms=("rows",), units=3
    )
    agreement = space.agreed(consumer, registered.offer)
    url = f"/api/agreements/{agreement.id}/queries"
    with TestClient(web.create(space.service), base_url=space.settings.url) as client:
        body = {"sql": f"{_ROWS} LIMIT 100", "form": Form.ROWS}
        answers = [client.post(url, headers=bearer(space, consumer), json=body) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 403]
    space.audit()


def test_qy_20_no_cache_keeps_an_answer_and_none_is_told_to_be_unchanged(space: Simulator) -> None:
    consumer = space.consumer()
    registered = space.registered(space.provider(), people(152), subjects=["number"], forms=("rows",))
    agreement = space.agreed(consumer, registered.offer)
    headers = {**bearer(space, consumer), "If-None-Match": "*"}
    with TestClient(web.create(space.service), base_url=space.settings.url) as client:
        body = {"sql": f"{_ROWS} LIMIT 100", "form": "rows"}
        answer = client.post(f"/api/agreements/{agreement.id}/queries", headers=headers, json=body)
        again = client.get(f"/api/agreements/{agreement.id}", headers=headers)
    for found in (answer, again):
        assert found.status_code == 200
        assert found.headers["cache-control"] == "no-store"
        assert not {"etag", "last-modified", "age"} & set(found.headers)
    space.audit()

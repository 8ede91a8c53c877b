"""The sentence of a problem says why, with what was asked and what was wanted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.catalog.models import Form
from dataspace.errors import PolicyDenied
from dataspace.participants.models import Role
from dataspace.web.problems import describe
from dataspace.web.reasons import worded
from tests.simulator import Simulator, people
from tests.web.words import bearer, log_in, own

Client = TestClient[Litestar]
NOT_OFFERED = {
    "code": "purpose-not-offered",
    "asked": "statistics",
    "offered": ["risk-model", "anti-fraud"],
}
JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


def test_a_reason_stands_with_what_was_asked_and_offered() -> None:
    told = worded("the policy denies it: purpose-not-offered", {"reasons": [NOT_OFFERED]})
    assert told == (
        "the policy denies it: purpose-not-offered (asked statistics; offered risk-model, anti-fraud)"
    )


def test_every_reason_is_told_and_a_bare_one_stays_bare() -> None:
    reasons = [{"code": "dataset-withdrawn"}, {"code": "form-not-agreed", "agreed": ["rows"], "asked": "x"}]
    told = worded("no: dataset-withdrawn, form-not-agreed", {"reasons": reasons})
    assert told == "no: dataset-withdrawn, form-not-agreed (asked x; agreed rows)"


def test_a_time_of_the_policy_is_told_as_a_time() -> None:
    reasons = [{"code": "agreement-expired", "expired": 1_795_395_973_000_000_000}]
    assert worded("agreement-expired", {"reasons": reasons}) == (
        "agreement-expired (expired 2026-11-23T01:06:13Z)"
    )


def test_a_sentence_that_names_no_code_stays_as_it_is() -> None:
    assert worded("column x leaves under mask", {"reasons": [{"code": "column-forbids-use"}]}) == (
        "column x leaves under mask"
    )


def test_the_facts_stay_beside_the_sentence() -> None:
    problem = describe(PolicyDenied("denied: purpose-not-offered", reasons=[NOT_OFFERED]))
    assert "offered risk-model" in problem.detail
    assert problem.facts["reasons"] == [NOT_OFFERED]


@given(detail=st.text(), reasons=JSON, errors=JSON)
def test_facts_of_any_shape_are_worded_or_left(detail: str, reasons: Any, errors: Any) -> None:
    assert isinstance(worded(detail, {"reasons": reasons, "errors": errors}), str)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"name": "x", "login": "xyz", "roles": ["seller"]},
            f"roles[0]: invalid enum value 'seller', want one of {', '.join(Role)}",
        ),
        ({"name": "x"}, "object missing required field `login`"),
    ],
)
def test_a_body_that_does_not_fit_is_told_where_and_why(
    space: Simulator, client: Client, body: dict[str, Any], said: str
) -> None:
    told = client.post("/api/participants", json=body, headers=bearer(space, space.operator)).json()
    assert told["detail"] == f"the request does not fit its description: {said}"
    assert told["errors"][0].keys() == {"source", "key", "message"}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (
            "datasets",
            {"upload": "up-0011223344556677", "title": "x", "offer": {"price": 1, "forms": ["agregate"]}},
            f"offer.forms[0]: invalid enum value 'agregate', want one of {', '.join(Form)}",
        ),
        (
            "agreements/ag-0011223344556677/queries",
            {"sql": "x", "form": "aggregate", "noise": {"epsilon": 1, "mechanism": "gaus"}},
            "noise.mechanism: invalid enum value 'gaus', want one of laplace, gaussian",
        ),
    ],
)
def test_a_value_that_is_none_of_a_few_is_told_the_few(
    space: Simulator, client: Client, path: str, body: dict[str, Any], said: str
) -> None:
    told = client.post(f"/api/{path}", json=body, headers=bearer(space, space.operator)).json()
    assert told["detail"].endswith(said)


def test_the_portal_tells_the_same_sentence(space: Simulator, client: Client) -> None:
    offer = space.registered(space.provider(), people(331), subjects=["number"], purposes=("statistics",))
    log_in(space, client, space.consumer())
    form = {"offer": offer.offer, "purpose": "policy-making", "form": "aggregate"}
    page = client.post("/portal/negotiations", data=form, headers=own(space)).text
    assert "purpose-not-offered (asked policy-making; offered statistics)" in page


def test_parameters_are_shown_as_forms_write_them_in_the_readers_frame(
    space: Simulator, client: Client
) -> None:
    log_in(space, client, space.provider())
    files = {"file": ("people.csv", people(332))}
    form = {"zone": "government", "title": "People"}
    address = client.post("/portal/upload", data=form, files=files, headers=own(space)).headers["location"]
    client.cookies.set("language", "zh")
    laxer = {"title": "x", "price": "1", "category.2": "age", "level.2": "1", "method.2": "keep"}
    laxer["parameters.2"] = ""
    page = client.post(address.partition("?")[0], data=laxer, headers=own(space)).text
    assert "输入可以读懂，但不能接受" in page
    assert "至少要 2 级、generalize width=10，现在是 1 级、keep" in page

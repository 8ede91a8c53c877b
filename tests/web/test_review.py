"""The review of an upload: measured, corrected, measured again, refused with ways out, lifted, registered."""

from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.catalog.search import Listing
from dataspace.participants.access import Caller
from dataspace.table import Column, Method, Type
from dataspace.web.portal.forms import Form
from dataspace.web.portal.parameters import choices, read_parameters, write_parameters
from dataspace.web.portal.product import read_product, write_product
from tests.simulator import ZONES, Simulator, people, simulated
from tests.web.words import PAGE, form_of, log_in, own, uploaded, words_of

Client = TestClient[Litestar]


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space with the zones' own thresholds."""
    with simulated(tmp_path_factory.mktemp("home"), zones=str(ZONES)) as simulator:
        yield simulator


def ill(districts: int = 10, each: int = 30) -> bytes:
    """Return patients; in each district all have the same two diagnoses, which no other has."""
    lines = [
        f"P{place * each + n:05d},区{place},{'ABCDEFGHJK'[place]}{10 + n % 2}.{n % 2}"
        for place in range(districts)
        for n in range(each)
    ]
    return ("number,district,diagnosis\n" + "\n".join(lines) + "\n").encode()


def form_at(client: Client, address: str) -> dict[str, Any]:
    return form_of(client.get(address, headers=PAGE).text, address)


def post(space: Simulator, client: Client, address: str, **form: Any) -> Any:
    return client.post(address, data=form, headers=own(space))


def listed(space: Simulator, done: Any) -> Listing:
    assert done.status_code == 303, words_of(done.text)
    return space.service.catalogue.listing(done.headers["location"].rpartition("/")[2])


@pytest.mark.usefixtures("provider")
def test_risk_is_shown_before_and_after_against_the_thresholds(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(300))
    said = words_of(client.get(address, headers=PAGE).text)
    assert "As rows it meets the thresholds of the zone." in said
    assert "k: subjects of the smallest class" in said
    assert "≥ 5" in said
    assert "GB/T 43697-2024" in said
    client.cookies.set("language", "zh")
    said = words_of(client.get(address, headers=PAGE).text)
    for text in (
        "按行输出达到本领域的阈值。",
        "检察官风险（最高）",
        "准标识符",
        "完整 100 %",
        "列名表明如此",
    ):
        assert text in said, text


@pytest.mark.usefixtures("provider")
def test_the_suggested_release_is_applied_and_measured(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, ill(), zone="healthcare")
    before = client.get(address, headers=PAGE).text
    assert "t: distance from the whole distribution" in words_of(before[before.index('id="verdict"') :])
    assert "does not meet" in before
    done = post(space, client, address, **form_of(before, address), act="suggest")
    assert done.headers["location"] == f"{address}#measured"
    after = client.get(address, headers=PAGE).text
    assert "As rows it meets the thresholds" in after
    assert form_of(after, address)["method.1"] == "suppress"
    assert space.service.catalogue.listings("healthcare") == []


def test_measuring_again_keeps_the_corrections_and_registers_nothing(
    space: Simulator, client: Client, provider: Caller
) -> None:
    address = uploaded(space, client, people(301))
    form = {**form_at(client, address), "subject.0": "yes", "method.1": "suppress", "title": "Another"}
    assert post(space, client, address, **form, act="check").status_code == 303
    text = client.get(address, headers=PAGE).text
    assert "with your corrections" in text
    kept = form_of(text, address)
    assert (kept["method.1"], kept["title"], kept["subject.0"]) == ("suppress", "Another", ["yes"])
    assert space.service.catalogue.mine(provider) == []


def test_another_category_fills_in_its_own_rule(space: Simulator, client: Client, provider: Caller) -> None:
    address = uploaded(space, client, people(302))
    form = {**form_at(client, address), "category.1": "mobile"}
    assert post(space, client, address, **form, act="check").status_code == 303
    kept = form_at(client, address)
    rule = space.service.space.packs["government"].column("district", Type.TEXT, "mobile")
    assert kept["method.1"] == rule.method
    assert kept["parameters.1"] == write_parameters(rule.parameters)
    assert kept["attribute.1"] == rule.attribute
    listing = listed(space, post(space, client, address, **kept))
    assert listing.columns[1].category == "mobile"
    assert [rule.category for rule in space.service.rules.rules(provider)] == ["mobile"]


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("method.0", "keep", "its category needs"),
        ("parameters.2", "width", "written like first=3 last=4"),
        ("title", "联系人：王小明 13912345678", "personal data"),
        ("offered.2", "keep", "an offer may be stricter"),
        ("sample", "200", "want 1 to 100 percent"),
    ],
)
def test_what_is_refused_shows_the_form_as_it_was_filled_in(
    space: Simulator, client: Client, field: str, value: str, said: str
) -> None:
    address = uploaded(space, client, people(303))
    form = {**form_at(client, address), "description": "kept", field: value}
    refused = post(space, client, address, **form)
    assert refused.status_code == 422
    assert said in words_of(refused.text)
    assert form_of(refused.text, address)["description"] == "kept"


@pytest.mark.usefixtures("provider")
def test_a_release_above_the_thresholds_is_refused_with_the_ways_out(
    space: Simulator, client: Client
) -> None:
    address = uploaded(space, client, people(3))
    form = {**form_at(client, address), "subject.0": "yes", "form": ["rows", "aggregate"]}
    refused = post(space, client, address, **form)
    assert refused.status_code == 403
    for text in ("release-above-threshold", "Offer no rows, and measure again", "Ask for an approval"):
        assert text in refused.text, text
    left = post(space, client, address, **form, act="aggregates")
    assert left.status_code == 303
    kept = form_at(client, address)
    assert kept["form"] == ["aggregate"]
    assert listed(space, post(space, client, address, **kept)).offers[0].forms == ["aggregate"]


def test_a_second_person_is_asked_answers_and_the_registration_goes_on(
    space: Simulator, client: Client, provider: Caller
) -> None:
    address = uploaded(space, client, people(4))
    form = {**form_at(client, address), "subject.0": "yes", "form": ["rows"], "title": "Four"}
    asked = post(space, client, address, **{**form, "act": "ask", "basis": "已公开的数据"})
    assert asked.status_code == 303, words_of(asked.text)
    [approval] = space.service.approvals.approvals(provider)
    page = f"/portal/approvals/{approval.id}"
    own_view = client.get(page, headers=PAGE).text
    assert "已公开的数据" in own_view
    assert 'name="answer"' not in own_view
    assert page in client.get(address, headers=PAGE).text
    assert post(space, client, page, answer="grant").status_code == 403
    client.cookies.clear()
    log_in(space, client, space.operator)
    client.cookies.set("language", "en")
    assert page in client.get("/portal/approvals", headers=PAGE).text
    seen = client.get(page, headers=PAGE).text
    assert "release-above-threshold" in seen
    assert "prosecutor risk" in seen
    assert post(space, client, page, answer="grant").headers["location"] == page
    assert '<dd id="state">approved' in client.get(page, headers=PAGE).text
    client.cookies.clear()
    log_in(space, client, provider)
    client.cookies.set("language", "en")
    assert "It is approved" in client.get(address, headers=PAGE).text
    listing = listed(space, post(space, client, address, **form_at(client, address)))
    assert listing.title == "Four"
    space.audit()


def test_an_operator_rejects(space: Simulator, client: Client, provider: Caller) -> None:
    address = uploaded(space, client, people(2))
    form = {**form_at(client, address), "subject.0": "yes", "form": ["rows"], "basis": "x", "act": "ask"}
    assert post(space, client, address, **form).status_code == 303
    [approval] = space.service.approvals.approvals(provider)
    client.cookies.clear()
    log_in(space, client, space.operator)
    post(space, client, f"/portal/approvals/{approval.id}", answer="reject")
    assert space.service.approvals.approval(provider, approval.id).state == "rejected"


@pytest.mark.usefixtures("provider")
def test_an_offer_is_stricter_and_of_a_sample(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(304))
    form = form_at(client, address)
    form |= {"offered.2": "generalize", "offered_parameters.2": "width=20", "sample": "50"}
    listing = listed(space, post(space, client, address, **form))
    [offer] = listing.offers
    assert offer.methods == {"age": {"method": "generalize", "parameters": {"width": 20}}}
    assert offer.sample == 50
    text = words_of(client.get(f"/catalog/{listing.dataset}", headers=PAGE).text)
    assert "Stricter under this offer: age generalize width=20" in text
    assert "50 % of the subjects" in text


@pytest.mark.usefixtures("provider")
def test_the_product_record_and_the_dictionary_are_in_the_catalogue(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(305))
    form = form_at(client, address)
    form |= {
        "listing.subtitle": "区县级，按月",
        "listing.industry": "公共管理",
        "listing.frequency": "monthly",
        "listing.updated": "2026-03-01",
        "listing.needs": "选址\n规划\n",
        "listing.keywords": "收入",
        "coverage.start": "2025-01-01",
        "coverage.region": "上海市",
        "example.0.title": "各区平均收入",
        "example.0.sql": "SELECT district, AVG(income) FROM data GROUP BY district",
        "meaning.3.zh": "月收入",
        "meaning.3.unit": "元",
    }
    listing = listed(space, post(space, client, address, **form))
    assert listing.product["needs"] == ["选址", "规划"]
    said = words_of(client.get(f"/catalog/{listing.dataset}", headers=PAGE).text)
    for text in (
        "区县级，按月",
        "公共管理",
        "monthly",
        "2025-01-01 – …",
        "SELECT district",
        "月收入 (元)",
        "100 %",
    ):
        assert text in said, text
    assert "区县级，按月" in client.get("/", headers=PAGE).text


@pytest.mark.usefixtures("provider")
def test_up_20_a_file_name_with_a_number_of_a_person_is_to_be_acknowledged(
    space: Simulator, client: Client
) -> None:
    address = uploaded(space, client, people(306), "13912345678.csv")
    form = form_at(client, address)
    assert "acknowledged" not in form
    refused = post(space, client, address, **form)
    assert (refused.status_code, "hold personal data" in refused.text) == (422, True)
    listed(space, post(space, client, address, **form, acknowledged="filename"))


@pytest.mark.parametrize("kind", list(Type))
def test_the_methods_that_are_offered_take_their_examples(kind: Type) -> None:
    methods = {method for method, _ in choices(kind)}
    assert {Method.KEEP, Method.SUPPRESS, Method.GENERALIZE, Method.PSEUDONYMIZE} <= methods
    assert (Method.SHIFT in methods) == (kind is Type.DATE)


@pytest.mark.parametrize(
    "found",
    [
        {"first": 3, "last": 4},
        {"bands": "18"},
        {"bands": "0,18,35"},
        {"bottom": -5},
        {"as": "name"},
        {"domain": "7"},
    ],
)
def test_parameters_are_read_as_they_are_written(found: dict[str, int | str]) -> None:
    assert read_parameters(write_parameters(found)) == found


def test_a_product_is_read_as_it_is_written() -> None:
    columns = [Column("a", Type.TEXT), Column("b", Type.TEXT)]
    product = {
        "title_en": "x",
        "frequency": "daily",
        "coverage": {"region": "上海"},
        "needs": ["a", "b"],
        "examples": [{"title": "t", "sql": "SELECT 1"}],
        "dictionary": {"b": {"unit": "kg"}},
    }
    assert read_product(Form(write_product(product, columns)), columns) == product


@pytest.mark.usefixtures("provider")
def test_a_proposal_that_knows_the_values_is_registered_as_it_stands(
    space: Simulator, client: Client
) -> None:
    # A time that stays text keeps its year, where the rule of dates alone would suppress it.
    lines = [f"{place},{1950 + place % 20}-04-09 10:{place % 60:02}:00" for place in range(300)]
    address = uploaded(space, client, ("number,birth_datetime\n" + "\n".join(lines) + "\n").encode())
    form = form_at(client, address)
    assert (form["method.1"], form["parameters.1"]) == ("generalize", "first=4")
    assert post(space, client, address, **form, act="check").status_code == 303
    assert listed(space, post(space, client, address, **form)).columns[1].parameters == {"first": 4}


@pytest.mark.usefixtures("provider")
def test_a_file_of_companies_is_registered_as_it_is_proposed(space: Simulator, client: Client) -> None:
    names = "".join(f"91350100M000100Y43,区{place % 3},{place}\n" for place in range(40))
    content = f"统一社会信用代码,行政区划,从业人数\n91310000MA1FL0LB0A,区1,7\n{names}"
    address = uploaded(space, client, content.encode())
    form = form_at(client, address)
    assert (form["subject.0"], form["attribute.1"]) == (["yes"], "other")
    assert post(space, client, address, **form, act="check").status_code == 303


@pytest.mark.usefixtures("provider")
def test_columns_above_the_level_of_rows_are_shown_to_leave_in_none(space: Simulator, client: Client) -> None:
    content = "病历号,科室\n" + "".join(f"Z{place:07},内科\n" for place in range(300))
    address = uploaded(space, client, content.encode(), zone="healthcare")
    text = client.get(address, headers=PAGE).text
    original, _, desensitized = text.partition('aria-labelledby="desensitized"')
    assert "Z0000000" in original
    row = desensitized.partition("<tbody>")[2].partition("</tr>")[0]
    assert words_of(row).split() == ["–", "内科"]
    note = desensitized.partition('id="beyond"')[2].partition("</p>")[0]
    assert "they leave in no row, masked or not" in note
    assert note.endswith(": 病历号")

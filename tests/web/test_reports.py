"""Pages of what was measured and taught: reports, rules, recognisers; and all of it as text (UP-18)."""

import re
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.participants.access import Caller
from tests.simulator import Simulator, people
from tests.web.test_portal import HOSTILE, _harmless
from tests.web.words import PAGE, form_of, log_in, own, uploaded, words_of

Client = TestClient[Litestar]
METERS = {
    "zone": "government",
    "category": "meter_no",
    "title_zh": "电表号",
    "title_en": "Meter number",
    "level": "3",
    "names": "meter_no\n电表号",
    "pattern": "M[0-9]{8}",
    "share": "90",
}


def see(client: Client, path: str) -> str:
    answer = client.get(path, headers=PAGE)
    assert answer.status_code == 200, (path, answer.text)
    return answer.text


def post(space: Simulator, client: Client, path: str, **form: Any) -> Any:
    return client.post(path, data=form, headers=own(space))


def test_the_report_says_that_its_digest_stands_in_the_entry(
    space: Simulator, client: Client, provider: Caller
) -> None:
    found = space.registered(provider, people(350), subjects=["number"])
    path = f"/portal/datasets/{found.dataset}/report"
    assert path in see(client, f"/portal/datasets/{found.dataset}")
    text = see(client, path)
    digest = space.service.catalogue.report(provider, found.dataset).sha256
    assert f'<code id="digest">{digest}</code>' in text
    assert f"Its digest stands in the registration’s entry: entry {found.entry}" in text
    assert f'href="/api/datasets/{found.dataset}/report?version=1"' in text
    for words in (
        "GB/T 42460-2023",
        "Grade of identifiability",
        "附录 H",
        "De-identified by",
        "pseudonymize",
    ):
        assert words in text, words


def test_the_report_is_its_providers_and_the_overseers(
    space: Simulator, client: Client, provider: Caller
) -> None:
    dataset = space.registered(provider, people(351), subjects=["number"]).dataset
    path = f"/portal/datasets/{dataset}/report"
    assert path in see(client, f"/catalog/{dataset}")
    client.cookies.clear()
    log_in(space, client, space.operator)
    assert path in see(client, f"/catalog/{dataset}")
    see(client, path)
    client.cookies.clear()
    log_in(space, client, space.consumer())
    assert path not in see(client, f"/catalog/{dataset}")
    assert client.get(path, headers=PAGE).status_code == 404


def test_the_report_shows_its_provider_alone_the_rows_as_they_are(
    space: Simulator, client: Client, provider: Caller
) -> None:
    dataset = space.registered(provider, people(356), subjects=["number"]).dataset
    path = f"/portal/datasets/{dataset}/report"
    own = see(client, path)
    assert "What you uploaded" in own
    assert "<td>P000000</td>" in own
    assert "P000000" not in client.get(f"/api/datasets/{dataset}/report").text
    client.cookies.clear()
    log_in(space, client, space.operator)
    client.cookies.set("language", "en")
    seen = see(client, path)
    assert "Desensitized sample" in seen
    assert "P000000" not in seen
    space.service.registrar.withdraw(provider, dataset)
    client.cookies.clear()
    log_in(space, client, provider)
    assert "P000000" not in see(client, path)


def test_the_catalogue_shows_quality_and_a_desensitized_sample(
    space: Simulator, client: Client, provider: Caller
) -> None:
    dataset = space.registered(provider, people(352), subjects=["number"]).dataset
    text = see(client, f"/catalog/{dataset}")
    assert "Desensitized sample" in text
    assert '<dd id="k">≥ ' in text
    assert "P000000" not in text
    assert "100 %" in text
    assert "pseudonymize" in text


@pytest.mark.usefixtures("provider")
def test_a_correction_is_a_rule_that_can_be_forgotten(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(353))
    form = {**form_of(see(client, address), address), "category.1": "mobile"}
    form |= {"method.1": "suppress", "parameters.1": ""}
    assert post(space, client, address, **form).status_code == 303
    assert '<th scope="row">district</th>' in see(client, "/portal/rules")
    again = see(client, uploaded(space, client, people(354)))
    assert "your rule" in again
    gone = post(space, client, "/portal/rules/forget", zone="government", name="district")
    assert gone.headers["location"] == "/portal/rules"
    assert '<th scope="row">district</th>' not in see(client, "/portal/rules")


@pytest.mark.usefixtures("provider")
def test_a_recogniser_is_added_used_and_removed(space: Simulator, client: Client) -> None:
    assert post(space, client, "/portal/recognisers", **METERS).status_code == 303
    text = see(client, "/portal/rules")
    assert "Meter number" in text
    file = "meter_no,n\n" + "".join(f"M{number:08d},{number % 5}\n" for number in range(60))
    assert '<option value="meter_no" selected>Meter number' in see(
        client, uploaded(space, client, file.encode())
    )
    action = re.search(r'action="(/portal/recognisers/rc-[0-9a-f]+/remove)"', text)
    assert action
    assert post(space, client, action[1]).status_code == 303
    assert "Meter number" not in see(client, "/portal/rules")


@pytest.mark.usefixtures("provider")
def test_up_24_a_pattern_that_may_take_for_ever_is_refused(space: Simulator, client: Client) -> None:
    form = {**METERS, "pattern": "(a{1,1000}){1,1000}"}
    refused = post(space, client, "/portal/recognisers", **form)
    assert (refused.status_code, 'role="alert"' in refused.text) == (400, True)


@pytest.mark.parametrize("path", ["/portal/upload", "/portal/rules", "/portal/sources"])
def test_pages_of_providers_are_providers_alone(space: Simulator, client: Client, path: str) -> None:
    log_in(space, client, space.consumer())
    assert client.get(path, headers=PAGE).status_code == 403


@pytest.mark.parametrize("language", ["zh", "en"])
def test_up_18_all_that_a_provider_writes_is_text(
    space: Simulator, client: Client, provider: Caller, language: str
) -> None:
    client.cookies.set("language", language)
    title = HOSTILE[:100]
    rule = {**METERS, "title_zh": title, "title_en": title, "names": "meter\n<b>x</b>", "category": "evil"}
    assert post(space, client, "/portal/recognisers", **rule).status_code == 303
    header = '"<b onclick=alert(1)>x</b>",meter,"![x](javascript:alert(1))"\n'
    rows = "".join(f'"<svg onload={n}>",M{n:08d},{n % 9}\n' for n in range(90))
    address = uploaded(space, client, (header + rows).encode(), "<img src=x>.csv", title=HOSTILE)
    form = form_of(see(client, address), address)
    form |= {name: HOSTILE[:100] for name in form if name.startswith(("listing.t", "listing.s", "meaning."))}
    form |= {f"listing.{name}": HOSTILE[:100] for name in ("industry", "provenance", "compliance", "contact")}
    form |= {"listing.needs": HOSTILE[:100], "listing.keywords": HOSTILE[:100], "coverage.region": HOSTILE}
    form |= {"example.0.title": HOSTILE[:100], "example.0.sql": HOSTILE, "listing.restrictions": HOSTILE}
    form |= {name: HOSTILE[:40] for name in form if name.endswith(".unit")}
    form |= {"description": HOSTILE, "offered_parameters.0": HOSTILE.replace(" ", ""), "offered.0": "mask"}
    refused = post(space, client, address, **form)
    assert refused.status_code == 422
    _harmless(refused.text)
    form |= {"offered.0": "", "offered_parameters.0": ""}
    checked = post(space, client, address, **form, act="check")
    assert checked.status_code == 303, words_of(checked.text)[:2000]
    pages = ["/portal/rules", "/portal/upload", "/portal/approvals", address]
    for path in pages:
        _harmless(see(client, path))
    done = post(space, client, address, **form)
    assert done.status_code == 303, words_of(done.text)[:2000]
    dataset = done.headers["location"].rpartition("/")[2]
    for path in ("/", f"/catalog/{dataset}", f"/portal/datasets/{dataset}", "/entries"):
        _harmless(see(client, path))
    own = see(client, f"/portal/datasets/{dataset}/report")
    _harmless(own)
    assert "&lt;svg onload=0&gt;" in own  # its provider's own cell, as text
    assert space.service.catalogue.report(provider, dataset).report["title"] == HOSTILE
    client.cookies.clear()
    log_in(space, client, space.operator)
    report = see(client, f"/portal/datasets/{dataset}/report")
    _harmless(report)
    assert "&lt;svg onload=0&gt;" not in report  # a cell that does not leave

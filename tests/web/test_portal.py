"""The portal without a script: pages, forms, and what strangers write into them (UP-18, AU-20)."""

import re
from pathlib import Path

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace import web
from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from dataspace.web.portal.forms import Form
from tests.simulator import Simulator, people
from tests.web.words import PAGE, Elements, form_of, log_in, own

Client = TestClient[Litestar]
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><svg onload=alert(1)>[x](javascript:alert(1))"
)
CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}


def _harmless(text: str) -> None:
    """Pass when a page runs nothing but our own scripts and leads to nothing but paths."""
    for tag, attributes in Elements(text).found:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("href", "src", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "#")), (tag, attributes)
        if tag == "script":
            assert (attributes.get("src") or "").startswith("/static/")
    assert HOSTILE not in text


def _upload(space: Simulator, client: Client, content: bytes, **fields: str) -> str:
    """Send the upload form, as a browser without scripts does; return the address it leads to."""
    form = {"zone": "government", "title": "People", **fields}
    answer = client.post(
        "/portal/upload", data=form, files={"file": ("people.csv", content)}, headers=own(space)
    )
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def _provider(space: Simulator, client: Client) -> Caller:
    provider = space.provider()
    log_in(space, client, provider)
    return provider


def _be(client: Client, cookie: str) -> None:
    client.cookies.clear()
    client.cookies.set("dataspace", cookie)


def test_an_empty_catalogue_says_what_to_do(space: Simulator, client: Client) -> None:
    _provider(space, client)
    assert "/portal/upload" in client.get("/", headers=PAGE).text
    assert "No dataset fits" in client.get("/?q=nothing-like-this", headers=PAGE).text


def test_from_a_file_to_a_receipt_without_a_script(space: Simulator, client: Client) -> None:
    _provider(space, client)
    address = _upload(space, client, people(310))
    page = client.get(address, headers=PAGE).text
    assert "<dt>Encoding</dt>" in page
    assert "<code>,</code>" in page
    assert "P000000" in page  # the provider's own original, beside the desensitized rows
    assert page.count('name="subject.') == 4
    action = address.partition("?")[0]
    form = {**form_of(page, action), "subject.0": "yes", "level.1": "2"}
    done = client.post(action, data=form, headers=own(space))
    assert done.status_code == 303, done.text
    shown = client.get(done.headers["location"], headers=PAGE).text
    entry = re.search(r'id="entry">(\d+)<', shown)
    assert entry
    receipt = client.get(f"/api/receipts/{entry[1]}").json()
    assert receipt["record"]["kind"] == "dataset.registered"
    assert "dataspace verify" in shown
    space.audit()


def test_corrections_of_the_form_are_kept_and_laxer_ones_refused(space: Simulator, client: Client) -> None:
    _provider(space, client)
    address = _upload(space, client, people(311))
    action = address.partition("?")[0]
    form = form_of(client.get(address, headers=PAGE).text, action)
    stricter = {**form, "method.1": "suppress", "parameters.1": ""}
    done = client.post(action, data=stricter, headers=own(space))
    assert done.status_code == 303, done.text
    dataset = done.headers["location"].rpartition("/")[2]
    [listing] = [one for one in space.service.catalogue.listings() if one.dataset == dataset]
    assert [column.method for column in listing.columns][1] == "suppress"


def test_an_upload_can_be_discarded_and_a_dataset_withdrawn(space: Simulator, client: Client) -> None:
    provider = _provider(space, client)
    action = _upload(space, client, people(312)).partition("?")[0]
    assert client.post(f"{action}/discard", headers=own(space)).status_code == 303
    assert client.get(action, headers=PAGE).status_code == 404
    dataset = space.registered(provider, people(313), subjects=["number"]).dataset
    path = f"/portal/datasets/{dataset}"
    assert client.post(f"{path}/withdraw", data={}, headers=own(space)).status_code == 422
    assert client.post(f"{path}/withdraw", data={"sure": "yes"}, headers=own(space)).status_code == 303
    assert "withdrawn" in client.get("/portal/datasets", headers=PAGE).text
    assert "keys are destroyed" in client.get(path, headers=PAGE).text
    space.audit()


def test_a_new_version_goes_to_the_same_dataset(space: Simulator, client: Client) -> None:
    provider = _provider(space, client)
    dataset = space.registered(provider, people(314), subjects=["number"]).dataset
    assert f'value="{dataset}"' in client.get(f"/portal/upload?dataset={dataset}", headers=PAGE).text
    address = _upload(space, client, people(315), dataset=dataset)
    action = address.partition("?")[0]
    form = form_of(client.get(address, headers=PAGE).text, action)
    done = client.post(action, data=form, headers=own(space))
    assert done.headers["location"] == f"/portal/datasets/{dataset}", done.text
    assert space.service.catalogue.listing(dataset).version == 2


def test_a_negotiation_by_hand_from_both_sides(space: Simulator, client: Client) -> None:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(provider, people(316), subjects=["number"], automatic=False)
    cookies = {}
    for caller in (provider, consumer):
        client.cookies.clear()  # or the second login would end the session of the first
        cookies[caller] = log_in(space, client, caller)

    def see(caller: Caller, path: str) -> str:
        _be(client, cookies[caller])
        return client.get(path, headers=PAGE).text

    def say(caller: Caller, path: str, **form: str) -> None:
        _be(client, cookies[caller])
        assert client.post(path, data=form, headers=own(space)).status_code == 303

    assert "Ask for an agreement" in see(consumer, f"/catalog/{registered.dataset}")
    say(consumer, "/portal/negotiations", offer=registered.offer, purpose="statistics", form="aggregate")
    [negotiation] = space.service.negotiator.negotiations(consumer)
    path = f"/portal/negotiations/{negotiation.id}"
    assert f'action="{path}/agreement"' in see(provider, "/portal/agreements")
    say(provider, f"{path}/agreement")
    say(consumer, f"{path}/verification")
    say(provider, f"{path}/finalization")
    assert "FINALIZED" in see(consumer, "/portal/agreements")
    assert "FINALIZED" in see(provider, "/portal/agreements")
    [agreement] = space.service.negotiator.agreements(consumer)
    say(consumer, f"/portal/agreements/{agreement.id}/termination", sure="yes")
    assert "TERMINATED" in see(consumer, "/portal/agreements")
    space.audit()


def test_the_operator_admits_with_a_token_shown_once(space: Simulator, client: Client) -> None:
    log_in(space, client, space.operator)
    form = {"name": "Hospital", "login": "hospital-2", "role": ["provider", "consumer"], "password": ""}
    page = client.post("/portal/members", data=form, headers=own(space))
    token = re.search(r'id="token">(dsp_[^<]+)<', page.text)
    assert token
    me = client.get("/api/me", headers={"Authorization": f"Bearer {token[1]}"}).json()
    assert me["roles"] == ["consumer", "provider"]
    assert token[1] not in client.get("/portal/members", headers=PAGE).text
    client.post(f"/portal/members/{me['id']}", data={"status": "suspended"}, headers=own(space))
    assert client.get("/api/me", headers={"Authorization": f"Bearer {token[1]}"}).status_code == 401


def test_entries_show_ones_own_with_receipts(space: Simulator, client: Client) -> None:
    provider = _provider(space, client)
    registered = space.registered(provider, people(317), subjects=["number"])
    page = client.get("/entries", headers=PAGE).text
    assert f"/api/receipts/{registered.entry}" in page
    assert "dataset.registered" in page


def test_a_receipt_is_verified_without_an_account(space: Simulator, client: Client) -> None:
    entry = space.registered(space.provider(), people(318), subjects=["number"]).entry
    receipt = space.service.receipts.receipt(space.operator, entry).to_bytes()
    key = space.service.space.log.vkey()
    page = client.post("/verify", data={"key": key, "receipt": receipt.decode()}, headers=PAGE).text
    assert "Result: it holds" in page
    assert page.count('<li class="passed">') == 4
    assert page.count('<li class="not-checked">') == 4
    assert "not shown" not in page
    part = space.service.receipts.receipt(space.operator, entry, ["kind", "zone"]).to_bytes()
    page = client.post("/verify", data={"key": key, "receipt": part.decode()}, headers=PAGE).text
    assert "Result: it holds" in page
    assert "This receipt shows some fields alone; not shown: 17" in page
    file = client.post("/verify", data={"key": key}, files={"file": ("r.json", receipt)}, headers=PAGE).text
    assert "Result: it holds" in file
    wrong = receipt.replace(b'"rows":318', b'"rows":319')
    assert (
        "does not hold"
        in client.post("/verify", data={"key": key, "receipt": wrong.decode()}, headers=PAGE).text
    )


@pytest.mark.parametrize(
    ("key", "receipt", "said"),
    [
        ("", "x", "Give both"),
        ("x+y+z", "{}", "no verifier key"),
        ("nonsense", "{}", "no verifier key"),
    ],
)
def test_what_cannot_be_verified_is_said(client: Client, key: str, receipt: str, said: str) -> None:
    answer = client.post("/verify", data={"key": key, "receipt": receipt}, headers=PAGE)
    assert (answer.status_code, said in answer.text) == (200, True)


@pytest.mark.parametrize("receipt", ["[" * 100_000, "{}", "\x00", HOSTILE, '{"format":' * 5000])
def test_a_hostile_receipt_is_a_report(space: Simulator, client: Client, receipt: str) -> None:
    form = {"key": space.service.space.log.vkey(), "receipt": receipt}
    answer = client.post("/verify", data=form, headers=PAGE)
    assert (answer.status_code, "Result: it could not be checked" in answer.text) == (200, True)
    _harmless(answer.text)


def test_the_verify_page_says_what_it_cannot_prove(client: Client) -> None:
    text = client.get("/verify", headers=PAGE).text
    assert "cannot prove that the operator is honest" in text
    assert "dataspace verify" in text
    assert not Elements(text).named("input")[1].get("value")


def test_up_18_au_20_what_providers_write_is_text(space: Simulator, client: Client) -> None:
    _provider(space, client)
    header = '"<b onclick=alert(1)>x</b>",district,"javascript:alert(1)"\n'
    content = (
        header + "".join(f'"<script>{row}</script>",d{row % 2},{row}\n' for row in range(100))
    ).encode()
    address = _upload(space, client, content, title=HOSTILE)
    _harmless(client.get(address, headers=PAGE).text)
    action = address.partition("?")[0]
    form = form_of(client.get(address, headers=PAGE).text, action)
    done = client.post(action, data={**form, "title": HOSTILE, "description": HOSTILE}, headers=own(space))
    assert done.status_code == 303, done.text
    dataset = done.headers["location"].rpartition("/")[2]
    space.service.membership.admit(space.operator, HOSTILE, "hostile", [Role.CONSUMER])
    for path in (
        "/",
        "/portal/datasets",
        f"/portal/datasets/{dataset}",
        f"/catalog/{dataset}",
        "/entries",
        f"/?q={HOSTILE}",
        f"/portal/upload?dataset={dataset}",
    ):
        _harmless(client.get(path, headers=PAGE).text)
    log_in(space, client, space.operator)
    _harmless(client.get("/portal/members", headers=PAGE).text)
    space.audit()


def test_au_20_addresses_written_into_a_page_stay_paths(client: Client) -> None:
    for to in ("javascript:alert(1)", "//evil.example", '"><script>alert(1)</script>'):
        _harmless(client.get("/login", params={"to": to}, headers=PAGE).text)


def test_no_template_opts_out_of_escaping() -> None:
    templates = Path(web.__file__).parent / "templates"
    for template in templates.glob("*.html"):
        text = template.read_text()
        assert "|safe" not in text.replace(" ", ""), template.name
        assert "autoescape" not in text
        assert not re.search(r"\son\w+=|<style|style=|javascript:", text), template.name
        assert not re.search(r'(src|href)="(https?:)?//', text), template.name


@pytest.mark.parametrize("path", ["/login", "/verify", "/api/docs", "/problems/refused", "/nothing"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_speaks_both_languages(client: Client, path: str, language: str) -> None:
    client.cookies.set("language", language)
    text = client.get(path, headers=PAGE).text
    assert f'<html lang="{"zh-CN" if language == "zh" else "en"}">' in text
    assert (("可信数据空间" in text), ("Trusted data space" in text)) == (language == "zh", language == "en")


def test_the_language_is_the_browsers_until_it_is_chosen(space: Simulator, client: Client) -> None:
    assert 'lang="zh-CN"' in client.get("/login", headers={**PAGE, **CHINESE}).text
    chosen = client.post("/language", data={"language": "en", "to": "/login"}, headers=own(space))
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/login")
    assert '<html lang="en">' in client.get("/login", headers={**PAGE, **CHINESE}).text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/portal/upload",
        "/portal/datasets",
        "/portal/agreements",
        "/entries",
        "/portal/members",
        "/portal/approvals",
        "/portal/rules",
        "/portal/sources",
        "/verify",
        "/login",
    ],
)
def test_every_field_has_a_label_and_every_page_a_heading(
    space: Simulator, client: Client, path: str
) -> None:
    member = space.member(*Role)
    log_in(space, client, member)
    text = client.get(path, headers=PAGE).text
    assert len(Elements(text).named("h1")) == 1
    assert Elements(text).named("main")
    labelled = "".join(re.findall(r"<label.*?</label>", text, re.DOTALL))
    for attributes in (
        Elements(text).named("input") + Elements(text).named("select") + Elements(text).named("textarea")
    ):
        name = attributes.get("name")
        if attributes.get("type") != "hidden":
            assert f'name="{name}"' in labelled or attributes.get("aria-label"), (path, attributes)


def test_a_wrong_password_shows_the_form_again(space: Simulator, client: Client) -> None:
    answer = client.post("/login", data={"login": "operator", "password": "wrong"}, headers=own(space))
    assert (answer.status_code, 'role="alert"' in answer.text) == (401, True)


def test_a_refusal_is_a_page_with_its_reasons(space: Simulator, client: Client) -> None:
    registered = space.registered(space.provider(), people(319), subjects=["number"])
    log_in(space, client, space.consumer())
    form = {"offer": registered.offer, "purpose": "selling-it-on", "form": "aggregate"}
    answer = client.post("/portal/negotiations", data=form, headers=own(space))
    assert (answer.status_code, "purpose-not-in-zone" in answer.text) == (403, True)


@pytest.mark.parametrize("body", [b"a=%ff", b"\xff", b"&".join(b"a=1" for _ in range(30_000))])
def test_a_form_that_is_none_is_malformed(space: Simulator, client: Client, body: bytes) -> None:
    headers = {**own(space), "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/login", content=body, headers=headers).status_code == 400


def test_numbers_of_forms_are_read_strictly() -> None:
    assert Form.read(b"n=12").number("n") == 12
    for text in (b"n=-1", b"n=1.5", b"n=%D9%A1", b"n=" + b"9" * 20):
        with pytest.raises(Exception, match="whole number"):
            Form.read(text).number("n")

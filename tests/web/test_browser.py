"""The upload page and the verify page in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from dataspace.participants.access import Caller
from dataspace.participants.models import Role
from tests.programs import need
from tests.simulator import PASSWORD, Simulator, people
from tests.transfer.noised import agreed, ask
from tests.web.served import served
from tests.web.words import login_of

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# What a browser logs of answers and losses that the tests arrange.
_EXPECTED = ("the server responded with a status of 4", "net::ERR_CONNECTION_RESET")

# Whether a select is as wide as the text it shows: its own size without a width of ours is what it needs.
_IS_WHOLE = """select => {
  const shown = select.getBoundingClientRect().width;
  const copy = document.createElement("select");
  copy.add(new Option(select.selectedOptions[0].text));
  copy.style.maxWidth = "none";
  select.after(copy);
  const needed = copy.getBoundingClientRect().width;
  copy.remove();
  return shown + 1 >= needed;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(space: Simulator) -> Iterator[str]:
    with served(space) as address:
        yield address


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A fresh page; what it logs as an error, such as a breach of the security policy, fails the test."""
    context = browser.new_context(base_url=url, locale="en-US", viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert [text for text in said if not any(expected in text for expected in _EXPECTED)] == []


def sign_in(page: Page, login: str) -> None:
    page.goto("/login")
    page.get_by_label("Login").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/")


def choose(page: Page, file: Path, title: str) -> None:
    page.goto("/portal/upload")
    page.get_by_label("Zone").select_option("government")
    page.get_by_label("Title").fill(title)
    page.get_by_label("File", exact=True).set_input_files(file)
    page.get_by_role("button", name="Upload and read").click()


def read(page: Page) -> None:
    """Wait until the page of an upload shows what was found."""
    expect(page.locator("#review")).to_be_visible(timeout=60_000)


def test_a_dataset_is_uploaded_confirmed_and_its_receipt_verified(
    space: Simulator, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people(400))
    sign_in(page, login_of(space, space.provider()))
    choose(page, file, "People of three districts")
    read(page)
    expect(page.locator("section[aria-labelledby=original] tbody tr").first).to_contain_text("P000000")
    expect(page.locator("section[aria-labelledby=desensitized] tbody tr").first).not_to_contain_text(
        "P000000"
    )
    page.get_by_label("Subject: number").check()
    page.get_by_label("Level: district").select_option("2")
    page.get_by_role("button", name="Confirm and register").click()
    page.wait_for_url("**/portal/datasets/ds-*")
    entry = page.locator("#entry").inner_text()
    with page.expect_download() as download:
        page.locator("#receipt").click()
    receipt = tmp_path / "receipt.json"
    download.value.save_as(receipt)
    assert download.value.suggested_filename == f"receipt-{entry}.json"
    page.goto("/verify")
    page.get_by_label("The log’s key").fill(space.service.space.log.vkey())
    page.get_by_label("A receipt’s file").set_input_files(receipt)
    page.get_by_role("button", name="Verify").click()
    expect(page.locator("#result")).to_have_text("Result: it holds")
    expect(page.locator("ol.steps li")).to_have_count(8)
    space.audit()


def test_the_review_hints_at_the_parameters_of_a_method(space: Simulator, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people(406))
    sign_in(page, login_of(space, space.provider()))
    choose(page, file, "People")
    read(page)
    page.get_by_label("As rows: age").select_option("top_code")
    parameters = page.get_by_label("Parameters: age")
    expect(parameters).to_have_attribute("placeholder", re.compile("top=90"))
    expect(parameters).to_have_value("")
    page.get_by_label("As rows: age").select_option("generalize")
    parameters.fill("width=20")
    page.keyboard.press("Enter")  # measures again, and registers nothing
    page.wait_for_url("**#measured")
    expect(page.locator("#measured")).to_contain_text("with your corrections")
    assert page.get_by_label("Parameters: age").input_value() == "width=20"


def test_a_report_is_printable(space: Simulator, page: Page) -> None:
    provider = space.provider()
    dataset = space.registered(provider, people(407), subjects=["number"]).dataset
    sign_in(page, login_of(space, provider))
    page.goto(f"/portal/datasets/{dataset}/report")
    expect(page.locator("#stands")).to_contain_text("stands in the registration’s entry")
    page.emulate_media(media="print")
    expect(page.locator("header")).to_be_hidden()
    expect(page.locator("#risk")).to_be_visible()


def test_the_review_is_readable_on_every_screen_and_warns_without_a_subject(
    space: Simulator, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people(403))
    sign_in(page, login_of(space, space.provider()))
    choose(page, file, "People")
    read(page)
    subjects = page.locator("input.subject")
    for box in subjects.all():
        box.uncheck()
    expect(page.locator("#no-subject")).to_be_visible()
    subjects.first.check()
    expect(page.locator("#no-subject")).to_be_hidden()
    page.get_by_label("Level: district").select_option(label="General, level 3")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for select in page.locator("table.review select:not([name^=category])").all():
            assert select.evaluate(_IS_WHOLE), width
        heights = [row.bounding_box() for row in page.locator("table.review tbody tr").all()]
        assert all(box and box["height"] < 160 for box in heights), (width, heights)


def test_a_changed_receipt_is_told_apart_by_keyboard_alone(space: Simulator, page: Page) -> None:
    entry = space.registered(space.provider(), people(401), subjects=["number"]).entry
    receipt = space.service.receipts.receipt(space.operator, entry).to_bytes().decode()
    page.goto("/verify")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(space.service.space.log.vkey())
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.insert_text(receipt.replace('"rows":401', '"rows":402'))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#result")).to_have_text("Result: it does not hold")


def test_up_18_a_hostile_title_runs_nothing(space: Simulator, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(people(402))
    page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
    sign_in(page, login_of(space, space.provider()))
    choose(page, file, "<img src=x onerror=alert(1)><script>alert(2)</script>")
    read(page)
    page.get_by_label("Description").fill("<svg onload=alert(3)>")
    page.get_by_role("button", name="Confirm and register").click()
    page.wait_for_url("**/portal/datasets/ds-*")
    page.goto("/")
    expect(page.get_by_role("heading", name=re.compile("<img src=x"))).to_be_visible()


def test_au_12_a_form_of_another_site_is_refused_by_a_real_browser(
    space: Simulator, page: Page, url: str
) -> None:
    sign_in(page, "operator")
    form = f'<form method="post" action="{url}/portal/members"><input name="name" value="x"></form>'
    page.route("http://evil.example/**", lambda route: route.fulfill(body=form, content_type="text/html"))
    page.goto("http://evil.example/")
    with page.expect_response("**/portal/members") as answered:
        page.evaluate("document.forms[0].submit()")
    assert answered.value.status in {303, 403}
    assert all(member.name != "x" for member in space.service.membership.members(space.operator))


def test_pages_have_no_second_scroll_bar_on_a_small_screen(space: Simulator, page: Page) -> None:
    member = space.member(*Role)
    registered = space.registered(member, people(408), subjects=["number"])
    page.set_viewport_size({"width": 390, "height": 800})
    sign_in(page, login_of(space, member))
    portal = ("members", "approvals", "agreements", "upload", "sources", "rules", "datasets")
    dataset = (f"/catalog/{registered.dataset}", f"/portal/datasets/{registered.dataset}/report")
    for path in ("/", *(f"/portal/{name}" for name in portal), *dataset, "/entries", "/verify", "/api/docs"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_a_budget_is_as_narrow_as_the_screen_for_both_sides(space: Simulator, page: Page) -> None:
    consumer, agreement = agreed(space, 409, epsilon=32_000_000, units=1_000_000)
    ask(space, consumer, agreement, epsilon=1_234_567)
    page.set_viewport_size({"width": 360, "height": 800})
    for member in (consumer, Caller(agreement.provider, frozenset({Role.PROVIDER}))):
        page.context.clear_cookies()
        sign_in(page, login_of(space, member))
        page.goto("/portal/agreements")
        expect(page.locator(".budget").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, member

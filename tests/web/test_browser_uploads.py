"""Uploads in a real browser: lost connections, reloads, resumption, and the stages of the reading."""

# ruff: noqa: F811 - fixtures are named like the arguments that take them

from pathlib import Path

from playwright.sync_api import Page, Route, expect
from sqlmodel import Session

from dataspace.catalog.models import State, Upload
from dataspace.catalog.resumable import Announced
from tests.simulator import Simulator, people
from tests.web.test_browser import browser, choose, page, read, sign_in, url  # noqa: F401 - fixtures
from tests.web.words import login_of

_PIECES = "**/api/uploads/resumable/*"


def test_a_bad_row_is_shown_with_its_line(space: Simulator, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_bytes(people(40) + b"one,two\n")
    sign_in(page, login_of(space, space.provider()))
    choose(page, file, "Bad")
    expect(page.locator("#failure")).to_contain_text("The file was not taken")
    expect(page.locator("#bad-rows tbody tr")).to_have_count(1)
    expect(page.locator("#bad-rows")).to_contain_text("line 42")
    expect(page.locator("#advice")).to_contain_text("Mend these rows")


def test_a_lost_connection_is_taken_up_where_it_stopped(space: Simulator, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_bytes(people(370_000))  # more than one piece
    sign_in(page, login_of(space, space.provider()))
    offsets: list[str] = []

    def lose(route: Route) -> None:
        offsets.append(route.request.headers["upload-offset"])
        if len(offsets) in (2, 3):
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(
        "**/api/uploads/resumable/*", lambda route: lose(route) if _patches(route) else route.continue_()
    )
    choose(page, file, "Large")
    page.wait_for_url("**/portal/uploads/**")
    piece = str(8 << 20)
    assert offsets[:4] == ["0", piece, piece, piece]
    read(page)
    assert page.evaluate("localStorage.length") == 0


def test_an_upload_goes_on_after_a_reload(space: Simulator, page: Page, tmp_path: Path) -> None:
    file = tmp_path / "large.csv"
    file.write_bytes(people(371_000))
    sign_in(page, login_of(space, space.provider()))
    offsets: list[str] = []

    def stop(route: Route) -> None:
        offsets.append(route.request.headers["upload-offset"])
        if offsets[-1] == "0" or "on" in offsets:
            route.continue_()
        else:
            route.abort("connectionreset")

    page.route(
        "**/api/uploads/resumable/*", lambda route: stop(route) if _patches(route) else route.continue_()
    )
    choose(page, file, "Large")
    expect(page.locator("#progress")).to_contain_text("trying again")
    page.reload()
    expect(page.locator("#waiting")).to_contain_text("receiving")
    offsets.append("on")
    choose(page, file, "Large")
    page.wait_for_url("**/portal/uploads/**")
    assert offsets[offsets.index("on") + 1] == str(8 << 20)
    read(page)


def test_an_upload_is_resumed_from_the_list_with_the_same_file_alone(
    space: Simulator, page: Page, tmp_path: Path
) -> None:
    file, other = tmp_path / "people.csv", tmp_path / "other.csv"
    file.write_bytes(people(404))
    other.write_bytes(people(405))
    provider = space.provider()
    announced = Announced("government", len(people(404)), "people.csv", declared={"title": "Halved"})
    upload = space.service.resumable.create(provider, announced)
    incoming = space.service.resumable.resume(provider, upload.id, 0)
    incoming.write(people(404)[:1000])
    incoming.finish()
    sign_in(page, login_of(space, provider))
    page.goto("/portal/upload")
    page.get_by_role("link", name="Resume people.csv").click()
    page.get_by_label("The same file").set_input_files(other)
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#failure")).to_contain_text("not the same file")
    page.get_by_label("The same file").set_input_files(file)
    page.get_by_role("button", name="Resume").click()
    read(page)
    assert page.get_by_label("Title", exact=True).input_value() == "Halved"


def test_the_stages_of_the_reading_are_shown(space: Simulator, page: Page) -> None:
    provider = space.provider()
    row = space.service.uploads.begun(provider, "government", "people.csv", {})
    row.state, row.stage, row.progress = State.READING, "scanning", 10
    upload = space.service.uploads.add(provider, row).id
    sign_in(page, login_of(space, provider))
    page.goto(f"/portal/uploads/{upload}")
    expect(page.locator("[aria-current=step]")).to_have_text("scanning")
    _tell(space, upload, "encrypting", 70)
    expect(page.locator("[aria-current=step]")).to_have_text("encrypting")
    assert page.locator("#bar progress").get_attribute("value") is not None
    expect(page.locator("#stages li.done")).to_have_count(3)


def _patches(route: Route) -> bool:
    return route.request.method == "PATCH"


def _tell(space: Simulator, upload: str, stage: str, percent: int) -> None:
    def act(session: Session) -> None:
        row = session.get_one(Upload, upload)
        row.stage, row.progress = stage, percent
        session.add(row)

    space.service.space.database.commit(act)

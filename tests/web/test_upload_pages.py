"""The pages of uploads that are not registered yet, without a script: form, stages, failures, the list."""

import gzip
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace.catalog.models import State, Upload
from dataspace.catalog.resumable import Announced
from dataspace.participants.access import Caller
from tests.simulator import Simulator, people, simulated
from tests.web.words import PAGE, Elements, form_of, log_in, own, uploaded, words_of

Client = TestClient[Litestar]
HOST = "127.0.0.1:5432"


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space where databases may be read from one host."""
    home: Path = tmp_path_factory.mktemp("home")
    with simulated(home, sources=HOST) as simulator:
        yield simulator


def waiting(space: Simulator, provider: Caller, **fields: Any) -> str:
    """Store an upload that is on its way; return its page."""
    row = space.service.uploads.begun(provider, "government", "people.csv", {"title": "People"})
    for name, value in fields.items():
        setattr(row, name, value)
    return f"/portal/uploads/{space.service.uploads.add(provider, row).id}"


def sent(space: Simulator, provider: Caller, content: bytes, **declared: str) -> Upload:
    """Send a file in pieces and wait until it is read, or is not."""
    announced = Announced("government", len(content), "people.csv", declared=declared)
    upload = space.service.resumable.create(provider, announced)
    incoming = space.service.resumable.resume(provider, upload.id, 0)
    incoming.write(content)
    incoming.finish()
    deadline = time.monotonic() + 60
    while (found := space.service.uploads.look(provider, upload.id)).state == State.READING:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


@pytest.mark.usefixtures("provider")
def test_nothing_of_a_title_is_in_an_address(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(300), title="区县收入")
    assert re.fullmatch(r"/portal/uploads/up-[0-9a-f]{16}", address)
    assert 'name="title" value="区县收入"' in client.get(address, headers=PAGE).text


@pytest.mark.usefixtures("provider")
@pytest.mark.parametrize(
    ("filename", "content", "fields", "shown"),
    [
        ("people.csv.gz", gzip.compress(people(301)), {}, "csv · gzip"),
        ("people.jsonl", b'{"number":"P1","age":20}\n{"number":"P2","age":21}\n', {}, "jsonl"),
        ("people.txt", people(302).replace(b",", b"^"), {"delimiter": "^"}, "csv"),
        ("people.tsv", people(303).replace(b",", b"\t"), {"delimiter": "tab"}, "csv"),
    ],
)
def test_a_form_without_a_script_takes_every_format(
    space: Simulator, client: Client, filename: str, content: bytes, fields: dict[str, str], shown: str
) -> None:
    address = uploaded(space, client, content, filename, **fields)
    assert f"<dt>Format</dt><dd>{shown}" in client.get(address, headers=PAGE).text


def test_a_page_of_an_upload_that_is_read_refreshes_itself(
    space: Simulator, client: Client, provider: Caller
) -> None:
    address = waiting(space, provider, state=State.READING, stage="encrypting", progress=40)
    text = client.get(address, headers=PAGE).text
    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in text
    steps = [(one["data-stage"], one.get("aria-current")) for one in Elements(text).named("li")]
    assert steps == [
        ("receiving", None),
        ("scanning", None),
        ("classifying", None),
        ("encrypting", "step"),
        ("assessing", None),
    ]
    assert 'value="40"' in text


def test_a_file_with_bad_rows_shows_them_and_what_to_do(
    space: Simulator, client: Client, provider: Caller
) -> None:
    bad = people(40) + b"one,two\n" + b"a,b,c,d,e\n"
    found = sent(space, provider, bad)
    assert found.state == State.FAILED
    text = client.get(f"/portal/uploads/{found.id}", headers=PAGE).text
    said = words_of(text)
    assert "The file was not taken" in said
    assert "line 42" in said
    assert "line 43" in said
    assert "Mend these rows" in said
    client.cookies.set("language", "zh")
    said = words_of(client.get(f"/portal/uploads/{found.id}", headers=PAGE).text)
    assert "请在文件中改正这些行" in said
    assert "有 2 个字段" in said


@pytest.mark.usefixtures("provider")
def test_a_refused_form_shows_the_bad_rows_too(space: Simulator, client: Client) -> None:
    files = {"file": ("bad.csv", people(40) + b"one,two\n")}
    answer = client.post("/portal/upload", data={"zone": "government"}, files=files, headers=own(space))
    assert answer.status_code == 422
    assert '<table id="bad-rows">' in answer.text


def test_what_waits_is_listed_to_resume_open_and_discard(
    space: Simulator, client: Client, provider: Caller
) -> None:
    ready = uploaded(space, client, people(304), title="Ready")
    coming = waiting(space, provider, length=1_000_000)
    text = client.get("/portal/upload", headers=PAGE).text
    assert f'<a href="{coming}" aria-label="Resume people.csv">' in text
    assert f'<a href="{ready}" aria-label="Open people.csv">' in text
    assert "0 B / 976.6 KiB" in text
    assert "choose the same file again" in client.get(coming, headers=PAGE).text
    for address in (ready, coming):
        assert client.post(f"{address}/discard", headers=own(space)).status_code == 303
    assert '<table id="waiting">' not in client.get("/portal/upload", headers=PAGE).text


def test_an_upload_of_another_is_not_there(space: Simulator, client: Client, provider: Caller) -> None:
    address = waiting(space, provider, length=10)
    client.cookies.clear()
    log_in(space, client, space.provider())
    assert client.get(address, headers=PAGE).status_code == 404
    assert client.post(address, data={"act": "confirm"}, headers=own(space)).status_code == 404


@pytest.mark.usefixtures("provider")
def test_a_database_is_added_listed_and_deleted_and_its_address_never_shown(
    space: Simulator, client: Client
) -> None:
    form = {
        "zone": "government",
        "name": "登记库",
        "url": f"postgresql://reader:hush-hush@{HOST}/registry?sslmode=disable",
    }
    added = client.post("/portal/sources", data=form, headers=own(space))
    assert added.headers["location"] == "/portal/sources"
    text = client.get("/portal/sources", headers=PAGE).text
    assert "登记库" in text
    assert "hush-hush" not in text
    action = re.search(r'action="(/portal/sources/sr-[0-9a-f]+)/uploads"', text)
    assert action
    taken = client.post(f"{action[1]}/uploads", data={"table": "people"}, headers=own(space))
    assert taken.headers["location"].startswith("/portal/uploads/up-")
    refused = client.post(f"{action[1]}/uploads", data={"query": "DROP TABLE x"}, headers=own(space))
    assert refused.status_code == 400
    assert client.post(f"{action[1]}/remove", headers=own(space)).status_code == 303
    assert "登记库" not in client.get("/portal/sources", headers=PAGE).text


@pytest.mark.usefixtures("provider")
def test_up_22_a_database_elsewhere_is_refused_without_its_address(space: Simulator, client: Client) -> None:
    form = {"zone": "government", "name": "x", "url": "postgresql://u:hush-hush@169.254.169.254/x"}
    refused = client.post("/portal/sources", data=form, headers=own(space))
    assert refused.status_code == 400
    assert "hush-hush" not in refused.text


@pytest.mark.usefixtures("provider")
def test_a_new_version_comes_with_its_former_words(space: Simulator, client: Client) -> None:
    address = uploaded(space, client, people(305), title="First")
    form = form_of(client.get(address, headers=PAGE).text, address)
    form |= {"description": "what it was", "listing.subtitle": "区县级", "listing.frequency": "monthly"}
    done = client.post(address, data=form, headers=own(space))
    dataset = done.headers["location"].rpartition("/")[2]
    again = uploaded(space, client, people(306), title="First", dataset=dataset)
    text = client.get(again, headers=PAGE).text
    assert f'name="dataset" value="{dataset}"' in text
    assert "what it was" in text
    assert 'name="listing.subtitle" value="区县级"' in text
    assert '<option value="monthly" selected>' in text

"""Uploads that come in one request: what is measured, who may have how many, and what the end leaves."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dataspace.catalog import stored
from dataspace.catalog.models import Approval, ColumnRule
from dataspace.catalog.staging import Staging
from dataspace.catalog.upload import Uploads
from dataspace.errors import NotFound, OutOfSpace, TooMany, Unprocessable
from dataspace.participants.access import Caller
from dataspace.sandbox import Pool
from tests.simulator import Simulator, people


class Dying:
    """A worker whose parser dies of every file."""

    def read(self, _: dict[str, Any]) -> None:
        os.abort()


def _staging(space: Simulator, provider: Caller, content: bytes) -> Staging:
    staging = space.service.uploads.stage(provider, "government")
    staging.write(content)
    staging.finish()
    return staging


def _files(space: Simulator) -> set[Path]:
    return {path for name in ("staging", "payloads") for path in (space.settings.home / name).iterdir()}


def test_an_upload_is_assessed(space: Simulator) -> None:
    provider = space.provider()
    found = space.service.uploads.read(provider, "government", "a.csv", _staging(space, provider, people(90)))
    assert found.proposal["assessment"]["rows"] == 90
    space.service.uploads.discard(provider, found.id)


def test_what_a_provider_said_of_a_column_holds_for_its_next_file(space: Simulator) -> None:
    provider, other = space.provider(), space.provider()
    categories = [field["category"] for field in space.service.space.pack("government").rules()]
    chosen = next(name for name in categories if name not in {"general", "district"})
    space.service.space.database.commit(
        lambda session: session.add(
            ColumnRule(
                provider=provider.id,
                zone="government",
                name="income",
                category=chosen,
                created=space.service.space.clock(),
            )
        )
    )

    def category(caller: Caller) -> str:
        found = space.service.uploads.read(caller, "government", "a.csv", _staging(space, caller, people(80)))
        space.service.uploads.discard(caller, found.id)
        return str(found.proposal["columns"][3]["category"])

    assert category(provider) == chosen
    assert category(other) != chosen


@pytest.fixture
def dying(space: Simulator) -> Iterator[Uploads]:
    pool = Pool("tests.catalog.test_upload:Dying", workers=1, memory=1 << 30, deadline=20)
    yield Uploads(space.service.space, pool)
    pool.close()


def test_a_file_of_which_its_reader_dies_is_unprocessable(space: Simulator, dying: Uploads) -> None:
    provider, before = space.provider(), _files(space)
    with pytest.raises(Unprocessable, match="died"):
        dying.read(provider, "government", "a.csv", _staging(space, provider, people(5)))
    assert _files(space) == before


def test_up_23_an_upload_that_passes_the_quota_while_it_is_read_is_not_kept(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, before = space.provider(), _files(space)
    staging = _staging(space, provider, people(70))
    monkeypatch.setattr(stored, "WAITING", 0)
    with pytest.raises(TooMany):
        space.service.uploads.read(provider, "government", "a.csv", staging)
    assert _files(space) == before


def _fill(staging: Staging, size: int) -> None:
    for _ in range(size >> 20):
        staging.write(bytes(1 << 20))
    staging.finish()


@pytest.mark.parametrize("size", [9 << 20, 3 << 20])
def test_up_25_a_full_disk_leaves_nothing_and_reads_go_on(space: Simulator, size: int) -> None:
    provider, before = space.provider(), _files(space)
    staging = space.service.uploads.stage(provider, "government")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, hard))
    try:
        with pytest.raises(OutOfSpace):
            _fill(staging, size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert _files(space) == before
    assert space.service.catalogue.listings() is not None


def test_up_25_no_room_for_the_payload_leaves_nothing(
    space: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutOfSpace("the disk is full: nothing was kept")

    provider, before = space.provider(), _files(space)
    staging = _staging(space, provider, people(60))
    monkeypatch.setattr(Pool, "call", full)
    with pytest.raises(OutOfSpace):
        space.service.uploads.read(provider, "government", "a.csv", staging)
    assert _files(space) == before


def test_an_upload_that_waits_for_a_second_person_is_kept_longer(space: Simulator) -> None:
    provider, uploads = space.provider(), space.service.uploads
    waiting, other = (
        uploads.read(provider, "government", "a.csv", _staging(space, provider, people(rows))).id
        for rows in (50, 51)
    )
    now, was = space.service.space.clock(), space.clock.now
    approval = Approval(
        id="ap-1", provider=provider.id, upload=waiting, zone="government", asked=[], basis="",
        registration_sha256="", report={}, created=now,
    )  # fmt: skip
    space.service.space.database.commit(lambda session: session.add(approval))
    space.clock.forward(days=2)
    assert uploads.expire() == 1
    assert uploads.look(provider, waiting).id == waiting
    with pytest.raises(NotFound):
        uploads.look(provider, other)
    space.clock.forward(days=13)
    assert uploads.expire() == 1
    space.clock.now = was


def test_no_cell_of_what_was_measured_lies_in_the_row(space: Simulator) -> None:
    provider = space.provider()
    found = space.service.uploads.read(provider, "government", "a.csv", _staging(space, provider, people(95)))
    assert "sample" in found.proposal["assessment"]
    [row] = [row for row in space.service.uploads.waiting(provider) if row.id == found.id]
    assert "preview" not in row.proposal
    assert "sample" not in row.proposal["assessment"]
    assert "sample" not in (row.proposal["assessment"]["suggestion"] or {})

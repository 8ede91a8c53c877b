"""The provider's journey, from the bytes of a file to its withdrawal."""

import hashlib
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlmodel import select

from dataspace.app import open_service
from dataspace.catalog.models import DatasetKey, DatasetVersion
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import Conflict, NotFound, PolicyDenied, Refused, TooLarge, Unprocessable
from dataspace.participants.models import Status
from tests.simulator import Simulator, fearless, people, simulated


def _staged(space: Simulator) -> list[Path]:
    return list((space.settings.home / "staging").iterdir())


def test_a_registered_dataset_is_in_the_catalogue_and_its_digests_in_the_ledger(space: Simulator) -> None:
    content = people(120)
    registered = space.registered(space.provider(), content, subjects=["number"])
    listing = space.service.catalogue.listing(registered.dataset)
    record = space.service.receipts.entries(space.operator, registered.entry, 1)[0]["record"]
    assert record["source_sha256"] == hashlib.sha256(content).hexdigest()
    assert (listing.rows, listing.version, listing.entry) == (120, 1, registered.entry)
    assert [column.name for column in listing.columns if column.subject] == ["number"]
    space.audit()


def test_plaintext_never_lies_on_disk(space: Simulator) -> None:
    marker = b"a-cell-nobody-else-has"
    content = b"number,district,age,income\nP999999," + marker + b",30,1\n" + people(50).partition(b"\n")[2]
    provider = space.provider()
    assert marker.decode() in str(space.upload(provider, content).proposal["preview"])
    space.registered(provider, content, subjects=["number"])
    assert not [
        path for path in space.settings.home.rglob("*") if path.is_file() and marker in path.read_bytes()
    ]
    assert not _staged(space)
    space.audit()


def test_up_05_other_bytes_than_declared_are_refused_and_kept_nowhere(space: Simulator) -> None:
    staging = space.service.uploads.stage(space.provider(), "government")
    staging.write(people(10))
    with pytest.raises(Unprocessable, match="not the declared one"):
        staging.finish(hashlib.sha256(b"another file").hexdigest())
    assert not _staged(space)
    space.audit()


def test_up_01_an_upload_past_the_limit_is_removed(tmp_path: Path) -> None:
    with simulated(tmp_path / "home", upload_limit=1000) as space:
        staging = space.service.uploads.stage(space.provider(), "government")
        with pytest.raises(TooLarge, match="more than 1000 bytes"):
            staging.write(people(100))
        assert not _staged(space)
        space.audit()


def test_up_19_the_same_file_twice_is_one_version(space: Simulator) -> None:
    provider = space.provider()
    first = space.registered(provider, people(70), subjects=["number"])
    second = space.registered(provider, people(70), subjects=["number"])
    assert (second.dataset, second.version, second.new) == (first.dataset, first.version, False)
    space.audit()


def test_a_new_upload_is_a_new_version_and_old_agreements_keep_theirs(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    first = space.registered(provider, people(80), subjects=["number"])
    agreement = space.agreed(consumer, first.offer)
    upload = space.upload(provider, people(90))
    second = space.service.registrar.confirm(
        provider,
        upload.id,
        Registration("", OfferTerms(price=1), subjects=("number",), dataset=first.dataset),
    )
    assert (second.dataset, second.version) == (first.dataset, 2)
    assert b"80" in space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data").content
    space.audit()


def test_a_method_can_be_made_stricter_and_not_laxer(space: Simulator) -> None:
    provider = space.provider()
    upload = space.upload(
        provider, b"phone,age\n" + b"".join(b"138%08d,%d\n" % (n, n % 80) for n in range(100))
    )
    for correction in ({"method": "keep", "parameters": {}}, {"level": 1}):
        with pytest.raises(Unprocessable, match="needs at least level"):
            space.service.registrar.confirm(
                provider, upload.id, Registration("x", OfferTerms(price=1), corrections={"phone": correction})
            )
    confirmed = space.service.registrar.confirm(
        provider,
        upload.id,
        Registration("x", OfferTerms(price=1), corrections={"phone": {"method": "suppress"}}),
    )
    assert space.service.catalogue.listing(confirmed.dataset).columns[0].method == "suppress"
    space.audit()


def test_an_offer_below_the_zones_group_size_is_denied(space: Simulator) -> None:
    with pytest.raises(PolicyDenied, match="group-limit-below-zone"):
        space.registered(space.provider(), people(33), subjects=["number"], min_group=2)
    space.audit()


def test_what_does_not_fit_names_itself_and_the_upload_waits_on(space: Simulator) -> None:
    provider = space.provider()
    upload = space.upload(provider, people(34))
    with pytest.raises(Unprocessable, match="no column 'nobody'"):
        space.service.registrar.confirm(
            provider, upload.id, Registration("x", OfferTerms(price=1), subjects=("nobody",))
        )
    assert space.service.uploads.upload(provider, upload.id).rows == 34


def test_an_offer_names_active_consumers_alone_semi_honest(space: Simulator) -> None:
    provider, suspended = space.provider(), space.consumer()
    space.service.membership.change(space.operator, suspended.id, status=Status.SUSPENDED)
    upload = space.upload(provider, people(42))
    for name in ("pt-0000000000000000", suspended.id, provider.id):
        terms = OfferTerms(price=1, semi_honest=(space.consumer().id, name))
        with pytest.raises(Unprocessable, match=f"semi_honest: '{name}' is no active consumer") as refused:
            space.service.registrar.confirm(provider, upload.id, Registration("x", terms))
        assert refused.value.facts["participant"] == name
    space.audit()


def test_an_upload_is_its_providers_alone(space: Simulator) -> None:
    upload = space.upload(space.provider(), people(35))
    with pytest.raises(NotFound):
        space.service.uploads.upload(space.provider(), upload.id)
    with pytest.raises(Refused):
        space.service.uploads.stage(space.consumer(), "government")


def test_an_unconfirmed_upload_is_forgotten_after_a_day(space: Simulator) -> None:
    provider = space.provider()
    upload = space.upload(provider, people(36))
    space.clock.forward(hours=25)
    assert space.service.uploads.expire() >= 1
    with pytest.raises(NotFound):
        space.service.uploads.upload(provider, upload.id)
    assert not (space.settings.home / "payloads" / f"{upload.id}.sealed").exists()


def test_withdrawal_destroys_the_key_for_real(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    registered = space.registered(provider, people(110), subjects=["number"])
    agreement = space.agreed(consumer, registered.offer)
    space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    with space.service.space.database.reading() as session:
        wrapped = session.exec(
            select(DatasetKey.wrapped).where(DatasetKey.dataset == registered.dataset)
        ).one()
        path = session.exec(
            select(DatasetVersion.path).where(DatasetVersion.dataset == registered.dataset)
        ).one()
    key = space.service.space.keys.secret("zone/government").unwrap(
        wrapped, path.removesuffix(".sealed").encode()
    )
    space.service.registrar.withdraw(provider, registered.dataset)
    for file in (path for path in space.settings.home.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert key not in content, file
        assert wrapped not in content, file
    with pytest.raises((PolicyDenied, NotFound)):
        space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data")
    with pytest.raises(NotFound):
        space.service.catalogue.listing(registered.dataset)
    with pytest.raises(Conflict):
        space.service.registrar.withdraw(provider, registered.dataset)
    space.audit()


def test_only_its_provider_withdraws_a_dataset(space: Simulator) -> None:
    registered = space.registered(space.provider(), people(111), subjects=["number"])
    with pytest.raises(NotFound):
        space.service.registrar.withdraw(space.provider(), registered.dataset)
    space.audit()


def test_a_fourth_zone_needs_no_code(tmp_path: Path) -> None:
    packs = tmp_path / "zones"
    shutil.copytree(
        Path(__file__).parents[2] / "zones" / "government",
        packs / "harbour",
        ignore=shutil.ignore_patterns("samples"),
    )
    pack = packs / "harbour" / "zone.toml"
    pack.write_text(fearless(pack.read_text()).replace('"government"', '"harbour"'))
    with simulated(tmp_path / "home", zones=str(packs)) as space:
        registered = space.registered(space.provider(), people(60), zone="harbour", subjects=["number"])
        agreement = space.agreed(consumer := space.consumer(), registered.offer)
        assert b"60" in space.query(consumer, agreement.id, "SELECT COUNT(*) FROM data").content
        space.audit()


def test_cr_02_files_that_a_crash_left_are_gone_after_the_next_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with simulated(home) as space:
        registered = space.registered(space.provider(), people(40), subjects=["number"])
        waiting = space.upload(space.provider(), people(41)).id
    kept = {path.name for path in (home / "payloads").iterdir()}
    (home / "payloads" / "up-0000000000000000.sealed").write_bytes(b"orphan")
    (home / "staging" / "0000.staged").write_bytes(b"orphan")
    (home / "cubes").mkdir()
    (home / "cubes" / "cb-0000000000000000.sealed").write_bytes(b"orphan")
    with open_service(space.settings) as service:
        assert {path.name for path in (home / "payloads").iterdir()} == kept
        assert not list((home / "staging").iterdir())
        assert not list((home / "cubes").iterdir())
        assert service.catalogue.listing(registered.dataset).rows == 40
        assert f"{waiting}.sealed" in kept


def test_what_is_declared_of_a_file_overrides_what_would_be_found(space: Simulator) -> None:
    provider, content = space.provider(), b"name;note\n" + b"a,b,c;d,e,f\n" * 40
    for declared, columns in (({}, 2), ({"delimiter": "|"}, 1)):
        staging = space.service.uploads.stage(provider, "government")
        staging.write(content)
        staging.finish()
        found = space.service.uploads.read(provider, "government", "notes.csv", staging, declared)
        assert len(found.proposal["columns"]) == columns


def test_terms_are_for_the_version_they_were_made_for(space: Simulator) -> None:
    provider, consumer = space.provider(), space.consumer()
    first = space.registered(provider, people(81), subjects=["number"], price=1)
    upload = space.upload(provider, people(91))
    second = space.service.registrar.confirm(
        provider,
        upload.id,
        Registration("", OfferTerms(price=900, min_group=50), subjects=("number",), dataset=first.dataset),
    )
    assert [offer.id for offer in space.service.catalogue.listing(first.dataset).offers] == [second.offer]
    assert space.agreed(consumer, first.offer).versions == [1]
    assert space.agreed(space.consumer(), second.offer).versions == [2]
    space.audit()


def test_of_withdrawals_at_once_one_is_an_entry(space: Simulator) -> None:
    provider = space.provider()
    registered = space.registered(provider, people(112), subjects=["number"])

    def withdraw(_: int) -> bool:
        try:
            space.service.registrar.withdraw(provider, registered.dataset)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(withdraw, range(4))) == 1
    space.audit()


def test_a_preview_shows_the_beginning_of_a_long_cell(space: Simulator) -> None:
    content = b"note,n\n" + b"x" * 5000 + b",1\n" + b"y,2\n" * 30
    preview = space.upload(space.provider(), content).proposal["preview"]
    assert len(preview["original"][0][0]) == 201

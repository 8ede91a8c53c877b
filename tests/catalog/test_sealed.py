"""Registering a sealed dataset: what is taken on its provider's signed word, and what is not."""

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.catalog.models import DatasetVersion, Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import Malformed, NotFound, PolicyDenied, Refused, Unavailable, Unprocessable
from dataspace.proof.canonical import canonical
from dataspace.wire.sealed import Head, report_message
from tests.keyservice.scene import ZONE, Scene, scene
from tests.simulator import people, simulated


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with scene(tmp_path_factory.mktemp("scene")) as found:
        yield found
        found.space.audit()


@pytest.fixture(scope="module")
def container(stage: Scene) -> bytes:
    return stage.sealed(people(300)).container.read_bytes()


def resigned(container: bytes, **changed: object) -> bytes:
    """The container with another report, which its provider signed."""
    key = Ed25519PrivateKey.generate()
    head = Head.read(BytesIO(container))
    told = {**json.loads(head.report), "provider_key": key.public_key().public_bytes_raw().hex(), **changed}
    report = canonical(told)
    return Head(report, key.sign(report_message(report)), head.manifest).encode() + container[head.size :]


def test_what_is_registered_is_what_the_provider_signed(stage: Scene, container: bytes) -> None:
    registered = stage.registered(stage.space.provider(), container)
    with stage.space.service.space.database.reading() as session:
        row = session.get_one(DatasetVersion, (registered.dataset, registered.version))
    report = Head.read(BytesIO(container)).report
    assert canonical(row.sealed["report"]) == report
    assert row.rows == 300
    offer = stage.space.service.catalogue.listing(registered.dataset).offers[0]
    assert (offer.forms, offer.exact) == ([Form.SEALED], False)


def test_the_stored_container_is_sealed_once_more_and_gone_when_it_is_withdrawn(
    stage: Scene, container: bytes
) -> None:
    provider = stage.space.provider()
    registered = stage.registered(provider, container)
    payloads = stage.space.settings.home / "payloads"
    before = set(payloads.iterdir())
    assert all(container[-1000:] not in path.read_bytes() for path in before)
    stage.space.service.registrar.withdraw(provider, registered.dataset)
    assert len(before - set(payloads.iterdir())) == 1
    assert not list((stage.space.settings.home / "staging").glob("*.staged"))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"keyservice": "0" * 64}, "another key service"),
        ({"pack_sha256": "0" * 64}, "other rules"),
        ({"zone": "finance"}, "other rules"),
        ({"level": 1}, "its level is 1"),
        ({"min_group": 2}, "2 subjects"),
        ({"blocks_sha256": "0" * 64}, "other blocks"),
        ({"manifest_sha256": "0" * 64}, "another manifest"),
    ],
    ids=lambda case: next(iter(case)) if isinstance(case, dict) else "",
)
def test_a_report_that_contradicts_the_zone_or_itself_is_refused(
    stage: Scene, container: bytes, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(Unprocessable, match=words):
        stage.registered(stage.space.provider(), resigned(container, **changed))


def test_a_column_graded_lower_than_its_zone_does_is_refused(stage: Scene, container: bytes) -> None:
    columns = json.loads(Head.read(BytesIO(container)).report)["columns"]
    lowered = [{**column, "level": 1} for column in columns]
    with pytest.raises(Unprocessable, match="says less of it"):
        stage.registered(stage.space.provider(), resigned(container, columns=lowered))
    summed = [{**column, "role": "measure"} for column in columns]
    with pytest.raises(Unprocessable, match="says less of it"):
        stage.registered(stage.space.provider(), resigned(container, columns=summed))


@pytest.mark.parametrize("size", [0, 7, 100, 3000, -1])
def test_a_container_that_is_cut_off_is_refused(stage: Scene, container: bytes, size: int) -> None:
    with pytest.raises((Malformed, Unprocessable)):
        stage.registered(stage.space.provider(), container[:size])


def test_a_container_with_a_changed_block_is_refused(stage: Scene, container: bytes) -> None:
    with pytest.raises(Unprocessable, match="other blocks"):
        stage.registered(stage.space.provider(), container[:-1] + bytes([container[-1] ^ 1]))


def test_what_nobody_here_can_open_is_offered_in_no_other_form(stage: Scene, container: bytes) -> None:
    with pytest.raises(Unprocessable, match="form sealed alone"):
        stage.registered(stage.space.provider(), container, forms=(Form.SEALED, Form.AGGREGATE))
    with pytest.raises(Unprocessable, match="seal it again"):
        stage.registered(stage.space.provider(), container, min_group=50)


def test_a_consumer_is_no_provider(stage: Scene) -> None:
    with pytest.raises(Refused):
        stage.space.service.uploads.stage(stage.space.consumer(), ZONE)


def test_the_totals_of_a_plain_dataset_are_asked_for_otherwise(stage: Scene) -> None:
    offer = stage.space.registered(stage.space.provider(), people(50), subjects=["number"]).offer
    consumer = stage.space.consumer()
    agreement = stage.space.agreed(consumer, offer)
    asked = {"measure": "income", "groups": [{"cells": [0], "weights": [1]}], "epsilon": 1, "key": "A" * 1624}
    with pytest.raises((Unprocessable, Malformed)):
        stage.space.service.sealed.total(consumer, agreement.id, asked)
    with pytest.raises(NotFound):
        stage.space.service.sealed.total(stage.space.consumer(), agreement.id, asked)


def test_policy_denies_totals_beyond_the_agreements_epsilon(stage: Scene) -> None:
    agreed = stage.agreed(people(300), epsilon=1_000_000)
    with pytest.raises(PolicyDenied, match="epsilon"):
        agreed.total(agreed.groups(district_0=1), epsilon=1_000_001)


def test_an_epsilon_that_is_all_noise_is_not_charged(stage: Scene) -> None:
    agreed = stage.agreed(people(300), epsilon=1_000_000)
    with pytest.raises(Malformed, match="epsilon is 16 millionths: want at least 17"):
        agreed.total(agreed.groups(district_0=1), epsilon=16)


def test_a_space_without_a_key_service_takes_no_sealed_dataset(tmp_path: Path, container: bytes) -> None:
    with simulated(tmp_path / "home") as space:
        provider = space.provider()
        staging = space.service.uploads.stage(provider, ZONE)
        staging.write(container)
        staging.finish()
        with pytest.raises(Unavailable, match="no key service"):
            space.service.sealing.register(provider, ZONE, staging, Registration("x", OfferTerms(1)))

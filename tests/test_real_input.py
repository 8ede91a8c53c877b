"""The journeys as a newcomer would run them, on open datasets that nobody made for this program."""

import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from dataspace.catalog.models import Form, Upload
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.errors import PolicyDenied
from dataspace.negotiation.models import Agreement
from dataspace.participants.access import Caller
from tests.programs import shared
from tests.simulator import Simulator

_PURPOSE = {"government": "statistics", "finance": "statistics", "healthcare": "clinical-research"}


def _journey(
    space: Simulator, zone: str, content: bytes, *subjects: str, **offer: Any
) -> tuple[Upload, Caller, Agreement]:
    provider, consumer = space.provider(), space.consumer()
    staging = space.service.uploads.stage(provider, zone)
    staging.write(content)
    staging.finish()
    upload = space.service.uploads.read(provider, zone, "real.csv", staging)
    terms = OfferTerms(**{"price": 100, **offer})
    offered = space.service.registrar.confirm(
        provider, upload.id, Registration("real", terms, subjects=subjects)
    )
    return upload, consumer, space.agreed(consumer, offered.offer, _PURPOSE[zone])


def _table(
    space: Simulator, consumer: Caller, agreement: Agreement, sql: str, form: Form = Form.AGGREGATE
) -> dict[str, Any]:
    return dict(json.loads(space.query(consumer, agreement.id, sql, form).content))


def test_the_census_extract_in_the_government_zone(space: Simulator) -> None:
    content = (shared() / "data" / "adult_census" / "adult.csv").read_bytes()
    upload, consumer, agreement = _journey(space, "government", content)
    assert (upload.proposal["delimiter"], upload.rows) == (";", 30_162)
    found = _table(space, consumer, agreement, "SELECT sex, COUNT(*), AVG(age) FROM data GROUP BY sex")
    assert {row[0]: row[1] for row in found["rows"]} == {"Male": 20_380, "Female": 9_782}
    rows = _table(space, consumer, agreement, "SELECT education, occupation FROM data LIMIT 7", Form.ROWS)[
        "rows"
    ]
    assert len(rows) == 7
    small = _table(
        space, consumer, agreement, 'SELECT "native-country", COUNT(*) FROM data GROUP BY "native-country"'
    )
    assert small["suppressed"] is True
    assert "Holand-Netherlands" not in json.dumps(small)
    space.audit()


def test_the_credit_cards_in_the_finance_zone(space: Simulator) -> None:
    content = (shared() / "data" / "uci_credit_card" / "UCI_Credit_Card.csv").read_bytes()
    upload, consumer, agreement = _journey(space, "finance", content, "ID")
    assert upload.rows == 30_000
    sql = 'SELECT "EDUCATION", COUNT(*), SUM("LIMIT_BAL") FROM data GROUP BY "EDUCATION"'
    found = _table(space, consumer, agreement, sql)
    assert next(row for row in found["rows"] if row[0] in {2, "2"})[1] == 14_030
    space.audit()


def test_the_heart_data_in_the_healthcare_zone(space: Simulator) -> None:
    content = (shared() / "data" / "heart" / "heartdisease.csv").read_bytes()
    upload, consumer, agreement = _journey(space, "healthcare", content, "rownames")
    assert upload.rows == 918
    found = _table(space, consumer, agreement, 'SELECT "Sex", COUNT(*) FROM data GROUP BY "Sex"')
    assert sum(row[1] for row in found["rows"]) == 918
    space.audit()


@pytest.fixture
def omop() -> Iterator[zipfile.ZipFile]:
    with zipfile.ZipFile(next((shared() / "data" / "synthea_omop").glob("*.zip"))) as archive:
        yield archive


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    return archive.read(
        next(member for member in archive.namelist() if member.rsplit("/")[-1] == f"{name}.csv")
    )


def test_of_28_patients_hardly_a_group_is_left(space: Simulator, omop: zipfile.ZipFile) -> None:
    _, consumer, agreement = _journey(space, "healthcare", _member(omop, "PERSON"), "person_id")
    sql = "SELECT gender_source_value, COUNT(*) FROM data GROUP BY gender_source_value"
    with pytest.raises(PolicyDenied, match="group-too-small"):
        space.query(consumer, agreement.id, sql + ", race_source_value")
    assert _table(space, consumer, agreement, "SELECT COUNT(*) FROM data")["rows"] == [[28]]
    space.audit()


def test_of_28_patients_many_conditions_are_one_subject_many_times(
    space: Simulator, omop: zipfile.ZipFile
) -> None:
    upload, consumer, agreement = _journey(
        space, "healthcare", _member(omop, "CONDITION_OCCURRENCE"), "person_id"
    )
    found = _table(
        space,
        consumer,
        agreement,
        "SELECT condition_concept_id, COUNT(*) FROM data GROUP BY condition_concept_id",
    )
    assert upload.rows > 300
    assert found["suppressed"] is True
    assert len(found["rows"]) < 5
    space.audit()

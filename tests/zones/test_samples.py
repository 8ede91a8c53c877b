import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest

from dataspace.zones.pack import Pack, load_packs
from dataspace.zones.samples import MARK, write_sample
from dataspace.zones.schema import Check
from dataspace.zones.validators import test as passes

PACKS = load_packs(Path(__file__).parents[2] / "zones")
TESTED = {
    "resident_id": Check.RESIDENT_ID,
    "uscc": Check.USCC,
    "bank_card": Check.BANK_CARD,
    "mobile": Check.MOBILE,
    "person_name": Check.PERSON_NAME,
    "address": Check.ADDRESS,
    "company_name": Check.COMPANY_NAME,
    "sex": Check.SEX,
    "age": Check.AGE,
    "amount": Check.AMOUNT,
    "date": Check.DATE,
    "birth_date": Check.DATE,
}


@pytest.fixture(scope="module", params=PACKS)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pack, Path]:
    pack = PACKS[request.param]
    return pack, write_sample(pack, tmp_path_factory.mktemp("samples"))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def named(pack: Pack, kind: str) -> list[str]:
    return [column.name for column in pack.sample.columns if column.kind == kind]


def test_a_sample_has_thousands_of_rows(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    assert len(rows(path)) == pack.sample.rows >= 5000


def test_the_same_pack_gives_the_same_bytes(sample: tuple[Pack, Path], tmp_path: Path) -> None:
    pack, path = sample
    again = write_sample(pack, tmp_path)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(path.read_bytes()).digest()


def test_values_pass_the_checks_of_their_kinds(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    table = rows(path)
    for kind, check in TESTED.items():
        for name in named(pack, kind):
            assert passes(check, pa.array([row[name] for row in table])).all(), name


def test_every_row_is_marked_as_synthetic(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    (mark,) = named(pack, "synthetic")
    assert {row[mark] for row in rows(path)} == {MARK}


def test_what_is_of_a_subject_is_the_same_in_all_its_rows(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    (identity,) = named(pack, "resident_id")
    about = defaultdict(set)
    constant = [column.name for column in pack.sample.columns if column.per == "subject"]
    table = rows(path)
    for row in table:
        about[row[identity]].add(tuple(row[name] for name in constant))
    assert all(len(facts) == 1 for facts in about.values())
    assert len(about) < len(table) / 2


def test_no_resident_number_could_have_been_issued(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    (identity,) = named(pack, "resident_id")
    # Numbers are issued under a county's code; a province's own has zeros where the county stands.
    assert all(row[identity][2:6] == "0000" for row in rows(path))


def test_sex_and_birth_agree_with_the_resident_number(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    (identity,), sexes, births = (named(pack, kind) for kind in ("resident_id", "sex", "birth_date"))
    for row in rows(path):
        assert all(row[name].replace("-", "") == row[identity][6:14] for name in births)
        assert all((row[name] == "男") == bool(int(row[identity][16]) % 2) for name in sexes)


def test_cards_are_in_the_test_range(sample: tuple[Pack, Path]) -> None:
    pack, path = sample
    for name in named(pack, "bank_card"):
        assert all(row[name].startswith("620000") for row in rows(path))


def test_fewer_rows_can_be_had(tmp_path: Path) -> None:
    pack = next(iter(PACKS.values()))
    assert len(rows(write_sample(pack, tmp_path, 17))) == 17

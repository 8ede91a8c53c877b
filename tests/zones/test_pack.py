import contextlib
import math
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.errors import Malformed
from dataspace.privacy.strictness import check_parameters
from dataspace.table import Attribute, Column, Method, Type
from dataspace.zones.pack import Pack, load_pack, load_packs, read_fields
from dataspace.zones.samples import KINDS
from dataspace.zones.schema import Check
from dataspace.zones.validators import VALIDATORS
from dataspace.zones.wording import CHINESE, DESCRIPTIONS

ROOT = Path(__file__).parents[2]
PACKS = load_packs(ROOT / "zones")


@pytest.fixture(params=PACKS)
def pack(request: pytest.FixtureRequest) -> Pack:
    return PACKS[request.param]


@pytest.fixture
def fourth(tmp_path: Path) -> Path:
    """Return the folder of a zone that is another one's data under a new name."""
    folder = tmp_path / "transport"
    shutil.copytree(ROOT / "zones" / "government", folder, ignore=shutil.ignore_patterns("samples"))
    change(folder / "zone.toml", 'name = "government"', 'name = "transport"')
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_three_zones_load() -> None:
    assert sorted(PACKS) == ["finance", "government", "healthcare"]


def test_no_python_file_names_a_zone() -> None:
    named = re.compile("|".join(PACKS))
    found = [path.name for path in (ROOT / "dataspace").rglob("*.py") if named.search(path.read_text())]
    assert found == []


def test_a_fourth_zone_is_data_alone(fourth: Path) -> None:
    packs = load_packs(fourth.parent)
    assert list(packs) == ["transport"]
    assert packs["transport"].facts()["name"] == "transport"


def test_a_service_hosts_the_zones_it_names() -> None:
    assert list(load_packs(ROOT / "zones", ["finance"])) == ["finance"]
    with pytest.raises(Malformed, match="'space'"):
        load_packs(ROOT / "zones", ["finance", "space"])


def test_a_folder_without_packs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="no zone pack"):
        load_packs(tmp_path)


def test_limits_are_within_the_levels(pack: Pack) -> None:
    assert 1 <= pack.max_rows_level < pack.max_aggregate_level < len(pack.levels)
    assert pack.min_group >= 10


def test_refused_purposes_are_listed_and_not_among_the_purposes(pack: Pack) -> None:
    listed = {purpose.name for purpose in pack.listed}
    assert set(pack.refused_purposes) < listed
    assert not set(pack.refused_purposes) & set(pack.facts()["purposes"])


def test_every_rule_comes_from_a_listed_document(pack: Pack) -> None:
    documents = {document.id for document in pack.documents}
    assert {field.clause.document for field in pack.fields} <= documents


def test_every_category_gives_a_column_of_every_type(pack: Pack) -> None:
    for field in pack.fields:
        for kind in Type:
            column = pack.column("x", kind, field.category)
            assert Column.from_json(column.to_json()) == column
            assert column.level == field.level
            assert not column.aggregable or kind in (Type.INTEGER, Type.DECIMAL)


def test_a_date_that_stayed_text_is_suppressed_unless_its_year_is_known_to_come_first(pack: Pack) -> None:
    assert pack.column("x", Type.TEXT, "birth_date").method is Method.SUPPRESS


def test_an_unknown_category_is_malformed(pack: Pack) -> None:
    with pytest.raises(Malformed):
        pack.column("x", Type.TEXT, "nothing")


def test_rules_cross_as_data(pack: Pack) -> None:
    assert tuple(read_fields(pack.rules())) == pack.fields
    with pytest.raises(Malformed):
        read_fields([{"category": "x"}])


def test_samples_ask_for_known_kinds(pack: Pack) -> None:
    assert {column.kind for column in pack.sample.columns} <= set(KINDS)


def test_every_check_has_a_validator_and_a_description() -> None:
    assert set(VALIDATORS) == set(DESCRIPTIONS) == set(CHINESE) == set(Check)


def test_the_digest_changes_with_any_byte_of_any_file(fourth: Path) -> None:
    digests = {load_pack(fourth).digest}
    for name in ("zone.toml", "fields.toml", "grading.toml", "sample.toml"):
        (fourth / name).write_text((fourth / name).read_text() + "\n# more\n")
        digests.add(load_pack(fourth).digest)
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("zone.toml", "min_group = 10", "min_grop = 10", "min_grop"),
        ("zone.toml", "min_group = 10\n", "", "min_group"),
        ("zone.toml", "min_group = 10", "min_group = 0", "min_group"),
        ("zone.toml", "min_group = 10", 'min_group = "10"', "min_group"),
        ("zone.toml", 'name = "transport"', 'name = "other"', "'other'"),
        ("zone.toml", 'forms = ["rows"', 'forms = ["raws"', "forms"),
        ("zone.toml", "max_rows_level = 4", "max_rows_level = 9", "max_rows_level"),
        ("zone.toml", "number = 2", "number = 3", "levels"),
        ("zone.toml", 'refused_purposes = ["marketing"]', 'refused_purposes = ["markting"]', "markting"),
        ("zone.toml", 'name = "statistics"', 'name = "marketing"', "twice"),
        ("fields.toml", 'category = "general"', 'category = "generall"', "'general'"),
        ("fields.toml", 'method = "pseudonymize"', 'method = "hide"', "method"),
        ("fields.toml", 'parameters = { as = "name" }', "parameters = { width = 1 }", "parameters.width"),
        ("fields.toml", 'parameters = { as = "name" }', "parameters = { first = -1 }", "parameters.first"),
        ("fields.toml", 'parameters = { as = "name" }', 'parameters = { as = "nam" }', "parameters.as"),
        ("fields.toml", "parameters = { digits = 1, to = 1 }", "parameters = {}", "parameters of round"),
        ("fields.toml", 'division = "city"', 'division = "town"', "parameters.division"),
        ("fields.toml", 'check = "mobile"', 'pattern = "(a+)+"', "pattern is refused"),
        ("fields.toml", 'attribute = "quasi-identifier"', 'attribute = "quasi"', "attribute"),
        ("grading.toml", "subjects = 1_000_000", "subjects = 0", "subjects"),
        ("grading.toml", "level = 4", "level = 7", "level is 7"),
        ("grading.toml", '"sex"', '"sexes"', "'sexes'"),
        ("grading.toml", 'document = "GB/T 35273-2020"', 'document = "GB/T 2"', "GB/T 2"),
        ("grading.toml", "[[precisions]]", "[[precision]]", "precision"),
        ("zone.toml", "k = 5", "k = 0", "risk.k"),
        ("zone.toml", "t_ppm = 700000", "t_ppm = 7000000", "t_ppm"),
        ("zone.toml", "[risk]", "[risks]", "risk"),
        ("fields.toml", 'unit = "year"', 'unit = "day"', "parameters.unit"),
        ("fields.toml", 'check = "resident_id"', 'check = "resident"', "check"),
        ("fields.toml", "level = 4", "level = 7", "level is 7"),
        ("fields.toml", 'document = "GB/T 43697-2024"', 'document = "GB/T 1"', "GB/T 1"),
        ("fields.toml", "share = 80", "share = 101", "share"),
        ("sample.toml", "rows = 6000", "rows = 6000\ncount = 1", "count"),
        ("sample.toml", "least = 4000", "least = 40000", "least"),
        ("sample.toml", "weights = [6, 3, 1]", "weights = [6, 3]", "weights"),
        ("sample.toml", 'file = "social', 'file = "../social', "file"),
        ("zone.toml", "[risk]", "[risk", "TOML"),
    ],
)
def test_a_mistake_is_told_with_its_file_and_key(
    fourth: Path, file: str, old: str, new: str, told: str
) -> None:
    change(fourth / file, old, new)
    with pytest.raises(Malformed) as caught:
        load_pack(fourth)
    assert file in str(caught.value)
    assert told in str(caught.value)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["zone.toml", "fields.toml", "grading.toml", "sample.toml"]),
    st.integers(0, 4000),
    st.binary(max_size=4),
)
def test_a_damaged_file_raises_one_kind_of_error(fourth: Path, file: str, place: int, noise: bytes) -> None:
    content = (fourth / file).read_bytes()
    (fourth / file).write_bytes(content[:place] + noise + content[place + len(noise) :])
    with contextlib.suppress(Malformed):
        load_pack(fourth)
    (fourth / file).write_bytes(content)


def test_a_missing_file_is_malformed(fourth: Path) -> None:
    (fourth / "fields.toml").unlink()
    with pytest.raises(Malformed, match=r"fields\.toml"):
        load_pack(fourth)


def test_every_rule_has_parameters_that_its_method_takes_for_every_type(pack: Pack) -> None:
    for field in pack.fields:
        for kind in Type:
            check_parameters(pack.column("x", kind, field.category))


@pytest.mark.parametrize("category", ["resident_id", "person_name", "mobile", "email", "passport", "plate"])
def test_what_identifies_is_marked_and_never_kept(pack: Pack, category: str) -> None:
    column = pack.column("x", Type.TEXT, category)
    assert column.attribute is Attribute.IDENTIFIER
    assert column.method in (Method.MASK, Method.PSEUDONYMIZE, Method.FPE, Method.SUPPRESS)


def test_a_stricter_pack_of_thresholds_is_where_the_patients_are() -> None:
    risks = {name: pack.risk for name, pack in PACKS.items()}
    assert all(risk.k >= 5 and risk.prosecutor_ppm <= math.ceil(10**6 / risk.k) for risk in risks.values())
    assert risks["healthcare"].k > risks["government"].k
    assert risks["finance"].to_json()["l"] == 2

"""What a provider seals: what is refused, what is bounded, and what the cells tell."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.errors import Conflict, Malformed, Refused, Unprocessable
from dataspace.sealing.cells import arrange
from dataspace.sealing.seal import seal
from dataspace.sealing.signing import provider_key
from dataspace.sealing.terms import Measure, Terms
from dataspace.wire.hpke import SealingKey
from dataspace.wire.keyservice import ServiceKey
from dataspace.wire.sealed import Head
from dataspace.zones.pack import load_pack
from tests.keyservice.local import TERMS, Local, csv, rows
from tests.simulator import ZONES

PACK = load_pack(ZONES / "government")


def test_the_container_tells_rows_by_cell_and_no_label(tmp_path: Path) -> None:
    local = Local.make(tmp_path, csv(rows(3_000)))
    report = local.head.check()
    assert sorted(report.counts) == [1000, 1000, 1000]
    assert report.measures == ["income", "debt"]
    for secret in (b"district 0", b"P000001", b"200000"):
        assert secret not in local.container
    assert sorted(local.manifest.facts.cells) == [["district 0"], ["district 1"], ["district 2"]]


def test_nothing_in_plain_stays_on_the_disk(tmp_path: Path) -> None:
    Local.make(tmp_path, csv(rows(3_000)))
    (tmp_path / "file.csv").unlink()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"P000001" not in path.read_bytes()


def test_of_a_subject_so_many_rows_count(tmp_path: Path) -> None:
    table = [(f"P{n % 500:04d}", "district 0", 5000, 1) for n in range(5_000)]
    local = Local.make(tmp_path, csv(table), replace(TERMS, max_rows=3))
    assert local.manifest.facts.counts == [1_500]
    assert local.naive(local.computed(local.plan({0: 1}))) == [1_500 * 5000]


def test_values_are_clamped_and_kept_to_their_precision(tmp_path: Path) -> None:
    text = "number,district,income\n" + "".join(f"P{n},d,{250_000.456 if n else -7.5}\n" for n in range(20))
    terms = Terms("government", (Measure("income", 0, 200_000, 2),), ("district",), ("number",))
    local = Local.make(tmp_path, text.encode(), terms)
    assert local.naive(local.computed(local.plan({0: 1}))) == [19 * 200_000_00]


def test_a_rare_label_is_told_to_nobody(tmp_path: Path) -> None:
    table = [*rows(300, districts=1), *((f"Q{n}", "rare place", 1, 1) for n in range(4))]
    local = Local.make(tmp_path, csv(table))
    assert local.manifest.facts.cells == [["district 0"]]


def test_rare_combinations_lose_their_last_label_first() -> None:
    random = np.random.default_rng(1)
    first = np.array([0] * 40 + [1] * 12)
    second = np.array([0] * 20 + [1] * 20 + [0] * 6 + [1] * 6)
    found = arrange(
        [first, second], [["a", "b"], ["x", "y"]], np.arange(52), max_rows=1, min_group=10, random=random
    )
    assert sorted(map(tuple, found.labels)) == [("a", "x"), ("a", "y"), ("b", "*")]
    assert min(found.subjects) >= 10
    assert sum(found.counts) == 52


def test_subjects_are_counted_once_however_many_rows_they_have() -> None:
    codes, subjects = np.zeros(30, np.int64), np.repeat(np.arange(3), 10)
    random = np.random.default_rng(1)
    with pytest.raises(Unprocessable, match="fewer than 10 subjects"):
        arrange([codes], [["a"]], subjects, max_rows=10, min_group=10, random=random)


@pytest.mark.parametrize(
    ("terms", "error", "words"),
    [
        (Terms("government", (Measure("nothing", 0, 1),)), Malformed, "no column 'nothing'"),
        (Terms("government", (Measure("district", 0, 1),)), Malformed, "wants numbers"),
        (
            Terms("government", (Measure("income", 0, 1),), ("number",)),
            Refused,
            "not grouped by what is hidden",
        ),
        (Terms("government", (Measure("income", 0, 1_000_000, 6),)), Unprocessable, "could pass"),
    ],
    ids=["unknown", "text", "hidden", "wraps"],
)
def test_what_the_zone_or_the_numbers_forbid_is_refused(
    tmp_path: Path, terms: Terms, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        Local.make(tmp_path, csv(rows(3_000)), terms)
    assert not (tmp_path / "out").exists()


def test_what_is_not_to_be_summed_in_its_zone_is_refused(tmp_path: Path) -> None:
    text = "number,age,income\n" + "".join(f"P{n},{20 + n % 60},{n}\n" for n in range(200))
    with pytest.raises(Refused, match="does not let"):
        Local.make(
            tmp_path,
            text.encode(),
            Terms("government", (Measure("age", 0, 120),), corrections={"age": {"aggregable": False}}),
        )


def test_a_folder_that_is_there_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(Conflict):
        Local.make(tmp_path, csv(rows(100)))


def test_the_report_is_the_providers(tmp_path: Path) -> None:
    local = Local.make(tmp_path, csv(rows(100, districts=1)))
    head = local.head
    head.check()
    changed = Head(head.report.replace(b'"rows":100', b'"rows":100 '), head.signature, head.manifest)
    with pytest.raises(Unprocessable, match="not signed"):
        changed.check()
    with pytest.raises(Unprocessable, match="another manifest"):
        Head(head.report, head.signature, head.manifest[:-1]).check()
    with pytest.raises(Malformed, match="cut off"):
        Head.read(BytesIO(local.container[:1000]))


def test_two_sealings_of_one_file_have_nothing_in_common(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    one, two = (Local.make(folder, csv(rows(100, districts=1))) for folder in folders)
    assert one.manifest.secret_key != two.manifest.secret_key
    assert one.container[one.head.size :][:64] != two.container[two.head.size :][:64]


@pytest.mark.parametrize(
    "text", ["income", "income:1", "income:a:b", "income:5:1", "income:0:1:9", "income:0:1:2:3x"]
)
def test_a_measure_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Measure.parse(text)


def test_a_measure_is_read_as_it_is_written() -> None:
    assert Measure.parse("income:0:200000:2") == Measure("income", 0, 200_000, 2)
    assert Measure.parse("income:-5:5") == Measure("income", -5, 5)


def test_the_providers_key_is_made_once_and_opens_with_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "provider.pem"
    made = provider_key(path, "a passphrase").public_key()
    assert provider_key(path, "a passphrase").public_key() == made
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Malformed):
        provider_key(path, "another")


def test_sealing_for_nobody_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.csv").write_bytes(csv(rows(100, districts=1)))
    with pytest.raises(Malformed, match="malformed key"):
        seal(
            tmp_path / "file.csv", tmp_path / "out", TERMS, pack=PACK,
            keyservice=ServiceKey(bytes(32), bytes(1216)), key=Ed25519PrivateKey.generate(),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()
    assert len(SealingKey.create().public) == 1216

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import VerificationError
from dataspace.proof.tiles import (
    WIDTH,
    Tile,
    join_entries,
    split_entries,
    split_hashes,
    tiles_at,
    width_at,
)
from tests.programs import shared


def test_the_published_paths() -> None:
    cases = json.loads((shared() / "vectors" / "tile-paths.json").read_text())["format_cases"]
    for case in cases:
        if case["kind"] == "entries_for_index":
            number = case["index"] // WIDTH
            tile = Tile(None, number, width_at(case["tree_size"], 0, number))
        else:
            tile = Tile(case.get("level"), case["n"], case["partial"] or WIDTH)
        assert tile.path() == case["want"]
        assert Tile.parse(case["want"]) == tile


def test_the_published_good_and_bad_paths() -> None:
    for case in json.loads((shared() / "vectors" / "tile-paths.json").read_text())["parse_cases"]:
        path = f"tile/{case['level']}/{case['index']}"
        if case["want_ok"]:
            want = Tile(case["want_level"], case["want_n"], case["want_partial"] or WIDTH)
            assert Tile.parse(path) == want
        else:
            with pytest.raises(VerificationError):
                Tile.parse(path)


@pytest.mark.parametrize("path", [
    "tile/0/000.p/256", "tile/0/000.p/0", "tile/0/000.p/01", "tile/00/000", "/tile/0/000", "tile/0/x000/001",
    "tile/0/000/", "tile/0/000\n",
])  # fmt: skip
def test_a_path_has_one_spelling(path: str) -> None:
    with pytest.raises(VerificationError):
        Tile.parse(path)


def test_the_tiles_of_the_tree_of_70000_leaves() -> None:
    # https://c2sp.org/tlog-tiles gives this very example.
    tiles = tiles_at(70_000)
    assert tiles.count(Tile(0, 272)) == 1
    assert [tile for tile in tiles if tile.width < WIDTH] == [
        Tile(0, 273, 112),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert len(tiles) == 273 + 1 + 1 + 1 + 1


@given(st.lists(st.binary(max_size=70), min_size=1, max_size=300))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert split_entries(join_entries(entries), len(entries)) == entries


def test_an_entry_longer_than_two_bytes_can_say_is_refused() -> None:
    with pytest.raises(VerificationError):
        join_entries([bytes(65_536)])


@given(st.binary(max_size=300), st.integers(0, 5))
def test_noise_is_refused_with_one_error(data: bytes, width: int) -> None:
    for split in (split_entries, split_hashes):
        try:
            items = split(data, width)
        except VerificationError:
            continue
        assert len(items) == width


@given(st.text() | st.text("tile/x0123456789.p", max_size=40).map(lambda text: f"tile/{text}"))
def test_noise_is_no_path(text: str) -> None:
    try:
        tile = Tile.parse(text)
    except VerificationError:
        return
    assert tile.path() == text

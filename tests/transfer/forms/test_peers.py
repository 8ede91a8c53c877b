"""The peers' file: what is wrong with it is said with its line, and a service knows itself in it."""

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataspace.app import initialise, public_keys
from dataspace.errors import Malformed, Unavailable
from dataspace.keys.file import FileKeys
from dataspace.settings import Settings
from dataspace.transfer.forms.peers import public_peer_keys, read_peers
from tests.neighbours import peer_keys, peers_file, told


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[FileKeys]:
    return [peer_keys(tmp_path_factory.mktemp("home")) for _ in range(3)]


@pytest.fixture
def entries(stores: list[FileKeys]) -> list[dict[str, str]]:
    return [
        told(f"space-{place}", f"https://space-{place}.example", keys) for place, keys in enumerate(stores)
    ]


def test_a_service_knows_itself_by_its_key(
    tmp_path: Path, entries: list[dict[str, str]], stores: list[FileKeys]
) -> None:
    path = peers_file(tmp_path / "peers.toml", entries)
    for place, keys in enumerate(stores):
        peers = read_peers(path, keys)
        assert peers.own.name == f"space-{place}"
        assert "space-0" in peers
        assert "nobody" not in peers
        assert peers.digest(["space-0", "space-1"]) == read_peers(path, stores[0]).digest(
            ["space-0", "space-1"]
        )


@pytest.mark.parametrize(
    ("place", "field", "value", "said"),
    [
        (1, "name", "Space 1", r"line 8: name: want 1 to 64 small letters"),
        (1, "url", "ftp://host", r"line 9: url: want http"),
        (2, "url", "https://user:secret@host", r"line 15: url: want no password"),
        (2, "url", "https://space-0.example", r"line 15: url is another peer's too"),
        (0, "key", "AAAA", r"line 4: key: 3 bytes, want 32"),
        (0, "key", "not base64!", r"line 4: key: want base64 of 32 bytes"),
        (1, "vkey", "", r"line 11: vkey: 0 bytes, want 32"),
        (2, "name", "space-0", r"line 14: name is another peer's too"),
        (2, "key", b64encode(bytes(32)).decode(), r"small order"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path,
    entries: list[dict[str, str]],
    stores: list[FileKeys],
    *,
    place: int,
    field: str,
    value: str,
    said: str,
) -> None:
    entries[place][field] = value
    keys = stores[1] if place == 0 else stores[0]
    with pytest.raises(Malformed, match=said) as refused:
        read_peers(peers_file(tmp_path / "peers.toml", entries), keys)
    assert "secret" not in str(refused.value)


def test_a_file_of_others_of_one_or_of_none_is_refused(
    tmp_path: Path, entries: list[dict[str, str]], stores: list[FileKeys]
) -> None:
    path = tmp_path / "peers.toml"
    with pytest.raises(Malformed, match="cannot be read"):
        read_peers(path, stores[0])
    with pytest.raises(Malformed, match="no key in it is this service's"):
        read_peers(peers_file(path, entries[1:]), stores[0])
    with pytest.raises(Malformed, match="want 2 to 16"):
        read_peers(peers_file(path, entries[:1]), stores[0])
    with pytest.raises(Malformed, match="and there is "):
        read_peers(peers_file(path, [{**entries[0], "port": "1"}, entries[1]]), stores[0])
    path.write_text("[peer\n")
    with pytest.raises(Malformed, match="at line 1"):
        read_peers(path, stores[0])
    with pytest.raises(Malformed, match="vkey of space-0 is not this service's"):
        read_peers(peers_file(path, [{**entries[0], "vkey": entries[0]["key"]}, *entries[1:]]), stores[0])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_noise_is_refused_with_one_error(tmp_path: Path, stores: list[FileKeys], content: bytes) -> None:
    path = tmp_path / "peers.toml"
    path.write_bytes(content)
    with pytest.raises(Malformed):
        read_peers(path, stores[0])


def test_a_service_without_keys_for_it_says_how_to_get_them(
    tmp_path: Path, entries: list[dict[str, str]]
) -> None:
    keys = FileKeys(tmp_path / "keys")
    assert public_peer_keys(keys) is None
    with pytest.raises(Unavailable, match="dataspace init"):
        read_peers(peers_file(tmp_path / "peers.toml", entries), keys)


def test_init_makes_the_keys_and_they_are_printed(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path / "home")
    initialise(chosen, "operator", "operator")
    shown = public_keys(chosen)["peer"]
    assert shown == public_peer_keys(FileKeys(tmp_path / "home" / "keys"))
    assert set(shown) == {"key", "vkey"}

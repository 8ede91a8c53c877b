"""The platform never holds a cell of a sealed dataset: not on its disk, not in its memory, nor its workers'.

The same search finds them when the same file is registered the plain way.
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.app import initialise, log_key
from dataspace.client import DataSpace
from dataspace.client.sealed import SealedKeys
from dataspace.keyservice.home import Home
from dataspace.sealing.seal import seal
from dataspace.sealing.terms import Measure
from dataspace.settings import Settings
from dataspace.zones.pack import load_packs
from tests.keyservice.scene import TERMS, ZONE, key_service
from tests.running import free_port, serving
from tests.simulator import PASSWORD, fearless_zones

_BLOCK = 1 << 22
_PAGE = os.sysconf("SC_PAGE_SIZE")
_ROWS = 2_000
# Numbers that nothing else has: of 33 bits, in no order.
_INCOMES = [5_000_000_000 + n * 2_654_435_761 % 2_900_000_000 for n in range(_ROWS)]
_LABELS = ["quince harbour", "velvet meadow", "copper ridge"]


def _file() -> bytes:
    lines = [f"ZQ{n:06d}X,{_LABELS[n % 3]},{income}" for n, income in enumerate(_INCOMES)]
    return ("\n".join(["number,district,income", *lines]) + "\n").encode()


# Of rows in the middle of the file, where no preview and no sample shows them.
_NEEDLES = {
    **{label: label.encode() for label in _LABELS},
    **{f"subject {n}": f"ZQ{n:06d}X".encode() for n in (700, 1100, 1101)},
    **{f"text {n}": str(_INCOMES[n]).encode() for n in (700, 1100, 1101)},
    **{f"packed {n}": struct.pack("<q", _INCOMES[n]) for n in (700, 1100, 1101)},
}
_TERMS = replace(TERMS, measures=(Measure("income", 0, 8_000_000_000),))


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[tuple[DataSpace, DataSpace, Home, int, Path]]:
    """A served platform with its process, a provider and a consumer; and a key service."""
    home, ours, ports = tmp_path / "platform", tmp_path / "keyservice", (free_port(), free_port())
    settings = Settings(home=home, zones=str(fearless_zones()))
    admission = initialise(settings, "operator", "operator", PASSWORD)
    assert admission
    made = Home.create(ours, log_key(settings))
    url = f"http://127.0.0.1:{ports[0]}"
    environment = {
        "DATASPACE_HOME": str(home),
        "DATASPACE_URL": url,
        "DATASPACE_ZONES": settings.zones,
        "DATASPACE_KEYSERVICE": f"http://127.0.0.1:{ports[1]}#{made.identity.public.id}",
        "DATASPACE_WORKERS": "1",
    }
    with key_service(ours, ports[1]), serving(environment, ports[0], tmp_path / "log") as process:
        with DataSpace(url, admission.token) as operator:
            tokens = [
                operator.admit(role, role, [role], PASSWORD)["token"] for role in ("provider", "consumer")
            ]
        with DataSpace(url, tokens[0]) as provider, DataSpace(url, tokens[1]) as consumer:
            yield provider, consumer, made, process.pid, home


def test_no_cell_of_a_sealed_dataset_is_on_the_platforms_disk_or_in_its_memory(
    platform: tuple[DataSpace, DataSpace, Home, int, Path], tmp_path: Path
) -> None:
    provider, consumer, made, pid, home = platform
    path = tmp_path / "plain.csv"
    path.write_bytes(_file())
    pack = load_packs(fearless_zones())[ZONE]
    sealed = seal(
        path,
        tmp_path / "out",
        _TERMS,
        pack=pack,
        keyservice=made.identity.public,
        key=Ed25519PrivateKey.generate(),
    )
    registered = provider.upload_sealed(sealed.container, ZONE, "sealed", price=100, epsilon=50_000_000)
    agreement = consumer.negotiate(registered["offer"], "statistics", ["sealed"])["id"]
    keys, pinned = SealedKeys.create(), made.identity.public.id
    found = consumer.sealed_total(
        agreement, "income", by=["district"], epsilon=10_000_000, keys=keys, keyservice=pinned
    )
    for place, label in enumerate(_LABELS):
        assert abs(found.totals[label,] - sum(_INCOMES[place::3])) < found.error * 15
    whole = consumer.sealed_total(agreement, "count", epsilon=10_000_000, keys=keys, keyservice=pinned)
    assert abs(whole.totals[()] - _ROWS) < whole.error * 15 + 1
    assert _on_disk(home) == set()
    assert _in_memory(pid) == set()

    # The same file the plain way: the search finds what there is to find.
    upload = provider.upload(path, ZONE)
    plain = provider.confirm(upload["id"], "plain", price=100, subjects=["number"])
    agreement = consumer.negotiate(plain["offer"], "statistics", ["aggregate"])["id"]
    sums = consumer.query(agreement, "SELECT district, SUM(income) FROM data GROUP BY district").rows
    assert len(sums) == 3
    held = _in_memory(pid)
    assert {"quince harbour", "packed 700", "packed 1100"} <= held
    (home / "left.csv").write_bytes(_file())
    assert {"quince harbour", "subject 700", "text 1100"} <= _on_disk(home)


def _on_disk(home: Path) -> set[str]:
    """Which needles lie in any file of a home: database, log of the database, payloads, everything."""
    found: set[str] = set()
    for path in home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            found |= {name for name, needle in _NEEDLES.items() if needle in content}
    assert (home / "dataspace.db").exists()
    return found


def _in_memory(pid: int) -> set[str]:
    """Which needles are in the memory of a process or of any process below it, files in memory too."""
    found: set[str] = set()
    processes = [pid, *_below(pid)]
    assert len(processes) > 1, "the service has workers"
    for process in processes:
        for chunk in _memory(process):
            found |= {name for name, needle in _NEEDLES.items() if needle in chunk}
    return found


def _below(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [one for child in children for one in (child, *_below(child))]


def _memory(pid: int) -> Iterator[bytes]:
    try:
        regions = Path(f"/proc/{pid}/maps").read_text().splitlines()
    except (PermissionError, ProcessLookupError):
        pytest.skip("needs to read the memory of processes of its own user")
    # Only pages that are there: workers reserve gigabytes that they never touch.
    mem, pagemap = (os.open(f"/proc/{pid}/{name}", os.O_RDONLY) for name in ("mem", "pagemap"))
    try:
        for region in regions:
            bounds, rights = region.split()[:2]
            begin, end = (int(bound, 16) for bound in bounds.split("-"))
            if rights.startswith("rw"):
                for start, stop in _present(pagemap, begin // _PAGE, end // _PAGE):
                    yield from _pieces(mem, start * _PAGE, stop * _PAGE)
    finally:
        os.close(mem)
        os.close(pagemap)
    yield from _anonymous(pid)


def _present(pagemap: int, begin: int, end: int) -> list[tuple[int, int]]:
    """The stretches of pages that are in memory, or swapped out (proc_pid_pagemap(5))."""
    flags = np.frombuffer(os.pread(pagemap, 8 * (end - begin), 8 * begin), np.uint64) >> np.uint64(62)
    there = np.concatenate([[False], flags != 0, [False]])
    edges = np.flatnonzero(there[1:] != there[:-1]) + begin
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _pieces(mem: int, begin: int, end: int) -> Iterator[bytes]:
    for at in range(begin, end, _BLOCK):
        try:
            # A little of the next piece too: a needle may lie across.
            yield os.pread(mem, min(_BLOCK + 64, end - at), at)
        except OSError:
            return


def _anonymous(pid: int) -> Iterator[bytes]:
    """The files in memory that a process holds: what it decrypts is there, mapped or not."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if "memfd" in str(descriptor.readlink()):
                yield descriptor.read_bytes()
        except OSError:
            continue

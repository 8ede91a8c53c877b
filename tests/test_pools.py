"""The worker processes of a whole service: what each of them may use, and for how long it lives."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import pytest

from dataspace.pools import Pools, open_pools
from dataspace.sandbox import Pool
from dataspace.settings import Settings

# Their calls are not of a consumer's choosing: they read files, for as long as a file may take.
READERS = {"intake", "copier", "queries"}


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pools]:
    with ExitStack() as stack:
        yield open_pools(Settings(home=tmp_path_factory.mktemp("home"), workers=1), stack)


def _limits(pool: Pool) -> dict[str, str]:
    """Start a worker of a pool and return the soft limits that the system holds it to."""
    pool.warm()
    lines = Path(f"/proc/{pool._children[0]._process.pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


def test_every_worker_that_computes_for_others_is_limited_and_replaced(pools: Pools) -> None:
    computing = [getattr(pools, field.name) for field in fields(Pools) if field.name not in READERS]
    assert len(computing) == len(fields(Pools)) - len(READERS) == 9
    assert all(pool._recycle for pool in computing)
    with ThreadPoolExecutor(3) as threads:
        for limits in threads.map(_limits, computing):
            assert int(limits["Max address space"]) <= 4 << 30
            assert int(limits["Max cpu time"]) <= 600

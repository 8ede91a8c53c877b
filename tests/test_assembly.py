"""The worker processes of a whole service: what each of them may use, and for how long it lives."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dataspace import app
from dataspace.assembly import assemble
from dataspace.sandbox import Pool
from dataspace.settings import Settings
from dataspace.transfer.engine import WORKER
from tests.neighbours import peer_keys, peers_file, told
from tests.simulator import PASSWORD

# Their calls are not of a consumer's choosing: they read files, for as long as a file may take.
READERS = {"dataspace.catalog.intake:Intake", "dataspace.catalog.copying:Copier", WORKER}


class Recording(ExitStack):
    """Remembers the pools that will be closed with it."""

    def __init__(self) -> None:
        super().__init__()
        self.pools: dict[str, Pool] = {}

    def callback(self, callback: Callable[..., Any], /, *args: Any, **named: Any) -> Callable[..., Any]:
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, Pool):
            self.pools[owner._target] = owner
        return super().callback(callback, *args, **named)


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Pool]]:
    """Every pool of a service that has peers."""
    home = tmp_path_factory.mktemp("home")
    keys = {"one": peer_keys(home), "other": peer_keys(home / "other")}
    entries = [told(name, f"http://127.0.0.1:{port}", of) for port, (name, of) in enumerate(keys.items(), 1)]
    path = peers_file(home / "peers.toml", entries)
    settings = Settings(home=home, peers=str(path), workers=1)
    app.initialise(settings, "operator", "operator", PASSWORD)
    with app.open_space(settings) as space, Recording() as stack:
        assemble(space, app._anchorage(space), stack, warm=False)
        yield stack.pools


def _limits(pool: Pool) -> dict[str, str]:
    """Start a worker of a pool and return the soft limits that the system holds it to."""
    pool.warm()
    lines = Path(f"/proc/{pool._children[0]._process.pid}/limits").read_text().splitlines()[1:]
    return {line[:26].strip(): line[26:].split()[0] for line in lines}


def test_every_worker_that_computes_for_others_is_limited_and_replaced(pools: dict[str, Pool]) -> None:
    sacrificial = [pool for target, pool in pools.items() if target not in READERS]
    assert len(sacrificial) == len(pools) - len(READERS) == 9
    assert all(pool._recycle for pool in sacrificial)
    with ThreadPoolExecutor(3) as threads:
        for limits in threads.map(_limits, sacrificial):
            assert int(limits["Max address space"]) <= 4 << 30
            assert int(limits["Max cpu time"]) <= 600

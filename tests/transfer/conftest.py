"""What tests of queries share: an engine on each kind of worker."""

from collections.abc import Iterator

import pytest

from dataspace.sandbox import Pool
from dataspace.transfer.engine import Engine
from tests.transfer.workers import WORKERS


@pytest.fixture(scope="module", params=WORKERS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    target = f"{request.param.__module__}:{request.param.__name__}"
    pool = Pool(target, workers=1, memory=3 << 30, deadline=20)
    yield Engine(pool)
    pool.close()

"""A service that the SDK speaks to over a real socket."""

from collections.abc import Iterator

import pytest

from tests.simulator import Simulator
from tests.web.served import served


@pytest.fixture(scope="module")
def url(space: Simulator) -> Iterator[str]:
    with served(space) as address:
        yield address

"""What every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.simulator import Simulator, simulated

# A test says what is right, not how fast: on a busy machine an example may take any time.
settings.register_profile("dataspace", deadline=None)
settings.load_profile("dataspace")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space that the tests of one module share; each makes members of its own, and audits it at its end."""
    home: Path = tmp_path_factory.mktemp("home")
    with simulated(home) as simulator:
        yield simulator

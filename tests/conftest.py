"""What every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.simulator import Simulator, simulated

# A test says what is right, not how fast: on a busy machine an example may take any time. And it says the
# same of the same commit, every time; `make fuzz` looks for what these examples do not show.
settings.register_profile("gate", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("gate")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """A space that the tests of one module share; each makes members of its own, and audits it at its end."""
    home: Path = tmp_path_factory.mktemp("home")
    with simulated(home) as simulator:
        yield simulator

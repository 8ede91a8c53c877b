"""A space with its web face, spoken to in process."""

from collections.abc import Iterator

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from dataspace import web
from dataspace.participants.access import Caller
from tests.simulator import Simulator
from tests.web.words import log_in


@pytest.fixture(scope="module")
def app(space: Simulator) -> Litestar:
    return web.create(space.service)


@pytest.fixture
def client(app: Litestar, space: Simulator) -> Iterator[TestClient[Litestar]]:
    """A client without credentials; it keeps cookies, follows no redirect, and sees errors as answers."""
    with TestClient(app, base_url=space.settings.url, raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def provider(space: Simulator, client: TestClient[Litestar]) -> Caller:
    """A provider that is logged in and reads English."""
    provider = space.provider()
    log_in(space, client, provider)
    client.cookies.set("language", "en")
    return provider

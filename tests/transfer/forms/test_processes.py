"""Several processes of one space on one PostgreSQL: they take turns, and nothing is spent twice."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from dataspace.app import open_service
from dataspace.audit.audit import audit
from dataspace.audit.evidence import ANCHORS
from dataspace.audit.sources import Home
from dataspace.client import DataSpace
from dataspace.errors import DataSpaceError
from dataspace.settings import Settings
from tests.postgres import postgres_server, postgres_url
from tests.running import free_port, serving
from tests.simulator import people, simulated

__all__ = ["postgres_server", "postgres_url"]  # fixtures

UNITS = 8
ASKED = 24


def test_qy_09_three_processes_on_one_postgres_share_one_budget_and_one_log(
    tmp_path: Path, postgres_url: str
) -> None:
    with simulated(tmp_path / "home", database=postgres_url) as space:
        registered = space.registered(space.provider(), people(300), subjects=["number"], units=UNITS)
        consumer = space.consumer()
        agreement, token = space.agreed(consumer, registered.offer).id, space.tokens[consumer.id]
    environment = {
        "DATASPACE_HOME": str(tmp_path / "home"),
        "DATASPACE_DATABASE": postgres_url,
        "DATASPACE_WORKERS": "1",
        "DATASPACE_WORKER": "off",
    }
    ports = [free_port() for _ in range(3)]

    def ask(number: int) -> bool:
        with DataSpace(f"http://127.0.0.1:{ports[number % len(ports)]}", token) as client:
            try:
                # Rows: the same aggregate twice would be one answer.
                return client.query(agreement, "SELECT district FROM data LIMIT 5", "rows").units == 1
            except DataSpaceError:
                return False

    with ExitStack() as running:
        for port in ports:
            running.enter_context(serving(environment, port, tmp_path / f"log-{port}"))
        with ThreadPoolExecutor(len(ports) * 2) as threads:
            answered = sum(threads.map(ask, range(ASKED)))
    assert answered == UNITS
    with open_service(Settings(home=tmp_path / "home", database=postgres_url)) as service:
        source = Home.of(service.space.database, tmp_path / "home" / ANCHORS)
        report = audit(source, service.space.log.vkey())
        assert report.ok, report
        assert service.answers.usage(consumer, agreement)["units"]["spent"] == UNITS

"""Three zones as three processes, each with its own home, key and ledger; two of them die in the middle."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from dataspace.app import initialise, log_key
from dataspace.audit.audit import audit
from dataspace.audit.sources import Home
from dataspace.client import DataSpace, prepare_joint
from dataspace.client.encrypted import Keys
from dataspace.errors import Conflict, Unavailable
from dataspace.settings import Settings
from tests.neighbours import peers_file
from tests.running import DATASPACE, command, free_port, serving
from tests.simulator import fearless_zones, people

PURPOSES = {"finance": "statistics", "government": "statistics", "healthcare": "public-health"}
ROWS = {"finance": 600, "government": 900, "healthcare": 1200}
EPSILON = 2_000_000


@dataclass
class Zone:
    """One service: its settings, its process while it runs, and the consumer's agreement on its dataset."""

    name: str
    home: Path
    port: int
    environment: dict[str, str]
    operator: str = ""
    stack: ExitStack = field(default_factory=ExitStack)
    process: "Popen[bytes] | None" = None
    agreement: str = ""
    consumer: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, **more: str) -> None:
        context = serving({**self.environment, **more}, self.port, self.home.parent / f"{self.name}.log")
        self.process = self.stack.enter_context(context)

    def killed(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture(scope="module")
def zones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Zone]]:
    folder = tmp_path_factory.mktemp("services")
    found = {name: _made(folder, name) for name in PURPOSES}
    with ThreadPoolExecutor(3) as pool:
        peers_file(folder / "peers.toml", list(pool.map(_told, found.values())))
    try:
        yield found
    finally:
        for zone in found.values():
            zone.stack.close()


def _made(folder: Path, name: str) -> Zone:
    environment = {
        "DATASPACE_HOME": str(folder / name),
        "DATASPACE_ORIGIN": f"{name}.example/log",
        "DATASPACE_HOSTS": name,
        "DATASPACE_ZONES": str(fearless_zones()),
        "DATASPACE_PEERS": str(folder / "peers.toml"),
        "DATASPACE_WORKERS": "1",
    }
    admission = initialise(Settings.from_environment(environment), "operator", "operator")
    assert admission
    return Zone(name, folder / name, free_port(), environment, admission.token)


def _told(zone: Zone) -> dict[str, str]:
    """Return a zone's entry of the peers' file, from what its service prints of itself."""
    shown = command([*DATASPACE, "key", "--all"], zone.environment, zone.home.parent)
    return {"name": zone.name, "url": zone.url, **json.loads(shown.stdout)["peer"]}


def _settle(zone: Zone) -> None:
    """Register a dataset of the zone's own people, and conclude an agreement on it."""
    path = zone.home.parent / f"{zone.name}.csv"
    path.write_bytes(people(ROWS[zone.name]))
    with DataSpace(zone.url, zone.operator) as operator:
        provider = operator.admit("provider", "provider", ["provider"])["token"]
        zone.consumer = operator.admit("consumer", "consumer", ["consumer"])["token"]
    with DataSpace(zone.url, provider) as space:
        upload = space.upload(path, zone.name)["id"]
        offer = {"forms": ["joint"], "epsilon": 4 * EPSILON, "units": 10}
        space.confirm(upload, "people", price=100, subjects=["number"], offer=offer)
    with DataSpace(zone.url, zone.consumer) as space:
        [dataset] = space.catalog()["dataset"]
        offered = dataset["hasPolicy"][0]["@id"]
        zone.agreement = space.negotiate(offered, PURPOSES[zone.name], ["joint"])["id"]


def _usage(zones: dict[str, Zone], spaces: dict[str, DataSpace]) -> dict[str, Any]:
    return {name: space.agreement(zones[name].agreement)["usage"] for name, space in spaces.items()}


def test_cr_04_a_zone_and_the_coordinator_die_in_the_middle_and_nothing_is_charged_twice(
    zones: dict[str, Zone],
) -> None:
    # One dies at the worst moment for its part: charged, kept, and not delivered.
    crashing = {"healthcare": {"DATASPACE_CRASH_AT": "joint.before_delivery"}}
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda zone: zone.start(**crashing.get(zone.name, {})), zones.values()))
        list(pool.map(_settle, zones.values()))
    with ExitStack() as stack:
        spaces = {
            name: stack.enter_context(DataSpace(zone.url, zone.consumer)) for name, zone in zones.items()
        }
        agreements = {name: zone.agreement for name, zone in zones.items()}
        districts = {"district": [f"district {number}" for number in range(3)]}
        asked: dict[str, Any] = {"dimensions": districts, "measures": [{"kind": "count"}], "epsilon": EPSILON}
        question = prepare_joint(spaces, agreements, Keys.create(), coordinator="finance", **asked)

        with pytest.raises(Unavailable) as dead:
            question.ask(patience=0)
        assert dead.value.facts["peer"] == "healthcare"
        died = zones["healthcare"].process
        assert died
        assert died.wait(timeout=30) == 137
        with pytest.raises(Conflict) as missing:
            spaces["finance"].joint_sum(question.job.id)
        assert missing.value.facts["missing"] == ["healthcare"]

        zones["finance"].killed()
        with pytest.raises(Unavailable):
            question.ask(patience=0)
        with ThreadPoolExecutor(3) as pool:
            waiting = pool.submit(question.ask, patience=300)  # both come back while it is asked
            list(pool.map(lambda name: zones[name].start(), ("finance", "healthcare")))
            table = waiting.result()

        exact = [sum(rows // 3 for rows in ROWS.values())] * 3
        assert all(
            abs(a - b) < 12 * table.error("count") for a, b in zip(table.values("count"), exact, strict=True)
        )
        assert {zone.epsilon for zone in table.zones.values()} == {0}  # all were charged before
        for used in _usage(zones, spaces).values():
            assert used["units"] == {"granted": 10, "spent": 1, "reserved": 0}
            assert used["epsilon"] == {"granted": 4 * EPSILON, "spent": EPSILON, "reserved": 0}
        receipts = table.receipts()
        for name, zone in zones.items():
            settings = Settings(home=zone.home, origin=zone.environment["DATASPACE_ORIGIN"])
            assert spaces[name].verify(receipts[name], log_key(settings)).ok
    for zone in zones.values():
        zone.stack.close()
        settings = Settings(home=zone.home, origin=zone.environment["DATASPACE_ORIGIN"])
        report = audit(Home(zone.home), log_key(settings))
        assert report.ok, (zone.name, report)

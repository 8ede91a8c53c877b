"""Joint statistics of several zones that run as separate services: one answer, and nobody's part of it.

    spaces = {"north": north, "south": south, "east": east}      # by the names of the peers' file
    table = joint(spaces, {"north": "ag-...", "south": "ag-...", "east": "ag-..."}, keys,
                  dimensions={"district": ["A", "B"], "year": [2024, 2025]},
                  measures=[{"kind": "count"}], epsilon=1_000_000)
    table.to_pandas()

Each zone masks its part so that only the sum of all tells anything, and
encrypts it under the consumer's key, so that no service reads the sum. Each
charges its own agreement. A zone that does not answer, or cannot bring its part to
the coordinator, is asked again for half a minute, and the same question can be asked
later: what was computed is not computed, nor charged, a second time.
"""

import hmac
import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dataspace.client.estimating import millionths
from dataspace.client.http import Http
from dataspace.client.providing import part
from dataspace.client.totals import JointTable, ZonePart
from dataspace.errors import Conflict, DataSpaceError, Malformed, Unavailable, VerificationError
from dataspace.wire import ENVELOPE
from dataspace.wire.joint import CELLS_LIMIT, LIFETIME_SECONDS, Cell, Job, Measure
from dataspace.wire.parameters import DEFAULT_PARAMETERS
from dataspace.wire.part import Request, Sum

if TYPE_CHECKING:
    from dataspace.client.encrypted import Keys
    from dataspace.client.keyring import KeyRing

_T = TypeVar("_T")

_BUDGET: Final = 24  # bits of noise budget; an honest sum has 70 and more left
_SECONDS: Final = 180.0  # a zone draws noise for each value, and brings its part to another service
_PATIENCE: Final = 30.0  # seconds: a service that is started again is back by then
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 4.0
_LASTS: Final = LIFETIME_SECONDS - 3600  # of a zone whose clock is up to an hour behind, too
_TOLD: Final = ("job", "peer", "entry", "sha256", "units", "epsilon", "price", "delivered")


@dataclass(frozen=True)
class JointQuestion:
    """A question that is ready to be asked of all zones, as often as it takes to be answered."""

    job: Job
    request: bytes = field(repr=False)
    _spaces: Mapping[str, "Joining"] = field(repr=False)
    _keys: "Keys" = field(repr=False)

    def ask(self, patience: float = _PATIENCE) -> JointTable:
        """Ask every zone, then the coordinator for the sum; again while one of them is away.

        That costs nothing: a zone that has made its part delivers it again.
        After so many seconds of `patience` it is the caller's to ask again
        later. What is raised has the zone's name in `facts["peer"]`.

        Raises:
            Unavailable: a service does not answer.
            Conflict: parts are missing yet; `facts["missing"]` has the names.
            PolicyDenied: a zone denies it. What zones before it answered is charged.
            VerificationError: the sum is not of the zones' parts, or they do not add up.

        """
        zones = dict[str, ZonePart]()
        return _patiently(lambda: self._table(zones), patience)

    def _table(self, zones: dict[str, ZonePart]) -> JointTable:
        for peer in self.job.peers:
            told = self._part(peer)
            # Of a zone that is asked again what it told first stays: that call was charged.
            zones.setdefault(peer, told)
        with _of_zone(self.job.coordinator):
            found = Sum.decode(self._spaces[self.job.coordinator].joint_sum(self.job.id))
        bound = hmac.compare_digest(found.job_sha256, self.job.sha256) and found.key == self.job.key
        if not bound or found.job != self.job.id or len(found.vectors) != self.job.vectors:
            raise VerificationError("the sum is of another job")
        if dict(found.parts) != {peer: zone.sha256 for peer, zone in zones.items()}:
            raise VerificationError("the sum is of other parts than those in the zones' ledgers")
        fetch = {peer: space.joint_receipt for peer, space in self._spaces.items()}
        return JointTable(self.job, self._totals(found), zones, fetch)

    def _part(self, peer: str) -> ZonePart:
        with _of_zone(peer):
            told = self._spaces[peer].joint_part(self.job.agreements[peer], self.request)
        if told.get("job") != self.job.id or told.get("peer") != peer or not told.keys() >= set(_TOLD):
            raise VerificationError(f"the service of {peer} answered for another job or another peer")
        return ZonePart(**{name: told[name] for name in ZonePart.__dataclass_fields__})

    def _totals(self, found: Sum) -> dict[str, tuple[int, ...]]:
        slots = [slot for vector in found.vectors for slot in self._keys.open(vector, budget=_BUDGET)]
        values, cells = slots[: self.job.length], len(self.job.cells)
        totals = {
            measure.name: tuple(values[place * cells : (place + 1) * cells])
            for place, measure in enumerate(self.job.measures)
        }
        limits = {measure.name: self.job.limit(measure) for measure in self.job.measures}
        # Masks that do not cancel leave numbers uniform modulo t: this is what tells them from totals.
        beyond = any(abs(total) > limits[name] for name, column in totals.items() for total in column)
        if beyond or any(slots[self.job.length :]):
            raise VerificationError("the parts do not add up: have all zones the same peers' file?")
        return totals


class Joining:
    """The acts of joint statistics, a part of `DataSpace`."""

    _http: Http

    def joint(
        self,
        agreements: Mapping[str, str],
        others: Mapping[str, "Joining"],
        keys: "Keys | KeyRing",
        **asked: Any,
    ) -> JointTable:
        """Ask this zone and `others` together, this service adding up; `asked` as `prepare_joint` takes it.

        Raises:
            Malformed: `agreements` has not exactly one name more than `others`: this zone's.

        """
        own = sorted(agreements.keys() - others.keys())
        if len(own) != 1 or others.keys() - agreements.keys():
            raise Malformed("want an agreement for each of the others and one for this zone")
        spaces = {**others, own[0]: self}
        return joint(spaces, agreements, keys, **{"coordinator": own[0], **asked})

    def joint_part(self, agreement: str, request: bytes) -> dict[str, Any]:
        """Ask one zone for its part of a job; return what it says of it."""
        path = f"/api/agreements/{part(agreement)}/joint"
        response = self._http.exchange(path, accept=ENVELOPE, content=request, timeout=_SECONDS)
        try:
            told = response.json()
        except (ValueError, RecursionError) as error:
            raise Malformed("the service's answer is not JSON") from error
        return told if isinstance(told, dict) else {}

    def joint_sum(self, job: str) -> bytes:
        """Return the sum of a job from its coordinator, encrypted."""
        return self._http.bytes(f"/api/joint/{part(job)}")

    def joint_receipt(self, entry: int) -> bytes:
        """Return the receipt of a part's entry, not yet verified."""
        return self._http.bytes(f"/api/receipts/{entry}")

    def joint_rows(self, agreement: str) -> int:
        """Return how many rows the dataset of an agreement has, as the zone's catalogue says.

        Raises:
            Malformed: it does not say.

        """
        dataset = self._http.get(f"/api/agreements/{part(agreement)}")["dataset"]
        rows = self._http.get(f"/api/catalog/{part(str(dataset))}").get("rows")
        if type(rows) is not int:
            raise Malformed("the catalogue does not say how many rows the dataset has")
        return rows


def joint(
    spaces: Mapping[str, Joining],
    agreements: Mapping[str, str],
    keys: "Keys | KeyRing",
    *,
    patience: float = _PATIENCE,
    **asked: Any,
) -> JointTable:
    """Return the joint totals of several zones; takes what `prepare_joint` takes, and raises as it and `ask`.

    `patience`, in seconds, is for both of them together.
    """
    until = time.monotonic() + patience
    question = prepare_joint(spaces, agreements, keys, patience=patience, **asked)
    return question.ask(until - time.monotonic())


def prepare_joint(  # noqa: PLR0913 - the parts of one question
    spaces: Mapping[str, Joining],
    agreements: Mapping[str, str],
    keys: "Keys | KeyRing",
    *,
    dimensions: Mapping[str, Sequence[str | int | bool | None]],
    measures: Sequence[Mapping[str, Any]],
    epsilon: int,
    max_rows: int = 1,
    cells: Sequence[Cell] | None = None,
    coordinator: str = "",
    seconds: int = _LASTS,
    patience: float = _PATIENCE,
) -> JointQuestion:
    """Return a question for the zones of `spaces`, not yet asked; nothing is charged.

    `dimensions` has the values of each column: the cells are all their
    combinations, or those of `cells`, in the order of `dimensions`. `epsilon`,
    in millionths, is what each zone will charge; of one subject so many
    `max_rows` count. `coordinator` adds up: the first by name unless it is said.
    A zone that does not answer is asked again for so many seconds of `patience`.

    Raises:
        Malformed: the names do not fit, a value cannot be, or the keys are none.
        Unavailable: a zone, `facts["peer"]`, does not answer.
        NotFound: a zone has no such agreement.
        Unprocessable: a total might pass half of the plain modulus.

    """
    if set(spaces) != set(agreements):
        raise Malformed("want a space and an agreement for each peer")
    from dataspace.client.keyring import KeyRing  # noqa: PLC0415 - TenSEAL is for these alone

    _check_question(dimensions, measures, cells)
    epsilon, pair = millionths(epsilon), KeyRing.holding(keys).of(DEFAULT_PARAMETERS)
    names, peers = sorted(dimensions), sorted(spaces)
    places = [list(dimensions).index(name) for name in names]
    chosen = itertools.product(*dimensions.values()) if cells is None else iter(cells)
    rows = _patiently(lambda: {peer: _rows(peer, spaces[peer], agreements[peer]) for peer in peers}, patience)
    job = Job(
        id=secrets.token_hex(16),
        peers=tuple(peers),
        coordinator=coordinator or peers[0],
        agreements=dict(agreements),
        rows=rows,
        dimensions=tuple(names),
        cells=tuple(
            tuple(cell[place] for place in places) for cell in itertools.islice(chosen, CELLS_LIMIT + 1)
        ),
        measures=tuple(sorted(map(_measure, measures), key=lambda measure: measure.name)),
        max_rows=max_rows,
        epsilon=epsilon,
        key=pair.id,
        expires=int(time.time()) + seconds,
    )
    # Read again as a zone will: what it would refuse is refused here.
    try:
        checked = Job.decode(job.encode())
    except TypeError as error:
        raise Malformed("malformed job: its values are texts, whole numbers, true, false or none") from error
    return JointQuestion(checked, Request(checked, pair.public).encode(), dict(spaces), pair)


def _check_question(dimensions: Any, measures: Any, cells: Any) -> None:
    """Check the shapes of what is asked; what is in them the job checks."""
    if not isinstance(dimensions, Mapping) or not all(map(_many, dimensions.values())):
        raise Malformed("want dimensions={'district': ['A', 'B']}: the values of each column")
    if not isinstance(measures, Sequence) or not all(isinstance(one, Mapping) for one in measures):
        raise Malformed("want measures=[{'kind': 'count'}], or sums with column, low and high")
    width = len(dimensions)
    if cells is not None and not (_many(cells) and all(_many(one) and len(one) == width for one in cells)):
        raise Malformed(f"want cells of {width} values each, in the order of dimensions")


def _many(values: object) -> bool:
    return isinstance(values, Sequence) and not isinstance(values, str | bytes)


def _rows(peer: str, space: Joining, agreement: str) -> int:
    with _of_zone(peer):
        return space.joint_rows(agreement)


@contextmanager
def _of_zone(peer: str) -> Iterator[None]:
    """Name the zone in what is raised, in its text and in `facts["peer"]`."""
    try:
        yield
    except DataSpaceError as error:
        raise type(error)(f"{peer}: {error}", **{"peer": peer, **error.facts}) from error


def _patiently(act: Callable[[], _T], patience: float) -> _T:
    """Act, and again while a service is away or a part is missing, for so many seconds."""
    until, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return act()
        except (Unavailable, Conflict) as error:
            passing = isinstance(error, Unavailable) or "missing" in error.facts
            if not passing or time.monotonic() + pause > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LAST_PAUSE)


def _measure(told: Mapping[str, Any]) -> Measure:
    return Measure.from_json({**({"precision": 0} if told.get("kind") == "sum" else {}), **told})

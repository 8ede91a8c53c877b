"""The zone's side of a private set intersection: its set blinded, what comes back checked and counted.

    blind   b fresh; b * Q of every item of the zone and the canaries, sorted; b * (a P) of the consumer's
    count   the canaries among the returned a * (b Q); how many others are among the b * (a P)

What `blind` keeps for `count` is the zone's secret of a job: the canaries as they must
come back, the consumer's points times b, and, where the consumer reveals, which
place is which item. `b` itself is not kept.

The count, or the cube over the rows of the items in both sets, leaves with noise and
never without: a consumer that knows k members and adds one more would read from an exact size
whether that one is in. A size is told from where noise passes its margin once in a
million (`noise.margin`): then at least k items are in both sets.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.privacy.cube import Cube, build
from dataspace.privacy.matched import cells
from dataspace.privacy.noise import MILLION, add_noise, margin
from dataspace.privacy.spec import CubeSpec
from dataspace.wire.intersection import ZONE_LIMIT, canaries
from dataspace.wire.oprf import INTERSECTION, Scalar, decode, encoded, hashed, pack, unpack

_UNSEEN: Final = math.log(20)  # Laplace noise passes this times its scale once in twenty


class Intersection:
    """Blinds and counts in a worker process (`dataspace.sandbox`)."""

    def blind(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"points": bytes, "kept": bytes}` for a consumer's `points` and `public`.

        `rows`: the engine's JSON, the identifier alone. `ordered`: keep which
        place of the answer is which item.

        Raises:
            Malformed: a point of the consumer's is none.
            TooLarge: the zone's set is.
            Unprocessable: the zone has no item.

        """
        theirs, public = unpack(request["points"], len(request["points"])), decode(request["public"])
        items = _items(msgspec.json.decode(request["rows"])["rows"])
        exponent = Scalar.fresh()
        own = {exponent.of(hashed(item, INTERSECTION)): item for item in items}
        marks = {mark.public: mark.of(public) for mark in (Scalar.fresh() for _ in range(canaries(len(own))))}
        sent = sorted([*own, *marks])
        kept = {
            "canaries": [marks[point] for point in sent if point in marks],
            "places": [place for place, point in enumerate(sent) if point in marks],
            "theirs": pack(exponent.of_all(theirs)),
            "items": [own.get(point, "") for point in sent] if request["ordered"] else [],
        }
        return {"points": pack(sent), "kept": msgspec.msgpack.encode(kept)}

    def count(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return `{"size": noised or None, "fewer_than": least size told, "expected_error": in 19 of 20}`.

        `request`: `kept`, the `returned` points, `epsilon` and `min_group`.

        Raises:
            Malformed: a point is none.
            Unprocessable: the points are not those that were sent, raised to one exponent.

        """
        matched = len(_matched(request))
        (noised,) = add_noise([matched], sensitivity=1, epsilon=request["epsilon"])
        least = request["min_group"] + margin(sensitivity=1, epsilon=request["epsilon"])
        return {
            # Of the noised size alone: the exact one decides nothing.
            "size": noised if noised >= least else None,
            "fewer_than": least,
            "expected_error": math.ceil(_UNSEEN * MILLION / request["epsilon"]),
        }

    def cube(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the noised cells of the rows whose items are in both sets.

        `request`: as for `count`, and `cube` (`spec_of`) and `rows`: identifier, the
        dimensions as they leave, the values of the sums, in the specification's order.

        Raises:
            Malformed, Unprocessable: as `count`, and `privacy.cube.build`.

        """
        spec = spec_of(request["cube"], request["epsilon"])
        items = msgspec.msgpack.decode(request["kept"])["items"]
        inside = {items[place] for place in _matched(request)}
        rows = msgspec.json.decode(request["rows"])["rows"]
        return _told(build(cells(rows, inside, spec), spec, request["min_group"]))


def spec_of(cube: Mapping[str, Any], epsilon: int) -> CubeSpec:
    """Return the specification of a cube over an intersection; raises Malformed when it is none."""
    return CubeSpec.from_json({**cube, "epsilon": epsilon})


def _items(rows: Sequence[Sequence[Any]]) -> set[str]:
    """Return the distinct items of a column; what cannot be one is left out."""
    found = set()
    for (value,) in rows:
        try:
            found.add(encoded(str(value)).decode() if value is not None else "")
        except Malformed:
            continue
    found.discard("")
    if not found:
        raise Unprocessable("no row has an identifier")
    if len(found) > ZONE_LIMIT:
        raise TooLarge(f"the dataset has {len(found)} identifiers, want at most {ZONE_LIMIT}")
    return found


def _matched(request: Mapping[str, Any]) -> list[int]:
    """Return the places of the returned points that are in both sets, without the canaries."""
    kept = msgspec.msgpack.decode(request["kept"])
    returned = unpack(request["returned"], len(request["returned"]))
    theirs = set(unpack(kept["theirs"], len(kept["theirs"])))
    expected = set(kept["canaries"])
    for point in returned:
        # What is there already is a point: to decode it again would be a tenth of the work.
        if point not in theirs and point not in expected:
            decode(point)
    if kept["items"]:
        # In the order they were sent: each canary has its place.
        right = [returned[place] for place in kept["places"]] == kept["canaries"]
    else:
        right = expected <= set(returned)
    if not right:
        # It costs what an answer does: tampering that is found out tells nothing, and were it free, it
        # could be tried until it is not.
        raise Unprocessable(
            "the points are not those that were sent, all raised to the exponent of step one",
            epsilon=request["epsilon"],
        )
    return [place for place, point in enumerate(returned) if point in theirs and point not in expected]


def _told(cube: Cube) -> dict[str, Any]:
    layout = cube.layout("")
    measures = [
        {"name": item["name"], "precision": item["precision"], "noise": item["noise"]}
        for item in layout["measures"]
    ]
    return {
        "dimensions": layout["dimensions"],
        "cells": layout["cells"],
        "measures": measures,
        "values": {name: list(values) for name, values in cube.values.items()},
    }

import hashlib
import json
import secrets
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataspace.errors import Malformed, TooLarge, Unprocessable
from dataspace.wire.frame import join_parts
from dataspace.wire.joint import Job, Measure
from dataspace.wire.part import Part, Request, Sum

SUM = Measure("amount", 0, 5000, 2)
JOB = Job(
    id="00112233445566778899aabbccddeeff",
    peers=("east", "north"),
    coordinator="north",
    agreements={"east": "ag-0011223344556677", "north": "ag-8899aabbccddeeff"},
    rows={"east": 5000, "north": 70_000},
    dimensions=("district", "year"),
    cells=(("东城区", 2024), ("A", None), ("A", True), ("A", 1)),
    measures=(Measure(), SUM),
    max_rows=2,
    epsilon=3_000_000,
    key=hashlib.sha256(b"context").hexdigest(),
    expires=1_795_395_973,
)
PART = Part.of(JOB, "east", "0" * 64, (b"a ciphertext",))


def _signed(part: Part) -> Part:
    return replace(part, signature=bytes(64))


def test_a_job_is_read_as_it_was_written() -> None:
    assert Job.decode(JOB.encode()) == JOB
    assert len(JOB.sha256) == 64
    assert (JOB.length, JOB.vectors, JOB.share) == (8, 1, 1_000_000)
    assert replace(JOB, cells=tuple((str(n), n) for n in range(8192))).vectors == 2


def test_noise_and_limits_follow_from_the_job() -> None:
    assert [JOB.noise(measure) for measure in JOB.measures] == [2, 1_000_000]
    assert JOB.limit(Measure()) == 75_000 + 2 * 64 * 2
    assert JOB.limit(SUM) == 75_000 * 500_000 + 2 * 64 * 1_000_000


def test_every_member_is_in_the_digest() -> None:
    changed: dict[str, Any] = {
        "id": "f" * 32,
        "coordinator": "east",
        "agreements": {**JOB.agreements, "east": "ag-" + "0" * 16},
        "rows": {"east": 1, "north": 1},
        "dimensions": ("a", "b"),
        "cells": JOB.cells[:1],
        "measures": (SUM,),
        "max_rows": 1,
        "epsilon": 1_000_000,
        "key": "0" * 64,
        "expires": 1,
    }
    digests = {replace(JOB, **{name: value}).sha256 for name, value in changed.items()}
    assert len({*digests, JOB.sha256}) == len(changed) + 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "0"),
        ("id", 5),
        ("peers", ["north", "east"]),
        ("peers", ["east"]),
        ("peers", ["east", "east"]),
        ("peers", ["east", "NORTH"]),
        ("peers", "east"),
        ("coordinator", "south"),
        ("agreements", {"east": "ag-0011223344556677"}),
        ("agreements", {"east": 1, "north": 2}),
        ("rows", {"east": -1, "north": 1}),
        ("rows", {"east": 1.5, "north": 1}),
        ("rows", []),
        ("dimensions", []),
        ("dimensions", ["year", "district"]),
        ("dimensions", ["a"] * 2),
        ("cells", []),
        ("cells", [["A", 1], ["A", 1]]),
        ("cells", [["A"]]),
        ("cells", [["A", 0.5]]),
        ("cells", [["A", [1]]]),
        ("cells", [["A", 1 << 60]]),
        ("cells", [["x" * 201, 1]]),
        ("cells", [["\ud800", 1]]),
        ("cells", [[str(n), n] for n in range(8193)]),
        ("measures", []),
        ("measures", [{"kind": "count"}, {"kind": "count"}]),
        ("measures", [{"kind": "mean"}]),
        ("measures", [{"kind": "sum", "column": "a", "low": 5, "high": 1, "precision": 0}]),
        ("measures", [{"kind": "sum", "column": "a", "low": 0, "high": 1, "precision": 7}]),
        ("measures", ["count"]),
        ("max_rows", 0),
        ("epsilon", True),
        ("epsilon", 1),
        ("key", "0"),
        ("expires", 1e9),
        ("parameters", 7),
    ],
)
def test_a_job_of_another_shape_is_refused(name: str, value: Any) -> None:
    told = {**json.loads(JOB.encode()), name: value}
    with pytest.raises(Malformed):
        Job.decode(json.dumps(told, sort_keys=True, separators=(",", ":")).encode())


def test_a_job_is_written_in_one_way_alone() -> None:
    told = json.loads(JOB.encode())
    for other in (json.dumps(told), json.dumps({**told, "more": 1}, sort_keys=True, separators=(",", ":"))):
        with pytest.raises(Malformed):
            Job.decode(other.encode())
    with pytest.raises(Malformed):
        Job.decode(b"[" * 100_000)


def test_a_total_that_might_wrap_makes_no_job() -> None:
    for changed in ({"rows": {"east": 1, "north": 1_200_000}}, {"epsilon": 27, "measures": (SUM,)}):
        with pytest.raises(Unprocessable, match="might pass"):
            Job.decode(replace(JOB, **changed).encode())
    with pytest.raises(Unprocessable, match="parameter set"):
        Job.decode(replace(JOB, parameters="bfv-16384-t45").encode())


def test_a_request_is_bound_to_its_context() -> None:
    request = Request(JOB, b"\x0a\x07context")
    with pytest.raises(Malformed, match="digest"):
        Request.decode(request.encode())
    fitting = Request(replace(JOB, key=hashlib.sha256(request.context).hexdigest()), request.context)
    assert Request.decode(fitting.encode()) == fitting
    with pytest.raises(TooLarge):
        Request.decode(join_parts(b"DSJJ\x01", [JOB.encode(), b"\x0a\xc0\x84\x3d" + bytes(1_000_000)]))


def test_a_part_is_read_as_it_was_written() -> None:
    part = _signed(PART)
    assert Part.decode(part.encode()) == part
    assert part.fits(replace(part, peer="north", vectors=(b"another",)))
    assert not part.fits(replace(part, key="1" * 64))


def test_everything_of_a_part_is_signed() -> None:
    changed: dict[str, Any] = {
        "job": "0" * 32,
        "job_sha256": "1" * 64,
        "peer": "north",
        "peers": ("a", "b"),
        "peers_sha256": "1" * 64,
        "coordinator": "east",
        "key": "1" * 64,
        "length": 9,
        "expires": 5,
        "vectors": (b"another",),
    }
    statements = {replace(PART, **{name: value}).statement for name, value in changed.items()}
    assert len({*statements, PART.statement}) == len(changed) + 1
    assert PART.statement.startswith(b"dataspace joint part v1\n")


@given(st.binary(max_size=400))
def test_noise_is_refused_with_one_error(noise: bytes) -> None:
    with pytest.raises(Malformed):
        Part.decode(noise)
    with pytest.raises(Malformed):
        Part.decode(b"DSJP\x01" + noise)
    with pytest.raises(Malformed):
        Sum.decode(b"DSJS\x01" + noise)
    with pytest.raises(Malformed):
        Request.decode(b"DSJJ\x01" + noise)


@given(st.integers(0, 10**6), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_is_another_part(place: int, mask: int) -> None:
    body = bytearray(_signed(PART).encode())
    body[place % len(body)] ^= mask
    try:
        changed = Part.decode(bytes(body))
    except Malformed:
        return
    # What is read nevertheless is signed by nobody.
    assert changed.statement != PART.statement or changed.signature != bytes(64)


def test_a_part_is_refused_in_one_wording_whatever_is_wrong() -> None:
    right = _signed(PART).encode()
    for wrong in (b"", right[:-1], right.replace(b"east", b"EAST"), join_parts(b"DSJP\x01", [b"{}"] * 3)):
        with pytest.raises(Malformed, match="it is none of this job by this peer"):
            Part.decode(wrong)


def test_a_sum_is_read_as_it_was_written() -> None:
    found = Sum(JOB.id, JOB.sha256, JOB.key, {"east": "0" * 64, "north": "1" * 64}, (secrets.token_bytes(9),))
    assert Sum.decode(found.encode()) == found

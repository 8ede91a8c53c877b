"""The same bundle on the same input decides the same, in process and on an OPA server."""

from copy import deepcopy
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dataspace.policy import PolicyEngine
from tests.policy.cases import COLUMNS, NOW, every_act

# Values that facts have, values they must not have, and numbers at the edges.
VALUES: some.SearchStrategy[Any] = some.one_of(
    some.sampled_from(
        [
            "consumer",
            "provider",
            "operator",
            "active",
            "statistics",
            "rows",
            "aggregate",
            "raw",
            "FINALIZED",
            "pt-c",
            "pt-p",
            "keep",
            "mask",
            "filter",
            "group",
            "",
            "数据",
            "after",
        ]
    ),
    some.sampled_from([0, 1, 2, 3, 9, 10, 11, 20001, -1, NOW, NOW + 1, NOW + 2, 2**53, 2**63 - 1, -(2**63)]),
    some.none() | some.booleans(),
    some.just([]) | some.just({}) | some.just(COLUMNS),
    some.lists(some.sampled_from(["statistics", "rows", "raw", "consumer", 1, 2, None]), max_size=3),
)


@some.composite
def cases(draw: some.DrawFn) -> dict[str, Any]:
    """Draw an act's facts with up to five of them replaced or removed, at any depth."""
    facts: dict[str, Any] = deepcopy(draw(some.sampled_from(every_act())))
    for _ in range(draw(some.integers(0, 5))):
        _mutate(draw, facts)
    return facts


def _mutate(draw: some.DrawFn, part: Any) -> None:
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        if not keys:
            return
        key = draw(some.sampled_from(keys))
        inner = part[key]
        if isinstance(inner, dict | list) and inner and draw(some.integers(0, 3)):
            part = inner
            continue
        if isinstance(part, dict) and draw(some.integers(0, 3)) == 0:
            del part[key]
        else:
            part[key] = deepcopy(draw(VALUES))
        return


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_po_06_both_engines_decide_the_same(
    bundled: PolicyEngine, served: PolicyEngine, facts: dict[str, Any]
) -> None:
    assert bundled.decide(facts) == served.decide(facts)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(cases(), some.data())
def test_no_denial_is_lifted_by_leaving_a_fact_out(
    bundled: PolicyEngine, facts: dict[str, Any], data: some.DataObject
) -> None:
    part = data.draw(some.sampled_from(sorted(facts) or [""]))
    left = {name: value for name, value in facts.items() if name != part}
    assert bundled.decide(facts).allow >= bundled.decide(left).allow

from typing import Any

import pytest

from dataspace.errors import Malformed
from dataspace.privacy.strictness import check_parameters, is_laxer
from dataspace.table import Column, Method, Type
from tests.privacy.ways import WAYS, leave, told

Way = tuple[Method, dict[str, Any]]


def column(kind: Type, way: Way) -> Column:
    return Column("c", kind, method=way[0], parameters=way[1])


@pytest.mark.parametrize("way", WAYS, ids=told)
def test_no_way_is_laxer_than_itself_or_than_keeping(way: Column) -> None:
    check_parameters(way)
    assert not is_laxer(way, way)
    assert not is_laxer(way, column(way.type, (Method.KEEP, {})))
    assert is_laxer(column(way.type, (Method.KEEP, {})), way) == (way.method is not Method.KEEP)


@pytest.mark.parametrize("way", WAYS, ids=told)
def test_suppressing_is_laxer_than_nothing_and_a_pseudonym_only_than_stricter_methods(way: Column) -> None:
    assert not is_laxer(column(way.type, (Method.SUPPRESS, {})), way)
    stricter = way.method in {Method.FPE, Method.SUPPRESS}
    assert is_laxer(column(way.type, (Method.PSEUDONYMIZE, {})), way) == stricter


def ladder(kind: Type, method: Method, *parameters: dict[str, Any]) -> list[Column]:
    return [column(kind, (method, given)) for given in parameters]


def mixed(kind: Type, *ways: Way) -> list[Column]:
    return [column(kind, way) for way in ways]


# Ways from the laxest to the strictest: each is laxer than those after it, and not the other way round.
_LADDERS = [
    ladder(Type.DATE, Method.GENERALIZE, {"unit": "month"}, {"unit": "quarter"}, {"unit": "year"}),
    ladder(Type.DATE, Method.SHIFT, {"days": 1}, {"days": 30}, {"days": 365}),
    mixed(Type.DATE, (Method.GENERALIZE, {"unit": "month"}), (Method.SHIFT, {"days": 31}), (Method.MASK, {})),
    ladder(Type.INTEGER, Method.ROUND, {"to": 1}, {"to": 10}, {"to": 15}),
    ladder(Type.INTEGER, Method.TOP_CODE, {"top": 90}, {"top": 80}, {"bottom": 0, "top": 80}),
    ladder(Type.INTEGER, Method.GENERALIZE, {"width": 5}, {"width": 10}),
    ladder(Type.INTEGER, Method.GENERALIZE, {"width": 5}, {"bands": "0,18,35,60"}, {"bands": "18,60"}),
    mixed(
        Type.INTEGER,
        (Method.ROUND, {"to": 10}),
        (Method.GENERALIZE, {"width": 10}),
        (Method.NOISE, {"scale": 10}),
    ),
    mixed(
        Type.INTEGER,
        (Method.TOP_CODE, {"bottom": 0, "top": 90}),
        (Method.GENERALIZE, {"bands": "0,50,90"}),
    ),
    ladder(Type.INTEGER, Method.MICROAGGREGATE, {"size": 3}, {"size": 5}),
    ladder(Type.INTEGER, Method.NOISE, {"scale": 1}, {"scale": 10}),
    ladder(Type.DECIMAL, Method.ROUND, {"digits": 2}, {"digits": 0}, {"to": 10}),
    ladder(Type.TEXT, Method.GENERALIZE, {"first": 4}, {"first": 2}, {"first": 1}),
    ladder(Type.TEXT, Method.GENERALIZE, {"division": "county"}, {"division": "city"}),
    ladder(Type.TEXT, Method.GENERALIZE, {"icd": "category"}, {"icd": "block"}, {"icd": "chapter"}),
    mixed(
        Type.TEXT,
        (Method.GENERALIZE, {"first": 3}),
        (Method.MASK, {"first": 3}),
        (Method.MASK, {}),
    ),
    ladder(Type.TEXT, Method.MASK, {"first": 3, "last": 4}, {}),
    ladder(Type.TEXT, Method.MASK, {"as": "name"}, {"first": 1}, {}),
    mixed(
        Type.TEXT,
        (Method.MASK, {"first": 6, "last": 4}),
        (Method.FPE, {"as": "bank_card"}),
        (Method.SUPPRESS, {}),
    ),
    mixed(
        Type.TEXT,
        (Method.MASK, {"as": "email"}),
        (Method.MASK, {}),
        (Method.PSEUDONYMIZE, {"domain": "d"}),
    ),
]


@pytest.mark.parametrize("ways", _LADDERS)
def test_a_way_is_laxer_than_those_after_it(ways: list[Column]) -> None:
    for place, lower in enumerate(ways):
        for upper in ways[place + 1 :]:
            assert not is_laxer(upper, lower)
            assert is_laxer(lower, upper)


@pytest.mark.parametrize(
    ("kind", "chosen", "least"),
    [
        (Type.DATE, (Method.MASK, {"first": 9}), (Method.GENERALIZE, {"unit": "year"})),
        (Type.DATE, (Method.SHIFT, {"days": 1}), (Method.GENERALIZE, {"unit": "year"})),
        (Type.INTEGER, (Method.NOISE, {"scale": 1}), (Method.GENERALIZE, {"width": 10})),
        (Type.INTEGER, (Method.NOISE, {"scale": 10**6}), (Method.TOP_CODE, {"top": 90})),
        (Type.INTEGER, (Method.MICROAGGREGATE, {"size": 50}), (Method.GENERALIZE, {"width": 10})),
        (Type.INTEGER, (Method.GENERALIZE, {"width": 10}), (Method.TOP_CODE, {"top": 90})),
        (Type.INTEGER, (Method.GENERALIZE, {"bands": "0,95"}), (Method.TOP_CODE, {"top": 90})),
        (Type.INTEGER, (Method.GENERALIZE, {"width": 10}), (Method.GENERALIZE, {"bands": "0,10"})),
        (Type.INTEGER, (Method.GENERALIZE, {"bands": "0,5"}), (Method.GENERALIZE, {"bands": "0,10"})),
        (Type.INTEGER, (Method.TOP_CODE, {"bottom": 0}), (Method.TOP_CODE, {"top": 90})),
        (Type.INTEGER, (Method.MASK, {"first": 1}), (Method.ROUND, {"to": 10})),
        (Type.TEXT, (Method.MASK, {"as": "resident_id"}), (Method.GENERALIZE, {"first": 6})),
        (Type.TEXT, (Method.MASK, {"as": "mobile"}), (Method.MASK, {"as": "bank_card"})),
        (Type.TEXT, (Method.MASK, {"as": "email"}), (Method.MASK, {"first": 1})),
        (Type.TEXT, (Method.MASK, {"first": 3, "last": 4}), (Method.MASK, {"as": "mobile"})),
        (Type.TEXT, (Method.MASK, {"as": "name"}), (Method.MASK, {"first": 1})),
        (Type.TEXT, (Method.GENERALIZE, {"division": "city"}), (Method.GENERALIZE, {"first": 4})),
        (Type.TEXT, (Method.FPE, {"as": "mobile"}), (Method.FPE, {"as": "uscc"})),
    ],
)  # fmt: skip
def test_a_stricter_method_that_shows_more_is_laxer(kind: Type, chosen: Way, least: Way) -> None:
    assert is_laxer(column(kind, chosen), column(kind, least))


def test_fewer_characters_of_a_mask_show_more_of_a_short_value() -> None:
    chosen, least = (
        column(Type.TEXT, (Method.MASK, parameters)) for parameters in ({"first": 1}, {"first": 3, "last": 4})
    )
    assert (leave(chosen, "00"), leave(least, "00")) == (["0****"], ["****"])
    assert is_laxer(chosen, least)


def test_which_columns_can_be_joined_is_for_the_provider_to_say() -> None:
    own, shared = ((Method.PSEUDONYMIZE, parameters) for parameters in ({}, {"domain": "d"}))
    assert not is_laxer(column(Type.TEXT, own), column(Type.TEXT, shared))
    assert not is_laxer(column(Type.TEXT, shared), column(Type.TEXT, own))


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        (Type.TEXT, (Method.KEEP, {"first": 1})),
        (Type.TEXT, (Method.GENERALIZE, {"first": 1, "division": "city"})),
        (Type.TEXT, (Method.GENERALIZE, {"width": 1})),
        (Type.TEXT, (Method.ROUND, {"to": 1})),
        (Type.TEXT, (Method.NOISE, {"scale": 1})),
        (Type.INTEGER, (Method.SHIFT, {"days": 1})),
        (Type.INTEGER, (Method.ROUND, {"to": 10, "digits": 1})),
        (Type.INTEGER, (Method.MICROAGGREGATE, {"size": 2})),
        (Type.INTEGER, (Method.GENERALIZE, {"bands": " 1,2"})),
        (Type.INTEGER, (Method.GENERALIZE, {"bands": "1,1"})),
        (Type.INTEGER, (Method.GENERALIZE, {"bands": ",".join(map(str, range(101)))})),
        (Type.INTEGER, (Method.TOP_CODE, {"top": True})),
        (Type.DATE, (Method.SHIFT, {"days": 36_526})),
        (Type.TEXT, (Method.FPE, {})),
        (Type.DATE, (Method.FPE, {"as": "mobile"})),
        (Type.TEXT, (Method.FPE, {"as": "name"})),
        (Type.TEXT, (Method.MASK, {"as": "name", "first": 1})),
        (Type.TEXT, (Method.PSEUDONYMIZE, {"domain": 7})),
        (Type.TEXT, (Method.PSEUDONYMIZE, {"salt": "x"})),
    ],
)
def test_parameters_that_do_not_fit_are_malformed_and_count_as_laxer(kind: Type, way: Way) -> None:
    with pytest.raises(Malformed):
        check_parameters(column(kind, way))
    assert is_laxer(column(kind, way), column(kind, (Method.KEEP, {})))

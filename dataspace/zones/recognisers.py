"""Recognisers that providers bring: kinds of column of their own, as data.

    {"category": "member_no", "title": {"zh": "会员号", "en": "Member number"}, "level": 3,
     "names": ["会员号", "member_no"], "pattern": "M[0-9]{9}", "check_digit": "luhn"}

A recogniser of one of the zone's categories knows more of its columns, and has
the zone's rule for them. A category of its own is at least as sensitive as a
column that nothing explains, and leaves as an unknown identifier would unless
it says otherwise. No recogniser outweighs a check digit of the zone's own.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from dataspace.errors import Malformed
from dataspace.table import Attribute, Method
from dataspace.zones.pack import Pack
from dataspace.zones.parameters import check_parameters
from dataspace.zones.patterns import check_pattern
from dataspace.zones.schema import (
    GENERAL,
    UNKNOWN_IDENTIFIER,
    CheckDigit,
    Clause,
    Field,
    Percent,
    Positive,
    Title,
)

_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
_RESERVED = (GENERAL,)
_OWN = "提供方自定的类别：级别为提供方的取值，不低于本领域的一般列"


class _Recogniser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a provider writes; what is left out comes from the zone."""

    category: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    title: Title | None = None
    level: Positive | None = None
    method: Method | None = None
    parameters: dict[str, int | str] = {}
    attribute: Attribute | None = None
    names: Annotated[list[_Word], msgspec.Meta(max_length=50)] = []
    pattern: str = ""
    check_digit: CheckDigit = CheckDigit.NONE
    share: Percent = 90


def read_recogniser(data: Mapping[str, Any], pack: Pack) -> Field:
    """Read a recogniser as a field of a zone.

    Raises:
        Malformed: it breaks the format, its pattern is refused, or it is laxer than it may be.

    """
    try:
        asked = msgspec.convert(dict(data), _Recogniser)
    except (msgspec.ValidationError, RecursionError, TypeError, ValueError) as error:
        raise Malformed(f"malformed recogniser: {error}") from error
    _check(asked)
    known = next((field for field in pack.fields if field.category == asked.category), None)
    base = _new(asked, pack) if known is None else _known(asked, known)
    return msgspec.structs.replace(
        base,
        names=list(asked.names),
        check=None,
        pattern=asked.pattern,
        check_digit=asked.check_digit,
        by_value=bool(asked.pattern),
        share=max(asked.share, 50),
        distinct=0,
        text=base.text or bool(asked.pattern),
    )


def _check(asked: _Recogniser) -> None:
    if not asked.names and not asked.pattern:
        raise Malformed("malformed recogniser: want names, a pattern or both")
    if asked.check_digit is not CheckDigit.NONE and not asked.pattern:
        raise Malformed("malformed recogniser: a check digit needs a pattern")
    if asked.category in _RESERVED:
        raise Malformed(f"malformed recogniser: {asked.category!r} is what nothing is known of")
    if asked.pattern:
        check_pattern(asked.pattern, "malformed recogniser")


def _known(asked: _Recogniser, field: Field) -> Field:
    for key in ("title", "level", "method", "attribute"):
        if getattr(asked, key) is not None:
            raise Malformed(f"malformed recogniser: {key} of {asked.category!r} is the zone's to say")
    if asked.parameters:
        raise Malformed(f"malformed recogniser: parameters of {asked.category!r} are the zone's to say")
    return field


def _new(asked: _Recogniser, pack: Pack) -> Field:
    """Return a field of a category that the zone has not, as far as the zone allows."""
    unknown = next(field for field in pack.fields if field.category == UNKNOWN_IDENTIFIER)
    general = next(field for field in pack.fields if field.category == GENERAL)
    if asked.title is None or asked.level is None:
        raise Malformed("malformed recogniser: a category of your own needs a title and a level")
    if not general.level <= asked.level <= len(pack.levels):
        raise Malformed(
            f"malformed recogniser: level is {asked.level}, want {general.level} to {len(pack.levels)}"
        )
    method = asked.method or unknown.method
    if asked.method is None and asked.parameters:
        raise Malformed("malformed recogniser: parameters need a method")
    check_parameters(method, asked.parameters, "malformed recogniser")
    return msgspec.structs.replace(
        unknown,
        category=asked.category,
        title=asked.title,
        level=asked.level,
        method=method,
        parameters=dict(asked.parameters) if asked.method else dict(unknown.parameters),
        attribute=asked.attribute or unknown.attribute,
        aggregable=False,
        clause=Clause(document=unknown.clause.document, text=_OWN),
    )

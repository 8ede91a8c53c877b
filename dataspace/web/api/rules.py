"""What a provider taught its zones: corrections of proposals, and recognisers of its own."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from dataspace.catalog.models import ColumnRule, Recogniser
from dataspace.participants.access import Caller
from dataspace.web.schemas import In, Moment, Out, Zone
from dataspace.web.service import Service

Category = Annotated[str, msgspec.Meta(description="a category of the zone", examples=["amount"])]
RecogniserId = Annotated[str, msgspec.Meta(description="a recogniser", examples=["rc-0f1e2d3c4b5a6978"])]
ZoneQuery = Annotated[str, QueryParameter(description="the zone of the rule", max_length=64)]
NameQuery = Annotated[
    str, QueryParameter(description="the column's name, as the list has it", max_length=1024)
]
FieldOf = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="category, names (words of a column's name), pattern (a regular expression that whole "
        "values match), check_digit (none, luhn, mod11-2, mod31), share (percent that must pass); for a new "
        "category also title, level, method, parameters, attribute",
        examples=[
            {
                "category": "meter_no",
                "title": {"zh": "电表号", "en": "Meter number"},
                "level": 2,
                "names": ["meter_no", "电表号"],
                "pattern": "M[0-9]{8}",
            }
        ],
    ),
]


class RuleBody(Out):
    """A column of this name is of this category, whatever would be proposed."""

    zone: Zone
    name: Annotated[str, msgspec.Meta(description="as it is compared", examples=["amount"])]
    category: Category
    created: Moment

    @classmethod
    def of(cls, rule: ColumnRule) -> "RuleBody":
        """Return what is told of a rule."""
        return cls(zone=rule.zone, name=rule.name, category=rule.category, created=rule.created)


class RecogniserIn(In):
    """A kind of column that the zone does not know."""

    zone: Zone
    field: FieldOf


class RecogniserBody(Out):
    """A recogniser; it is tried on the files that come after it."""

    id: RecogniserId
    zone: Zone
    field: FieldOf
    created: Moment

    @classmethod
    def of(cls, recogniser: Recogniser) -> "RecogniserBody":
        """Return what is told of a recogniser."""
        return cls(id=recogniser.id, zone=recogniser.zone, field=recogniser.field, created=recogniser.created)


class Rules(Controller):
    """Corrections that hold for a provider's next files; each is its provider's alone."""

    path = "/rules"
    tags = ("datasets",)

    @get("/", sync_to_thread=True)
    def rules(self, caller: NamedDependency[Caller], service: NamedDependency[Service]) -> list[RuleBody]:
        """List the caller's rules; a registration with a corrected category adds one."""
        return [RuleBody.of(rule) for rule in service.rules.rules(caller)]

    @delete("/", sync_to_thread=True)
    def forget(
        self,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
        zone: ZoneQuery,
        name: NameQuery,
    ) -> None:
        """Forget a rule: the next file's column is proposed as by anybody."""
        service.rules.forget(caller, zone, name)


class Recognisers(Controller):
    """Kinds of column of a provider's own; each is its provider's alone."""

    path = "/recognisers"
    tags = ("datasets",)

    @get("/", sync_to_thread=True)
    def recognisers(
        self, caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[RecogniserBody]:
        """List the caller's recognisers."""
        return [RecogniserBody.of(one) for one in service.rules.recognisers(caller)]

    @post("/", sync_to_thread=True)
    def add(
        self,
        data: JSONBody[RecogniserIn],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> RecogniserBody:
        """Add a recogniser for a zone, as a provider."""
        return RecogniserBody.of(service.rules.add(caller, data.zone, data.field))

    @delete("/{recogniser:str}", sync_to_thread=True)
    def remove(
        self, recogniser: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> None:
        """Remove a recogniser."""
        service.rules.remove(caller, recogniser)

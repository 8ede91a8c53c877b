"""Estimates: what a query would cost and how exact it would be, before it is asked."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dataspace.participants.access import Caller
from dataspace.transfer.forms.estimate import Hint
from dataspace.web.api.agreements import CubeSpecBody
from dataspace.web.api.noise import NoiseBody
from dataspace.web.schemas import Epsilon, In, Out, Price, Units
from dataspace.web.service import Service

Points = Annotated[
    int,
    msgspec.Meta(
        description="an error in hundredths of a percent of a group: 95 of 100 answers are within it",
        examples=[500],
        ge=1,
    ),
]
Rows = Annotated[
    int,
    msgspec.Meta(description="the rows of a group that errors are compared with", examples=[1000], ge=1),
]


class EstimateBody(In):
    """An aggregate that was not asked yet; without noise it is an exact one."""

    sql: Annotated[
        str,
        msgspec.Meta(
            description="one SELECT over the table data, as for a query",
            examples=["SELECT district, COUNT(*) FROM data GROUP BY district"],
            max_length=20_000,
        ),
    ]
    noise: NoiseBody | None = None
    rows: Rows | None = None
    points: Points | None = None


class CubeEstimateBody(CubeSpecBody):
    """A cube that is not there yet, or is, and an encrypted question over it."""

    rows: Rows | None = None
    points: Points | None = None


class LeftBody(Out):
    """What the agreement has left of each."""

    units: Annotated[int, msgspec.Meta(description="units that can still be asked for", examples=[40])]
    epsilon: Epsilon


class EstimatedBody(Out):
    """An estimate: of the query and the budget alone, for no data is read."""

    units: Units
    price: Price
    epsilon: Epsilon
    left: LeftBody
    more: Annotated[int, msgspec.Meta(description="how many such queries are left", examples=[40])]
    rows: Rows
    measures: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(
            description="the expected error of each measure, in its unit and in `points` of the group",
            examples=[
                [
                    {
                        "name": "count",
                        "scale": 4.0,
                        "half": 2.8,
                        "wide": 12.0,
                        "per_row": False,
                        "points": 120,
                        "words": {"en": "...", "zh": "..."},
                    }
                ]
            ],
        ),
    ]
    needed: Annotated[
        int | None,
        msgspec.Meta(
            description="the epsilon, in millionths, with which `points` are met", examples=[250_000]
        ),
    ]
    again: Annotated[
        bool,
        msgspec.Meta(
            description="whether it was answered, and costs nothing again; or its cube is there, "
            "and the encrypted query alone is paid",
            examples=[False],
        ),
    ]
    words: Annotated[
        dict[str, str],
        msgspec.Meta(
            description="the estimate as a sentence, in English and Chinese",
            examples=[
                {
                    "en": "about 40 more counts at +-5 % in a group of 1000 rows",
                    "zh": "还可查询约 40 次计数，1000 行的组误差约 ±5%",
                }
            ],
        ),
    ]


class Estimates(Controller):
    """What is left of an agreement, in queries."""

    path = "/agreements"
    tags = ("agreements",)

    @post("/{agreement:str}/estimates", sync_to_thread=True, status_code=200)
    def estimate(
        self,
        agreement: FromPath[str],
        data: JSONBody[EstimateBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> EstimatedBody:
        """Tell what an aggregate would cost and how exact it would be: no data is read for it."""
        noise = data.noise.asked() if data.noise else None
        found = service.estimates.estimate(caller, agreement, data.sql, noise, Hint(data.rows, data.points))
        return msgspec.convert(vars(found), EstimatedBody)

    @post("/{agreement:str}/estimates/cubes", sync_to_thread=True, status_code=200)
    def cube(
        self,
        agreement: FromPath[str],
        data: JSONBody[CubeEstimateBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> EstimatedBody:
        """Tell what an encrypted question would cost, its cube too, and how exact a cell would be."""
        hint = Hint(data.rows, data.points)
        found = service.estimates.cube(caller, agreement, data.spec(), hint)
        return msgspec.convert(vars(found), EstimatedBody)

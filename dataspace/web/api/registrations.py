"""A provider's word on an upload as it crosses HTTP, and what it would come to."""

from typing import Annotated, Any

import msgspec

from dataspace.catalog.approvals import Checked
from dataspace.catalog.listing import Product
from dataspace.catalog.models import Form
from dataspace.catalog.register import OfferTerms, Registration
from dataspace.table import Attribute, Method
from dataspace.web.api.products import SampleBody
from dataspace.web.schemas import (
    Epsilon,
    Forms,
    In,
    Level,
    Out,
    Price,
    Purposes,
    Sha256,
    Units,
    UploadId,
)

Report = Annotated[
    dict[str, Any],
    msgspec.Meta(
        description="columns with class, level, clause, method and quality; grading; risk before and after; "
        "utility; the sample, sealed",
        examples=[{"format": "dataspace-report/1", "level": 3, "columns": []}],
    ),
]


class CorrectionBody(In):
    """What differs from the proposal for one column; only ever stricter than the zone's rule."""

    category: (
        Annotated[str, msgspec.Meta(description="a category of the zone", examples=["general"])] | None
    ) = None
    level: Level | None = None
    method: Annotated[Method, msgspec.Meta(examples=["mask"])] | None = None
    parameters: Annotated[dict[str, int | str], msgspec.Meta(examples=[{"first": 3}])] | None = None
    aggregable: bool | None = None
    attribute: (
        Annotated[
            Attribute, msgspec.Meta(description="what it tells of a person", examples=["quasi-identifier"])
        ]
        | None
    ) = None


class MethodIn(In):
    """The stricter method by which a column leaves under one offer."""

    method: Annotated[Method, msgspec.Meta(examples=["generalize"])]
    parameters: Annotated[dict[str, int | str], msgspec.Meta(examples=[{"width": 10}])] = msgspec.field(
        default_factory=dict
    )


class OfferTermsIn(In):
    """The terms of the offer; what is left out is the zone's default."""

    price: Price
    purposes: Purposes = msgspec.field(default_factory=list)
    forms: Forms = msgspec.field(default_factory=list[Form])
    units: Units = 1000
    epsilon: Epsilon = 0
    min_group: Annotated[int, msgspec.Meta(description="the least subjects in a group", ge=0, le=10**6)] = 0
    row_limit: Annotated[int, msgspec.Meta(description="the most rows of one answer", ge=0, le=10**9)] = 0
    days: Annotated[int, msgspec.Meta(description="how long an agreement lasts", ge=1, le=3660)] = 365
    automatic: bool = True
    methods: Annotated[
        dict[str, MethodIn],
        msgspec.Meta(
            description="by column", examples=[{"age": {"method": "generalize", "parameters": {"width": 10}}}]
        ),
    ] = msgspec.field(default_factory=dict)
    sample: Annotated[
        int, msgspec.Meta(description="of so many percent of the subjects rows leave", ge=1, le=100)
    ] = 100
    exact: Annotated[bool, msgspec.Meta(description="whether aggregates may leave without noise")] = True
    semi_honest: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=64)]],
        msgspec.Meta(
            description="participants that are trusted to follow the protocol, for the forms that need it",
            examples=[["pt-0123456789abcdef"]],
            max_length=100,
        ),
    ] = msgspec.field(default_factory=list)
    dataset_epsilon: Annotated[
        int,
        msgspec.Meta(
            description="what all consumers may be granted of it, in millionths; 0: what 32 need",
            ge=0,
            le=10**12,
        ),
    ] = 0

    def terms(self) -> OfferTerms:
        """Return them as the journey takes them."""
        given = msgspec.structs.asdict(self)
        methods = {column: msgspec.structs.asdict(one) for column, one in self.methods.items()}
        listed = {name: tuple(getattr(self, name)) for name in ("purposes", "forms", "semi_honest")}
        return OfferTerms(**{**given, **listed, "methods": methods})


class RegistrationBody(In):
    """The provider's word on an upload; with `dataset`, it becomes a new version of that one."""

    upload: UploadId
    title: Annotated[
        str,
        msgspec.Meta(
            description="what the catalogue shows", examples=["企业用电月报"], min_length=1, max_length=200
        ),
    ]
    offer: OfferTermsIn
    description: Annotated[str, msgspec.Meta(examples=["各区县企业月度用电量"], max_length=10_000)] = ""
    subjects: Annotated[
        list[str],
        msgspec.Meta(description="the columns that together say whom a row is about", examples=[["uscc"]]),
    ] = msgspec.field(default_factory=list)
    corrections: Annotated[
        dict[str, CorrectionBody],
        msgspec.Meta(description="by column", examples=[{"phone": {"method": "suppress", "parameters": {}}}]),
    ] = msgspec.field(default_factory=dict)
    dataset: Annotated[
        str, msgspec.Meta(description="a dataset of yours, for a new version", max_length=64)
    ] = ""
    level: Annotated[
        int,
        msgspec.Meta(
            description="a level below the zone's grade, which a second person must approve", ge=0, le=9
        ),
    ] = 0
    listing: Product = msgspec.field(default_factory=Product)
    acknowledged: Annotated[
        list[str],
        msgspec.Meta(description="warnings that you read: filename", examples=[["filename"]], max_length=8),
    ] = msgspec.field(default_factory=list)

    def registration(self) -> Registration:
        """Return it as the journey takes it."""
        corrections = {
            column: {
                name: value for name, value in msgspec.structs.asdict(given).items() if value is not None
            }
            for column, given in self.corrections.items()
        }
        return Registration(
            title=self.title,
            offer=self.offer.terms(),
            description=self.description,
            subjects=tuple(self.subjects),
            corrections=corrections,
            dataset=self.dataset,
            level=self.level,
            listing=msgspec.to_builtins(self.listing),
            acknowledged=tuple(self.acknowledged),
        )


class CheckedBody(Out):
    """What a registration would come to; nothing was changed."""

    allowed: bool
    reasons: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(
            description="of the policy", examples=[[{"code": "release-above-threshold", "failing": ["k"]}]]
        ),
    ]
    liftable: Annotated[
        bool, msgspec.Meta(description="whether a second person's word is all that is missing")
    ]
    approval: Annotated[str, msgspec.Meta(description="the approval of exactly this, if there is one")]
    registration_sha256: Sha256
    report: Report
    sample: SampleBody | None

    @classmethod
    def of(cls, checked: Checked) -> "CheckedBody":
        """Return what is told of a draft."""
        return cls(
            allowed=checked.decision.allow,
            reasons=[{"code": one.code, **one.facts} for one in checked.decision.reasons],
            liftable=checked.liftable,
            approval=checked.approval,
            registration_sha256=checked.sha256,
            report=checked.report,
            sample=SampleBody.of(checked.sample),
        )

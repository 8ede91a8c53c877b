"""The catalogue in the terms of DCAT and ODRL, as DSP 2025-1 uses them, and the zones it is divided into."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from dataspace.catalog.listing import Product
from dataspace.catalog.models import Form, Offer
from dataspace.catalog.search import Listing
from dataspace.web.api.products import Quality, ReleaseBody, SampleBody, product_of, quality_of
from dataspace.web.schemas import (
    ColumnBody,
    DatasetId,
    Entry,
    Epsilon,
    Forms,
    Moment,
    OfferId,
    Out,
    ParticipantId,
    Price,
    Purposes,
    Units,
    Version,
    Zone,
)
from dataspace.web.service import Service
from dataspace.wire import ARROW, ENVELOPE, JSON, OCTETS
from dataspace.zones.pack import Pack

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"
_NAMESPACE = "urn:dataspace:term:"
_FORMATS = {
    Form.ROWS: (JSON, ARROW),
    Form.AGGREGATE: (JSON, ARROW),
    Form.ENCRYPTED: (ENVELOPE,),
    Form.LOOKUP: (OCTETS,),
    Form.INTERSECTION: (OCTETS, JSON),
    Form.SCORE: (ENVELOPE,),
    Form.SELECTOR: (ENVELOPE,),
    Form.JOINT: (ENVELOPE,),
    Form.SEALED: (ENVELOPE,),
}

ZoneQuery = Annotated[str, QueryParameter(description="only datasets of this zone")]
TextQuery = Annotated[
    str, QueryParameter(description="what to look for in titles and descriptions", max_length=200)
]


class NamedBody(Out):
    """A thing of a zone with its titles."""

    name: Annotated[str, msgspec.Meta(examples=["statistics"])]
    zh: Annotated[str, msgspec.Meta(examples=["统计分析"])]
    en: Annotated[str, msgspec.Meta(examples=["Statistics"])]


class LevelBody(Out):
    """One level of a zone's grading; a greater number is more sensitive."""

    number: int
    zh: str
    en: str


class ZoneBody(Out):
    """A zone that this service hosts, and the limits of its pack."""

    name: Zone
    zh: Annotated[str, msgspec.Meta(description="its name in Chinese", examples=["商务"])]
    en: Annotated[str, msgspec.Meta(description="its name in English", examples=["Commerce"])]
    purposes: list[NamedBody]
    levels: list[LevelBody]
    forms: Forms
    categories: list[NamedBody]
    min_group: Annotated[int, msgspec.Meta(description="the least subjects in a group", examples=[10])]
    max_rows_level: Annotated[int, msgspec.Meta(description="rows leave up to this level", examples=[2])]
    max_aggregate_level: Annotated[
        int, msgspec.Meta(description="aggregates leave up to this level", examples=[3])
    ]
    row_limit: Annotated[int, msgspec.Meta(description="the most rows of one answer", examples=[10000])]
    price: Price

    @classmethod
    def of(cls, pack: Pack) -> "ZoneBody":
        """Return what is told of a zone."""
        allowed = [one for one in pack.listed if one.name in pack.purposes]
        return cls(
            name=pack.name,
            zh=pack.title.zh,
            en=pack.title.en,
            purposes=[NamedBody(name=one.name, zh=one.title.zh, en=one.title.en) for one in allowed],
            levels=[LevelBody(number=one.number, zh=one.name.zh, en=one.name.en) for one in pack.levels],
            forms=[Form(form) for form in pack.forms],
            categories=[
                NamedBody(name=one.category, zh=one.title.zh, en=one.title.en) for one in pack.fields
            ],
            min_group=pack.min_group,
            max_rows_level=pack.max_rows_level,
            max_aggregate_level=pack.max_aggregate_level,
            row_limit=pack.row_limit,
            price=pack.price,
        )


class OfferBody(Out, kw_only=True):
    """An ODRL Offer; `terms` says the same in plain members."""

    id: OfferId = msgspec.field(name="@id")
    type: Annotated[str, msgspec.Meta(examples=["Offer"])] = msgspec.field(name="@type", default="Offer")
    permission: list[dict[str, Any]]
    terms: "OfferTermsBody"

    @classmethod
    def of(cls, offer: Offer) -> "OfferBody":
        """Return what is told of an offer."""
        constraints = [
            _constraint("odrl:purpose", "isAnyOf", offer.purposes),
            _constraint("odrl:dateTime", "lteq", offer.expires.isoformat()),
            _constraint(f"{_NAMESPACE}form", "isAnyOf", offer.forms),
            _constraint(f"{_NAMESPACE}minGroup", "gteq", str(offer.min_group)),
            _constraint(f"{_NAMESPACE}units", "lteq", str(offer.units)),
        ]
        terms = {name: getattr(offer, name) for name in OfferTermsBody.__struct_fields__ if name != "forms"}
        return cls(
            id=offer.id,
            permission=[{"action": "use", "constraint": [{"and": constraints}]}],
            terms=OfferTermsBody(**terms, forms=[Form(form) for form in offer.forms]),
        )


class OfferTermsBody(Out):
    """What one agreement on an offer grants."""

    purposes: Purposes
    forms: Forms
    units: Units
    epsilon: Epsilon
    price: Price
    min_group: Annotated[int, msgspec.Meta(description="the least subjects in a group", examples=[10])]
    row_limit: Annotated[int, msgspec.Meta(description="the most rows of one answer", examples=[10000])]
    days: Annotated[int, msgspec.Meta(description="how long an agreement lasts", examples=[365])]
    automatic: Annotated[
        bool, msgspec.Meta(description="agreed to at once, if the policy allows", examples=[True])
    ]
    methods: Annotated[
        dict[str, dict[str, Any]],
        msgspec.Meta(
            description="columns that leave by a stricter method under this offer",
            examples=[{"age": {"method": "generalize", "parameters": {"width": 10}}}],
        ),
    ]
    sample: Annotated[
        int, msgspec.Meta(description="of so many percent of the subjects rows leave", examples=[100])
    ]
    exact: Annotated[bool, msgspec.Meta(description="whether aggregates may leave without noise")]
    expires: Moment


class DistributionBody(Out, kw_only=True):
    """A form in which a dataset is to be had, and where."""

    format: Annotated[str, msgspec.Meta(description="a media type", examples=[ARROW])]
    form: Form
    access_service: Annotated[
        str, msgspec.Meta(description="where to negotiate", examples=["http://127.0.0.1:8000/api"])
    ] = msgspec.field(name="accessService")
    type: Annotated[str, msgspec.Meta(examples=["Distribution"])] = msgspec.field(
        name="@type", default="Distribution"
    )


class DatasetBody(Out, kw_only=True):
    """A dataset of the catalogue: its newest version and the offers that stand."""

    id: DatasetId = msgspec.field(name="@id")
    type: Annotated[str, msgspec.Meta(examples=["Dataset"])] = msgspec.field(name="@type", default="Dataset")
    title: Annotated[str, msgspec.Meta(examples=["企业用电月报"])]
    description: Annotated[str, msgspec.Meta(examples=["各区县企业月度用电量"])]
    zone: Zone
    publisher: ParticipantId
    publisher_name: Annotated[str, msgspec.Meta(examples=["某市统计局"])] = msgspec.field(
        name="publisherName"
    )
    version: Version
    issued: Moment
    withdrawn: Moment | None
    rows: Annotated[int, msgspec.Meta(examples=[5000])]
    level: Annotated[int, msgspec.Meta(description="the highest level of its columns", examples=[3])]
    columns: list[ColumnBody]
    distribution: list[DistributionBody]
    has_policy: list[OfferBody] = msgspec.field(name="hasPolicy")
    entry: Entry
    product: Product
    quality: dict[str, Quality]
    sample: Annotated[
        SampleBody | None, msgspec.Meta(description="only where one dataset is shown, and rows are offered")
    ]
    release: Annotated[
        ReleaseBody | None, msgspec.Meta(description="only where rows are offered and a release is enforced")
    ]
    report_sha256: Annotated[
        str,
        msgspec.Meta(
            description="of the report, which the entry holds too; empty for old versions", examples=["9f86"]
        ),
    ] = msgspec.field(name="reportSha256")

    @classmethod
    def of(cls, listing: Listing, url: str, sample: Mapping[str, Any] | None = None) -> "DatasetBody":
        """Return what is told of a dataset; `url` is the service's own. A list of many shows no samples."""
        offered = sorted({Form(form) for offer in listing.offers for form in offer.forms})
        return cls(
            id=listing.dataset,
            title=listing.title,
            description=listing.description,
            zone=listing.zone,
            publisher=listing.provider,
            publisher_name=listing.provider_name,
            version=listing.version,
            issued=listing.created,
            withdrawn=listing.withdrawn,
            rows=listing.rows,
            level=listing.level,
            columns=[ColumnBody.of(column) for column in listing.columns],
            distribution=[
                DistributionBody(format=kind, form=form, access_service=f"{url}/api")
                for form in offered
                for kind in _FORMATS[form]
            ],
            has_policy=[OfferBody.of(offer) for offer in listing.offers],
            entry=listing.entry,
            product=product_of(listing),
            quality=quality_of(listing),
            sample=SampleBody.of(sample),
            release=ReleaseBody.of(listing),
            report_sha256=listing.report_sha256,
        )


class CatalogBody(Out, kw_only=True):
    """The catalogue (dcat:Catalog)."""

    context: list[str] = msgspec.field(name="@context")
    id: Annotated[str, msgspec.Meta(examples=["http://127.0.0.1:8000/api/catalog"])] = msgspec.field(
        name="@id"
    )
    type: Annotated[str, msgspec.Meta(examples=["Catalog"])] = msgspec.field(name="@type", default="Catalog")
    participant: Annotated[
        str, msgspec.Meta(description="who runs it: the log's origin", examples=["localhost/dataspace"])
    ] = msgspec.field(name="participantId")
    dataset: list[DatasetBody]


@get("/zones", sync_to_thread=False, tags=["catalogue"])
def zones(service: NamedDependency[Service]) -> list[ZoneBody]:
    """List the zones of this service, with their purposes, levels, categories and limits."""
    return [ZoneBody.of(pack) for pack in service.space.packs.values()]


class CatalogController(Controller):
    """What is to be had; everybody with an account sees the same."""

    path = "/catalog"
    tags = ("catalogue",)

    @get("/", sync_to_thread=True)
    def catalog(
        self, service: NamedDependency[Service], zone: ZoneQuery = "", q: TextQuery = ""
    ) -> CatalogBody:
        """List the datasets on offer, newest first."""
        settings = service.space.settings
        return CatalogBody(
            context=[CONTEXT],
            id=f"{settings.url}/api/catalog",
            participant=settings.origin,
            dataset=[DatasetBody.of(found, settings.url) for found in service.catalogue.listings(zone, q)],
        )

    @get("/{dataset:str}", sync_to_thread=True)
    def dataset(self, dataset: FromPath[str], service: NamedDependency[Service]) -> DatasetBody:
        """Show one dataset with its columns and offers."""
        found = service.catalogue.listing(dataset)
        sample = service.catalogue.sample(dataset, found.version)
        return DatasetBody.of(found, service.space.settings.url, sample)


def _constraint(left: str, operator: str, right: str | list[str]) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}

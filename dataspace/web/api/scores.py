"""Models of datasets, and encrypted scores on them."""

from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, RawBody

from dataspace.participants.access import Caller
from dataspace.transfer.forms.modelled import ModelView
from dataspace.web.api.agreements import answered
from dataspace.web.bodies import CLIENT, taking
from dataspace.web.schemas import DatasetId, Entry, In, Moment, Out, Version
from dataspace.web.service import Service
from dataspace.wire import ENVELOPE
from dataspace.wire.model import Link
from dataspace.wire.score import QUERY_LIMIT

_DOCUMENT = {
    "features": [{"name": "age", "low": 0, "high": 1200, "precision": 1}],
    "weights": [-37],
    "intercept": 105,
    "precision": 3,
    "link": "logistic",
    "output": 2,
    "subjects": 4100,
    "samples": 0,
}
ModelId = Annotated[str, msgspec.Meta(description="a model", examples=["mo-00aa11bb22cc33dd"])]
ModelName = Annotated[
    str, msgspec.Meta(description="what consumers read of it", examples=["default within a year"])
]
Releasable = Annotated[
    bool,
    msgspec.Meta(
        description="whether a consumer may know its weights; if not, only consumers that the offer names "
        "semi-honest may score on it",
        examples=[True],
    ),
]


class ModelSpecBody(In):
    """A linear or logistic model to be registered; `dataspace.client` makes it of a fitted one."""

    name: ModelName
    releasable: Releasable
    model: Annotated[
        dict[str, Any],
        msgspec.Meta(description="the document, as `dataspace.wire.model` says", examples=[_DOCUMENT]),
    ]


class ModelBody(Out):
    """A model, as far as the caller may know it."""

    id: ModelId
    dataset: DatasetId
    version: Version
    name: ModelName
    releasable: Releasable
    features: Annotated[
        list[dict[str, Any]],
        msgspec.Meta(
            description="its inputs: bounds in units of 10^-precision", examples=[_DOCUMENT["features"]]
        ),
    ]
    link: Annotated[Link, msgspec.Meta(description="what is applied to the sum", examples=["logistic"])]
    digits: Annotated[
        int, msgspec.Meta(description="a decrypted sum is in units of 10^-digits", examples=[4])
    ]
    output: Annotated[int, msgspec.Meta(description="how many digits of a score are meant", examples=[2])]
    subjects: Annotated[
        int,
        msgspec.Meta(
            description="from how many persons it was learnt, as its provider says", examples=[4100]
        ),
    ]
    samples: Annotated[
        int,
        msgspec.Meta(description="how many one legal entity may score in all; 0 is any number", examples=[0]),
    ]
    entry: Entry
    created: Moment
    withdrawn: (
        Annotated[Moment, msgspec.Meta(description="when it was", examples=["2026-11-23T01:30:00Z"])] | None
    )
    model: (
        Annotated[
            dict[str, Any],
            msgspec.Meta(description="the document, where the caller may know it", examples=[_DOCUMENT]),
        ]
        | None
    )

    @classmethod
    def of(cls, view: ModelView) -> "ModelBody":
        """Return what is told of a model."""
        names = [name for name in cls.__struct_fields__ if name not in ("model", "link")]
        told = {name: getattr(view, name) for name in names}
        return cls(**told, link=Link(view.link), model=view.document)


class DatasetModels(Controller):
    """The models that a provider registered on a dataset of its own."""

    path = "/datasets/{dataset:str}/models"
    tags = ("models",)

    @get("/", sync_to_thread=True)
    def models(
        self, dataset: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[ModelBody]:
        """List the models of a dataset of one's own, newest first."""
        return [ModelBody.of(view) for view in service.models.mine(caller, dataset)]

    @post("/", sync_to_thread=True)
    def register(
        self,
        dataset: FromPath[str],
        data: JSONBody[ModelSpecBody],
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> ModelBody:
        """Register a model on the newest version of a dataset of one's own."""
        view = service.models.register(caller, dataset, data.name, data.model, releasable=data.releasable)
        return ModelBody.of(view)


class WithdrawnBody(Out):
    """The withdrawal of a model."""

    entry: Entry


@delete("/models/{model:str}", tags=["models"], sync_to_thread=True, status_code=200)
def withdraw_model(
    model: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
) -> WithdrawnBody:
    """Withdraw a model of one's own: nothing is scored on it any more, and its weights are deleted."""
    return WithdrawnBody(service.models.withdraw(caller, model))


class Scores(Controller):
    """Encrypted scores under an agreement in the form score."""

    path = "/agreements/{agreement:str}"
    tags = ("agreements",)

    @get("/models", sync_to_thread=True)
    def offered(
        self, agreement: FromPath[str], caller: NamedDependency[Caller], service: NamedDependency[Service]
    ) -> list[ModelBody]:
        """List the models that an agreement in force may use; weights are shown of releasable ones."""
        return [ModelBody.of(view) for view in service.models.offered(caller, agreement)]

    @post(
        "/scores",
        sync_to_thread=True,
        status_code=200,
        request_max_body_size=QUERY_LIMIT,
        operation_class=taking(ENVELOPE, CLIENT, QUERY_LIMIT),
    )
    def score(
        self,
        agreement: FromPath[str],
        body: RawBody,
        caller: NamedDependency[Caller],
        service: NamedDependency[Service],
    ) -> Response[bytes]:
        """Score encrypted features: the body is an envelope that `dataspace.client` makes."""
        with service.limits.queries.holding(caller.id):
            return answered(service.scores.score(caller, agreement, body))

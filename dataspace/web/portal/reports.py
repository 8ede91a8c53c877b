"""The report of a registered version as a page: in the terms of GB/T 42460-2023, to be read and printed."""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from dataspace.catalog.report import report_sha256
from dataspace.catalog.search import Reported
from dataspace.participants.access import Caller
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page
from dataspace.web.portal.measured import MEASURES, of_report
from dataspace.web.service import Service

Version = Annotated[int, QueryParameter(ge=0, le=2**31)]


@get("/portal/datasets/{dataset:str}/report", sync_to_thread=True)
def report(
    request: AnyRequest,
    dataset: FromPath[str],
    caller: NamedDependency[Caller],
    service: NamedDependency[Service],
    version: Version = 0,
) -> Response[str]:
    """Show the report of a version, 0 for the newest, and whether it is the one its entry names."""
    found = service.catalogue.report(caller, dataset, version)
    return page(
        request,
        "report.html",
        found=found,
        report=found.report,
        measure=of_report(found.report, found.sample),
        measures=MEASURES,
        pack=service.space.packs[found.report["zone"]],
        named=_named(service, caller, found),
        holds=report_sha256(found.report) == found.sha256,
    )


def _named(service: Service, caller: Caller, found: Reported) -> str:
    """Return the digest that the registration's entry names; nothing when the reader cannot see it."""
    for index, shown in service.receipts.records(caller, found.entry, 1):
        if index == found.entry:
            return str(shown.fields.get("report_sha256", ""))
    return ""

"""The auditor's page: a receipt is verified before the reader's eyes, without an account.

It runs `dataspace.proof.verify` and nothing else. A page that the operator
serves cannot prove that the operator is honest, and says so.
"""

from litestar import Response, get, post
from litestar.concurrency import sync_to_thread
from litestar.datastructures import UploadFile

from dataspace.errors import VerificationError
from dataspace.proof.receipt import LIMIT
from dataspace.proof.verify import Report, verify_receipt
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import page

_BODY = LIMIT + (1 << 16)


@get("/verify", sync_to_thread=False, include_in_schema=False)
def form(request: AnyRequest) -> Response[str]:
    """Show the form."""
    return page(request, "verify.html", report=None, failure="", key="", text="")


@post("/verify", include_in_schema=False, request_max_body_size=_BODY, status_code=200)
async def report(request: AnyRequest) -> Response[str]:
    """Verify the receipt that was pasted or uploaded, under the key that was given with it."""
    fields = await request.form()
    key, pasted, file = (fields.get(name, "") for name in ("key", "receipt", "file"))
    text = pasted.strip().encode() if isinstance(pasted, str) else b""
    if isinstance(file, UploadFile):
        text = await file.read() or text
    key = key.strip() if isinstance(key, str) else ""
    found, failure = await sync_to_thread(_verified, text, key)
    shown = text.decode(errors="replace") if len(text) <= LIMIT else ""
    return page(request, "verify.html", report=found, failure=failure, key=key, text=shown)


def _verified(text: bytes, key: str) -> tuple[Report | None, str]:
    if not text or not key:
        return None, "empty"
    try:
        return verify_receipt(text, key), ""
    except VerificationError:
        return None, "key"

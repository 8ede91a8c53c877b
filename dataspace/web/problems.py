"""What goes wrong, told as problem documents (RFC 9457): one `type` for each error of `dataspace.errors`.

`GET /problems/{code}` explains a type, in the words of its class. What nobody
foresaw is an "internal" problem: the document holds an id and no text, and the
log holds the exception under that id and nothing of the request.
"""

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.handlers import HTTPRouteHandler

from dataspace.errors import (
    Conflict,
    DataSpaceError,
    IllegalTransition,
    Malformed,
    NotFound,
    OutOfSpace,
    PolicyDenied,
    Refused,
    TooCostly,
    TooLarge,
    TooMany,
    TooSlow,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    Unsupported,
    VerificationError,
)
from dataspace.web.reasons import worded
from dataspace.web.service import Service
from dataspace.wire import PROBLEM

_LOG = logging.getLogger("dataspace.web")
_RETRY_SECONDS = 5
_CLAUSE = re.compile(r"[;:.\n]")
_RESERVED = ("type", "title", "status", "detail", "instance", "code")

STATUS: Final[dict[type[DataSpaceError], int]] = {
    Unauthenticated: 401,
    Refused: 403,
    PolicyDenied: 403,
    NotFound: 404,
    Conflict: 409,
    IllegalTransition: 409,
    Malformed: 400,
    TooSlow: 408,
    TooLarge: 413,
    Unsupported: 415,
    Unprocessable: 422,
    TooCostly: 422,
    TooMany: 429,
    Unavailable: 503,
    OutOfSpace: 507,
    # The evidence that does not hold is the service's own: the caller's is only ever reported on.
    VerificationError: 500,
}


@dataclass(frozen=True)
class ProblemType:
    """What one `type` of problem means, for its page."""

    code: str
    status: int
    meaning: str
    advice: str
    zh: str
    advice_zh: str


_ADVICE: Final = {
    400: "Change the request: the detail names what is wrong with it.",
    401: "Send a valid token in the header Authorization: Bearer, or log in to the portal again.",
    403: "Nothing to repeat: the roles, the agreement or the policy must change first.",
    404: "Check the identifier. What belongs to another participant looks the same as what does not exist.",
    405: "Use a method that the header Allow lists.",
    408: "Send it again over a better connection, or in pieces: resumable uploads go on where they stopped.",
    409: "Read the current state again, then decide whether the act still makes sense.",
    413: "Send less: the document names the limit.",
    415: "Send another kind of file or body.",
    422: "Change what was sent: it can be read, and cannot be accepted as it is.",
    429: "Wait as many seconds as the header Retry-After says.",
    500: "Tell the operator the id of the problem: the log holds the cause under it.",
    503: "Nothing was done. Wait as many seconds as the header Retry-After says, then repeat the request.",
    507: "Nothing was done. Repeat the request when the operator has made room.",
}

_ADVICE_ZH: Final = {
    400: "请修改请求：说明中指出了哪里不对。",
    401: "请在 Authorization: Bearer 头中给出有效的令牌，或重新登录门户。",
    403: "重试没有用：须先改变角色、协议或策略。",
    404: "请核对编号。属于其他参与方的，看起来与不存在的一样。",
    405: "请使用 Allow 头列出的方法。",
    408: "请在更好的网络上重发，或分段上传：断点续传会从中断处继续。",
    409: "请重新读取当前状态，再决定是否仍要这样做。",
    413: "请减少内容：说明中给出了上限。",
    415: "请发送另一种文件或内容。",
    422: "请修改所发送的内容：能够读懂，但不能照此接受。",
    429: "请等待 Retry-After 头给出的秒数。",
    500: "请把问题编号告诉运营方：日志中以该编号记有原因。",
    503: "什么也没有做。请等待 Retry-After 头给出的秒数，然后重试。",
    507: "什么也没有做。请等运营方腾出空间后重试。",
}

_MEANING_ZH: Final = {
    "unauthenticated": "请求没有带凭据，或凭据已经失效。",
    "refused": "调用方身份已知，但没有这项权利。",
    "policy-denied": "策略拒绝了这次操作。",
    "not-found": "没有这样的对象，或者它属于其他参与方：两者的回答相同。",
    "conflict": "这次操作与当前状态相矛盾。",
    "illegal-transition": "协议的状态表不允许这条消息。",
    "malformed": "输入不符合格式。",
    "too-slow": "输入来得太慢；没有接受已到的部分。",
    "too-large": "输入超过了大小上限。",
    "unsupported-format": "这里不接受这一种类的输入。",
    "unprocessable": "输入可以读懂，但不能接受。",
    "too-costly": "工作达到时间或内存上限，已被停止。",
    "too-many": "请求过于频繁或一次过多；稍后可能成功。",
    "unavailable": "服务所需的某个部分没有应答；什么也没有做。",
    "out-of-space": "服务的磁盘已满；什么也没有做，只读的操作照常进行。",
    "verification-failed": "证据不成立：散列、签名、证明或格式有误。",
    "method-not-allowed": "这个资源不支持该方法。",
    "internal": "发生了没有预料到的错误。",
}


def _type(code: str, status: int, meaning: str) -> ProblemType:
    return ProblemType(code, status, meaning, _ADVICE[status], _MEANING_ZH[code], _ADVICE_ZH[status])


_MORE: Final = (
    _type("method-not-allowed", 405, "The resource does not know this method."),
    _type("internal", 500, "Something failed that nobody foresaw."),
)

PROBLEMS: Final[Mapping[str, ProblemType]] = {
    **{
        error.code: _type(error.code, status, (error.__doc__ or "").strip())
        for error, status in STATUS.items()
    },
    **{problem.code: problem for problem in _MORE},
}

_BY_STATUS: Final = {
    400: "malformed",
    401: "unauthenticated",
    403: "refused",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
    415: "unsupported-format",
    429: "too-many",
}


@dataclass(frozen=True)
class Problem:
    """One problem as it is told: the document's members, and the headers of its response."""

    code: str
    status: int
    detail: str
    facts: Mapping[str, Any]
    headers: Mapping[str, str]

    def document(self, url: str) -> dict[str, Any]:
        """Return the members of the problem document; `url` is the service's own."""
        facts = {name: value for name, value in self.facts.items() if name not in _RESERVED}
        title = _CLAUSE.split(PROBLEMS[self.code].meaning)[0]
        return {
            "type": f"{url}/problems/{self.code}",
            "title": title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **facts,
        }


def describe(error: Exception, limit: int | None = None) -> Problem:
    """Return what is told of `error`; log it when nobody foresaw it.

    `limit` is how many bytes the resource takes, which the framework's own error does not say.
    """
    if isinstance(error, DataSpaceError):
        return _known(error)
    if isinstance(error, HTTPException) and error.status_code in _BY_STATUS:
        return _framework(error, limit)
    if isinstance(error, RecursionError):
        return Problem("malformed", 400, "the body is nested too deeply", {}, {})
    if isinstance(error, UnicodeDecodeError):
        return Problem("malformed", 400, "the body is not UTF-8", {}, {})
    return _unforeseen(error)


def limit_of(request: Request[Any, Any, Any]) -> int | None:
    """Return how many bytes of a body the framework takes for whoever handles the request."""
    handler = request.scope.get("route_handler")
    return handler.resolve_request_max_body_size() if isinstance(handler, HTTPRouteHandler) else None


def respond(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Answer `error` with its problem document."""
    problem = describe(error, limit_of(request))
    service: Service = request.app.state.service
    document = problem.document(service.space.settings.url)
    content = msgspec.json.encode(document, enc_hook=str)
    return Response(content, status_code=problem.status, media_type=PROBLEM, headers=dict(problem.headers))


def _known(error: DataSpaceError) -> Problem:
    kind = next(kind for kind in type(error).__mro__ if kind in STATUS)
    status = STATUS[kind]
    headers = {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="dataspace"'
    if status in (429, 503):
        headers["Retry-After"] = str(error.facts.get("retry_after", _RETRY_SECONDS))
    if status == 500:
        _LOG.error("evidence of the service does not hold: %s", _one_line(str(error)))
    return Problem(kind.code, status, worded(str(error), error.facts), error.facts, headers)


def _framework(error: HTTPException, limit: int | None) -> Problem:
    """Word what Litestar raises; its own messages repeat the request and are not passed on."""
    code = _BY_STATUS[error.status_code]
    allow = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    if isinstance(error, ValidationException):
        facts = {"errors": [_where(item) for item in error.extra or ()]}
        return Problem(code, 400, worded("the request does not fit its description", facts), facts, {})
    details = {
        400: "the body or the query cannot be read",
        404: "there is no such resource",
        405: "the resource does not know this method",
        413: f"the body is larger than the {limit} bytes that this resource takes",
    }
    told = {"limit": limit} if error.status_code == 413 else {}
    return Problem(
        code, error.status_code, details.get(error.status_code, PROBLEMS[code].meaning), told, allow
    )


def _where(item: Any) -> dict[str, str]:
    found = item if isinstance(item, dict) else {}
    told = {name: found[name] for name in ("source", "key", "message") if name in found}
    return {name: str(getattr(value, "value", value)) for name, value in told.items()}


def _unforeseen(error: Exception) -> Problem:
    identifier = secrets.token_hex(8)
    # The traceback names our lines, not the request: no path, header or body goes into the log.
    _LOG.error("problem %s: %s", identifier, type(error).__name__, exc_info=_without_text(error))
    return Problem("internal", 500, "something failed here: tell the operator the id", {"id": identifier}, {})


def _without_text(error: BaseException) -> BaseException:
    """Return an error with the same traceback and type name, without the text, which may hold anything."""
    bare = RuntimeError(f"{type(error).__module__}.{type(error).__qualname__} (its text is not logged)")
    return bare.with_traceback(error.__traceback__)


def _one_line(text: str) -> str:
    return text.encode("unicode_escape").decode()

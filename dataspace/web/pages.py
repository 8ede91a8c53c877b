"""Pages: templates and their texts in two languages, static files, errors as a page or as a document.

A template gives each text twice, `t("中文", "English")`, and the reader's
choice (a cookie, else Accept-Language) picks one. Everything is escaped.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import jinja2
from litestar import MediaType, Response, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.static_files import create_static_files_router

from dataspace.errors import NotFound
from dataspace.web.auth import AnyRequest
from dataspace.web.chinese import chinese
from dataspace.web.problems import PROBLEMS, describe, limit_of, respond
from dataspace.web.service import Service

LANGUAGE_COOKIE: Final = "language"
_HERE = Path(__file__).parent
_SHANGHAI = timezone(timedelta(hours=8))
_LANGUAGES = ("zh", "en")
# Only what `str` makes of a dict of parameters: a name of a column may hold braces.
_PARAMETERS: Final = re.compile(r" \{((?:'[a-z]+': (?:-?\d+|'[^'{}]*')(?:, )?)*)\}")
_PARAMETER: Final = re.compile(r"'([a-z]+)': (?:'([^']*)'|(-?\d+))")
_WEEK = "public, max-age=604800"

_ENVIRONMENT: Final = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def language_of(request: AnyRequest) -> str:
    """Return "zh" or "en": what the reader chose, or what its browser prefers."""
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in _LANGUAGES:
        return chosen
    preferred = request.headers.get("accept-language", "").lower()
    found = [(preferred.find(language), language) for language in _LANGUAGES if language in preferred]
    return min(found, default=(0, "en"))[1]


def page(request: AnyRequest, template: str, status: int = 200, **facts: Any) -> Response[str]:
    """Return a page of `template`; `facts` are its variables."""
    language = language_of(request)
    content = _ENVIRONMENT.get_template(template).render(
        t=_chooser(language),
        language=language,
        caller=request.scope["state"].get("caller"),
        here=request.scope["path"],
        **facts,
    )
    return Response(content, status_code=status, media_type=MediaType.HTML)


def answer_error(request: AnyRequest, error: Exception) -> Response[Any]:
    """Answer an error: a page for who reads pages, a problem document for programs."""
    if not wants_page(request):
        return respond(request, error)
    problem = describe(error, limit_of(request))
    response = page(request, "problem.html", problem.status, problem=problem, kind=PROBLEMS[problem.code])
    response.headers.update(problem.headers)
    return response


def wants_page(request: AnyRequest) -> bool:
    """Tell whether a person asked, with a browser, outside of the API and the ledger."""
    if request.scope["path"].startswith(("/api/", "/ledger/", "/witness/")):
        return False
    return "text/html" in request.headers.get("accept", "")


@get("/problems/{code:str}", sync_to_thread=True, tags=["problems"], media_type=MediaType.HTML)
def explain(request: AnyRequest, code: FromPath[str], service: NamedDependency[Service]) -> Response[Any]:
    """Explain one type of problem: what it means, who must act, and how."""
    kind = PROBLEMS.get(code)
    if kind is None:
        raise NotFound("there is no such type of problem")
    return page(request, "problem_type.html", kind=kind, url=service.space.settings.url)


def static() -> Router:
    """Return the router of the style sheet and the scripts."""
    return create_static_files_router(
        "/static",
        directories=[_HERE / "static"],
        include_in_schema=False,
        cache_control=None,
        after_request=_keep,
    )


async def _keep(response: Any) -> Any:
    response.headers["Cache-Control"] = _WEEK
    return response


def _chooser(language: str) -> Callable[[str, str], str]:
    def choose(zh: str, en: str) -> str:
        return zh if language == "zh" else en

    return choose


def _time(moment: datetime | str) -> str:
    """Word a time, which entries hold as text."""
    moment = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return moment.astimezone(_SHANGHAI).strftime("%Y-%m-%d %H:%M +08:00")


def _money(fen: int) -> str:
    return f"¥{fen // 100}.{fen % 100:02d}"


def _plain(text: str) -> str:
    """Word the parameters of a method in an error's text, `{'width': 10}`, as they are written in forms."""
    return _PARAMETERS.sub(lambda found: _written(found[1]), text)


def _written(parameters: str) -> str:
    return "".join(f" {name}={word or number}" for name, word, number in _PARAMETER.findall(parameters))


def _share(ppm: int | None) -> str:
    """Word parts per million as a percentage, exactly; what there is none of as a dash."""
    if ppm is None:
        return "–"
    whole, rest = divmod(ppm, 10_000)
    return f"{whole}.{rest:04}".rstrip("0").rstrip(".") + " %"


def _size(number: int) -> str:
    """Word a number of bytes."""
    for unit, bytes_ in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= bytes_:
            return f"{number / bytes_:,.1f} {unit}"
    return f"{number:,} B"


_ENVIRONMENT.filters.update(
    time=_time,
    money=_money,
    plain=_plain,
    chinese=chinese,
    share=_share,
    size=_size,
    parameters=lambda found: " ".join(f"{name}={value}" for name, value in found.items()),
    count=lambda number: f"{number:,}",
)

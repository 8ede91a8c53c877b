"""The way in and out: login, logout, and the choice of a language."""

from typing import Any
from urllib.parse import urlencode

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery, RawBody
from litestar.response import Redirect

from dataspace.errors import DataSpaceError, Refused, Unauthenticated
from dataspace.web import auth
from dataspace.web.auth import AnyRequest
from dataspace.web.pages import LANGUAGE_COOKIE, page, wants_page
from dataspace.web.portal.forms import Form, go_to, local_path
from dataspace.web.problems import describe, respond

_YEAR = 365 * 24 * 3600


@get("/login", sync_to_thread=False, include_in_schema=False)
def login_page(request: AnyRequest, to: FromQuery[str] = "/") -> Response[str]:
    """Show the login form; `to` is where the reader wanted to go."""
    return page(request, "login.html", to=local_path(to), failure=None)


@post("/login", sync_to_thread=True, include_in_schema=False)
def log_in(request: AnyRequest, body: RawBody) -> Response[Any]:
    """Open a session and go on; a wrong password shows the form again, with the reason."""
    form = Form.read(body)
    try:
        _, cookie = auth.log_in(request, form.text("login"), form.text("password"))
    except DataSpaceError as error:
        problem = describe(error)
        response = page(
            request, "login.html", problem.status, to=local_path(form.text("to", "/")), failure=error
        )
        response.headers.update(problem.headers)
        return response
    onward = go_to(form.text("to", "/"))
    onward.set_cookie(cookie)
    return onward


@post("/logout", sync_to_thread=True)
def log_out(request: AnyRequest) -> Response[Any]:
    """End the session."""
    response = go_to("/login")
    response.set_cookie(auth.log_out(request))
    return response


@post("/language", sync_to_thread=False, include_in_schema=False)
def choose_language(request: AnyRequest, body: RawBody) -> Response[Any]:
    """Remember the reader's language, in the browser alone, and show the same page in it."""
    if auth.site_of(request) is auth.Site.FOREIGN:
        raise Refused("this form was sent by another site's page")
    form = Form.read(body)
    response = go_to(form.text("to", "/"))
    chosen = form.chosen("language", ("zh", "en"))
    response.set_cookie(
        Cookie(key=LANGUAGE_COOKIE, value=chosen, max_age=_YEAR, path="/", httponly=True, samesite="lax")
    )
    return response


def to_login(request: AnyRequest, error: Unauthenticated) -> Response[Any]:
    """Send a reader without a session to the login, and back afterwards; tell programs what is wrong."""
    if not wants_page(request):
        return respond(request, error)
    to = request.scope["path"] if request.scope["method"] == "GET" else "/"
    return Redirect(f"/login?{urlencode({'to': local_path(to)})}", status_code=303)

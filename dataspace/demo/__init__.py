"""The demonstration: the three journeys against the real service, over HTTP, on the screen."""

import json
import secrets
import tempfile
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from dataspace.app import initialise, log_key
from dataspace.chain import MARK, log_in_lines
from dataspace.demo.audits import audit_service, audit_tampered
from dataspace.demo.journeys import Journeys
from dataspace.demo.stage import chain, fresh_home, service, write_mark
from dataspace.errors import Unavailable
from dataspace.settings import Settings
from dataspace.zones.pack import load_packs

__all__ = ["run"]


def run(settings: Settings, port: int, json_file: Path | None) -> int:
    """Play the demonstration in the home of `settings`; return the exit code.

    Raises:
        Conflict: the home holds a space that no demonstration made, or the port is taken.
        Unavailable: the service did not start.

    """
    console, began = Console(highlight=False), time.monotonic()
    url = f"http://127.0.0.1:{port}"
    fresh_home(settings.home)
    settings = replace(settings, url=url, anchor="", anchor_seconds=2)
    with ExitStack() as stack:
        password = secrets.token_urlsafe(12)
        operator = initialise(settings, "operator", "operator", password)
        assert operator  # noqa: S101 - the home is fresh
        anchor = stack.enter_context(chain(settings, console))
        write_mark(settings.home, {"anchor": anchor})
        running = stack.enter_context(service(replace(settings, anchor=anchor), port))
        console.print(f"the service answers on {running.url}")
        packs = load_packs(Path(settings.zones))
        journeys = Journeys(running.url, operator.token, packs, log_key(settings), console)
        journeys.members.append(
            {
                "login": "operator",
                "password": password,
                "roles": "operator",
                "token": operator.token,
                "id": operator.member.id,
            }
        )
        try:
            journeys.play(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        except Unavailable as error:
            raise Unavailable(f"{error}: {settings.home / 'service.log'} may say why") from error
        right = audit_service(journeys, settings, anchor, console)
    right = audit_tampered(settings.home, journeys.key, console) and right
    done = {"url": url, "anchor": anchor, "members": journeys.members, **journeys.done()}
    write_mark(settings.home, done)
    if json_file:
        json_file.write_text(json.dumps(done, ensure_ascii=False, indent=2), encoding="utf-8")
    _farewell(console, settings, time.monotonic() - began, right=right)
    return 0 if right else 1


def _farewell(console: Console, settings: Settings, seconds: float, *, right: bool) -> None:
    verdict = "everything was as it should be" if right else "SOMETHING WAS NOT AS IT SHOULD BE"
    console.rule(f"{verdict}, in {seconds:.0f} s")
    again = "make serve" if settings.url.endswith(":8000") else f"dataspace serve --port {settings.url[17:]}"
    console.print(f"To go on: `{again}`, then open {settings.url}/ and log in as one of")
    for line in log_in_lines(settings.home):
        console.print(f"    {line}")
    console.print(f"The API is described at {settings.url}/api/docs; tokens are in {settings.home / MARK}.")

"""An OPA server as a policy engine: the same bundle, asked over REST.

The server decides, the bundle beside us says what it must have decided by: an
answer of another revision is a denial, so the bundle's digest in an entry is
true. The path is constant and what callers write goes in the body alone.
"""

import json
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from opa_client import OpaClient
from requests import ConnectionError, RequestException, Response, Session, Timeout  # noqa: A004 - theirs
from urllib3.exceptions import HTTPError

from dataspace.policy.bundle import Bundle
from dataspace.policy.decision import MALFORMED, UNAVAILABLE, Decision, Question
from dataspace.policy.facts import canonical_input, input_digest

_PACKAGE, _RULE = "dataspace", "decision"
SECONDS: Final = 2.0  # for a whole answer
_LIMIT: Final = 1 << 18  # bytes of one answer
# After so many failures in a row nobody waits for the server: one request in each pause tries it again.
_FAILURES: Final = 3
_PAUSE_SECONDS: Final = 2.0


class ServerPolicy:
    """An OPA server that holds `bundle`; any number of threads may ask at once."""

    def __init__(
        self, address: tuple[str, int], bundle: Bundle, *, ssl: bool = False, seconds: float = SECONDS
    ) -> None:
        self._bundle = bundle
        self._address = address
        self._ssl, self._seconds = ssl, seconds
        self._clients = threading.local()
        self._failures = 0
        self._retry_at = 0.0

    @property
    def digest(self) -> str:
        """The SHA-256 of the bundle whose revision every answer must have, hex."""
        return self._bundle.digest

    @property
    def revision(self) -> str:
        """The SHA-256 of the list of its sources, hex."""
        return self._bundle.revision

    def bundle(self) -> bytes:
        """Return the bundle's bytes."""
        return self._bundle.content

    def decide(self, facts: Mapping[str, Any]) -> Decision:
        """Return the server's decision on `facts`; no answer is a denial, `policy-unavailable`.

        Raises:
            Malformed: they are no facts to decide on (`check_facts`).

        """
        data = canonical_input(facts)
        question = Question(self._bundle.digest, self._bundle.revision, input_digest(data))
        if self._failures >= _FAILURES:
            if time.monotonic() < self._retry_at:
                return question.deny(UNAVAILABLE)
            self._retry_at = time.monotonic() + _PAUSE_SECONDS
        try:
            answer = self._ask(json.loads(data))
        except (RequestException, ValueError, RecursionError):
            self._failures += 1
            self._retry_at = time.monotonic() + _PAUSE_SECONDS
            return question.deny(UNAVAILABLE)
        self._failures = 0
        return question.read(answer.get("result")) if isinstance(answer, dict) else question.deny(MALFORMED)

    def _ask(self, facts: Any) -> Any:
        try:
            return self._client().query_rule(facts, _PACKAGE, _RULE)
        except ConnectionError as error:
            # The server may have closed a connection that we kept; asking twice does no harm.
            if isinstance(error, Timeout):
                raise
            return self._client().query_rule(facts, _PACKAGE, _RULE)

    def _client(self) -> OpaClient:
        # A requests session is not safe to share between threads.
        if not hasattr(self._clients, "own"):
            self._clients.own = _Client(self._address, ssl=self._ssl, seconds=self._seconds)
        client: OpaClient = self._clients.own
        return client


class _Client(OpaClient):  # type: ignore[misc]  # the library is not annotated
    """The library's client, with an end to everything and nobody in between."""

    def __init__(self, address: tuple[str, int], *, ssl: bool, seconds: float) -> None:
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        super().__init__(host=host, port=address[1], ssl=ssl, retries=0, timeout=seconds)

    def _init_session(self) -> Session:
        session: Session = super()._init_session()
        session.trust_env = False  # no proxy and no .netrc stands between us and the policy
        session.max_redirects = 0
        session.hooks["response"] = [self._read]
        return session

    def _read(self, response: Response, *_: Any, **__: Any) -> None:
        """Read the body here: a timeout of sockets only limits the wait for each next byte."""
        deadline, body = time.monotonic() + self.timeout, bytearray()
        try:
            while chunk := response.raw.read1(1 << 12, decode_content=True):
                body += chunk
                if len(body) > _LIMIT or time.monotonic() > deadline:
                    response.close()
                    raise RequestException("the answer is too long or too slow")
        except HTTPError as error:
            raise RequestException("the answer breaks off") from error
        response._content = bytes(body)  # noqa: SLF001 - where the library keeps a body that was read

"""From a provider's database to a sealed file: runs in a worker process, for it speaks with strangers.

It connects to the one address it is given, reads in one read-only transaction,
and writes what `COPY ... TO STDOUT` streams. No word of the database's leaves
this process: its errors may quote cells, and are told by their SQLSTATE's name.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import psycopg
from psycopg.abc import Query

from dataspace.catalog.payloads import seal_writer
from dataspace.errors import Malformed, TooCostly, TooLarge, Unavailable, Unprocessable

_TELL_BYTES: Final = 8 << 20
# libpq would take what is not said here from files and the environment of this machine.
_NOTHING_ELSE: Final = {
    "passfile": "/dev/null",
    "sslcertmode": "disable",
    "gssencmode": "disable",
    "client_encoding": "UTF8",
    "application_name": "dataspace",
    "connect_timeout": 10,
}
_BY_MODE: Final = {
    "verify-full": {"sslrootcert": "system"},
    "disable": {"require_auth": "!password"},  # which would send it readable
}
_SETTINGS: Final = (
    "SET TRANSACTION READ ONLY",
    "SET LOCAL datestyle = 'ISO, YMD'",
    "SET LOCAL timezone = 'UTC'",
    "SET LOCAL extra_float_digits = 1",
    "SET LOCAL lock_timeout = 10000",
)


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `copy` takes: where to connect, what to ask, the sealed file to write, `limit` bytes at most."""

    address: str
    host: str
    port: int
    user: str
    password: str
    database: str
    sslmode: str
    statement: str
    seconds: int
    limit: int
    target: str
    target_key: Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
    target_context: bytes


class Copier:
    """The worker's side; an instance keeps nothing between calls."""

    def report(self, stage: str, percent: int) -> None:
        """Tell where the work stands; in a worker process the sandbox puts its own in this place."""

    def copy(self, request: Mapping[str, Any]) -> int:
        """Write the answer of `statement`, a SELECT, as CSV with a header, sealed; return its bytes.

        Raises:
            Unavailable: the database does not answer, or not to this user.
            Unprocessable: it refuses the statement; the message names why by SQLSTATE.
            TooCostly: it takes longer than `seconds`.
            TooLarge: it is more than `limit` bytes.

        """
        asked = _asked(request)
        path = Path(asked.target)
        try:
            with path.open("wb") as file:
                writer = seal_writer(file, asked.target_key, asked.target_context)
                size = 0
                for chunk in _chunks(asked):
                    size += len(chunk)
                    if size > asked.limit:
                        raise TooLarge(f"the table has more than {asked.limit} bytes", limit=asked.limit)  # noqa: TRY301
                    writer.write(chunk)
                    if size % _TELL_BYTES < len(chunk):
                        self.report("copying", 100 * size // asked.limit)
                writer.close()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return size


def _asked(request: Mapping[str, Any]) -> _Request:
    try:
        return msgspec.convert(dict(request), _Request)
    except msgspec.ValidationError as error:
        raise Malformed("malformed request to copy a table") from error


def _chunks(asked: _Request) -> Iterator[bytes]:
    try:
        with _connected(asked) as connection, connection.transaction(), connection.cursor() as cursor:
            for setting in _SETTINGS:
                cursor.execute(_query(setting))
            cursor.execute(_query(f"SET LOCAL statement_timeout = {asked.seconds * 1000}"))
            statement = f"COPY ({asked.statement}) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8')"
            with cursor.copy(_query(statement)) as stream:
                for chunk in stream:
                    yield bytes(chunk)
    except psycopg.errors.QueryCanceled:
        raise TooCostly(f"the database took longer than {asked.seconds} seconds") from None
    except psycopg.Error as error:
        # `from None`: its text may hold cells.
        raise Unprocessable(
            f"the database refused the statement: {type(error).__name__}", sqlstate=error.sqlstate or ""
        ) from None


def _connected(asked: _Request) -> psycopg.Connection[Any]:
    options: dict[str, Any] = {**_NOTHING_ELSE, **_BY_MODE.get(asked.sslmode, {})}
    try:
        return psycopg.connect(
            host=asked.host,
            hostaddr=asked.address,
            port=asked.port,
            user=asked.user,
            password=asked.password,
            dbname=asked.database,
            sslmode=asked.sslmode,
            **options,
        )
    except psycopg.Error:
        raise Unavailable("the source does not answer, or does not let this user in") from None


def _query(text: str) -> Query:
    # Text made of our own words and of what sqlglot rendered; psycopg's type wants to see literals only.
    return text.encode()

"""Sources: databases of providers, from which a table or a query becomes an upload.

An address with its password is wrapped by the zone's key, used by a worker
process, and shown to nobody again. It holds exactly

    postgresql://user:password@host:port/database[?sslmode=verify-full|require|disable]
"""

import re
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlmodel import Session, col, func, select

from dataspace.catalog.egress import Egress, Resolve, resolve
from dataspace.catalog.models import Source, State, Upload
from dataspace.catalog.progress import Readings
from dataspace.catalog.stored import source_of
from dataspace.catalog.upload import Uploads
from dataspace.errors import DataSpaceError, Malformed, TooMany, Unavailable
from dataspace.participants.access import Caller, require
from dataspace.participants.models import Role
from dataspace.space import Space, mint

_SCHEMES: Final = ("postgresql", "postgres")
_SSL: Final = ("verify-full", "require", "disable")
_SOURCES: Final = 20  # of one provider
_SECONDS: Final = 300  # that a statement may take
_URL: Final = 2048
_NAME: Final = 100
_STATEMENT: Final = 8192
# What a SELECT may hide that does more than read.
_ACTS: Final = (exp.Into, exp.Lock, exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.DDL, exp.Command)
# Functions that sqlglot has no class for, and that only compute. Others reach out of the transaction: they
# read and write the server's files, connect elsewhere, lift the time limit, or run SQL that stands in a text.
_PURE: Final = re.compile(
    r"(st|json|jsonb|regexp|array|make|to|date|string|justify)_\w+"
    r"|(age|isfinite|convert_from|convert_to|row_to_json|similarity|xpath|hstore|unaccent|quote_\w+|clock_timestamp"
    r"|statement_timestamp|transaction_timestamp|timeofday|now|version|num_nulls|num_nonnulls|scale|min_scale"
    r"|trim_scale|div|gcd|lcm|erf|factorial|bit_count|get_bit|get_byte|numrange|daterange|int4range|int8range|tsrange"
    r"|tstzrange|lower_inc|upper_inc|isempty|area|center|diameter|height|width|length|npoints|point|box|circle|polygon"
    r"|family|masklen|netmask|network|abbrev|nlevel|subpath|subltree|cardinality|unistr|casefold|percent_rank|cume_dist)",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"[^\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Address:
    """Where a database is and how to get in."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    sslmode: str


class Sources:
    """The acts on a provider's databases."""

    def __init__(
        self, space: Space, uploads: Uploads, readings: Readings, *, resolve: Resolve = resolve
    ) -> None:
        self._space = space
        self._uploads = uploads
        self._readings = readings
        self._egress = Egress(space.settings.sources, resolve)

    def add(self, caller: Caller, zone: str, name: str, url: str) -> Source:
        """Keep a database's address, wrapped; nothing is asked of it yet.

        Raises:
            Refused: the caller is no provider.
            NotFound: there is no such zone here.
            Malformed: it is no address of that form, or of a host the operator does not list.
            TooMany: the caller has twenty.
            Unavailable: the host has no address, or the service has no PostgreSQL driver.

        """
        require(caller, Role.PROVIDER)
        pack = self._space.pack(zone)
        if find_spec("psycopg") is None:
            raise Unavailable(
                "the service has no PostgreSQL driver: its operator installs the extra `postgres`"
            )
        if len(name) > _NAME or not _PLAIN.fullmatch(name):
            raise Malformed(f"the name of a source has 1 to {_NAME} printable characters")
        address = read_address(url)
        self._egress.pin(address.host, address.port)
        source = mint("sr")
        wrapped = self._space.keys.secret(f"zone/{pack.name}").wrap(url.encode(), source.encode())

        def act(session: Session) -> None:
            mine = select(func.count()).select_from(Source).where(Source.provider == caller.id)
            if session.exec(mine).one() >= _SOURCES:
                raise TooMany(f"a provider has at most {_SOURCES} sources: remove one", retry_after=60)
            session.add(
                Source(
                    id=source,
                    provider=caller.id,
                    zone=pack.name,
                    name=name,
                    wrapped=wrapped,
                    created=self._space.clock(),
                )
            )

        self._space.database.commit(act)
        with self._space.database.reading() as session:
            return source_of(session, caller, source)

    def mine(self, caller: Caller) -> list[Source]:
        """Return the caller's sources, newest first."""
        query = select(Source).where(Source.provider == caller.id).order_by(col(Source.created).desc())
        with self._space.database.reading() as session:
            return list(session.exec(query).all())

    def remove(self, caller: Caller, source: str) -> None:
        """Forget a source and its secret.

        Raises:
            NotFound: it is not the caller's.

        """
        self._space.database.commit(lambda session: session.delete(source_of(session, caller, source)))
        self._space.database.shred()

    def take(self, caller: Caller, source: str, *, table: str = "", query: str = "") -> Upload:
        """Begin an upload of a table, or of what a query answers; it is copied and read in the background.

        Raises:
            NotFound: the source is not the caller's.
            Malformed: neither or both are given, the query is not exactly one SELECT, or the source's host is
                not listed any more, or leads elsewhere.
            TooMany: as many of the caller's uploads wait as may.
            Unavailable: the host has no address.

        """
        with self._space.database.reading() as session:
            found = source_of(session, caller, source)
        statement = statement_of(table, query)
        copy = self._copy(found, statement)
        declared = {"source": found.id, "statement": statement, "encoding": "utf-8", "delimiter": ","}
        upload = self._uploads.begun(caller, found.zone, f"{table or found.name}.csv", declared)
        upload.state, upload.stage = State.READING, "waiting"
        kept = self._uploads.add(caller, upload)
        self._readings.submit(kept.id, copy)
        return kept

    def resume(self) -> int:
        """Have everything read that a restart interrupted, and what comes of a source copied anew."""
        unfinished = self._readings.unfinished()
        for upload in unfinished:
            try:
                copy = self._again(upload) if "source" in upload.declared else {}
            except DataSpaceError as error:
                self._readings.fail(upload.id, error)
            else:
                self._readings.submit(upload.id, copy)
        return len(unfinished)

    def _again(self, upload: Upload) -> dict[str, Any]:
        with self._space.database.reading() as session:
            found = session.get(Source, upload.declared["source"])
        if found is None:
            raise Malformed("the source was removed before it was read")
        return self._copy(found, upload.declared["statement"])

    def _copy(self, source: Source, statement: str) -> dict[str, Any]:
        """Return what the copier needs; the host is resolved now, and only now."""
        key = self._space.keys.secret(f"zone/{source.zone}")
        address = read_address(key.unwrap(source.wrapped, source.id.encode()).decode())
        return {
            **asdict(address),
            "address": self._egress.pin(address.host, address.port),
            "statement": statement,
            "seconds": _SECONDS,
            "limit": self._space.settings.upload_limit,
        }


def read_address(url: str) -> Address:
    """Read the address of a database.

    Raises:
        Malformed: it is not of the one form; the message holds nothing of it.

    """
    try:
        parts = urlsplit(url)
        port, options = parts.port or 5432, parse_qsl(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        raise Malformed("the address of a source cannot be read") from None
    if len(url) > _URL or not _PLAIN.fullmatch(unquote(url)) or parts.fragment:
        raise Malformed("the address of a source cannot be read")
    if parts.scheme not in _SCHEMES:
        raise Malformed("the address of a source begins with postgresql://")
    host, database = parts.hostname or "", unquote(parts.path.removeprefix("/"))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not all((host, user, password, database)) or "/" in database or not re.fullmatch(r"[\w.:-]+", host):
        raise Malformed("the address of a source holds a user, a password, one host and one database")
    sslmode = dict(options).get("sslmode", _SSL[0])
    if len(options) > 1 or dict(options).keys() - {"sslmode"} or sslmode not in _SSL:
        raise Malformed(f"the address of a source takes no option but sslmode: {', '.join(_SSL)}")
    return Address(host, port, user, password, database, sslmode)


def statement_of(table: str = "", query: str = "") -> str:
    """Return the SELECT that is asked of a source, as rendered from what was parsed.

    Raises:
        Malformed: neither or both are given, or the query is not exactly one SELECT that only reads.

    """
    if bool(table) == bool(query):
        raise Malformed("want either a table or a query")
    if table:
        names = table.split(".")
        if len(names) > 2 or not all(names) or len(table) > 200 or not _PLAIN.fullmatch(table):
            raise Malformed("a table is named like people, or like public.people")
        quoted = ".".join(exp.to_identifier(name, quoted=True).sql(dialect="postgres") for name in names)
        return f"SELECT * FROM {quoted}"
    if len(query) > _STATEMENT:
        raise Malformed(f"the query has {len(query)} characters, want at most {_STATEMENT}")
    return _select(query)


def _ensure_pure(statement: exp.Select) -> None:
    odd = next((one.name for one in statement.find_all(exp.Anonymous) if not _PURE.fullmatch(one.name)), "")
    if odd:
        raise Malformed(
            "a query of a source calls no function that may do more than compute (make it a view): "
            f"{odd[:_NAME]}"
        )


def _select(query: str) -> str:
    try:
        statements = sqlglot.parse(query, read="postgres")
        found = statements[0] if len(statements) == 1 else None
        if not isinstance(found, exp.Select) or found.find(*_ACTS):
            raise Malformed("a query of a source is exactly one SELECT, which only reads")
        _ensure_pure(found)
        rendered = found.sql(dialect="postgres", comments=False, normalize_functions=False)
    except (SqlglotError, RecursionError, ValueError) as error:
        # Without the library's own text: it quotes the query.
        raise Malformed("the query cannot be read as PostgreSQL's") from error
    if len(rendered) > 4 * _STATEMENT:
        raise Malformed("the query is too long")
    return rendered

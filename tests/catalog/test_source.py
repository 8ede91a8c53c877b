"""Databases as sources: attack UP-22, and what a statement may be."""

import contextlib
import select
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataspace.catalog.egress import Egress, resolve
from dataspace.catalog.models import State, Upload
from dataspace.catalog.resumable import Announced
from dataspace.catalog.source import Sources, read_address, statement_of
from dataspace.errors import Malformed, NotFound, Refused, TooMany, Unavailable
from dataspace.participants.access import Caller
from tests.postgres import postgres_server, postgres_url  # noqa: F401 - fixtures
from tests.simulator import Simulator, people, simulated

HOST = "db.example"
URL = f"postgresql://reader:secret@{HOST}:5432/registry"


@contextlib.contextmanager
def _on_loopback(server: Path) -> Iterator[tuple[int, list[str]]]:
    """Pass connections on a port of the loopback to the server's own socket; yield the port and the peers."""
    peers: list[str] = []

    class Passing(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            peers.append(self.client_address[0])
            with socket.socket(socket.AF_UNIX) as upstream:
                upstream.connect(str(server / ".s.PGSQL.5432"))
                ends = {self.request: upstream, upstream: self.request}
                while True:
                    for end in select.select(list(ends), [], [])[0]:
                        data = end.recv(65536)
                        if not data:
                            return
                        ends[end].sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Passing) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield listening.server_address[1], peers
        finally:
            listening.shutdown()
            thread.join()


@pytest.fixture
def database(postgres_server: Path, postgres_url: str) -> str:  # noqa: F811
    """A database with a table of people; its name."""
    name = postgres_url.partition("@/")[2].partition("?")[0]
    with psycopg.connect(
        f"host={postgres_server} user=postgres dbname={name}", autocommit=True
    ) as connection:
        connection.execute("CREATE TABLE people (number text, born date, income numeric, note text)")
        connection.execute(
            "INSERT INTO people SELECT 'P' || lpad(n::text, 6, '0'), date '1980-01-01' + n, 3000 + n, "
            "CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE 'a, \"b\"' || E'\\n' || 'c' END "
            "FROM generate_series(1, 200) n"
        )
    return name


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Path,  # noqa: F811
) -> Iterator[tuple[Simulator, int, list[str]]]:
    """A space that may connect to a port of the loopback; that port, and who connected to it."""
    home = tmp_path_factory.mktemp("served")
    with (
        _on_loopback(postgres_server) as (port, peers),
        simulated(home, sources=f"127.0.0.1:{port}, {HOST}:5432") as space,
    ):
        yield space, port, peers


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulated(tmp_path_factory.mktemp("home"), sources=f"{HOST}:5432,[::1]:5432") as space:
        yield space


def _resolving(space: Simulator, *answers: str) -> Sources:
    """The space's sources, for which every name has these addresses."""
    service = space.service
    return Sources(
        service.space, service.uploads, service.sources._readings, resolve=lambda *_: list(answers)
    )


def _settled(space: Simulator, provider: Caller, upload: Upload) -> Upload:
    until = time.monotonic() + 60
    while (found := space.service.uploads.look(provider, upload.id)).state == State.READING:
        assert time.monotonic() < until, found.stage
        time.sleep(0.02)
    return found


def _source(space: Simulator, provider: Caller, port: int, database: str, user: str = "postgres") -> str:
    url = f"postgresql://{user}:unused@127.0.0.1:{port}/{database}?sslmode=disable"
    return space.service.sources.add(provider, "government", "register", url).id


def test_a_table_of_a_database_becomes_an_upload(
    served: tuple[Simulator, int, list[str]], database: str
) -> None:
    space, port, peers = served
    provider, before = space.provider(), len(peers)
    source = _source(space, provider, port, database)
    assert len(peers) == before  # nothing is asked before it is wanted
    found = _settled(space, provider, space.service.sources.take(provider, source, table="public.people"))
    assert (found.state, found.rows, found.problem) == (State.READY, 200, {})
    assert [column["name"] for column in found.proposal["columns"]] == ["number", "born", "income", "note"]
    assert [column["type"] for column in found.proposal["columns"]][:2] == ["text", "date"]
    assert found.filename == "public.people.csv"
    assert not [path for path in (space.settings.home / "staging").iterdir() if path.suffix != ".lock"]


def test_a_query_of_a_database_becomes_an_upload(
    served: tuple[Simulator, int, list[str]], database: str
) -> None:
    space, port, _ = served
    provider = space.provider()
    query = "WITH old AS (SELECT * FROM people WHERE income > 3100) SELECT number, income FROM old -- all"
    source = _source(space, provider, port, database)
    found = _settled(space, provider, space.service.sources.take(provider, source, query=query))
    assert (found.state, found.rows) == (State.READY, 100), found.problem


def test_a_slow_database_holds_up_no_file(
    served: tuple[Simulator, int, list[str]],
    database: str,
    postgres_server: Path,  # noqa: F811
) -> None:
    space, port, _ = served
    provider, content = space.provider(), people(120)
    source = _source(space, provider, port, database)
    with psycopg.connect(f"host={postgres_server} user=postgres dbname={database}") as connection:
        connection.execute("LOCK TABLE people")
        slow = space.service.sources.take(provider, source, table="people")
        upload = space.service.resumable.create(provider, Announced("government", len(content))).id
        incoming = space.service.resumable.resume(provider, upload, 0)
        incoming.write(content)
        assert _settled(space, provider, incoming.finish()).state == State.READY
        assert space.service.uploads.look(provider, slow.id).stage == "copying"
    assert _settled(space, provider, slow).state == State.READY


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ({"table": "nothing"}, "UndefinedTable"),
        ({"query": "SELECT 1 / 0 AS a"}, "DivisionByZero"),
        ({"table": "counted"}, "ReadOnlySqlTransaction"),
    ],
)
def test_what_a_database_refuses_is_told_by_the_name_of_its_error(
    served: tuple[Simulator, int, list[str]],
    database: str,
    postgres_server: Path,  # noqa: F811
    asked: dict[str, str],
    name: str,
) -> None:
    space, port, _ = served
    with psycopg.connect(
        f"host={postgres_server} user=postgres dbname={database}", autocommit=True
    ) as connection:
        connection.execute("CREATE SEQUENCE counter")
        connection.execute("CREATE VIEW counted AS SELECT nextval('counter')")
    provider = space.provider()
    upload = space.service.sources.take(provider, _source(space, provider, port, database), **asked)
    found = _settled(space, provider, upload)
    assert (found.state, found.problem["code"]) == (State.FAILED, "unprocessable")
    assert name in found.problem["detail"]


def test_a_login_that_fails_tells_nothing_of_the_database(
    served: tuple[Simulator, int, list[str]], database: str
) -> None:
    space, port, _ = served
    provider = space.provider()
    source = _source(space, provider, port, database, user="nobody")
    found = _settled(space, provider, space.service.sources.take(provider, source, table="people"))
    assert (found.state, found.problem["code"]) == (State.FAILED, "unavailable")
    assert "nobody" not in found.problem["detail"]


def test_a_table_over_the_limit_is_not_taken(
    tmp_path: Path,
    postgres_server: Path,  # noqa: F811
    database: str,
) -> None:
    with (
        _on_loopback(postgres_server) as (port, _),
        simulated(tmp_path / "small", sources=f"127.0.0.1:{port}", upload_limit=2000) as space,
    ):
        provider = space.provider()
        source = _source(space, provider, port, database)
        found = _settled(space, provider, space.service.sources.take(provider, source, table="people"))
        assert (found.state, found.problem["code"], found.problem["limit"]) == (
            State.FAILED, "too-large", 2000,
        )  # fmt: skip


def test_a_source_is_its_providers_alone_and_never_shown(space: Simulator) -> None:
    provider, other = space.provider(), space.provider()
    sources = _resolving(space, "10.0.0.7")
    source = sources.add(provider, "government", "register", URL)
    assert "secret" not in repr(source)
    assert b"secret" not in source.wrapped
    assert [one.id for one in sources.mine(provider)] == [source.id]
    assert sources.mine(other) == []
    for act in (sources.remove, lambda *who: sources.take(*who, table="people")):
        with pytest.raises(NotFound):
            act(other, source.id)
    sources.remove(provider, source.id)
    assert sources.mine(provider) == []
    with pytest.raises(Refused):
        sources.add(space.consumer(), "government", "register", URL)


def test_a_provider_has_so_many_sources(space: Simulator) -> None:
    provider, sources = space.provider(), _resolving(space, "10.0.0.7")
    for number in range(20):
        sources.add(provider, "government", f"register {number}", URL)
    with pytest.raises(TooMany):
        sources.add(provider, "government", "one more", URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:5432/_x",
        "postgresql://u:p@169.254.169.254:5432/d",
        "postgresql://u:p@localhost:5432/d",
        "postgresql://u:p@127.0.0.1:5432/d",
        "postgresql://u:p@0.0.0.0:5432/d",
        "postgresql://u:p@2130706433:5432/d",
        f"postgresql://u:p@{HOST}:5433/d",
        f"postgresql://u:p@{HOST},localhost:5432/d",
        f"postgresql://u:p@{HOST}:5432,localhost:5432/d",
        f"postgresql://u:p@{HOST}:5432/d?host=/var/run/postgresql",
        f"postgresql://u:p@{HOST}:5432/d?hostaddr=127.0.0.1",
        f"postgresql://u:p@{HOST}:5432/d?service=x&sslmode=require",
        f"postgresql://u:p@{HOST}:5432/d?options=-c%20x",
        f"postgresql://u:p@{HOST}:5432/d?sslmode=require&sslmode=disable",
        f"postgresql://u:p@{HOST}:5432/d#x",
        f"postgresql://u:p@{HOST}:5432/",
        f"postgresql://{HOST}:5432/d",
        f"postgresql://u:p@{HOST}:99999/d",
        f"postgresql://u:p@{HOST}:5432/d%00",
        "postgresql://u:p@/d?host=/tmp",
        "postgresql://u:p@[::ffff:127.0.0.1]:5432/d",
        "postgresql:///d",
        "",
    ],
)
def test_up_22_no_address_leads_where_the_operator_did_not_say(space: Simulator, url: str) -> None:
    with pytest.raises(Malformed) as caught:
        _resolving(space, "10.0.0.7").add(space.provider(), "government", "register", url)
    assert ":p@" not in str(caught.value)


@pytest.mark.parametrize(
    "answers",
    [
        ("127.0.0.1",), ("169.254.169.254",), ("10.0.0.7", "127.0.0.1"), ("::1",), ("fe80::1",),
        ("::ffff:169.254.169.254",), ("0.0.0.0",),  # noqa: S104
        ("224.0.0.1",), ("2002:7f00:1::",), ("fe80::1%eth0",), (), ("64:ff9b::a9fe:a9fe",), ("::127.0.0.1",),
        ("64:ff9b:1::7f00:1",), ("::ffff:0:7f00:1",), ("2001::80ff:fffe",),
    ],
)  # fmt: skip
def test_up_22_a_listed_name_never_leads_to_this_machine_or_its_link(
    space: Simulator, answers: tuple[str, ...]
) -> None:
    with pytest.raises(Malformed, match="no name may lead"):
        _resolving(space, *answers).add(space.provider(), "government", "register", URL)


def test_up_22_a_name_that_is_bound_anew_is_not_followed(
    served: tuple[Simulator, int, list[str]], database: str
) -> None:
    space, _, peers = served
    provider, before = space.provider(), len(peers)
    answers = [["10.0.0.7"], ["127.0.0.1"]]
    sources = Sources(
        space.service.space,
        space.service.uploads,
        space.service.sources._readings,
        resolve=lambda *_: answers.pop(0),
    )
    url = f"postgresql://postgres:x@{HOST}:5432/{database}?sslmode=disable"
    source = sources.add(provider, "government", "register", url)
    with pytest.raises(Malformed, match="no name may lead"):
        sources.take(provider, source.id, table="people")
    assert len(peers) == before


def test_up_22_the_connection_goes_to_the_address_that_was_looked_at(
    served: tuple[Simulator, int, list[str]], database: str
) -> None:
    """The worker is given the address; the name it is given with it has none at all."""
    space, port, peers = served
    provider, before = space.provider(), len(peers)
    setting = f"nowhere.invalid:{port}"
    inner = replace(space.service.space, settings=replace(space.settings, sources=setting))
    sources = Sources(inner, space.service.uploads, space.service.sources._readings)
    sources._egress = Egress(f"127.0.0.1:{port}")
    sources._egress.pin = lambda *_: "127.0.0.1"  # type: ignore[method-assign]
    url = f"postgresql://postgres:x@nowhere.invalid:{port}/{database}?sslmode=disable"
    source = sources.add(provider, "government", "register", url)
    found = _settled(space, provider, sources.take(provider, source.id, table="people"))
    assert (found.state, len(peers)) == (State.READY, before + 1), found.problem


def test_up_22_without_a_list_there_is_no_way_out() -> None:
    for host in (HOST, "127.0.0.1", "localhost"):
        with pytest.raises(Malformed):
            Egress("", lambda *_: ["10.0.0.7"]).pin(host, 5432)


def test_what_an_operator_lists_by_address_means_what_it_says() -> None:
    assert Egress("127.0.0.1:5432").pin("127.0.0.1", 5432) == "127.0.0.1"
    assert Egress("[::1]:5432").pin("::1", 5432) == "::1"
    assert Egress("localhost:5432", lambda *_: ["::1", "127.0.0.1"]).pin("LOCALHOST", 5432) == "::1"
    with pytest.raises(Malformed):
        Egress("localhost:5432", lambda *_: ["10.0.0.7"]).pin("localhost", 5432)
    assert Egress(f" {HOST}:5432 ,", lambda *_: ["10.0.0.7"]).pin(HOST, 5432) == "10.0.0.7"


def test_a_host_without_an_address_is_told() -> None:
    with pytest.raises(Unavailable):
        resolve("nothing.invalid", 5432)


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM people",
        "SELECT 1; SELECT 2",
        "SELECT * INTO other FROM people",
        "WITH gone AS (DELETE FROM people RETURNING *) SELECT * FROM gone",
        "SELECT * FROM people FOR UPDATE",
        "COPY people TO PROGRAM 'sh'",
        "COPY people TO STDOUT",
        "SET ROLE postgres",
        "CREATE TABLE x AS SELECT 1",
        "EXPLAIN ANALYZE DELETE FROM people",
        "DO $$ BEGIN END $$",
        "CALL something()",
        "VALUES (1)",
        "SELECT 1) TO PROGRAM 'sh' --",
        "SELECT 1 /*",
        "",
        "-- nothing",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT 1" + " " * 9000,
    ],
)
def test_a_query_is_exactly_one_select_that_reads(query: str) -> None:
    with pytest.raises(Malformed):
        statement_of(query=query)


@pytest.mark.parametrize(
    "call",
    [
        "pg_read_file('/etc/passwd')", "pg_catalog.pg_sleep(9)", "lo_export(1, 'x.csv')", '"pg_ls_dir"(1)',
        "set_config('statement_timeout', '0', false)", "query_to_xml('SELECT 1', true, true, '')",
        "pg_terminate_backend(1)", "nextval('counter')", "http_get('http://169.254.169.254')", "mine(1)",
    ],
)  # fmt: skip
def test_up_22_a_query_calls_nothing_that_reaches_out_of_its_transaction(call: str) -> None:
    for query in (
        f"SELECT {call}",
        f"SELECT 1 FROM t WHERE EXISTS (SELECT {call})",
        f"SELECT * FROM {call} AS f",
    ):
        with pytest.raises(Malformed, match="no function"):
            statement_of(query=query)


def test_what_only_computes_is_called_by_the_name_it_was_given() -> None:
    query = "SELECT age(d), jsonb_extract_path_text(j, 'a'), max(x) OVER (), \"st_X\"(g) FROM t"
    assert statement_of(query=query) == query.replace("max", "MAX")


def test_up_23_what_a_database_is_to_send_counts_as_much_as_it_may(space: Simulator) -> None:
    provider, sources = space.provider(), _resolving(space, "10.0.0.7")
    sources._readings.submit = lambda *_: None  # type: ignore[method-assign]
    source = sources.add(provider, "government", "register", URL)
    try:
        for _ in range(10):
            sources.take(provider, source.id, table="people")
        with pytest.raises(TooMany):
            sources.take(provider, source.id, table="people")
    finally:
        del sources._readings.submit


def test_a_statement_is_rendered_and_never_passed_on() -> None:
    assert statement_of(query="select a from t -- ) TO PROGRAM 'sh'\n;") == "SELECT a FROM t"
    assert statement_of('x" TO y') == 'SELECT * FROM "x"" TO y"'
    assert statement_of("s.t") == 'SELECT * FROM "s"."t"'


@pytest.mark.parametrize("table", ["a.b.c", ".", "a.", "a\x00", "x" * 201])
def test_a_table_is_named_plainly(table: str) -> None:
    with pytest.raises(Malformed):
        statement_of(table)


def test_want_a_table_or_a_query() -> None:
    for asked in ({}, {"table": "a", "query": "SELECT 1"}):
        with pytest.raises(Malformed):
            statement_of(**asked)


@settings(max_examples=300)
@given(st.text(max_size=80) | st.text(max_size=60).map(lambda text: f"postgresql://u:p@h/{text}"))
def test_noise_for_an_address_is_refused_with_one_error(text: str) -> None:
    with contextlib.suppress(Malformed):
        read_address(text)


_WORDS = st.sampled_from(
    ["SELECT", "FROM", "(", ")", "'", '"', ";", "--", "a", "1", ",", "*", "WITH", "$$", "\x00"]
)


@settings(max_examples=300)
@given(st.text(max_size=60) | st.lists(_WORDS, max_size=20).map(" ".join))
def test_noise_for_a_query_is_refused_with_one_error(text: str) -> None:
    with contextlib.suppress(Malformed):
        statement_of(query=text)

"""A private PostgreSQL server for tests: no network, its own folder, gone with the session.

A test asks for `postgres_url` and gets a fresh, empty database.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.programs import need

_SETTINGS = {"listen_addresses": "", "fsync": "off", "shared_buffers": "16MB", "max_connections": "60"}


@contextmanager
def server() -> Iterator[Path]:
    """Run a server and return the folder of its socket."""
    programs = Path(need("postgres")).parent
    # A socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data = folder / "data"
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        _run(programs / "initdb", "--pgdata", data, "--auth=trust", "--username=postgres", "--no-sync")
        options = " ".join(f"-c {key}='{value}'" for key, value in _SETTINGS.items())
        options += f" -c unix_socket_directories={folder}"
        _run(
            programs / "pg_ctl",
            "start",
            "--wait",
            "--pgdata",
            data,
            "--log",
            folder / "log",
            "--options",
            options,
        )
        yield folder
        _run(programs / "pg_ctl", "stop", "--wait", "--pgdata", data, "--mode=immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Path]:
    """The folder of the socket of one server for the whole session."""
    with server() as folder:
        yield folder


@pytest.fixture
def postgres_url(postgres_server: Path) -> str:
    """The URL of a fresh, empty database."""
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(
        f"host={postgres_server} user=postgres dbname=postgres", autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"postgresql+psycopg://postgres@/{name}?host={postgres_server}"


def _run(*command: object) -> None:
    """Run one of the server's programs; they refuse root, so root runs them as the user postgres."""
    drop = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    # A folder the other user may enter, and no pipe that the server would keep open.
    subprocess.run(
        [*drop, *map(str, command)],
        check=True,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )

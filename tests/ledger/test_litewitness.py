"""A witness that is not ours: litewitness cosigns our log, and we cosign a log that it knows too."""

import shutil
import socket
import sqlite3
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import httpx2
import pytest
from cryptography.hazmat.primitives import serialization as ser
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dataspace.proof import merkle
from dataspace.proof.checkpoint import Checkpoint
from dataspace.proof.cosignature import Cosigner
from dataspace.proof.key import NoteKey, Verifier
from dataspace.proof.note import open_note
from dataspace.proof.vkey import parse_vkey
from tests.ledger.conftest import Ledger
from tests.ledger.parties import asked, keyed, neighbour, policy, publisher, submission
from tests.ledger.servers import witnessing
from tests.programs import need
from tests.running import free_port

_NAME = "witness.example.net/lite"


@dataclass
class LiteWitness:
    """The running program: its address, its database, and its key as its documentation gives it."""

    url: str
    database: Path
    key: Cosigner

    def know(self, log: Verifier) -> None:
        """Do what `witnessctl add-log` and `add-key` do; the database is SQLite, and may be in use."""
        nothing = b64encode(merkle.EMPTY).decode()
        with closing(sqlite3.connect(self.database, timeout=10)) as database, database:
            database.execute("INSERT INTO log VALUES (?, 0, ?)", (log.name, nothing))
            database.execute("INSERT INTO key VALUES (?, ?)", (log.name, str(log)))


@pytest.fixture(scope="module")
def lite() -> Iterator[LiteWitness]:
    program, agent, adder = need("litewitness"), shutil.which("ssh-agent"), shutil.which("ssh-add")
    if agent is None or adder is None:
        pytest.skip("needs ssh-agent and ssh-add on PATH (the Debian package openssh-client)")
    key = Ed25519PrivateKey.generate()
    # Not under pytest's folder: the path of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        folder, port = Path(made), free_port()
        stack.enter_context(_process([agent, "-D", "-a", f"{folder}/agent"], folder))
        _until((folder / "agent").is_socket)
        _add_key(adder, folder, key)
        address = f"127.0.0.1:{port}"
        options = ["-name", _NAME, "-key", _fingerprint(key), "-ssh-agent", f"{folder}/agent"]
        options += ["-db", f"{folder}/lite.db", "-listen", address]
        stack.enter_context(_process([program, *options], folder))
        _until(lambda: _listens(port))
        public = key.public_key().public_bytes_raw()
        yield LiteWitness(f"http://{address}", folder / "lite.db", Cosigner(_NAME, public))


def test_litewitness_cosigns_our_log_from_head_to_head(ledger: Ledger, lite: LiteWitness) -> None:
    ledger.clock.now = datetime.now(UTC)  # the program has no other clock
    lite.know(Verifier.parse(keyed(ledger).log.vkey()))
    found = policy({str(lite.key): lite.url}, 1)
    made = publisher(ledger, asked(found))
    for growth in (1, 300, 1):
        ledger.grow(growth)
        size = made.publish()
        with ledger.database.reading() as session:
            note = made.head(session)
        assert Checkpoint.open(note, Verifier.parse(ledger.log.vkey())).size == size
        assert found.judge(note).met
        if growth == 300:
            made = publisher(ledger, asked(found))  # a restart, which has to be told the size


def test_litewitness_and_we_cosign_one_log_under_one_policy(tmp_path: Path, lite: LiteWitness) -> None:
    key = Ed25519PrivateKey.generate()
    log = Verifier("example.com/third", key.public_key().public_bytes_raw())
    lite.know(log)
    ours = neighbour(tmp_path / "ours", [str(log)])
    both = policy(dict.fromkeys((str(lite.key), *ours.vkeys.values()), ""), 3)
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(40)]
    old = 0
    for size in (3, 8, 40):
        proof = merkle.consistency_proof(old, size, merkle.nodes_of(leaves)) if old else []
        note = Checkpoint(log.name, size, merkle.root(leaves[:size])).sign(log, key.sign)
        body = submission(old, proof, note)
        theirs = httpx2.post(f"{lite.url}/add-checkpoint", content=body)
        assert theirs.status_code == 200
        whole = note + theirs.text + ours.witness.add_checkpoint(body)
        assert both.judge(whole).met
        keys: list[NoteKey] = [log, lite.key, *map(parse_vkey, ours.vkeys.values())]
        assert open_note(whole, keys).unknown == ()
        old = size
    ours.ledger.database.close()


def test_both_refuse_the_same_submissions_with_the_same_status(tmp_path: Path, lite: LiteWitness) -> None:
    key = Ed25519PrivateKey.generate()
    log = Verifier("example.com/fourth", key.public_key().public_bytes_raw())
    lite.know(log)
    ours = neighbour(tmp_path / "ours", [str(log)])
    answer = witnessing(ours.witness)
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(9)]

    def note(size: int, of: Sequence[bytes] = leaves, origin: str = log.name) -> str:
        return Checkpoint(origin, size, merkle.root(of[:size])).sign(log, key.sign)

    growth = merkle.consistency_proof(4, 9, merkle.nodes_of(leaves))
    other = [*leaves[1:], *leaves[:1]]
    for body, status in (
        (submission(0, (), note(4)), 200),
        (submission(4, (), note(4)), 200),
        (submission(0, (), note(9)), 409),
        (submission(4, (), note(9)), 422),
        (submission(4, growth[1:], note(9)), 422),
        (submission(4, (), note(4, other)), 422),
        (submission(9, (), note(4)), 400),
        (submission(4, [bytes(32)] * 64, note(9)), 400),
        (submission(4, growth, note(9, origin="example.com/fifth")), 404),
        (submission(4, growth, note(9).replace("\n9\n", "\n8\n")), 403),
        (submission(4, growth, note(9)), 200),
    ):
        told, theirs = answer(body), httpx2.post(f"{lite.url}/add-checkpoint", content=body)
        assert (told.status, theirs.status_code) == (status, status)
        if status == 409:
            assert (told.content, told.kind) == (theirs.content, theirs.headers["content-type"])
    ours.ledger.database.close()


def _add_key(adder: str, folder: Path, key: Ed25519PrivateKey) -> None:
    file = folder / "key"
    form = (ser.Encoding.PEM, ser.PrivateFormat.OpenSSH, ser.NoEncryption())
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(*form))
    environment = {"SSH_AUTH_SOCK": f"{folder}/agent"}
    subprocess.run([adder, str(file)], env=environment, check=True, capture_output=True, timeout=20)


def _fingerprint(key: Ed25519PrivateKey) -> str:
    parts = (b"ssh-ed25519", key.public_key().public_bytes_raw())
    blob = b"".join(len(part).to_bytes(4) + part for part in parts)
    return "SHA256:" + b64encode(sha256(blob).digest()).decode().rstrip("=")


@contextmanager
def _process(arguments: list[str], folder: Path) -> Iterator[None]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(timeout=20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.05)

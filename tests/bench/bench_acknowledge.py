"""Acknowledged answers over HTTP: each its own durable entry, and back comes its own receipt.

Ours: `POST /api/acknowledgements` with a list, to a service in a process of
its own; the entries are committed, proved under one checkpoint, and the
response is read whole. After the measurement every receipt of one response is verified.
Bare: the same records, salts and entries into one SQLite table in this
process, one transaction a list, as durable (WAL, synchronous FULL): no hash,
no tree, no signature, no proof, no HTTP.
"""

import http.client
import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from dataspace.proof.receipt import InclusionProof, Receipt, decode_hashes
from dataspace.proof.record import Record
from dataspace.proof.verify import verify_receipt
from tests.bench.timing import Rows, in_turn
from tests.running import free_port, serving
from tests.simulator import people, simulated
from tests.transfer.answers import answered

_ROUNDS = 9
_CASES = ((250, 1), (1000, 1), (1000, 4))  # answers of one list, clients at once


def run() -> Rows:
    """Yield a row for each size of a list; the seconds are of one round: one list of each client."""
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        token, vkey, lists = _prepared(home)
        environment = {"DATASPACE_HOME": str(home), "DATASPACE_URL": f"http://127.0.0.1:{port}"}
        with serving(environment, port, Path(folder) / "log"):
            for (size, clients), some in zip(_CASES, lists, strict=True):
                yield _measured(Path(folder) / f"bare-{size}-{clients}.db", port, token, vkey, some)


def _measured(
    path: Path, port: int, token: str, vkey: str, lists: list[list[bytes]]
) -> tuple[str, float, float, str]:
    waiting, last = iter(lists), list[bytes]()
    with ThreadPoolExecutor(len(lists[0])) as pool:
        connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=60) for _ in lists[0]]

        def ours() -> None:
            asked = zip(connections, next(waiting), strict=True)
            last[:] = pool.map(lambda pair: _post(pair[0], token, pair[1]), asked)

        ours()
        size = _verified(last[0], vkey)
        bare = _bare(path, last)
        seconds = in_turn(ours, bare, rounds=_ROUNDS)
        for connection in connections:
            connection.close()
    _verified(last[0], vkey)
    count = size * len(last)
    note = f"{count / seconds[0]:,.0f} entries/s ours, {count / seconds[1]:,.0f} bare; receipts included"
    return (f"{len(last)} x {size:,} answers acknowledged over HTTP", *seconds, note)


def _prepared(home: Path) -> tuple[str, str, list[list[list[bytes]]]]:
    """Make a space with answers; return the consumer's token, the log's key and the bodies of each case."""
    with simulated(home) as space:
        consumer = space.consumer()
        offer = space.registered(space.provider(), people(200), subjects=["number"]).offer
        agreement = space.agreed(consumer, offer)

        def body(size: int) -> bytes:
            found = answered(space, consumer, agreement, size, charged=False)
            return json.dumps([{"entry": entry, "answer_sha256": digest} for entry, digest in found]).encode()

        lists = [
            [[body(size) for _ in range(clients)] for _ in range(_ROUNDS + 2)] for size, clients in _CASES
        ]
        return space.tokens[consumer.id], space.service.space.log.vkey(), lists


def _post(connection: http.client.HTTPConnection, token: str, body: bytes) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection.request("POST", "/api/acknowledgements", body, headers)
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content[:500]
    return content


def _receipts(content: bytes) -> Iterator[Receipt]:
    document = json.loads(content)
    for one in document["acknowledgements"]:
        proof = InclusionProof(one["entry"], decode_hashes(one["proof"]), document["checkpoint"])
        yield Receipt(Record.from_json(one), proof)


def _verified(content: bytes, vkey: str) -> int:
    reports = [verify_receipt(receipt.to_bytes(), vkey) for receipt in _receipts(content)]
    assert all(report.ok for report in reports)
    return len(reports)


def _bare(path: Path, contents: list[bytes]) -> Callable[[], Any]:
    """Return what commits the rows of these responses, each as one transaction, under ever new indexes."""
    batches = [
        [
            (json.dumps(receipt.record.fields), receipt.record.salts, receipt.record.entry())
            for receipt in _receipts(content)
        ]
        for content in contents
    ]
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = FULL",
        "CREATE TABLE entry (number INTEGER PRIMARY KEY, record TEXT, salts BLOB, entry BLOB)",
    ):
        connection.execute(statement)

    def commit() -> None:
        for batch in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entry (record, salts, entry) VALUES (?, ?, ?)", batch)
            connection.execute("COMMIT")

    return commit

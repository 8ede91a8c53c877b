"""What a database keeps besides the log: published checkpoints, rotations of the key, what decisions were on.

Read by the driver's own cursor and never by more than a bounded page: a copy
may be hostile. `Each` runs a statement and yields its rows one by one.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from dataspace.audit.source import (
    BUNDLE_LIMIT,
    INPUT_LIMIT,
    NOTE_LIMIT,
    RANGE_LIMIT,
    ROTATIONS,
    TOKEN_LIMIT,
    TOKENS,
    Published,
    TimeToken,
    ensure_size,
)
from dataspace.errors import TooLarge, VerificationError
from dataspace.proof.note import SIGNATURES

Each = Callable[..., Iterator[Any]]

_PAGE: Final = 64  # published checkpoints

# One character more than may be there, so that what is too long is seen and not read.
_NOTES: Final = (
    f"SELECT size, substr(note, 1, {NOTE_LIMIT + 1}) FROM ledger_checkpoint "
    f"WHERE size > ? ORDER BY size LIMIT {_PAGE}"
)
_LINES: Final = (
    f"SELECT size, substr(line, 1, {NOTE_LIMIT + 1}) FROM ledger_cosignature "
    f"WHERE size > ? AND size <= ? ORDER BY size, key LIMIT {_PAGE * SIGNATURES}"
)
_TOKENS: Final = (
    f"SELECT size, authority, substr(token, 1, {TOKEN_LIMIT + 1}) FROM ledger_timestamp "
    f"WHERE size > ? AND size <= ? ORDER BY size, authority LIMIT {_PAGE * TOKENS}"
)
_STATEMENTS: Final = (
    f"SELECT substr(statement, 1, {NOTE_LIMIT + 1}) FROM ledger_key "
    "WHERE role = 'log' AND statement <> '' ORDER BY \"index\""
)
_BUNDLE: Final = f"SELECT substr(content, 1, {BUNDLE_LIMIT + 1}) FROM policy_bundle WHERE digest = ?"

# A record is canonical JSON, in which a quote inside of a text is escaped: this is the member and nothing
# else. It is looked for as text, because a broken record must not break the statement.
_MARK: Final = '"input":"'
_DIGEST: Final = 64


def read_published(each: Each) -> Iterator[Published]:
    """Yield the published checkpoints by size, their cosignatures below the log's own lines."""
    after = -1
    while page := [(size, note) for size, note in each(_NOTES, after)]:
        last = page[-1][0]
        if not all(isinstance(size, int) and isinstance(note, str) for size, note in page):
            raise VerificationError("ledger_checkpoint: a row holds values of wrong types")
        lines = _grouped(each(_LINES, after, last))
        tokens = _grouped(each(_TOKENS, after, last))
        for size, note in page:
            yield _published(note, lines.get(size, []), tokens.get(size, []))
        after = last


def read_rotations(each: Each) -> list[str]:
    """Return the statements that rotate the key of the log, oldest first."""
    found: list[str] = []
    for (statement,) in each(_STATEMENTS):
        if len(found) == ROTATIONS:
            raise TooLarge(f"ledger_key: an audit takes at most {ROTATIONS} rotations")
        found.append(_text(statement, "ledger_key"))
    return found


def read_policy(each: Each, digest: str) -> bytes | None:
    """Return the bundle of a digest; None when there is none."""
    found = next((content for (content,) in each(_BUNDLE, digest)), None)
    if found is None:
        return None
    if not isinstance(found, bytes):
        raise VerificationError(f"policy_bundle {digest}: a value that is not bytes")
    ensure_size(f"policy_bundle {digest}", len(found), BUNDLE_LIMIT)
    return found


def read_inputs(each: Each, start: int, end: int, *, postgres: bool) -> Mapping[int, str]:
    """Return the inputs that records in a range name, by entry; one too long comes cut, and will not fit."""
    find = "strpos" if postgres else "instr"
    named = f"substr(r.record, {find}(r.record, '{_MARK}') + {len(_MARK)}, {_DIGEST})"
    query = (
        f'SELECT r."index", substr(i.content, 1, {INPUT_LIMIT + 1}) FROM ledger_record r '
        f"JOIN policy_input i ON i.digest = {named} "
        f'WHERE r."index" >= ? AND r."index" < ? AND {find}(r.record, \'{_MARK}\') > 0'
    )
    held, size = {}, 0
    for index, content in each(query, start, end):
        if isinstance(content, str):
            size += len(content)
            ensure_size(f"the inputs of entries from {start} on", size, RANGE_LIMIT)
            held[index] = content
    return held


def _published(note: str, lines: list[Any], tokens: list[Any]) -> Published:
    whole = "".join([note, *(_text(line, "ledger_cosignature") for (line,) in lines)])
    if len(whole) > NOTE_LIMIT:
        raise VerificationError(f"ledger_checkpoint: a note of {len(whole)} characters")
    return Published(whole, tuple(_token(*row) for row in tokens[:TOKENS]))


def _grouped(rows: Iterator[Any]) -> dict[int, list[Any]]:
    groups: dict[int, list[Any]] = {}
    for size, *rest in rows:
        groups.setdefault(size, []).append(rest)
    return groups


def _token(authority: Any, token: Any) -> TimeToken:
    if not isinstance(authority, str) or not isinstance(token, bytes) or len(token) > TOKEN_LIMIT:
        raise VerificationError("ledger_timestamp: a row holds values of wrong types, or a token too long")
    return TimeToken(authority, token)


def _text(value: Any, table: str) -> str:
    if not isinstance(value, str):
        raise VerificationError(f"{table}: a value that is not text")
    return value

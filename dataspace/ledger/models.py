"""What is stored of the ledger; the tiles are views of it.

Rows are never changed, so any tile of any width that was ever published can
be read again. Only `ledger_record` may lose rows: that is an erasure.
"""

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, text
from sqlmodel import Field, SQLModel

from dataspace.database import append_only

# On SQLite only a column of type INTEGER is the row's own number.
# The few entries that are looked for by their kind. Literal, or SQLite would not see that an index serves.
ERASED = text("kind = 'entry.erased'")
ADOPTED = text("kind = 'policy.adopted'")
_COUNT = BigInteger().with_variant(Integer(), "sqlite")


class LedgerEntry(SQLModel, table=True):
    """An entry: what the log commits to (33 bytes) and its hash; `kind` and `time` are for reading only."""

    __tablename__ = "ledger_entry"
    __table_args__ = (
        Index("ledger_entry_erased", "index", sqlite_where=ERASED, postgresql_where=ERASED),
        Index("ledger_entry_adopted", "index", sqlite_where=ADOPTED, postgresql_where=ADOPTED),
    )

    index: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    entry: bytes
    leaf_hash: bytes
    kind: str
    time: str


class LedgerRecord(SQLModel, table=True):
    """The record behind an entry, as canonical JSON, and its salts; erasable."""

    __tablename__ = "ledger_record"

    index: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    record: str
    salts: bytes


class LedgerNode(SQLModel, table=True):
    """Hash `index` of tile level `level` >= 1: the root of the full tile `index` one level below."""

    __tablename__ = "ledger_node"

    level: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})
    index: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    hash: bytes


class LedgerHead(SQLModel, table=True):
    """The one head of the log, swapped in by compare-and-swap; `checkpoint` is the signed note."""

    __tablename__ = "ledger_head"
    __table_args__ = (CheckConstraint("id = 1"),)

    id: int = Field(default=1, primary_key=True)
    size: int = Field(sa_type=_COUNT)
    root: bytes
    checkpoint: str


class LedgerCheckpoint(SQLModel, table=True):
    """A published checkpoint under the log's own keys; `cosigned` once the witnesses' quorum was met."""

    __tablename__ = "ledger_checkpoint"

    size: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    root: bytes
    note: str
    published: str
    cosigned: bool = False


class LedgerCosignature(SQLModel, table=True):
    """A witness's line under a published checkpoint; `key` is the verifier key that it was checked with."""

    __tablename__ = "ledger_cosignature"

    size: int = Field(primary_key=True, foreign_key="ledger_checkpoint.size", sa_type=_COUNT)
    key: str = Field(primary_key=True)
    line: str
    time: int = Field(sa_type=_COUNT)


class LedgerTimestamp(SQLModel, table=True):
    """A time token over the text of a published checkpoint (RFC 3161): the response in DER."""

    __tablename__ = "ledger_timestamp"

    size: int = Field(primary_key=True, foreign_key="ledger_checkpoint.size", sa_type=_COUNT)
    authority: str = Field(primary_key=True)
    token: bytes


class LedgerKey(SQLModel, table=True):
    """A key from the entry on that adopts it: its name in the key store, and the note that rotated to it."""

    __tablename__ = "ledger_key"

    index: int = Field(primary_key=True, sa_type=_COUNT, sa_column_kwargs={"autoincrement": False})
    role: str
    name: str
    vkey: str
    statement: str


class WitnessedLog(SQLModel, table=True):
    """The largest head of another log that this space has cosigned; swapped in by compare-and-swap."""

    __tablename__ = "witnessed_log"

    origin: str = Field(primary_key=True)
    size: int = Field(sa_type=_COUNT)
    root: bytes
    note: str


def triggers(dialect: str) -> list[str]:
    """Return the DDL of every trigger that guards the ledger's tables, for the migration."""
    return [
        *append_only("ledger_entry", dialect),
        *append_only("ledger_record", dialect, erasable=True),
        *append_only("ledger_node", dialect),
        *_growing(dialect),
    ]


def published_triggers(dialect: str) -> list[str]:
    """Return the DDL of the triggers that guard what the log has published and adopted."""
    tables = ("ledger_cosignature", "ledger_timestamp", "ledger_key")
    return [statement for table in tables for statement in append_only(table, dialect)]


def _growing(dialect: str) -> list[str]:
    """Return triggers that keep the head: it may only grow."""
    head, shrinks = "ON ledger_head", "NEW.size <= OLD.size"
    if dialect == "sqlite":
        refuse = "BEGIN SELECT RAISE(ABORT, 'ledger_head only grows'); END"
        return [
            f"CREATE TRIGGER ledger_head_no_delete BEFORE DELETE {head} {refuse}",
            f"CREATE TRIGGER ledger_head_grows BEFORE UPDATE {head} WHEN {shrinks} {refuse}",
        ]
    refuse = "EXECUTE FUNCTION refuse_change()"
    return [
        f"CREATE TRIGGER ledger_head_no_delete BEFORE DELETE {head} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER ledger_head_no_truncate BEFORE TRUNCATE {head} FOR EACH STATEMENT {refuse}",
        f"CREATE TRIGGER ledger_head_grows BEFORE UPDATE {head} FOR EACH ROW WHEN ({shrinks}) {refuse}",
    ]

"""Published checkpoints, the log's keys, what is witnessed; auditors of zones, acknowledged answers."""

import sqlalchemy as sa
from alembic import op

from dataspace.database import append_only, crash_at
from dataspace.ledger.models import published_triggers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "ledger_checkpoint",
        sa.Column("size", _COUNT, autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("published", sa.String(), nullable=False),
        sa.Column("cosigned", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("size"),
    )
    op.create_table(
        "ledger_cosignature",
        sa.Column("size", _COUNT, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("line", sa.String(), nullable=False),
        sa.Column("time", _COUNT, nullable=False),
        sa.ForeignKeyConstraint(["size"], ["ledger_checkpoint.size"]),
        sa.PrimaryKeyConstraint("size", "key"),
    )
    op.create_table(
        "ledger_timestamp",
        sa.Column("size", _COUNT, nullable=False),
        sa.Column("authority", sa.String(), nullable=False),
        sa.Column("token", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["size"], ["ledger_checkpoint.size"]),
        sa.PrimaryKeyConstraint("size", "authority"),
    )
    op.create_table(
        "ledger_key",
        sa.Column("index", _COUNT, autoincrement=False, nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("vkey", sa.String(), nullable=False),
        sa.Column("statement", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("index"),
    )
    op.create_table(
        "witnessed_log",
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("size", _COUNT, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("origin"),
    )
    op.create_table(
        "acknowledgement",
        sa.Column("answered", _COUNT, autoincrement=False, nullable=False),
        sa.Column("entry", _COUNT, nullable=False),
        sa.PrimaryKeyConstraint("answered"),
        sa.UniqueConstraint("entry"),
    )
    for name, kind in (("ledger_entry_erased", "entry.erased"), ("ledger_entry_adopted", "policy.adopted")):
        few = sa.text(f"kind = '{kind}'")
        op.create_index(name, "ledger_entry", ["index"], sqlite_where=few, postgresql_where=few)
    op.add_column("participant", sa.Column("zones", sa.String(), nullable=False, server_default=""))
    dialect = op.get_bind().dialect.name
    crash_at("migration.tables_made")
    for statement in [*published_triggers(dialect), *append_only("acknowledgement", dialect)]:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: an append-only history does not go back."""
    raise RuntimeError("the schema only goes forward: restore a backup instead")

"""Uploads in pieces and stages, sources, rules and recognisers of providers, approvals, reports, listings."""

import sqlalchemy as sa
from alembic import op

from dataspace.database import crash_at
from dataspace.moment import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_EMPTY, _NONE = sa.text("'{}'"), sa.text("'[]'")


def upgrade() -> None:
    """Add the columns and the tables."""
    for column in (
        sa.Column("state", sa.String(), nullable=False, server_default="ready"),
        sa.Column("stage", sa.String(), nullable=False, server_default=""),
        sa.Column("progress", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("length", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("parts", sa.JSON(), nullable=False, server_default=_NONE),
        sa.Column("declared", sa.JSON(), nullable=False, server_default=_EMPTY),
        sa.Column("problem", sa.JSON(), nullable=False, server_default=_EMPTY),
    ):
        op.add_column("upload", column)
    op.create_index("ix_upload_state", "upload", ["state"])
    op.add_column("dataset", sa.Column("listing", sa.JSON(), nullable=False, server_default=_EMPTY))
    for column in (
        sa.Column("report", sa.JSON(), nullable=False, server_default=_EMPTY),
        sa.Column("report_sha256", sa.String(), nullable=False, server_default=""),
        sa.Column("release", sa.JSON(), nullable=False, server_default=_EMPTY),
    ):
        op.add_column("dataset_version", column)
    for column in (
        sa.Column("methods", sa.JSON(), nullable=False, server_default=_EMPTY),
        sa.Column("sample", sa.Integer(), nullable=False, server_default="100"),
    ):
        op.add_column("offer", column)
    _providers()
    crash_at("migration.tables_made")
    _approvals()


def downgrade() -> None:
    """Refuse: an append-only history does not go back."""
    raise RuntimeError("the schema only goes forward: restore a backup instead")


def _providers() -> None:
    op.create_table(
        "source",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_source_provider", "source", ["provider"])
    op.create_table(
        "column_rule",
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("provider", "zone", "name"),
    )
    op.create_table(
        "recogniser",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("field", sa.JSON(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_recogniser_provider", "recogniser", ["provider"])


def _approvals() -> None:
    op.create_table(
        "approval",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("upload", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("asked", sa.JSON(), nullable=False),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("registration_sha256", sa.String(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=True),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_approval_provider", "approval", ["provider"])
    op.create_index("ix_approval_upload", "approval", ["upload"])
    op.create_table(
        "prepared",
        sa.Column("agreement", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("methods_sha256", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"]),
        sa.PrimaryKeyConstraint("agreement", "version", "methods_sha256"),
    )

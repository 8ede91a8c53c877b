"""Histories, answers that repeat, models, lookups, intersections, joint and sealed computations."""

import sqlalchemy as sa
from alembic import op

from dataspace.database import crash_at
from dataspace.moment import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_EMPTY, _NONE = sa.text("'{}'"), sa.text("'[]'")


def upgrade() -> None:
    """Add the columns and the tables."""
    _columns()
    _keys()
    crash_at("migration.tables_made")
    _answers()
    _routes()
    _jobs()


def downgrade() -> None:
    """Refuse: an append-only history does not go back."""
    raise RuntimeError("the schema only goes forward: restore a backup instead")


def _columns() -> None:
    op.add_column("dataset", sa.Column("epsilon", sa.BigInteger(), nullable=False, server_default="0"))
    # As `catalog.terms.dataset_epsilon` sets it for new ones.
    op.execute(
        "UPDATE dataset SET epsilon = "
        "32 * coalesce((SELECT max(epsilon) FROM offer WHERE offer.dataset = dataset.id), 0)"
    )
    op.add_column("dataset_version", sa.Column("sealed", sa.JSON(), nullable=False, server_default=_EMPTY))
    op.add_column("offer", sa.Column("exact", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("offer", sa.Column("semi_honest", sa.JSON(), nullable=False, server_default=_NONE))
    op.add_column("participant", sa.Column("entity", sa.String(), nullable=False, server_default=""))
    op.create_index("ix_participant_entity", "participant", ["entity"])


def _keys() -> None:
    """Make the keys of one agreement as many as there are parameter sets."""
    op.rename_table("consumer_key", "consumer_key_before")
    op.create_table(
        "consumer_key",
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), primary_key=True),
        sa.Column("parameters", sa.String(), primary_key=True),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("context", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.execute(
        "INSERT INTO consumer_key (agreement, parameters, key_id, context, created) "
        "SELECT agreement, 'bfv-8192-t40', key_id, context, created FROM consumer_key_before"
    )
    op.drop_table("consumer_key_before")


def _answers() -> None:
    op.create_table(
        "released",
        sa.Column("dataset", sa.String(), sa.ForeignKey("dataset.id"), primary_key=True),
        sa.Column("version", sa.Integer(), primary_key=True),
        sa.Column("sequence", sa.Integer(), primary_key=True),
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), nullable=False, index=True),
        sa.Column("query_sha256", sa.String(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.create_table(
        "repeatable",
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), primary_key=True),
        sa.Column("query_sha256", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), sa.ForeignKey("dataset.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("entry", "units", "price")),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=True),
    )


def _routes() -> None:
    op.create_table(
        "lookup_table",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), sa.ForeignKey("dataset.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("offer", sa.String(), sa.ForeignKey("offer.id"), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("identifier", "fields_sha256")),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("records", "buckets")),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.create_table(
        "intersection",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), nullable=False, index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.create_table(
        "score_model",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("dataset", sa.String(), sa.ForeignKey("dataset.id"), nullable=False, index=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("provider", sa.String(), sa.ForeignKey("participant.id"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("features", sa.JSON(), nullable=False),
        sa.Column("link", sa.String(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("precision", "output")),
        sa.Column("releasable", sa.Boolean(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("content_sha256", sa.String(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("withdrawn", Moment(), nullable=True),
    )


def _jobs() -> None:
    op.create_table(
        "joint_part",
        sa.Column("job", sa.String(), primary_key=True),
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), primary_key=True),
        sa.Column("job_sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.create_table(
        "joint_sum",
        sa.Column("job", sa.String(), primary_key=True),
        sa.Column("peer", sa.String(), primary_key=True),
        sa.Column("job_sha256", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )
    op.create_table(
        "sealed_job",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("agreement", sa.String(), sa.ForeignKey("agreement.id"), nullable=False, index=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("plan_sha256", "result_sha256")),
        sa.Column("entry", sa.Integer(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
    )

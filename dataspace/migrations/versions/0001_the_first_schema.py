"""The first schema: every table, and the triggers that keep the ledger append-only."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic import op

from dataspace.database import append_only
from dataspace.ledger.models import triggers
from dataspace.moment import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    _ledger()
    _members()
    _datasets()
    _dealings()
    _answers()


def downgrade() -> None:
    """Refuse: an append-only history does not go back."""
    raise RuntimeError("the schema only goes forward: restore a backup instead")


def _ledger() -> None:
    op.create_table(
        "ledger_entry",
        _index(),
        *_columns(sa.LargeBinary, "entry", "leaf_hash"),
        *_columns(sa.String, "kind", "time"),
        sa.PrimaryKeyConstraint("index"),
    )
    op.create_table(
        "ledger_head",
        _column("id", sa.Integer),
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        _column("root", sa.LargeBinary),
        _column("checkpoint", sa.String),
        sa.CheckConstraint("id = 1"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "ledger_node",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        _index(),
        _column("hash", sa.LargeBinary),
        sa.PrimaryKeyConstraint("level", "index"),
    )
    op.create_table(
        "ledger_record",
        _index(),
        _column("record", sa.String),
        _column("salts", sa.LargeBinary),
        sa.PrimaryKeyConstraint("index"),
    )
    op.create_table(
        "participant",
        *_columns(sa.String, "id", "name", "login"),
        _column("password_hash", sa.String, nullable=True),
        *_columns(sa.String, "roles", "status"),
        _column("created", Moment),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("login"),
    )
    op.create_table(
        "policy_bundle",
        _column("digest", sa.String),
        _column("content", sa.LargeBinary),
        _column("adopted", Moment),
        sa.PrimaryKeyConstraint("digest"),
    )


def _members() -> None:
    op.create_table(
        "policy_input",
        *_columns(sa.String, "digest", "content"),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "credential",
        *_columns(sa.String, "id", "participant", "token_sha256"),
        _column("created", Moment),
        _column("revoked", Moment, nullable=True),
        sa.ForeignKeyConstraint(["participant"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("token_sha256"),
    )
    with op.batch_alter_table("credential", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_credential_participant"), ["participant"], unique=False)

    op.create_table(
        "dataset",
        *_columns(sa.String, "id", "provider", "zone", "title", "description"),
        _column("created", Moment),
        _column("withdrawn", Moment, nullable=True),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("dataset", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataset_provider"), ["provider"], unique=False)
        batch_op.create_index(batch_op.f("ix_dataset_zone"), ["zone"], unique=False)

    op.create_table(
        "portal_session",
        *_columns(sa.String, "cookie_sha256", "participant"),
        *_columns(Moment, "created", "expires"),
        sa.ForeignKeyConstraint(["participant"], ["participant.id"]),
        sa.PrimaryKeyConstraint("cookie_sha256"),
    )
    with op.batch_alter_table("portal_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_portal_session_participant"), ["participant"], unique=False)


def _datasets() -> None:
    op.create_table(
        "upload",
        *_columns(sa.String, "id", "provider", "zone", "filename", "source_sha256", "payload_sha256"),
        *_columns(sa.Integer, "rows", "size"),
        _column("proposal", sa.JSON),
        _column("key", sa.LargeBinary),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("upload", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_upload_provider"), ["provider"], unique=False)

    op.create_table(
        "cube",
        *_columns(sa.String, "id", "dataset"),
        _column("version", sa.Integer),
        _column("spec", sa.JSON),
        *_columns(sa.String, "spec_sha256", "cells_sha256", "path"),
        *_columns(sa.Integer, "epsilon", "smallest"),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("dataset", "version", "spec_sha256"),
    )
    with op.batch_alter_table("cube", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cube_dataset"), ["dataset"], unique=False)

    op.create_table(
        "dataset_key",
        _column("dataset", sa.String),
        _column("version", sa.Integer),
        _column("wrapped", sa.LargeBinary),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("dataset", "version"),
    )
    op.create_table(
        "dataset_version",
        _column("dataset", sa.String),
        *_columns(sa.Integer, "version", "rows", "size", "level"),
        _column("columns", sa.JSON),
        *_columns(sa.String, "source_sha256", "payload_sha256", "path"),
        _column("entry", sa.Integer),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("dataset", "version"),
    )
    with op.batch_alter_table("dataset_version", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dataset_version_source_sha256"), ["source_sha256"], unique=False)


def _dealings() -> None:
    op.create_table(
        "offer",
        *_columns(sa.String, "id", "dataset"),
        _column("version", sa.Integer),
        *_columns(sa.JSON, "purposes", "forms"),
        *_columns(sa.Integer, "units", "epsilon", "price", "min_group", "row_limit", "days"),
        _column("automatic", sa.Boolean),
        *_columns(Moment, "expires", "created"),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("offer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_offer_dataset"), ["dataset"], unique=False)

    op.create_table(
        "negotiation",
        *_columns(sa.String, "id", "offer", "dataset", "provider", "consumer", "state"),
        _column("terms", sa.JSON),
        _column("agreement", sa.String, nullable=True),
        *_columns(Moment, "created", "updated"),
        sa.ForeignKeyConstraint(["consumer"], ["participant.id"]),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["offer"], ["offer.id"]),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("negotiation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_negotiation_consumer"), ["consumer"], unique=False)
        batch_op.create_index(batch_op.f("ix_negotiation_provider"), ["provider"], unique=False)

    op.create_table(
        "agreement",
        *_columns(sa.String, "id", "negotiation", "offer", "dataset", "provider", "consumer"),
        _column("versions", sa.JSON),
        _column("purpose", sa.String),
        _column("forms", sa.JSON),
        *_columns(sa.Integer, "units", "epsilon", "price"),
        _column("expires", Moment),
        _column("state", sa.String),
        _column("key", sa.LargeBinary),
        _column("entry", sa.Integer),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["consumer"], ["participant.id"]),
        sa.ForeignKeyConstraint(["dataset"], ["dataset.id"]),
        sa.ForeignKeyConstraint(["negotiation"], ["negotiation.id"]),
        sa.ForeignKeyConstraint(["offer"], ["offer.id"]),
        sa.ForeignKeyConstraint(["provider"], ["participant.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("agreement", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_agreement_consumer"), ["consumer"], unique=False)
        batch_op.create_index(batch_op.f("ix_agreement_dataset"), ["dataset"], unique=False)
        batch_op.create_index(batch_op.f("ix_agreement_provider"), ["provider"], unique=False)


def _answers() -> None:
    op.create_table(
        "budget",
        _column("agreement", sa.String),
        *_columns(
            sa.Integer,
            "units",
            "units_spent",
            "units_reserved",
            "epsilon",
            "epsilon_spent",
            "epsilon_reserved",
        ),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"]),
        sa.PrimaryKeyConstraint("agreement"),
    )
    op.create_table(
        "consumer_key",
        *_columns(sa.String, "agreement", "key_id"),
        _column("context", sa.LargeBinary),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"]),
        sa.PrimaryKeyConstraint("agreement"),
    )
    op.create_table(
        "cube_grant",
        *_columns(sa.String, "cube", "agreement"),
        _column("entry", sa.Integer),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"]),
        sa.ForeignKeyConstraint(["cube"], ["cube.id"]),
        sa.PrimaryKeyConstraint("cube", "agreement"),
    )
    op.create_table(
        "nonce",
        *_columns(sa.String, "agreement", "nonce"),
        _column("created", Moment),
        sa.ForeignKeyConstraint(["agreement"], ["agreement.id"]),
        sa.PrimaryKeyConstraint("agreement", "nonce"),
    )
    dialect = op.get_bind().dialect.name
    for statement in [*triggers(dialect), *append_only("policy_bundle", dialect)]:
        op.execute(statement)


def _index() -> sa.Column[int]:
    return sa.Column(
        "index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
    )


def _columns(kind: Callable[[], Any], *names: str, nullable: bool = False) -> list[sa.Column[Any]]:
    return [_column(name, kind, nullable=nullable) for name in names]


def _column(name: str, kind: Callable[[], Any], *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind(), nullable=nullable)

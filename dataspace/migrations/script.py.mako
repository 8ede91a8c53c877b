"""${message}."""

import sqlalchemy as sa
import sqlmodel
from alembic import op

from dataspace.moment import Moment  # noqa: F401

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Refuse: an append-only history does not go back."""
    raise RuntimeError("the schema only goes forward: restore a backup instead")

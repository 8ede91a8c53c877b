"""A moment as it is stored and written: aware UTC on the way in and out, whatever the database keeps.

SQLite drops time zones and PostgreSQL would convert by the session's; both
keep naive UTC here.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """The column type of every stored time."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:  # noqa: ARG002
        """Store naive UTC; a naive value is a bug of the caller's and fails."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return aware UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


def written(moment: datetime) -> str:
    """Return the text of a moment in an entry (RFC 3339), whose order is that of the times."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

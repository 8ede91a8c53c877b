"""How Alembic reaches the database: by the URL its caller gives, all steps in one transaction.

Left to itself the SQLite driver commits before every CREATE, and a migration
that is killed would leave half a schema (attack CR-06).
"""

from typing import Any

from alembic import context
from sqlalchemy import Connection, create_engine, event

from dataspace.tables import metadata

engine = create_engine(context.config.attributes["url"])


def _autocommit(connection: Any, _: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


if engine.dialect.name == "sqlite":
    event.listen(engine, "connect", _autocommit)
    event.listen(engine, "begin", _begin)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()

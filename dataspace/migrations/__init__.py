"""The database's schema, step by step, and the check that database and code agree on it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from dataspace.errors import Unavailable

_HERE = Path(__file__).parent


def upgrade(url: str) -> None:
    """Bring a database to the schema of this code; does nothing when it is there."""
    command.upgrade(_config(url), "head")


def ensure_current(url: str) -> None:
    """Let a database of this code's schema pass.

    Raises:
        Unavailable: it has none, an older or a newer one (attack DB-04).

    """
    wanted = ScriptDirectory.from_config(_config(url)).get_current_head()
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()
    if found != wanted:
        raise Unavailable(
            f"the database has schema {found or 'none'}, this program wants {wanted}: "
            "run `dataspace init` once to create or upgrade it"
        )


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["url"] = url
    return config

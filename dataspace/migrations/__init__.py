"""The database's schema, step by step, and the check that database and code agree on it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import SQLAlchemyError

from dataspace.errors import Unavailable

_HERE = Path(__file__).parent
_NOT_OPENED = "the database cannot be opened: run `dataspace init` first, or mend DATASPACE_DATABASE"


def upgrade(url: str) -> None:
    """Bring a database to the schema of this code; does nothing when it is there.

    Raises:
        Unavailable: the database cannot be opened, or is of a newer program.

    """
    try:
        command.upgrade(_config(url), "head")
    except CommandError as error:
        raise Unavailable("the database was made by a newer program: use that one") from error
    except SQLAlchemyError as error:
        raise Unavailable(_NOT_OPENED) from error


def ensure_current(url: str) -> None:
    """Let a database of this code's schema pass.

    Raises:
        Unavailable: it has none, an older or a newer one (attack DB-04).

    """
    wanted = ScriptDirectory.from_config(_config(url)).get_current_head()
    try:
        engine = create_engine(url, poolclass=NullPool)
        with engine.connect() as connection:
            found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        raise Unavailable(_NOT_OPENED) from error
    if found == wanted:
        return
    known = {step.revision for step in ScriptDirectory.from_config(_config(url)).walk_revisions()}
    mend = "run `dataspace init` once to create or upgrade it"
    if found and found not in known:
        mend = "it was made by a newer program: use that one"
    raise Unavailable(f"the database has schema {found or 'none'}, this program wants {wanted}: {mend}")


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    config.attributes["url"] = url
    return config

"""The `dataspace` command: every command is a few lines over what does the work."""

import logging
import sys

from dataspace.cli import evidence, keyservice, members, service
from dataspace.cli.commands import app, participant
from dataspace.errors import DataSpaceError

__all__ = ["app", "evidence", "keyservice", "main", "members", "participant", "service"]


def main() -> None:
    """Run a command; an error of ours is one line and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("dataspace").setLevel(logging.INFO)
    try:
        app()
    except DataSpaceError as error:
        print(f"dataspace: {error}", file=sys.stderr)
        raise SystemExit(2) from error

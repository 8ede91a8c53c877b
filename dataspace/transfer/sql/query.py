"""What a consumer may ask: the text is parsed to a value, and the value resolved against a dataset's columns.

`syntax` says what is taken, `plan` what a dataset allows of it, `render` makes
the SQL that runs. The consumer's text itself ends here.
"""

from dataspace.transfer.sql.plan import Plan, resolve
from dataspace.transfer.sql.statement import Query
from dataspace.transfer.sql.syntax import parse

__all__ = ["Plan", "Query", "parse", "resolve"]

"""How a query that is not taken is refused: in its consumer's own words, and with what is taken instead.

A message repeats a few characters of the query, and goes to whoever wrote it.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from sqlglot import expressions as ast
from sqlglot.errors import ParseError

from dataspace.errors import Malformed

TAKEN: Final = "SELECT columns, COUNT, SUM, AVG FROM data WHERE ... GROUP BY ... ORDER BY ... LIMIT ..."
FUNCTIONS: Final = (
    "there are COUNT, SUM, AVG, and for rows "
    "ROUND, ABS, COALESCE, CAST, LOWER, UPPER, SUBSTR, LENGTH, YEAR and MONTH"
)
_SHOWN: Final = 40  # characters of the consumer's text that a message repeats
# Parts of nodes that the tokens let through and the language has not.
_PARTS: Final[Mapping[str, str]] = {
    "joins": "a second table: a query asks one dataset",
    "query": "a query within a query",
    "with_": "a query within a query",
    "db": "a name with points: the one table is data",
    "alias": "another name for the table: it is data",
    "expressions": "several columns where one stands",
}
_SIGNS: Final[Mapping[type, str]] = {
    ast.Sub: "'-'", ast.Mul: "'*'", ast.Neg: "'-'", ast.Add: "'+'", ast.Div: "'/'", ast.DPipe: "'||'",
}  # fmt: skip


def refuse(what: str) -> NoReturn:
    """Raise Malformed: `what` is not of the language."""
    raise Malformed(f"not taken in a query: {what}; want {TAKEN}")


def shown(text: str) -> str:
    """Return what a consumer wrote, for a message to that consumer: in quotes, one line, not long."""
    plain = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return f"'{plain}'" if len(plain) <= _SHOWN else f"'{plain[:_SHOWN]}...'"


def told(node: object) -> str:
    """Return a part of a query as its consumer wrote it, as far as that can be told; else its kind."""
    match node:
        case None:
            return "nothing"
        case ast.Column() | ast.Table():
            return told(node.this)
        case ast.Identifier(this=name, quoted=True):
            return shown(f'"{name}"')
        case ast.Identifier() | ast.Literal():
            return shown(str(node.this))
        case _:
            return _SIGNS.get(type(node)) or f"'{type(node).__name__.upper()}'"


def part(node: object, name: str) -> str:
    """Return what a node has in its part `name`, and should not."""
    return _PARTS.get(name) or f"{told(node)} with {name.rstrip('_')}"


def instead(node: object, *, column: bool = False) -> str:
    """Return what to write in the place of a node where a literal, or a `column`, was expected."""
    if isinstance(node, ast.Count | ast.Sum | ast.Avg):
        return "COUNT, SUM and AVG stand after SELECT, each of one column"
    if type(node) in _SIGNS:
        return "what is computed stands after SELECT alone"
    if column:
        return "names of columns stand bare or in double quotes"
    if isinstance(node, ast.Null):
        return "ask for missing values by IS NULL"
    return "write texts in single quotes" if isinstance(node, ast.Column) else "want a number or a text"


def near(error: Exception) -> str:
    """Return where a text stopped being SQL; sqlglot's own message may be of any length."""
    place = error.errors[0].get("highlight") if isinstance(error, ParseError) and error.errors else None
    return f" near {shown(place)}" if isinstance(place, str) and place else ""

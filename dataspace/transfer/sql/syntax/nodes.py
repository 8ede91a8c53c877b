"""One node of sqlglot's tree taken apart by an allow-list: names, columns and literals."""

import re
from decimal import Decimal
from typing import Final

from sqlglot import expressions as ast

from dataspace.transfer.sql.predicate import Literal
from dataspace.transfer.sql.wording import instead, part, refuse, told

_NAME_LIMIT: Final = 200
_NUMBER: Final = re.compile(r"\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE_DIGITS: Final = 15


def column_of(node: ast.Expr) -> str:
    """Return the name of a column, refusing anything else."""
    if not isinstance(node, ast.Column):
        refuse(f"{told(node)} stands where a column belongs: {instead(node, column=True)}")
    only(node, "this", "table")
    table = node.args.get("table")
    if table is not None and name_of(table).lower() != "data":
        refuse("the one table is data")
    return name_of(node.this)


def name_of(node: ast.Expr) -> str:
    """Return the characters of a name."""
    if not isinstance(node, ast.Identifier):
        refuse(f"{told(node)} is no name: names stand bare or in double quotes")
    only(node, "this", "quoted")
    name: str = node.this
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        refuse(f"a name has 1 to {_NAME_LIMIT} printable characters")
    return name


def literal_of(node: ast.Expr) -> Literal:
    """Return a literal, refusing anything else."""
    if isinstance(node, ast.Cast) and isinstance(node.this, ast.Literal) and node.this.is_string:
        # A date as DuckDB writes it: DATE '2024-07-31'.
        only(node, "this", "to")
        if node.args["to"].is_type("date"):
            return literal_of(node.this)
    if isinstance(node, ast.Neg) and isinstance(node.this, ast.Literal) and not node.this.is_string:
        positive = literal_of(inner_of(node))
        return positive if positive.text == "0" else Literal(f"-{positive.text}", number=True)
    if not isinstance(node, ast.Literal):
        refuse(f"{told(node)} stands where a literal belongs: {instead(node)}")
    text: str = node.this
    if node.is_string:
        return Literal(text) if "\0" not in text else refuse("a literal holds NUL")
    if not _NUMBER.fullmatch(text):
        refuse("a number of more than 40 digits")
    return Literal(_shortest(Decimal(text)), number=True)


def whole_of(node: ast.Expr, what: str) -> int:
    """Return a whole number from zero; `what` takes one."""
    number = literal_of(node)
    if not number.number or not number.text.isdecimal() or len(number.text) > _WHOLE_DIGITS:
        refuse(f"{what} takes a whole number")
    return int(number.text)


def _shortest(number: Decimal) -> str:
    plain = format(number.normalize(), "f") if abs(number.adjusted()) < 400 else str(number.normalize())
    return "0" if not number else plain


def inner_of(node: ast.Expr) -> ast.Expr:
    """Return the one part of a node that has no other."""
    only(node, "this")
    inner: ast.Expr = node.this
    return inner


def items_of(node: ast.Expr | None) -> list[ast.Expr]:
    """Return the parts of a node that is a list and no more; none of a node that is not there."""
    if node is None:
        return []
    only(node, "expressions")
    return list(node.expressions)


def only(node: ast.Expr, *parts: str) -> None:
    """Refuse a node that has any part but those."""
    found = [
        name for name, value in node.args.items() if name not in parts and value not in (None, False, [])
    ]
    if found:
        refuse(part(node, found[0]))

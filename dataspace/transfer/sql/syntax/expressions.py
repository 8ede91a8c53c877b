"""What a query computes over a row, from sqlglot's tree to an expression.

a + b  a - b  a * b  a / b  - a  a || b  ROUND(number [, digits])  ABS  COALESCE  LOWER  UPPER
SUBSTR(text, start [, length])  LENGTH  YEAR MONTH  CAST(value AS VARCHAR | BIGINT | DOUBLE | DATE)
CASE WHEN condition THEN value ... [ELSE value] END
"""

from collections.abc import Mapping
from typing import Final

from sqlglot import expressions as ast

from dataspace.table import Type
from dataspace.transfer.sql.expression import Call, Cast, Choice, Expression, Field, Operation
from dataspace.transfer.sql.syntax.nodes import column_of, inner_of, literal_of, only, whole_of
from dataspace.transfer.sql.syntax.predicates import predicate_of
from dataspace.transfer.sql.wording import refuse, told

# DuckDB takes 250 levels; one of ours is at most five of its own.
_DEPTH_LIMIT: Final = 32
_DIGITS_LIMIT: Final = 9
_PLACE_LIMIT: Final = 10_000  # of a text
_BINARY: Final[Mapping[type[ast.Expr], Operation]] = {
    ast.Add: Operation.ADD,
    ast.Sub: Operation.SUBTRACT,
    ast.Mul: Operation.MULTIPLY,
    ast.Div: Operation.DIVIDE,
    ast.DPipe: Operation.CONCATENATE,
}
_UNARY: Final[Mapping[type[ast.Expr], Operation]] = {
    ast.Neg: Operation.NEGATE,
    ast.Abs: Operation.ABS,
    ast.Lower: Operation.LOWER,
    ast.Upper: Operation.UPPER,
    ast.Length: Operation.LENGTH,
    ast.Year: Operation.YEAR,
    ast.Month: Operation.MONTH,
}
_TYPES: Final[Mapping[str, Type]] = {
    "text": Type.TEXT,
    "varchar": Type.TEXT,
    "int": Type.INTEGER,
    "bigint": Type.INTEGER,
    "double": Type.DECIMAL,
    "date": Type.DATE,
}


def is_expression(node: ast.Expr) -> bool:
    """Tell whether a node computes something, and is no column alone."""
    kinds = (*_BINARY, *_UNARY, ast.Paren, ast.Round, ast.Coalesce, ast.Substring, ast.Cast, ast.Case)
    return type(node) in kinds


def expression_of(node: ast.Expr, depth: int = 0) -> Expression:
    """Return an expression; refuses what is none, and what is nested too deep."""
    if depth > _DEPTH_LIMIT:
        refuse(f"an expression of more than {_DEPTH_LIMIT} operations within one another")
    kind = type(node)
    if kind is ast.Column:
        return Field(column_of(node))
    if kind is ast.Literal or (kind is ast.Neg and isinstance(node.this, ast.Literal)):
        return literal_of(node)
    if kind is ast.Paren:
        return expression_of(inner_of(node), depth + 1)
    if kind in _UNARY:
        return Call(_UNARY[kind], (expression_of(inner_of(node), depth + 1),))
    if kind in _BINARY:
        only(node, "this", "expression", "safe")
        sides = (node.this, node.expression)
        return Call(_BINARY[kind], tuple(expression_of(side, depth + 1) for side in sides))
    return _special(node, depth + 1)


def _special(node: ast.Expr, depth: int) -> Expression:
    kind = type(node)
    if kind is ast.Round:
        return _round(node, depth)
    if kind is ast.Substring:
        return _substr(node, depth)
    if kind is ast.Coalesce:
        only(node, "this", "expressions")
        values = (node.this, *node.expressions)
        return Call(Operation.COALESCE, tuple(expression_of(value, depth) for value in values))
    if kind is ast.Cast:
        only(node, "this", "to")
        return Cast(expression_of(node.this, depth), _type(node.args["to"]))
    if kind is not ast.Case:
        refuse(f"{told(node)} is no value: want columns, literals and what is computed of them")
    return _case(node, depth)


def _round(node: ast.Expr, depth: int) -> Expression:
    only(node, "this", "decimals")
    decimals = node.args.get("decimals")
    digits = whole_of(decimals, "ROUND") if decimals is not None else 0
    if digits > _DIGITS_LIMIT:
        refuse(f"ROUND to {digits} digits: at most {_DIGITS_LIMIT}")
    return Call(Operation.ROUND, (expression_of(node.this, depth),), (digits,))


def _substr(node: ast.Expr, depth: int) -> Expression:
    only(node, "this", "start", "length")
    parts = [node.args.get("start"), node.args.get("length")]
    settings = tuple(whole_of(part, "SUBSTR") for part in parts if part is not None)
    if not settings or settings[0] == 0 or max(settings) > _PLACE_LIMIT:
        refuse(f"SUBSTR takes a start from 1 and a length, each of at most {_PLACE_LIMIT}")
    return Call(Operation.SUBSTR, (expression_of(node.this, depth),), settings)


def _type(node: ast.Expr) -> Type:
    only(node, "this")
    found = _TYPES.get(str(node.this.value).lower())
    return found or refuse("CAST takes VARCHAR, BIGINT, DOUBLE or DATE")


def _case(node: ast.Expr, depth: int) -> Expression:
    only(node, "ifs", "default")
    branches = []
    for branch in node.args["ifs"]:
        only(branch, "this", "true")
        branches.append((predicate_of(branch.this), expression_of(branch.args["true"], depth)))
    otherwise = node.args.get("default")
    return Choice(tuple(branches), None if otherwise is None else expression_of(otherwise, depth))

"""The conditions of a query, from sqlglot's tree to a predicate: each of a column with literals."""

from collections.abc import Iterator, Mapping
from typing import Final

from sqlglot import expressions as ast

from dataspace.transfer.sql.predicate import (
    FLIPPED,
    Compare,
    Missing,
    Operator,
    Predicate,
    every,
    negated,
    some,
    within,
)
from dataspace.transfer.sql.syntax.nodes import column_of, inner_of, literal_of, only
from dataspace.transfer.sql.wording import refuse, told

_OPERATORS: Final[Mapping[type[ast.Expr], Operator]] = {
    ast.EQ: Operator.EQUAL,
    ast.NEQ: Operator.UNEQUAL,
    ast.LT: Operator.LESS,
    ast.LTE: Operator.AT_MOST,
    ast.GT: Operator.GREATER,
    ast.GTE: Operator.AT_LEAST,
}


def predicate_of(node: ast.Expr) -> Predicate:
    """Return a condition; refuses what is none."""
    if isinstance(node, ast.And):
        return every(map(predicate_of, _operands(node)))
    if isinstance(node, ast.Or):
        return some(map(predicate_of, _operands(node)))
    if isinstance(node, ast.Not):
        return negated(predicate_of(inner_of(node)))
    return predicate_of(inner_of(node)) if isinstance(node, ast.Paren) else _test(node)


def _test(node: ast.Expr) -> Predicate:
    match node:
        case ast.In():
            only(node, "this", "expressions")
            return within(column_of(node.this), map(literal_of, node.expressions))
        case ast.Between():
            only(node, "this", "low", "high")
            column = column_of(node.this)
            low = Compare(column, Operator.AT_LEAST, literal_of(node.args["low"]))
            return every([low, Compare(column, Operator.AT_MOST, literal_of(node.args["high"]))])
        case ast.Is():
            only(node, "this", "expression")
            if not isinstance(node.expression, ast.Null):
                refuse("IS takes NULL only")
            return Missing(column_of(node.this))
        case _:
            return _comparison(node)


def _comparison(node: ast.Expr) -> Predicate:
    operator = _OPERATORS.get(type(node))
    if operator is None:
        refuse(f"{told(node)} is no condition: compare a column with a literal")
    only(node, "this", "expression")
    if isinstance(node.expression, ast.Column) and not isinstance(node.this, ast.Column):
        return Compare(column_of(node.expression), FLIPPED.get(operator, operator), literal_of(node.this))
    return Compare(column_of(node.this), operator, literal_of(node.expression))


def _operands(node: ast.Expr) -> Iterator[ast.Expr]:
    """Yield the operands of a chain of the same connective: long chains are deep trees."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if type(current) is type(node):
            only(current, "this", "expression")
            waiting += [current.expression, current.this]
        else:
            yield current

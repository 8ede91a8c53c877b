"""From the text of a query to a frozen value: one SELECT over one table, in DuckDB's dialect.

    SELECT column [AS name], ... | * | COUNT(*) | COUNT(column) | SUM(column) | AVG(column)
    FROM data
    [WHERE conditions: = <> < <= > >= IN BETWEEN IS NULL, each of a column with literals, AND OR NOT ( )]
    [GROUP BY column, ...] [ORDER BY column [DESC], ...] [LIMIT whole number]

sqlglot parses the tokens of this language (`tokens`). What it made is taken apart
by an allow-list, of kinds of node and of the parts each may have: whatever a
later version of sqlglot learns to read stays refused. Nothing of the text
survives but names, literals and whole numbers.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from sqlglot import expressions as ast
from sqlglot.errors import SqlglotError

from dataspace.errors import Malformed
from dataspace.transfer.predicate import (
    FLIPPED,
    Compare,
    Literal,
    Missing,
    Operator,
    Predicate,
    every,
    negated,
    some,
    within,
)
from dataspace.transfer.statement import Aggregate, Field, Function, Order, Query
from dataspace.transfer.tokens import DUCKDB, tokens
from dataspace.transfer.wording import TAKEN, instead, near, part, refuse, told

_LENGTH_LIMIT: Final = 8192  # bytes of UTF-8
_NAME_LIMIT: Final = 200
_NUMBER: Final = re.compile(r"\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?", re.ASCII)
_OPERATORS: Final[Mapping[type[ast.Expr], Operator]] = {
    ast.EQ: Operator.EQUAL,
    ast.NEQ: Operator.UNEQUAL,
    ast.LT: Operator.LESS,
    ast.LTE: Operator.AT_MOST,
    ast.GT: Operator.GREATER,
    ast.GTE: Operator.AT_LEAST,
}
_FUNCTIONS: Final[Mapping[type[ast.Expr], Function]] = {
    ast.Count: Function.COUNT,
    ast.Sum: Function.SUM,
    ast.Avg: Function.AVG,
}


def parse(text: str) -> Query:
    """Return the query a text states.

    Raises:
        Malformed: it is too long or too deep, no SQL, or not of the language above.

    """
    try:
        size = len(text.encode())
        if size > _LENGTH_LIMIT:
            raise Malformed(f"query of {size} bytes, want at most {_LENGTH_LIMIT}")
        (tree,) = DUCKDB.parser().parse(tokens(text), text)
        return _query(tree)
    except (SqlglotError, RecursionError, ValueError) as error:
        raise Malformed(f"not a query{near(error)}: want {TAKEN}") from error


def _query(tree: ast.Expr | None) -> Query:
    if not isinstance(tree, ast.Select):
        refuse("want one SELECT")
    _only(tree, "expressions", "from_", "where", "group", "order", "limit")
    _check_table(tree.args.get("from_"))
    outputs = [node for node in tree.expressions if not isinstance(node, ast.Star)]
    everything = len(outputs) < len(tree.expressions)
    if everything:
        _only(tree.expressions[0])
        if len(tree.expressions) > 1:
            refuse("* beside columns: it stands alone")
    elif not outputs:
        refuse("no column after SELECT")
    where, group, order = tree.args.get("where"), tree.args.get("group"), tree.args.get("order")
    return Query(
        outputs=tuple(_output(node) for node in outputs),
        where=_predicate(_inner(where)) if where else None,
        group=tuple(_column(node) for node in _items(group)),
        order=tuple(_order(node) for node in _items(order)),
        limit=_limit(tree.args.get("limit")),
    )


def _check_table(source: ast.Expr | None) -> None:
    table = _inner(source) if source else None
    if not isinstance(table, ast.Table):
        refuse("want FROM data")
    _only(table, "this")
    if _name(table.this).lower() != "data":
        refuse("the one table is data")


def _output(node: ast.Expr) -> tuple[str, Field | Aggregate]:
    alias = None
    if isinstance(node, ast.Alias):
        _only(node, "this", "alias")
        alias, node = _name(node.args["alias"]), node.this
    function = _FUNCTIONS.get(type(node))
    if function is None:
        name = _column(node)
        return alias or name, Field(name)
    _only(node, "this", "big_int")
    if function is Function.COUNT and isinstance(node.this, ast.Star):
        _only(node.this)
        return alias or "count", Aggregate(function)
    column = _column(node.this)
    return alias or f"{function}_{column}", Aggregate(function, column)


def _order(node: ast.Expr) -> Order:
    if not isinstance(node, ast.Ordered):
        refuse("order by columns only")
    # sqlglot fills in where NULL goes by default; that order we fix ourselves.
    _only(node, "this", "desc", "nulls_first")
    return Order(_column(node.this), bool(node.args.get("desc")))


def _limit(node: ast.Expr | None) -> int | None:
    if node is None:
        return None
    _only(node, "expression")
    number = _literal(node.args["expression"])
    if not number.number or not number.text.isdecimal() or len(number.text) > 15:
        refuse("LIMIT takes a whole number")
    return int(number.text)


def _predicate(node: ast.Expr) -> Predicate:
    if isinstance(node, ast.And):
        return every(map(_predicate, _operands(node)))
    if isinstance(node, ast.Or):
        return some(map(_predicate, _operands(node)))
    if isinstance(node, ast.Not):
        return negated(_predicate(_inner(node)))
    return _predicate(_inner(node)) if isinstance(node, ast.Paren) else _test(node)


def _test(node: ast.Expr) -> Predicate:
    match node:
        case ast.In():
            _only(node, "this", "expressions")
            return within(_column(node.this), map(_literal, node.expressions))
        case ast.Between():
            _only(node, "this", "low", "high")
            column = _column(node.this)
            low = Compare(column, Operator.AT_LEAST, _literal(node.args["low"]))
            return every([low, Compare(column, Operator.AT_MOST, _literal(node.args["high"]))])
        case ast.Is():
            _only(node, "this", "expression")
            if not isinstance(node.expression, ast.Null):
                refuse("IS takes NULL only")
            return Missing(_column(node.this))
        case _:
            return _comparison(node)


def _comparison(node: ast.Expr) -> Predicate:
    operator = _OPERATORS.get(type(node))
    if operator is None:
        refuse(f"{told(node)} is no condition: compare a column with a literal")
    _only(node, "this", "expression")
    if isinstance(node.expression, ast.Column) and not isinstance(node.this, ast.Column):
        return Compare(_column(node.expression), FLIPPED.get(operator, operator), _literal(node.this))
    return Compare(_column(node.this), operator, _literal(node.expression))


def _operands(node: ast.Expr) -> Iterator[ast.Expr]:
    """Yield the operands of a chain of the same connective: long chains are deep trees."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if type(current) is type(node):
            _only(current, "this", "expression")
            waiting += [current.expression, current.this]
        else:
            yield current


def _literal(node: ast.Expr) -> Literal:
    if isinstance(node, ast.Cast) and isinstance(node.this, ast.Literal) and node.this.is_string:
        # A date as DuckDB writes it: DATE '2024-07-31'.
        _only(node, "this", "to")
        if node.args["to"].is_type("date"):
            return _literal(node.this)
    if isinstance(node, ast.Neg) and isinstance(node.this, ast.Literal) and not node.this.is_string:
        positive = _literal(_inner(node))
        return positive if positive.text == "0" else Literal(f"-{positive.text}", number=True)
    if not isinstance(node, ast.Literal):
        refuse(f"{told(node)} stands where a literal belongs: {instead(node)}")
    text: str = node.this
    if node.is_string:
        return Literal(text) if "\0" not in text else refuse("a literal holds NUL")
    if not _NUMBER.fullmatch(text):
        refuse("a number of more than 40 digits")
    return Literal(_shortest(Decimal(text)), number=True)


def _shortest(number: Decimal) -> str:
    plain = format(number.normalize(), "f") if abs(number.adjusted()) < 400 else str(number.normalize())
    return "0" if not number else plain


def _column(node: ast.Expr) -> str:
    if not isinstance(node, ast.Column):
        refuse(f"{told(node)} stands where a column belongs: {instead(node, column=True)}")
    _only(node, "this", "table")
    table = node.args.get("table")
    if table is not None and _name(table).lower() != "data":
        refuse("the one table is data")
    return _name(node.this)


def _name(node: ast.Expr) -> str:
    if not isinstance(node, ast.Identifier):
        refuse(f"{told(node)} is no name: names stand bare or in double quotes")
    _only(node, "this", "quoted")
    name: str = node.this
    if not 0 < len(name) <= _NAME_LIMIT or not name.isprintable():
        refuse(f"a name has 1 to {_NAME_LIMIT} printable characters")
    return name


def _inner(node: ast.Expr) -> ast.Expr:
    _only(node, "this")
    inner: ast.Expr = node.this
    return inner


def _items(node: ast.Expr | None) -> list[ast.Expr]:
    if node is None:
        return []
    _only(node, "expressions")
    return list(node.expressions)


def _only(node: ast.Expr, *parts: str) -> None:
    """Refuse a node that has any part but those."""
    found = [
        name for name, value in node.args.items() if name not in parts and value not in (None, False, [])
    ]
    if found:
        refuse(part(node, found[0]))

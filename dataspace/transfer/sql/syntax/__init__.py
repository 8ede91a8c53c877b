"""From the text of a query to a frozen value: one SELECT over one table, in DuckDB's dialect.

    SELECT column [AS name], expression AS name, ... | *
         | COUNT(*) | COUNT(column) | SUM(column) | AVG(column)
    FROM data
    [WHERE conditions: = <> < <= > >= IN BETWEEN IS NULL, each of a column with literals, AND OR NOT ( )]
    [GROUP BY column, ...] [ORDER BY column [DESC], ...] [LIMIT whole number]

sqlglot parses the tokens of this language (`tokens`). What it made is taken apart
by an allow-list, of kinds of node and of the parts each may have: whatever a
later version of sqlglot learns to read stays refused. Nothing of the text
survives but names, literals and whole numbers.
"""

from collections.abc import Mapping
from typing import Final

from sqlglot import expressions as ast
from sqlglot.errors import SqlglotError

from dataspace.errors import Malformed
from dataspace.transfer.sql.expression import Expression, Field, read_by
from dataspace.transfer.sql.statement import Aggregate, Function, Order, Query
from dataspace.transfer.sql.syntax.expressions import expression_of, is_expression
from dataspace.transfer.sql.syntax.nodes import column_of, inner_of, items_of, name_of, only, whole_of
from dataspace.transfer.sql.syntax.predicates import predicate_of
from dataspace.transfer.sql.tokens import DUCKDB, tokens
from dataspace.transfer.sql.wording import TAKEN, near, refuse

_LENGTH_LIMIT: Final = 8192  # bytes of UTF-8
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
    only(tree, "expressions", "from_", "where", "group", "order", "limit")
    _check_table(tree.args.get("from_"))
    outputs = [node for node in tree.expressions if not isinstance(node, ast.Star)]
    everything = len(outputs) < len(tree.expressions)
    if everything:
        only(tree.expressions[0])
        if len(tree.expressions) > 1:
            refuse("* beside columns: it stands alone")
    elif not outputs:
        refuse("no column after SELECT")
    where, group, order = tree.args.get("where"), tree.args.get("group"), tree.args.get("order")
    return Query(
        outputs=tuple(_output(node) for node in outputs),
        where=predicate_of(inner_of(where)) if where else None,
        group=tuple(column_of(node) for node in items_of(group)),
        order=tuple(_order(node) for node in items_of(order)),
        limit=_limit(tree.args.get("limit")),
    )


def _check_table(source: ast.Expr | None) -> None:
    table = inner_of(source) if source else None
    if not isinstance(table, ast.Table):
        refuse("want FROM data")
    only(table, "this")
    if name_of(table.this).lower() != "data":
        refuse("the one table is data")


def _output(node: ast.Expr) -> tuple[str, Expression | Aggregate]:
    alias = None
    if isinstance(node, ast.Alias):
        only(node, "this", "alias")
        alias, node = name_of(node.args["alias"]), node.this
    function = _FUNCTIONS.get(type(node))
    if is_expression(node):
        return _computed(node, alias)
    if function is None:
        name = column_of(node)
        return alias or name, Field(name)
    only(node, "this", "big_int")
    if function is Function.COUNT and isinstance(node.this, ast.Star):
        only(node.this)
        return alias or "count", Aggregate(function)
    column = column_of(node.this)
    return alias or f"{function}_{column}", Aggregate(function, column)


def _computed(node: ast.Expr, alias: str | None) -> tuple[str, Expression]:
    found = expression_of(node)
    if isinstance(found, Field):
        return alias or found.column, found
    if not any(read_by(found)):
        refuse("a column that reads no column of data")
    return alias or refuse("what is computed has no name: want AS and a name"), found


def _order(node: ast.Expr) -> Order:
    if not isinstance(node, ast.Ordered):
        refuse("order by columns only")
    # sqlglot fills in where NULL goes by default; that order we fix ourselves.
    only(node, "this", "desc", "nulls_first")
    return Order(column_of(node.this), bool(node.args.get("desc")))


def _limit(node: ast.Expr | None) -> int | None:
    if node is None:
        return None
    only(node, "expression")
    return whole_of(node.args["expression"], "LIMIT")

"""The tokens of a query: only those of the language come to sqlglot's parser.

Its time grows exponentially on some texts (12 s for 8 kB of nested STRUCT,
measured), it recurses, and it logs what it takes for a command: none of that is
left with these tokens, parentheses where none but ours stand, and their depth
bounded.
"""

from typing import Final, NoReturn

from sqlglot import Dialect, Token, TokenType

from dataspace.errors import Malformed
from dataspace.transfer.statement import Function

DUCKDB: Final = Dialect.get_or_raise("duckdb")
TAKEN: Final = "SELECT columns, COUNT, SUM, AVG FROM data WHERE ... GROUP BY ... ORDER BY ... LIMIT ..."
_DEPTH_LIMIT: Final = 16
_WORDS: Final = {
    TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY,
    TokenType.LIMIT, TokenType.ALIAS, TokenType.ASC, TokenType.DESC, TokenType.AND,
    TokenType.OR, TokenType.NOT, TokenType.IN,
    TokenType.BETWEEN, TokenType.IS, TokenType.NULL, TokenType.DATE, TokenType.VAR, TokenType.IDENTIFIER,
    TokenType.STRING, TokenType.NUMBER, TokenType.STAR, TokenType.COMMA, TokenType.DOT, TokenType.DASH,
    TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
    TokenType.L_PAREN, TokenType.R_PAREN,
}  # fmt: skip
# Words that mean something in SQL, nothing here, and are good names of columns.
_NAMES: Final = {
    TokenType.TIME, TokenType.TIMESTAMP, TokenType.TIMESTAMPNTZ, TokenType.INDEX, TokenType.STRUCT,
    TokenType.ROWS,
    TokenType.RANGE, TokenType.FORMAT, TokenType.PERCENT, TokenType.FIRST, TokenType.DEFAULT, TokenType.END,
    TokenType.TEXT, TokenType.INT, TokenType.DOUBLE, TokenType.VIEW, TokenType.SCHEMA, TokenType.DATABASE,
    TokenType.COLUMN, TokenType.COMMENT, TokenType.MAP, TokenType.LIST, TokenType.DECIMAL, TokenType.UUID,
    TokenType.JSON, TokenType.OBJECT, TokenType.LEFT, TokenType.RIGHT, TokenType.NEXT, TokenType.UNIQUE,
    TokenType.OPERATOR, TokenType.SESSION, TokenType.KEEP, TokenType.CACHE, TokenType.CONSTRAINT,
}  # fmt: skip
_BEFORE_PAREN: Final = {
    TokenType.IN,
    TokenType.AND,
    TokenType.OR,
    TokenType.NOT,
    TokenType.WHERE,
    TokenType.L_PAREN,
}


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text, all of this language and not deeply nested."""
    found = DUCKDB.tokenize(text)
    if not found or found[0].token_type is not TokenType.SELECT:
        refuse("a query begins with SELECT")
    if found[-1].token_type is TokenType.SEMICOLON:
        found.pop()
    depth = signs = 0
    for place, token in enumerate(found):
        kind = token.token_type
        depth += (kind is TokenType.L_PAREN) - (kind is TokenType.R_PAREN)
        signs = signs + 1 if kind in {TokenType.NOT, TokenType.DASH} else 0
        if max(depth, signs) > _DEPTH_LIMIT:
            refuse(f"nested deeper than {_DEPTH_LIMIT}")
        if kind is TokenType.L_PAREN and not _may_open(found[place - 1]):
            refuse("a function or a list in a place where none is")
        if kind in _NAMES:
            found[place] = Token(TokenType.IDENTIFIER, token.text)
        elif kind not in _WORDS:
            refuse(f"{kind.name}; a column of such a name stands in double quotes")
    return found


def _may_open(before: Token) -> bool:
    """Say whether a parenthesis may follow: of a function of ours, a list of literals or a condition."""
    function = before.token_type is TokenType.VAR and before.text.lower() in list(Function)
    return function or before.token_type in _BEFORE_PAREN


def refuse(what: str) -> NoReturn:
    """Raise Malformed: `what` is not of the language."""
    raise Malformed(f"not taken in a query: {what}; want {TAKEN}")

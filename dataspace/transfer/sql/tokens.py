"""The tokens of a query: only those of the language come to sqlglot's parser.

Its time grows exponentially on some texts (12 s for 8 kB of nested STRUCT,
measured), it recurses, and it logs what it takes for a command: none of that is
left with these tokens, parentheses where none but ours stand, and their depth
bounded.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from sqlglot import Dialect, Token, TokenType

from dataspace.transfer.sql.statement import Function
from dataspace.transfer.sql.wording import FUNCTIONS, refuse, shown

DUCKDB: Final = Dialect.get_or_raise("duckdb")
_DEPTH_LIMIT: Final = 16
_WORDS: Final = {
    TokenType.SELECT, TokenType.FROM, TokenType.WHERE, TokenType.GROUP_BY, TokenType.ORDER_BY,
    TokenType.LIMIT, TokenType.ALIAS, TokenType.ASC, TokenType.DESC, TokenType.AND,
    TokenType.OR, TokenType.NOT, TokenType.IN,
    TokenType.BETWEEN, TokenType.IS, TokenType.NULL, TokenType.DATE, TokenType.VAR, TokenType.IDENTIFIER,
    TokenType.STRING, TokenType.NUMBER, TokenType.STAR, TokenType.COMMA, TokenType.DOT, TokenType.DASH,
    TokenType.EQ, TokenType.NEQ, TokenType.LT, TokenType.LTE, TokenType.GT, TokenType.GTE,
    TokenType.L_PAREN, TokenType.R_PAREN, TokenType.PLUS, TokenType.SLASH, TokenType.DPIPE,
    TokenType.CASE, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.END,
}  # fmt: skip
_TYPES: Final = {TokenType.TEXT, TokenType.INT, TokenType.BIGINT, TokenType.DOUBLE, TokenType.DATE}
# Words that mean something in SQL, nothing here, and are good names of columns.
_NAMES: Final = {
    TokenType.TIME, TokenType.TIMESTAMP, TokenType.TIMESTAMPNTZ, TokenType.INDEX, TokenType.STRUCT,
    TokenType.ROWS,
    TokenType.RANGE, TokenType.FORMAT, TokenType.PERCENT, TokenType.FIRST, TokenType.DEFAULT,
    TokenType.TEXT, TokenType.INT, TokenType.DOUBLE, TokenType.VIEW, TokenType.SCHEMA, TokenType.DATABASE,
    TokenType.COLUMN, TokenType.COMMENT, TokenType.MAP, TokenType.LIST, TokenType.DECIMAL, TokenType.UUID,
    TokenType.JSON, TokenType.OBJECT, TokenType.LEFT, TokenType.RIGHT, TokenType.NEXT, TokenType.UNIQUE,
    TokenType.OPERATOR, TokenType.SESSION, TokenType.KEEP, TokenType.CACHE, TokenType.CONSTRAINT,
}  # fmt: skip
_DIVIDE: Final = "of division there is / alone"
_NO_PATTERN: Final = "patterns are not taken, compare with = or IN"
_ONE_QUERY: Final = "one query is taken at a time"
# What to say of words and signs of SQL that are often tried; of others only that they are not taken.
_INSTEAD: Final[Mapping[TokenType, str]] = {
    TokenType.DISTINCT: "it is not taken, GROUP BY shows each value once",
    TokenType.JOIN: "joins are not taken, a query asks one dataset",
    TokenType.UNION: _ONE_QUERY, TokenType.INTERSECT: _ONE_QUERY, TokenType.EXCEPT: _ONE_QUERY,
    TokenType.WITH: _ONE_QUERY, TokenType.SEMICOLON: _ONE_QUERY,
    TokenType.HAVING: "it is not taken, groups are not chosen by their numbers",
    TokenType.OFFSET: "it is not taken, rows are cut by LIMIT alone",
    TokenType.OVER: "windows are not taken", TokenType.FILTER: "it is not taken, use WHERE",
    TokenType.LIKE: _NO_PATTERN, TokenType.ILIKE: _NO_PATTERN, TokenType.SIMILAR_TO: _NO_PATTERN,
    TokenType.GLOB: _NO_PATTERN, TokenType.TILDE: _NO_PATTERN,
    TokenType.MOD: _DIVIDE, TokenType.DIV: _DIVIDE, TokenType.DCOLON: "write CAST(value AS type)",
    TokenType.PLACEHOLDER: "parameters are not taken, write the literal out",
    TokenType.PARAMETER: "parameters are not taken, write the literal out",
}  # fmt: skip
_BEFORE_PAREN: Final = {
    TokenType.IN, TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.WHERE, TokenType.L_PAREN,
    TokenType.SELECT, TokenType.COMMA, TokenType.WHEN, TokenType.THEN, TokenType.ELSE, TokenType.PLUS,
    TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.DPIPE,
}  # fmt: skip
_FUNCTIONS: Final = frozenset(
    [*Function, "round", "abs", "coalesce", "cast", "lower", "upper", "substr", "substring", "length", "year",
     "month"]
)  # fmt: skip


def tokens(text: str) -> list[Token]:
    """Return the tokens of a text, all of this language and not deeply nested."""
    found = DUCKDB.tokenize(text)
    if not found or found[0].token_type is not TokenType.SELECT:
        refuse("a query begins with SELECT")
    if found[-1].token_type is TokenType.SEMICOLON:
        found.pop()
    opened: list[str] = []  # what is open at this place: words and parentheses
    signs = 0
    for place, token in enumerate(found):
        kind = token.token_type
        signs = signs + 1 if kind in {TokenType.NOT, TokenType.DASH} else 0
        found[place] = _token(found, place, opened)
        _nest(found, place, opened)
        if max(len(opened), signs) > _DEPTH_LIMIT:
            refuse(f"nested deeper than {_DEPTH_LIMIT}")
    return found


def _token(found: list[Token], place: int, opened: list[str]) -> Token:
    """Return a token as the parser shall see it: a word that means nothing where it stands is a name."""
    token = found[place]
    kind, before = token.token_type, found[place - 1].token_type
    if kind in _TYPES and before is TokenType.ALIAS and opened[-1:] == ["cast"]:
        return token
    if kind in _NAMES or (kind is TokenType.END and "case" not in opened):
        return Token(TokenType.IDENTIFIER, token.text)
    if kind not in _WORDS:
        refuse(f"{shown(token.text)}: {_INSTEAD.get(kind) or _unknown(token)}")
    return token


def _nest(found: list[Token], place: int, opened: list[str]) -> None:
    """Follow what a token opens or closes."""
    kind, before = found[place].token_type, found[place - 1]
    if kind is TokenType.L_PAREN:
        if not _may_open(before):
            _refuse_list(before)
        opened.append("cast" if before.text.lower() == "cast" else "(")
    elif kind is TokenType.CASE:
        opened.append("case")
    elif opened and (kind is TokenType.R_PAREN or (kind is TokenType.END and opened[-1] == "case")):
        opened.pop()


def _may_open(before: Token) -> bool:
    """Say whether a parenthesis may follow: of a function of ours, a list of literals or a condition."""
    function = before.token_type is TokenType.VAR and before.text.lower() in _FUNCTIONS
    return function or before.token_type in _BEFORE_PAREN


def _refuse_list(before: Token) -> NoReturn:
    if before.token_type in {TokenType.VAR, TokenType.IDENTIFIER}:
        refuse(f"{shown(before.text + '(')}: {FUNCTIONS}")
    refuse(f"'(' after {shown(before.text)}: no list and no query stands there")


def _unknown(token: Token) -> str:
    word = token.text.isidentifier()
    return "it is not taken; a column of such a name stands in double quotes" if word else "it is not taken"

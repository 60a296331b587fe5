"""From an expression's text to sqlglot's tree, with nothing interpreted on the way.

sqlglot knows hundreds of functions and rewrites some of them (arguments swapped, masks converted). The language needs
none of that: here every call stays a call with its name and arguments as written, and `building` decides what it means.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import Token, TokenType, exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from shared.expressions import limits
from shared.expressions.errors import refused
from shared.expressions.functions import ROW_NUMBER
from shared.variables import Piece, code_pieces, render

_OPENING = {TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE}
_CLOSING = {TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END}
_PREFIXES = {TokenType.NOT, TokenType.DASH, TokenType.PLUS, TokenType.TILDE}
_FORBIDDEN = {
    TokenType.SEMICOLON: "an expression is one expression: remove ';'",
    TokenType.PARAMETER: "a variable is written @name",
    TokenType.PLACEHOLDER: "a variable is written @name",
}


class _PlainParser(DuckDBParser):
    """DuckDB's grammar without built-in knowledge of functions; a number without a size keeps ten decimals."""

    FUNCTIONS = {}  # noqa: RUF012 (the dialect's own way to be configured)
    FUNCTION_PARSERS = {  # noqa: RUF012
        name: parser for name, parser in DuckDBParser.FUNCTION_PARSERS.items() if name in ("CAST", "TRY_CAST")
    }
    NO_PAREN_FUNCTION_PARSERS = {"CASE": DuckDBParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}  # noqa: RUF012
    NO_PAREN_FUNCTIONS = {}  # noqa: RUF012
    TYPE_CONVERTERS = {}  # noqa: RUF012


class _Dialect(DuckDB):
    """DuckDB as the expression language reads it."""

    Parser = _PlainParser


def is_row_number(node: exp.Expression) -> bool:
    """Whether it is `row_number()`."""
    return isinstance(node, exp.Anonymous) and node.name.lower() == ROW_NUMBER and not node.expressions


def tree(text: str) -> exp.Expression:
    """The tree of an expression; a variable `@name` is a placeholder in it.

    Raises:
        ExpressionError: too long or too deep, a comment, several statements, or no expression at all.
    """
    _measure(text)
    pieces = code_pieces(text)
    if any("$" in _unquoted(piece) for piece in pieces):
        raise refused("a '$'", position=None, remedy="a variable is written @name, a text 'in single quotes'")
    return _parse(render(pieces, lambda name: f"${name}"))


def _unquoted(piece: Piece) -> str:
    """The piece's text without what stands in quotes."""
    if piece.variable:
        return ""
    parts, quote = [], ""
    for character in piece.text:
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote = character
        else:
            parts.append(character)
    return "".join(parts)


def _measure(text: str) -> None:
    if not text.strip():
        raise refused("an empty expression", position=None, remedy="write a column, a value or a call")
    if len(text) > limits.TEXT_LENGTH:
        found = f"an expression of {len(text):,} characters"
        raise refused(found, position=None, remedy=f"at most {limits.TEXT_LENGTH:,} are allowed")
    if "\0" in text:
        raise refused("a NUL character", position=text.index("\0") + 1, remedy="remove it")


def _parse(text: str) -> exp.Expression:
    dialect = _Dialect()
    try:
        tokens = dialect.tokenize(text)
        _inspect(tokens, text)
        found = dialect.parser().parse_into(exp.Condition, tokens, text)
    except ParseError as error:
        raise refused(_unexpected(error), position=_position(error), remedy="see docs/expressions.md") from None
    except SqlglotError:
        raise refused("a quote that is not closed", position=None, remedy="a quote in a text is doubled: ''") from None
    except RecursionError:
        raise refused("an expression nested too deeply", position=None, remedy="make it simpler") from None
    if len(found) != 1 or not isinstance(found[0], exp.Expression):
        raise refused("no single expression", position=None, remedy="write one column, value or call")
    return found[0]


def _inspect(tokens: Sequence[Token], text: str) -> None:
    """Refuse, before any recursion, what the parser would choke on or pass over in silence."""
    if len(tokens) > 2 * limits.NODES:
        raise refused(f"{len(tokens):,} words and signs", position=None, remedy=f"at most {2 * limits.NODES:,}")
    end = depth = run = 0
    for token in tokens:
        _refuse_gap(text, end, token.start)
        end = token.end + 1
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        run = run + 1 if token.token_type in _PREFIXES else 0
        if max(depth, run) > limits.TOKEN_DEPTH:
            raise refused(
                "an expression nested too deeply",
                position=token.start + 1,
                remedy=f"at most {limits.TOKEN_DEPTH} levels; split it into several calculated columns",
            )
        if token.token_type in _FORBIDDEN and text[token.start : token.end + 1] != "$":
            raise refused(f"{token.text!r}", position=token.start + 1, remedy=_FORBIDDEN[token.token_type])
    _refuse_gap(text, end, len(text))


def _refuse_gap(text: str, start: int, end: int) -> None:
    if text[start:end].strip():
        raise refused("a comment", position=start + 1, remedy="comments belong in the file, not in an expression")


def _unexpected(error: ParseError) -> str:
    first = error.errors[0] if error.errors else {}
    return f"unexpected {first.get('highlight') or 'end'!r}"


def _position(error: ParseError) -> int | None:
    column = error.errors[0].get("col") if error.errors else None
    highlight = str(error.errors[0].get("highlight") or "") if error.errors else ""
    return max(1, int(column) - max(len(highlight), 1) + 1) if column else None

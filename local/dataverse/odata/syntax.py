"""`$filter` as a tree of frozen values.

Source: OASIS, "OData Version 4.0 Part 2: URL Conventions", 5.1.1, as far as Dataverse takes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NoReturn

from local.dataverse import refusals
from local.dataverse.conditions.literals import Value
from local.dataverse.values import GUID

MAX_DEPTH = 100
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<enum>[A-Za-z_][\w.]*'(?:[^']|'')*')
    | (?P<string>'(?:[^']|'')*')
    | (?P<double>"(?:[^"\\]|\\.)*")
    | (?P<guid>[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12})(?![\w-])
    | (?P<date>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)(?![\w-])
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])
    | (?P<alias>@\w+)
    | (?P<name>[A-Za-z_$][\w.]*(?:/[A-Za-z_$][\w.]*)*)
    | (?P<mark>[(),=\[\]:])
    )""",
    re.VERBOSE,
)
COMPARISONS = frozenset(("eq", "ne", "gt", "ge", "lt", "le"))


@dataclass(frozen=True, slots=True)
class Path:
    """A property, `steps` from the row: `name`, or navigation and property."""

    steps: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.steps)


@dataclass(frozen=True, slots=True)
class Compare:
    """`left operator right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Both:
    """`left and right`, `left or right`."""

    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Not:
    """`not inner`."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Call:
    """A function of OData: `contains(name,'x')`."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function of Dataverse with named parameters: `…CRM.In(PropertyName='a',PropertyValues=['x'])`."""

    name: str
    property: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lambda:
    """`contacts/any(c:c/age gt 5)`: whether any, or all, of the related rows pass; `any()` has no condition."""

    steps: tuple[str, ...]
    every: bool
    variable: str = ""
    condition: Node | None = None


Node = Path | Value | Compare | Both | Not | Call | Function | Lambda


def parse(text: str, aliases: Mapping[str, str] | None = None) -> Node:
    """The tree of a `$filter`; `@p` is looked up in `aliases`, and null without.

    Raises:
        Refusal: it cannot be understood.
    """
    parser = _Parser(text, aliases or {})
    node = parser.either(0)
    parser.end()
    return node


class _Parser:
    def __init__(self, text: str, aliases: Mapping[str, str]) -> None:
        self._text = text
        self._aliases = aliases
        self._tokens = _tokens(text)
        self._at = 0

    def either(self, depth: int) -> Node:
        node = self._both(depth)
        while self._word("or"):
            node = Both("or", node, self._both(depth))
        return node

    def end(self) -> None:
        if self._kind() != "end":
            self._fail()

    def _both(self, depth: int) -> Node:
        node = self._negated(depth)
        while self._word("and"):
            node = Both("and", node, self._negated(depth))
        return node

    def _negated(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise refusals.query("The node count limit of '100' has been exceeded: the filter is nested too deeply.")
        if self._word("not"):
            return Not(self._negated(depth + 1))
        left = self._operand(depth + 1)
        kind, word = self._tokens[self._at]
        if kind == "name" and word in COMPARISONS:
            self._at += 1
            return Compare(word, left, self._operand(depth + 1))
        return left

    def _operand(self, depth: int) -> Node:
        kind, text = self._tokens[self._at]
        self._at += 1
        if kind == "mark" and text == "(":
            inner = self.either(depth)
            self._mark(")")
            return inner
        if kind == "name":
            return self._named(text, depth)
        if kind == "alias":
            return parse(self._aliases[text], {}) if text in self._aliases else Value("null", None)
        if kind in ("mark", "end"):
            self._at -= 1
            self._fail()
        return _literal(kind, text)

    def _named(self, text: str, depth: int) -> Node:
        if text in ("true", "false"):
            return Value("boolean", text == "true")
        if text == "null":
            return Value("null", None)
        if self._tokens[self._at] != ("mark", "("):
            return Path(tuple(text.split("/")))
        self._at += 1
        if "." in text:
            return self._function(text)
        if text.endswith(("/any", "/all")):
            return self._lambda(tuple(text.split("/")), depth)
        arguments = [self.either(depth)]
        while self._take(","):
            arguments.append(self.either(depth))
        self._mark(")")
        return Call(text, tuple(arguments))

    def _lambda(self, steps: tuple[str, ...], depth: int) -> Lambda:
        every = steps[-1] == "all"
        if not every and self._take(")"):
            return Lambda(steps[:-1], every)
        kind, variable = self._tokens[self._at]
        if kind != "name" or "/" in variable:
            self._fail()
        self._at += 1
        self._mark(":")
        condition = self.either(depth)
        self._mark(")")
        return Lambda(steps[:-1], every, variable, condition)

    def _function(self, name: str) -> Function:
        given: dict[str, tuple[str, ...]] = {}
        while not self._take(")"):
            if given:
                self._mark(",")
            kind, word = self._tokens[self._at]
            if kind != "name":
                self._fail()
            self._at += 1
            self._mark("=")
            given[word] = self._parameter()
        values = given.get("PropertyValues", ()) + given.get("PropertyValue", ())
        values += given.get("PropertyValue1", ()) + given.get("PropertyValue2", ())
        if len(given.get("PropertyName", ())) != 1:
            raise refusals.query(f"The function '{name}' needs the parameter PropertyName.")
        return Function(name.rpartition(".")[2], given["PropertyName"][0], values)

    def _parameter(self) -> tuple[str, ...]:
        if not self._take("["):
            return (self._plain(),)
        values: list[str] = []
        while not self._take("]"):
            if values:
                self._mark(",")
            values.append(self._plain())
        return tuple(values)

    def _plain(self) -> str:
        kind, text = self._tokens[self._at]
        if kind in ("mark", "end", "name") and text not in ("true", "false"):
            self._fail()
        self._at += 1
        if kind == "alias":
            node = parse(self._aliases.get(text, "null"), {})
            return str(node.value) if isinstance(node, Value) else ""
        literal = _literal(kind, text) if kind != "name" else Value("boolean", text)
        return str(literal.value)

    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _word(self, word: str) -> bool:
        if self._tokens[self._at] == ("name", word):
            self._at += 1
            return True
        return False

    def _take(self, mark: str) -> bool:
        if self._tokens[self._at] == ("mark", mark):
            self._at += 1
            return True
        return False

    def _mark(self, mark: str) -> None:
        if not self._take(mark):
            self._fail()

    def _fail(self) -> NoReturn:
        kind, text = self._tokens[self._at]
        found = "the end" if kind == "end" else f"'{text}'"
        raise refusals.query(f"Syntax error at {found} in '{self._text[:200]}'.")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at = 0
    stripped = text.rstrip()
    while at < len(stripped):
        found = _TOKEN.match(stripped, at)
        if found is None:
            character = stripped[at:].lstrip()[:1]
            raise refusals.query(
                f"Syntax error: character '{character}' is not valid at position {at} in '{text[:200]}'."
            )
        tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
        at = found.end()
    return [*tokens, ("end", "")]


def _literal(kind: str, text: str) -> Value:
    if kind == "string":
        inner = text[1:-1].replace("''", "'")
        return Value("guid" if GUID.fullmatch(inner) else "string", inner)
    if kind == "double":
        return Value("string", text[1:-1].replace('\\"', '"').replace("\\\\", "\\"))
    if kind == "guid":
        return Value("guid", text.lower())
    if kind == "number":
        return Value("number", Decimal(text))
    if kind == "enum":
        return Value("enum", text.partition("'")[2][:-1])
    return Value(kind, text)

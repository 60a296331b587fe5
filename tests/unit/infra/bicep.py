"""Bicep files as plain values: what is declared, what is said, where. Built on the grammar of tree-sitter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[3]
INFRA = ROOT / "infra"
_PARSER = Parser(Language(tree_sitter_bicep.language()))


def text(node: Node) -> str:
    return (node.text or b"").decode()


def walk(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from walk(child)


def literal(node: Node) -> str | int | bool | None:
    """The value of a literal; None for everything that is computed."""
    if node.type == "string" and not any(child.type == "interpolation" for child in node.named_children):
        return re.sub(r"\\(.)", r"\1", text(node)[1:-1])
    if node.type == "number":
        return int(text(node))
    if node.type == "boolean":
        return text(node) == "true"
    if node.type == "unary_expression" and text(node)[0] == "-" and text(node)[1:].isdecimal():
        return int(text(node))
    return None


def members(node: Node) -> dict[str, tuple[Node, Node]]:
    """Key and value nodes of an object, by the key's name; computed keys are left out."""
    found = {}
    for prop in node.named_children:
        if prop.type != "object_property" or len(prop.named_children) < 2:
            continue
        key = prop.named_children[0]
        name = text(key) if key.type == "identifier" else literal(key)
        if isinstance(name, str):
            found[name] = (key, prop.named_children[-1])
    return found


def computed_keys(node: Node) -> bool:
    """Whether an object has keys that are computed, such as `'${id}': {}`."""
    return any(
        prop.type == "object_property"
        and prop.named_children[0].type == "string"
        and literal(prop.named_children[0]) is None
        for prop in node.named_children
    )


def alternatives(node: Node) -> list[Node]:
    """The values that an expression may have: both sides of a condition, the body of a loop."""
    if node.type in ("ternary_expression", "conditional_expression"):
        return [found for side in node.named_children[1:] for found in alternatives(side)]
    if node.type == "parenthesized_expression":
        return alternatives(node.named_children[0])
    return [node]


@dataclass(frozen=True, slots=True)
class Declaration:
    """A parameter, variable, output, resource or module, with its decorators (`@name` → its argument node)."""

    kind: str
    name: str
    node: Node
    decorators: dict[str, Node | None] = field(default_factory=dict)

    @property
    def value(self) -> Node | None:
        """What stands behind the `=`."""
        seen = False
        for child in self.node.children:
            if seen:
                return child
            seen = child.type == "="
        return None

    @property
    def type_name(self) -> str:
        """`string` of `param x string = …`."""
        return text(self.node.named_children[1]) if len(self.node.named_children) > 1 else ""

    @property
    def spec(self) -> str:
        """`Microsoft.Web/sites@2024-04-01`, or a module's path."""
        return str(next(literal(child) for child in self.node.named_children if child.type == "string"))

    @property
    def existing(self) -> bool:
        """Whether the resource is only referred to."""
        return any(text(child) == "existing" for child in self.node.children)

    @property
    def conditional(self) -> bool:
        """Whether it is made under a condition."""
        return any(child.type == "if_statement" for child in self.node.children)

    @property
    def body(self) -> Node:
        """The object between the outermost braces, also behind a condition or in a loop."""
        return next(node for node in walk(self.node) if node.type == "object")


_KINDS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "output_declaration": "output",
    "resource_declaration": "resource",
    "module_declaration": "module",
}


@dataclass(frozen=True, slots=True)
class BicepFile:
    """One file. Declarations stand in their order."""

    path: Path
    root: Node
    declarations: tuple[Declaration, ...]

    def of(self, kind: str) -> dict[str, Declaration]:
        """The declarations of a kind, by name."""
        return {found.name: found for found in self.declarations if found.kind == kind}

    def syntax_faults(self) -> list[str]:
        """Places where the text is no Bicep."""
        return [
            f"{self.path.name}:{node.start_point[0] + 1}: {text(node)[:40]!r}"
            for node in walk(self.root)
            if node.type == "ERROR" or node.is_missing
        ]


@cache
def read(path: Path) -> BicepFile:
    """One file of the repository."""
    return parse(path.read_bytes(), path)


def parse(source: bytes, path: Path) -> BicepFile:
    """Bicep from a text."""
    root = _PARSER.parse(source).root_node
    declarations, decorators = [], {}
    for node in root.children:
        if node.type in ("decorators", "decorator"):
            decorators |= dict(map(_decorator, _decorators(node)))
        elif node.type in _KINDS:
            inside = {
                k: v
                for child in node.children
                if child.type in ("decorators", "decorator")
                for k, v in map(_decorator, _decorators(child))
            }
            name = next(child for child in node.named_children if child.type == "identifier")
            declarations.append(Declaration(_KINDS[node.type], text(name), node, decorators | inside))
            decorators = {}
    return BicepFile(path, root, tuple(declarations))


def _decorators(node: Node) -> list[Node]:
    return [node] if node.type == "decorator" else [child for child in node.named_children if child.type == "decorator"]


def _decorator(node: Node) -> tuple[str, Node | None]:
    call = next(child for child in walk(node) if child.type == "call_expression")
    arguments = next((child for child in call.named_children if child.type == "arguments"), None)
    first = arguments.named_children[0] if arguments and arguments.named_children else None
    return text(call.named_children[0]), first


def files() -> list[BicepFile]:
    """All Bicep files of the deployment."""
    return [read(path) for path in sorted(INFRA.rglob("*.bicep"))]

"""Holds a resource of Bicep against the facts about its type: names, kinds, allowed values, what has to be there."""

from __future__ import annotations

from collections.abc import Iterator

from tree_sitter import Node

from tests.unit.infra.bicep import alternatives, computed_keys, literal, members, text
from tests.unit.infra.facts import READ_ONLY, REQUIRED, Shape

_ALWAYS = {"parent", "scope", "dependsOn"}
_LITERALS = {"string": str, "int": int, "bool": bool}


def faults(node: Node, shape: Shape, where: str) -> Iterator[str]:
    """What is wrong with a value, each with its line."""
    for value in alternatives(node):
        if value.type == "for_statement" and isinstance(shape, dict) and "list" in shape:
            yield from faults(value.named_children[-1], shape["list"], f"{where}[]")
        elif value.type == "object":
            yield from _object(value, shape, where)
        elif value.type == "array":
            yield from _list(value, shape, where)
        else:
            yield from _plain(value, shape, where)


def _place(node: Node, where: str) -> str:
    return f"line {node.start_point[0] + 1}, {where}"


def _object(node: Node, shape: Shape, where: str) -> Iterator[str]:
    if shape == "any":
        return
    if shape == "unread":
        yield f"{_place(node, where)}: the facts do not reach so far; make them anew (tests/unit/infra/facts.py)"
    elif isinstance(shape, dict) and "cases" in shape:
        yield from _case(node, shape, where)
    elif isinstance(shape, dict) and "members" in shape:
        yield from _members(node, shape, where)
    else:
        yield f"{_place(node, where)}: an object where {_worded(shape)} is wanted"


def _case(node: Node, shape: Shape, where: str) -> Iterator[str]:
    value = members(node).get(shape["by"])
    name = literal(value[1]) if value else None
    if name not in shape["names"]:
        yield f"{_place(node, where)}.{shape['by']}: {name!r} is not one of {shape['names']}"
    elif name not in shape["cases"]:
        yield f"{_place(node, where)}: the facts do not hold the case {name!r}; make them anew"
    else:
        yield from _members(node, shape["cases"][name], where)


def _members(node: Node, shape: Shape, where: str) -> Iterator[str]:
    known, rest = shape["members"], shape.get("rest")
    given = members(node)
    for name, (key, value) in given.items():
        if name in known:
            flags, inner = known[name]
            if flags & READ_ONLY and not flags & REQUIRED:
                yield f"{_place(key, where)}.{name} is read-only"
            yield from faults(value, inner, f"{where}.{name}")
        elif rest is not None:
            yield from faults(value, rest, f"{where}.{name}")
        elif name not in _ALWAYS:
            near = [one for one in known if one.lower() == name.lower()]
            yield f"{_place(key, where)}: no property {name!r}" + (f", meant {near[0]!r}?" if near else "")
    if rest is None and computed_keys(node):
        yield f"{_place(node, where)}: computed names where only {sorted(known)} are known"
    for name, (flags, _) in known.items():
        if flags & REQUIRED and not flags & READ_ONLY and name not in given:
            yield f"{_place(node, where)}: {name!r} is required"


def _list(node: Node, shape: Shape, where: str) -> Iterator[str]:
    if isinstance(shape, dict) and "list" in shape:
        for item in node.named_children:
            if item.type != "comment":
                yield from faults(item, shape["list"], f"{where}[]")
    elif shape != "any":
        yield f"{_place(node, where)}: a list where {_worded(shape)} is wanted"


def _plain(node: Node, shape: Shape, where: str) -> Iterator[str]:
    value = literal(node)
    if value is None or shape == "any":
        return
    if isinstance(shape, str) and shape in _LITERALS:
        if type(value) is not _LITERALS[shape]:
            yield f"{_place(node, where)}: {text(node)} where {_worded(shape)} is wanted"
    elif isinstance(shape, dict) and "one_of" in shape:
        if value not in shape["one_of"]:
            yield f"{_place(node, where)}: {value!r} is not one of {shape['one_of']}"
    else:
        yield f"{_place(node, where)}: {text(node)} where {_worded(shape)} is wanted"


def _worded(shape: Shape) -> str:
    if isinstance(shape, str):
        return {"int": "a whole number", "bool": "true or false", "string": "a text"}.get(shape, "an object")
    return "a list" if "list" in shape else "an object" if "members" in shape or "cases" in shape else "a text"

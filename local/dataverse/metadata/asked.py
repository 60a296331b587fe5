"""`$filter`, `$select`, `$orderby` and `$expand` asked of metadata rows: never paged, the id always included."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from local.dataverse import refusals
from local.dataverse.conditions.literals import Value
from local.dataverse.metadata.catalogue import PARTS
from local.dataverse.metadata.labels import Document
from local.dataverse.odata.expands import Expand
from local.dataverse.odata.options import Options
from local.dataverse.odata.syntax import Both, Call, Compare, Node, Not, Path, parse
from local.dataverse.refusals import Refusal

_EXPANDABLE = frozenset((*PARTS, "OptionSet", "GlobalOptionSet"))


def rows(
    listed: Sequence[Document], options: Options, known: frozenset[str] | None = None, *, id_name: str = "MetadataId"
) -> list[Document]:
    """The rows that are asked for; `known` are the properties of their type, when they are told apart.

    Raises:
        Refusal: the query cannot be understood, or names an unknown property.
    """
    check(options, known)
    kept = listed
    if options.filter is not None:
        node = parse(options.filter, options.aliases)
        kept = [row for row in listed if _holds(node, row)]
    for name, descending in reversed(options.orderby):
        if kept and name not in kept[0]:
            raise _no_property(name)
        kept = sorted(kept, key=lambda row, name=name: _sortable(row[name]), reverse=descending)  # type: ignore[misc]
    return [shaped(row, options, id_name=id_name) for row in kept[: options.top]]


def _sortable(value: object) -> tuple[bool, float, str]:
    """Nulls first, numbers by size, all else as text without case."""
    number = float(value) if isinstance(value, int | float) else 0.0
    return value is not None, number, "" if value is None else str(value).lower()


def check(options: Options, known: frozenset[str] | None) -> None:
    """Lets properties pass that the type has.

    Raises:
        Refusal: one is unknown, or cannot be expanded.
    """
    for name in options.select:
        if known is not None and name not in known:
            raise _no_property(name)
    for expand in options.expand:
        if expand.navigation not in _EXPANDABLE:
            raise _no_property(expand.navigation)


def _no_property(name: str) -> Refusal:
    return refusals.query(f"Could not find a property named '{name}' on the metadata type.")


def shaped(row: Document, options: Options, *, id_name: str = "MetadataId") -> Document:
    """A row with the members that were selected; parts that need `$expand` only when it names them."""
    names = options.select or tuple(name for name in row if name not in _EXPANDABLE)
    found: Document = {"@odata.type": row["@odata.type"]} if "@odata.type" in row else {}
    for name in (*names, id_name):
        if name in row:
            found[name] = row[name]
    for expand in options.expand:
        found[expand.navigation] = _part(row.get(expand.navigation), expand, options)
    return found


def _part(value: object, expand: Expand, outer: Options) -> object:
    inner = Options(select=expand.select, expand=expand.expand, filter=expand.filter, aliases=outer.aliases)
    if isinstance(value, list):
        return rows(value, inner)
    return shaped(value, inner) if isinstance(value, dict) and expand.select else value


def _holds(node: Node, row: Mapping[str, object]) -> bool:
    if isinstance(node, Both):
        if node.operator == "and":
            return _holds(node.left, row) and _holds(node.right, row)
        return _holds(node.left, row) or _holds(node.right, row)
    if isinstance(node, Not):
        return not _holds(node.inner, row)
    if isinstance(node, Compare):
        return _compared(node, row)
    if isinstance(node, Call):
        return _called(node, row)
    return _plain(node, row) is True


def _compared(node: Compare, row: Mapping[str, object]) -> bool:
    left, right = _plain(node.left, row), _plain(node.right, row)
    if node.operator in ("eq", "ne"):
        return (left == right) is (node.operator == "eq")
    if left is None or right is None or isinstance(left, str) is not isinstance(right, str):
        return False
    tests: dict[str, Callable[[], bool]] = {
        "gt": lambda: left > right,  # type: ignore[operator]
        "ge": lambda: left >= right,  # type: ignore[operator]
        "lt": lambda: left < right,  # type: ignore[operator]
        "le": lambda: left <= right,  # type: ignore[operator]
    }
    return tests[node.operator]()


def _called(node: Call, row: Mapping[str, object]) -> bool:
    tests: dict[str, Callable[[str, str], bool]] = {
        "contains": lambda text, part: part in text,
        "startswith": str.startswith,
        "endswith": str.endswith,
    }
    if node.name not in tests or len(node.arguments) != 2:
        raise refusals.query(f"An unknown function with name '{node.name}' was found.")
    text, part = (str(_plain(argument, row) or "").lower() for argument in node.arguments)
    return tests[node.name](text, part)


def _plain(node: Node, row: Mapping[str, object]) -> object:
    if isinstance(node, Value):
        return int(node.value) if isinstance(node.value, Decimal) and node.value == int(node.value) else node.value
    if not isinstance(node, Path):
        raise refusals.query("A metadata filter compares properties with literals.")
    found: object = row
    for step in node.steps:
        if not isinstance(found, Mapping) or step not in found:
            raise _no_property(step)
        found = found[step]
    return found

"""FetchXML text as a `Fetch`: hostile XML, unknown elements and unknown attributes are refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from local.dataverse.conditions.aggregates import METHODS
from local.dataverse.conditions.operators import BY_NAME
from local.dataverse.fetchxml import faults
from local.dataverse.fetchxml.model import (
    DATE_GROUPS,
    FILTER_JOINS,
    JOINS,
    Attribute,
    Condition,
    Entity,
    Fetch,
    Filter,
    Join,
    Order,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

MAX_DEPTH = 20
MAX_CONDITIONS = 500
MAX_LINKS = 15
MAX_PAGE = 5000
_ALIAS = re.compile(r"[A-Za-z_]\w{0,99}", re.ASCII)
_FETCH = frozenset(
    [
        "version",
        "mapping",
        "top",
        "page",
        "count",
        "paging-cookie",
        "distinct",
        "aggregate",
        "returntotalrecordcount",
        "no-lock",
        "latematerialize",
        "output-format",
        "utc-offset",
        "savedqueryid",
        "options",
        "aggregatelimit",
        "datasource",
        "useraworderby",
    ]
)
_LINK = frozenset(
    [
        "name",
        "from",
        "to",
        "alias",
        "link-type",
        "intersect",
        "visible",
    ]
)
_ATTRIBUTE = frozenset(
    [
        "name",
        "alias",
        "aggregate",
        "groupby",
        "distinct",
        "dategrouping",
        "usertimezone",
        "rowaggregate",
    ]
)
_CONDITION = frozenset(
    [
        "attribute",
        "operator",
        "value",
        "entityname",
        "valueof",
        "uiname",
        "uitype",
        "uihidden",
        "alias",
        "column",
    ]
)
_ORDER = frozenset(
    [
        "attribute",
        "alias",
        "descending",
        "entityname",
    ]
)
_FILTER = frozenset(
    [
        "type",
        "hint",
        "isquickfindfields",
        "overridequickfindrecordlimitenabled",
        "bypassquickfind",
    ]
)


def read(text: str) -> Fetch:
    """The query of a text.

    Raises:
        Refusal: it is no XML, or no FetchXML.
    """
    try:
        root = fromstring(text.strip(), forbid_dtd=True)
    except ParseError as cause:
        raise faults.invalid_xml(str(cause)) from None
    except (DefusedXmlException, ValueError) as cause:
        raise faults.invalid_xml(f"document types and entities are not allowed ({type(cause).__name__})") from None
    if root.tag != "fetch":
        raise faults.invalid_node(root.tag, "document")
    _only(root, _FETCH, {"entity", "order"})
    entities = root.findall("entity")
    if len(entities) != 1 or root.findall("order"):
        raise faults.invalid("A fetch needs exactly one entity.")
    _check_size(root)
    return _fetch(root, _entity(entities[0], frozenset(("name",)), 1))


def _fetch(root: Element, entity: Entity) -> Fetch:
    top, count = _number(root, "top"), _number(root, "count")
    page = _number(root, "page")
    if top is not None and (page is not None or count is not None):
        raise faults.invalid("The top attribute can't be specified with paging attribute page")
    if page == 0:
        raise faults.invalid("Invalid page number: 0. The page number starts with 1.")
    if max(top or 0, count or 0) > MAX_PAGE:
        raise faults.invalid(f"The number of rows must be at most {MAX_PAGE}.")
    return Fetch(
        entity,
        top,
        page or 1,
        count or None,
        root.get("paging-cookie"),
        distinct=_flag(root, "distinct"),
        aggregate=_flag(root, "aggregate"),
        total=_flag(root, "returntotalrecordcount"),
    )


def _entity(node: Element, allowed: frozenset[str], depth: int) -> Entity:
    if depth > MAX_DEPTH:
        raise faults.too_nested()
    children = {"attribute", "all-attributes", "no-attrs", "filter", "order", "link-entity"}
    _only(node, allowed, children)
    return Entity(
        _required(node, "name"),
        tuple(_attribute(child) for child in node.findall("attribute")),
        every=node.find("all-attributes") is not None,
        filters=tuple(_filter(child, depth + 1) for child in node.findall("filter")),
        orders=tuple(_order(child) for child in node.findall("order")),
        links=tuple(_link(child, JOINS, depth + 1) for child in node.findall("link-entity")),
        alias=_alias(node),
    )


def _link(node: Element, kinds: frozenset[str], depth: int) -> Entity:
    kind = node.get("link-type", "inner")
    if kind not in kinds:
        raise faults.bad_link(kind)
    found = _entity(node, _LINK, depth)
    join = Join(_required(node, "from"), _required(node, "to"), kind)
    return Entity(
        found.name, found.attributes, found.every, found.filters, found.orders, found.links, found.alias, join
    )


def _attribute(node: Element) -> Attribute:
    _only(node, _ATTRIBUTE, set())
    aggregate, grouping = node.get("aggregate"), node.get("dategrouping")
    if aggregate is not None and aggregate not in METHODS - {"distinct"}:
        raise faults.invalid(f"Invalid aggregate '{aggregate[:50]}'.")
    if grouping is not None and grouping not in DATE_GROUPS:
        raise faults.invalid(f"Invalid dategrouping '{grouping[:50]}'.")
    if node.get("rowaggregate") is not None:
        raise faults.invalid("The rowaggregate 'CountChildren' is not supported here.")
    return Attribute(
        _required(node, "name"),
        _alias(node),
        aggregate,
        groupby=_flag(node, "groupby"),
        distinct=_flag(node, "distinct"),
        dategrouping=grouping,
    )


def _filter(node: Element, depth: int) -> Filter:
    if depth > MAX_DEPTH:
        raise faults.too_nested()
    _only(node, _FILTER, {"condition", "filter", "link-entity"})
    word = node.get("type", "and")
    if word not in ("and", "or"):
        raise faults.invalid(f"Invalid filter type '{word[:50]}'.")
    made: dict[str, Callable[[Element], Condition | Filter | Entity]] = {
        "condition": _condition,
        "filter": lambda child: _filter(child, depth + 1),
        "link-entity": lambda child: _link(child, FILTER_JOINS, depth + 1),
    }
    return Filter(word == "or", tuple(made[child.tag](child) for child in node))


def _condition(node: Element) -> Condition:
    _only(node, _CONDITION, {"value"})
    operator = _required(node, "operator")
    if operator not in BY_NAME:
        raise faults.bad_operator(operator)
    values = tuple("".join(child.itertext()) for child in node.findall("value"))
    if "value" in node.attrib:
        values = (node.attrib["value"], *values)
    entity, valueof = node.get("entityname"), node.get("valueof")
    return Condition(_required(node, "attribute"), operator, values, entity, valueof)


def _order(node: Element) -> Order:
    _only(node, _ORDER, set())
    attribute, alias = node.get("attribute"), node.get("alias")
    if (attribute is None) is (alias is None):
        raise faults.invalid("An order needs an attribute or an alias.")
    return Order(attribute, alias, node.get("entityname"), _flag(node, "descending"))


def _check_size(root: Element) -> None:
    if len(list(root.iter("link-entity"))) > MAX_LINKS:
        raise faults.invalid(f"Number of link entity: exceeded limit {MAX_LINKS}")
    if len(list(root.iter("condition"))) > MAX_CONDITIONS:
        raise faults.invalid(f"Number of conditions in query exceeded maximum limit {MAX_CONDITIONS}.")


def _only(node: Element, attributes: frozenset[str], children: set[str]) -> None:
    for name in node.attrib:
        if name not in attributes and not name.startswith("{"):
            raise faults.invalid_node(name, node.tag)
    for child in node:
        if child.tag not in children:
            raise faults.invalid_node(child.tag, node.tag)


def _alias(node: Element) -> str | None:
    alias = node.get("alias")
    if alias is not None and _ALIAS.fullmatch(alias) is None:
        raise faults.bad_alias(alias)
    return alias


def _required(node: Element, name: str) -> str:
    value = node.get(name)
    if not value:
        raise faults.invalid(f"The element '{node.tag}' needs the attribute '{name}'.")
    return value


def _number(node: Element, name: str) -> int | None:
    text = node.get(name)
    if text is None or text == "":
        return None
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise faults.invalid(f"The attribute '{name}' needs a whole number, found '{text[:50]}'.")
    return int(text)


def _flag(node: Element, name: str) -> bool:
    text = node.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise faults.invalid(f"The attribute '{name}' needs true or false, found '{text[:50]}'.")
    return text in ("true", "1")

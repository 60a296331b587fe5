"""Where each value of a YAML text stands: spans of characters, so that one can be changed and the rest left alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)


@dataclass(slots=True)
class Node:
    """A value, and the characters it takes (`end` left out); `items` are a mapping's or list's, keys None in a list.

    `flow`: written in brackets. `style` is a scalar's: `"`, `'`, `|`, `>`, or None when it is plain. `text`: a key's.
    """

    kind: str
    start: int
    end: int
    flow: bool = False
    style: str | None = None
    text: str = ""
    items: list[tuple[Node | None, Node]] = field(default_factory=list)

    @property
    def is_absent(self) -> bool:
        """Whether nothing is written where the value would be, which means null."""
        return self.kind == "scalar" and self.start == self.end

    def find(self, step: str | int) -> tuple[Node | None, Node] | None:
        """The item of that key or number, with its key."""
        if self.kind == "list" and isinstance(step, int):
            return self.items[step] if 0 <= step < len(self.items) else None
        return next((item for item in self.items if item[0] is not None and item[0].text == step), None)


def outline(text: str) -> Node | None:
    """The one document's value, with everything in it; None when there is none. The text is known to be sound."""
    top = Node("list", 0, len(text))
    opened: list[tuple[Node, Node | None]] = []
    owner, key = top, None
    for event in YAML(typ="safe", pure=True).parse(text):
        if isinstance(event, MappingEndEvent | SequenceEndEvent):
            _close(owner, event.end_mark.index)
            owner, key = opened.pop()
            continue
        if not isinstance(event, NodeEvent):
            continue
        node = _node(event, text)
        if owner.kind == "mapping" and key is None:
            key = node
            continue
        owner.items.append((key, node))
        key = None
        if isinstance(event, MappingStartEvent | SequenceStartEvent):
            opened.append((owner, None))
            owner = node
    return top.items[0][1] if top.items else None


def _node(event: NodeEvent, text: str) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    if isinstance(event, AliasEvent):
        return Node("alias", start, end)
    if isinstance(event, ScalarEvent):
        if event.style in ("|", ">"):
            end = start + len(text[start:end].rstrip())
        return Node("scalar", start, end, style=event.style, text=str(event.value))
    kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
    return Node(kind, start, end, flow=bool(getattr(event, "flow_style", False)))


def _close(node: Node, end: int) -> None:
    """A value in brackets ends with them; another one with its last item, for its mark stands at what comes next."""
    if node.flow:
        node.end = end
    elif node.items:
        key, last = node.items[-1]
        node.end = max(last.end, key.end if key is not None else 0)


def line_start(text: str, place: int) -> int:
    """Where the line begins that holds the place."""
    return text.rfind("\n", 0, place) + 1


def line_end(text: str, place: int) -> int:
    """Where the line ends that holds the place: at its line feed, or at the text's end."""
    end = text.find("\n", place)
    return len(text) if end < 0 else end


def column(text: str, place: int) -> int:
    """How many characters stand before the place in its line."""
    return place - line_start(text, place)


def entry_end(text: str, place: int, indent: int) -> int:
    """Where the lines end that belong to a value that ends at the place: its own, and comments set deeper below."""
    end = line_end(text, place)
    for start, stop in _lines(text, end):
        line = text[start:stop]
        if not line.strip():
            continue
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) <= indent:
            break
        end = stop
    return end


def _lines(text: str, end: int) -> Iterator[tuple[int, int]]:
    """The lines behind a line's end."""
    while end < len(text):
        start = end + 1
        end = line_end(text, start)
        yield start, end

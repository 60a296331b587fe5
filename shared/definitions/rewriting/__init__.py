"""Change one setting of a definition's text and leave every other character as it is.

The text is not read into an object and written again, for that would set comments, quotes and line breaks anew. Where
a value stands is asked of the YAML parser, and only those characters are replaced. Afterwards the new text is read: it
means the old one with that one change, or nothing is changed. So whatever stands in a text, the form can refuse it,
and never break it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from shared.definitions.document import DocumentError, Path, read_document
from shared.definitions.rewriting.outline import Node, column, entry_end, line_end, line_start, outline
from shared.definitions.rewriting.values import GONE, arranged, at, changed, nested, same
from shared.definitions.rewriting.writing import flow, literal, scalar
from shared.errors import RefuseError

_HEADER_REMARK = re.compile(r"[|>][-+0-9]*([ \t]+#[^\n]*)?")


class _Edit(NamedTuple):
    """Characters from `start` to `end` (left out) give way to new ones."""

    start: int
    end: int
    new: str


def put(text: str, path: Path, value: object, order: Sequence[str] = ()) -> str:
    """The text with the value at the path; what is there already stays as it is written.

    A key that is not there is added to its mapping: behind those that stand before it in `order`, or at the end.

    Raises:
        DocumentError: the text is not YAML.
        RefuseError: as it is written there, it cannot be changed alone.
    """
    document = read_document(text)
    if same(at(document.value, path), value):
        return text
    return _rewritten(text, path, changed(document.value, path, value), lambda plain: _put(plain, path, value, order))


def put_each(text: str, values: Mapping[Path, object]) -> str:
    """The text with several values, each at a path that is there, none of them inside of another. Raises as `put`."""
    document = read_document(text)
    new = {path: value for path, value in values.items() if not same(at(document.value, path), value)}
    if not new:
        return text
    wanted = document.value
    for path, value in new.items():
        wanted = changed(wanted, path, value)
    return _rewritten(text, next(iter(new)), wanted, lambda plain: _put_each(plain, new))


def remove(text: str, path: Path) -> str:
    """The text without the key at the path, and without the comment in its line. Raises as `put`."""
    document = read_document(text)
    if at(document.value, path) is GONE:
        return text
    return _rewritten(text, path, changed(document.value, path, GONE), lambda plain: _removed(plain, path))


def arrange(text: str, path: Path, order: Sequence[object]) -> str:
    """The text with the list at the path in another order.

    A whole number in `order` stands for the item of that place (from 0), with the comments above and beside it;
    anything else is a new item; what is not named goes. Raises as `put`.
    """
    document = read_document(text)
    items = at(document.value, path)
    there = items if isinstance(items, list) else []
    wanted = arranged(there, order)
    if items is not GONE and list(order) == list(range(len(there))):
        return text
    if not there or not wanted:
        return put(text, path, wanted)
    return _rewritten(text, path, changed(document.value, path, wanted), lambda plain: _arranged(plain, path, order))


def _rewritten(text: str, path: Path, wanted: object, change: Callable[[str], str | None]) -> str:
    """The changed text, when it means what is wanted. Line ends stay as they are."""
    ends = text.count("\r\n")
    windows = bool(ends) and ends == text.count("\n")
    new = change(text.replace("\r\n", "\n") if windows else text)
    if new is not None:
        try:
            if same(read_document(new).value, wanted):
                return new.replace("\n", "\r\n") if windows else new
        except DocumentError:
            pass
    where = ".".join(map(str, path))
    line = read_document(text).line(path)
    raise RefuseError(
        f"{where} cannot be changed by the form as it is written there (line {line})",
        remedy="change it in the text",
    )


def _put(text: str, path: Path, value: object, order: Sequence[str]) -> str | None:
    owner, key, node = None, None, outline(text)
    for depth, step in enumerate(path):
        if node is None:
            return None
        found = node.find(step)
        if found is None:
            inner = nested(path[depth + 1 :], value)
            if node.kind == "mapping" and isinstance(step, str):
                return _added(text, node, step, inner, order)
            return _edited(text, [_replacement(text, owner, key, node, {step: inner})])
        owner, (key, node) = node, found
    return _edited(text, [_replacement(text, owner, key, node, value)]) if node is not None else None


def _put_each(text: str, values: Mapping[Path, object]) -> str | None:
    root = outline(text)
    edits: list[_Edit | None] = []
    for path, value in values.items():
        owner, key, node = None, None, root
        for step in path:
            found = node.find(step) if node is not None else None
            owner, (key, node) = node, found or (None, None)
        edits.append(_replacement(text, owner, key, node, value) if node is not None else None)
    return _edited(text, edits)


def _edited(text: str, edits: Sequence[_Edit | None]) -> str | None:
    """The text with all the edits; None when one of them is none."""
    sound = [edit for edit in edits if edit is not None]
    for edit in sorted(sound, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text if len(sound) == len(edits) else None


def _replacement(text: str, owner: Node | None, key: Node | None, node: Node, value: object) -> _Edit | None:
    if owner is None:
        return None
    start = node.start if key is None else text.index(":", key.end) + 1
    if node.is_absent:  # its mark may stand behind a comment, at what comes next
        start = start if key is not None else text.rfind("-", 0, node.start + 1) + 1
        return _Edit(start, start, f" {flow(value)}")
    before = text[start : node.start].rstrip() if key is not None else ""
    if key is not None and not owner.flow and isinstance(value, str):
        block = literal(value, column(text, key.start) + 2)
        rest = text[node.end : line_end(text, node.end)]
        if block is not None and (not rest.strip() or rest.lstrip(" \t").startswith("#")):
            remark = _remark(text, node) or rest
            return _Edit(start, node.end + len(rest), f" {block[0]}{before}{remark}\n{block[1]}")
    written = flow(value, node.style)
    blank = " " if key is not None else ""
    return _Edit(start, node.end, f"{blank}{written}{before}{_remark(text, node)}")


def _remark(text: str, node: Node) -> str:
    """The comment beside the header of a block of text."""
    if node.style not in ("|", ">"):
        return ""
    found = _HEADER_REMARK.match(text, node.start)
    return found[1] or "" if found is not None else ""


def _added(text: str, owner: Node, key: str, value: object, order: Sequence[str]) -> str | None:
    if owner.flow:
        return _added_in_brackets(text, owner, f"{scalar(key)}: {flow(value)}")
    first = owner.items[0][0]
    if first is None:
        return None
    indent = column(text, first.start)
    before = _before(owner, key, order)
    block = literal(value, indent + 2) if isinstance(value, str) else None
    written = f"{block[0]}\n{block[1]}" if block is not None else flow(value)
    line = f"{' ' * indent}{scalar(key)}: {written}"
    if before is None:
        start = line_start(text, first.start)
        return f"{text[:start]}{line}\n{text[start:]}" if not text[start : first.start].strip() else None
    end = entry_end(text, before, indent)
    gap = "\n" if indent == 0 and isinstance(value, dict) else ""
    return f"{text[:end]}\n{gap}{line}{text[end:]}"


def _before(owner: Node, key: str, order: Sequence[str]) -> int | None:
    """Where the item ends behind which a new key goes; None: before the first one."""
    ends = [(one.text, max(one.end, value.end)) for one, value in owner.items if one is not None]
    if key not in order:
        return ends[-1][1]
    earlier = set(order[: order.index(key)])
    return max((end for name, end in ends if name in earlier), default=None)


def _added_in_brackets(text: str, owner: Node, written: str) -> str | None:
    if owner.items:
        end = owner.items[-1][1].end
        blank = " " if text[end - 1] == ":" else ""  # `a:` without a value; `a:,` would be a text
        return f"{text[:end]}{blank}, {written}{text[end:]}"
    inside = text.index("{", owner.start) + 1
    return f"{text[:inside]} {written} {text[owner.end - 1 :]}" if not text[inside : owner.end - 1].strip() else None


def _removed(text: str, path: Path) -> str | None:
    owner = _node(text, path[:-1])
    number = (
        next((n for n, (key, _) in enumerate(owner.items) if key and key.text == path[-1]), None) if owner else None
    )
    if owner is None or number is None:
        return None
    key, node = owner.items[number]
    assert key is not None  # noqa: S101 - it was found by its text
    if owner.flow:
        return _removed_in_brackets(text, owner, number)
    start = line_start(text, key.start)
    end = line_end(text, max(node.end, key.end))
    return None if text[start : key.start].strip() else text[:start] + text[end + 1 :]


def _removed_in_brackets(text: str, owner: Node, number: int) -> str | None:
    key, node = owner.items[number]
    start, end = (key or node).start, node.end
    if number:
        start = owner.items[number - 1][1].end
    elif len(owner.items) > 1:
        following = owner.items[1]
        end = (following[0] or following[1]).start
    return text[:start] + text[end:]


def _node(text: str, path: Path) -> Node | None:
    node = outline(text)
    for step in path:
        found = node.find(step) if node is not None else None
        node = found[1] if found is not None else None
    return node


def _arranged(text: str, path: Path, order: Sequence[object]) -> str | None:
    node = _node(text, path)
    if node is None or node.kind != "list":
        return None
    return _arranged_in_brackets(text, node, order) if node.flow else _arranged_lines(text, node, order)


def _arranged_lines(text: str, node: Node, order: Sequence[object]) -> str | None:
    """Each item is its lines and the comments above it; what stands above the first one stays there."""
    dashes = [text.rfind("-", 0, item.start) for _, item in node.items]
    begin = line_start(text, dashes[0])
    if text[begin : dashes[0]].strip():
        return None
    chunks, start = [], begin
    for number, (_, item) in enumerate(node.items):
        end = line_end(text, max(item.end, dashes[number]))
        chunks.append(text[start:end])
        start = end + 1
    blanks = " " * column(text, dashes[0])
    lines = [chunks[one] if isinstance(one, int) else f"{blanks}- {flow(one)}" for one in order]
    return text[:begin] + "\n".join(lines) + text[min(start - 1, len(text)) :]


def _arranged_in_brackets(text: str, node: Node, order: Sequence[object]) -> str | None:
    spans = [text[item.start : item.end] for _, item in node.items]
    between = [text[one.end : other.start] for (_, one), (_, other) in zip(node.items, node.items[1:], strict=False)]
    head, tail = text[node.start : node.items[0][1].start], text[node.items[-1][1].end : node.end]
    if any("#" in part for part in (*between, head, tail)):
        return None  # a comment there belongs to one of the items, and nobody knows to which
    comma = between[0] if between else ", "
    new = comma.join(spans[one] if isinstance(one, int) else flow(one) for one in order)
    return text[: node.start] + head + new + tail + text[node.end :]

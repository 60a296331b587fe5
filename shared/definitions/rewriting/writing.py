"""Values as YAML that means just them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.definitions.document import plain_scalar

_BARE = re.compile(r"(?:[A-Za-z_](?:[A-Za-z0-9_ .%/()+-]*[A-Za-z0-9_.%/()+-])?|[0-9]{1,6}(?:\.[0-9]{1,6})? ?%)")
"""Texts that need no quotes, wherever they stand."""
_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})
"""Texts that older readers of YAML take for truth values."""


def scalar(value: object, style: str | None = None) -> str:
    """A YAML scalar that means this value and nothing else; a text keeps the quotes (`style`) that it had."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    bare = _BARE.fullmatch(text) and isinstance(plain_scalar(text), str) and text.lower() not in _WORDS
    if bare and style not in ("'", '"'):
        return text
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(map(_sign, text)) + '"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign.isprintable():
        return sign
    if sign in "\n\t":
        return {"\n": "\\n", "\t": "\\t"}[sign]
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: object, style: str | None = None) -> str:
    """Mappings and lists in one line: `{ name: x, type: text }`."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in value.items()) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value, style)


def literal(text: str, indent: int) -> tuple[str, str] | None:
    """A text of several lines as a block: its header (`|-`) and its lines; None when it cannot be written so."""
    lines = text.split("\n")
    plain = all(line.replace("\t", " ").isprintable() for line in lines)
    if len(lines) < 2 or not plain or not lines[0].strip() or lines[0][0] in " \t" or not lines[-1].strip():
        return None
    blanks = " " * indent
    return "|-", "\n".join(blanks + line if line else "" for line in lines)

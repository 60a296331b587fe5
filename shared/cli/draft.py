"""A new definition as commented YAML."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from shared.cli.looking import SourceLook
from shared.cli.proposals import Match, Proposal
from shared.cli.recipes import NUMBERS, advice, calculated
from shared.cli.texts import safe
from shared.values.tables import ColumnKind

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_TEXTS = {ColumnKind.TEXT, ColumnKind.MEMO, ColumnKind.CHOICE, ColumnKind.CHOICES, ColumnKind.LOOKUP, ColumnKind.OWNER}
_NO_TEXTS = dict.fromkeys(NUMBERS, "number") | {ColumnKind.DATETIME: "date"}
"""The type that a source column must have to fill such a column."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The answers that make a definition. `path` is a file's.

    `connection` is `destination:` as far as it says where and who.
    """

    name: str
    path: str | None
    look: SourceLook
    connection: Mapping[str, object]
    id_column: str
    mappings: tuple[Proposal, ...]
    key: tuple[str, ...]
    currency: str | None = None
    with_schema: bool = False

    @property
    def filled(self) -> list[Proposal]:
        """Mappings that can be written down; a lookup needs to be told how its row is found."""
        return [one for one in self.mappings if one.column is None or not one.column.is_lookup]

    @property
    def lookups(self) -> list[Proposal]:
        """Mappings onto lookups: written as comments."""
        return [one for one in self.mappings if one.column is not None and one.column.is_lookup]

    @property
    def calculated(self) -> dict[str, Mapping[str, object]]:
        """By source column: the calculated column that reads its texts as numbers or truth values."""
        taken = {str(column["name"]) for column in self.look.columns}
        found: dict[str, Mapping[str, object]] = {}
        for one in self.filled:
            name = one.target if one.target not in taken else f"{one.target} (read)"
            column = calculated(name, one.source, one.column, self.look.writings.get(one.source, ()))
            if column is not None and name not in taken:
                found[one.source] = column
        return found


def scalar(value: object) -> str:
    """A YAML scalar that means this value and nothing else."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return text if _BARE.fullmatch(text) and text.lower() not in _WORDS else '"' + "".join(map(_sign, text)) + '"'


def _sign(sign: str) -> str:
    if sign in '"\\':
        return "\\" + sign
    if sign.isprintable():
        return sign
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def flow(value: object) -> str:
    """Mappings and lists in one line: `{ name: x, type: text }`."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{scalar(key)}: {flow(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def render(draft: Draft) -> str:
    """The file's text."""
    parts = [_head(draft), _source(draft), _destination(draft), _mappings(draft), _behaviour(draft)]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(draft: Draft) -> list[str]:
    schema = ["# yaml-language-server: $schema=./sync.schema.json"] if draft.with_schema else []
    return [
        *schema,
        f"name: {scalar(draft.name)}  # equals the file's name",
        'version: "1.0.0"',
        f"title: {scalar(draft.name)}",
        'description: ""  # what the sync is for; at most 500 characters',
    ]


def _source(draft: Draft) -> list[str]:
    kinds = {one.source: one.column.kind for one in draft.mappings if one.column is not None}
    kinds = {name: kind for name, kind in kinds.items() if name not in draft.calculated}
    columns = [(column, _column(column, kinds.get(str(column["name"])))) for column in draft.look.columns]
    calculated = [f"    - {flow(column)}  # please check" for column in draft.calculated.values()]
    return [
        "source:",
        *(f"  {key}: {flow(value)}" for key, value in _typed_first(draft.look.settings).items()),
        *([f"  path: {scalar(draft.path.replace('@', '@@'))}"] if draft.path is not None else []),
        "  # validate: true rejects a record whose value cannot be read; with mandatory: true also one without a value",
        "  schema:",
        *(f"    - {flow(column)}{_doubt(draft, seen, column)}" for seen, column in columns),
        *calculated,
        "  # filter: \"country = 'NL'\"  # which records count: SQL over the columns",
    ]


def _doubt(draft: Draft, seen: Mapping[str, object], column: Mapping[str, object]) -> str:
    name = str(column["name"])
    doubt = draft.look.doubts.get(name) if column["type"] != "text" else None
    if seen["type"] == "text" and name not in draft.calculated:
        targets = {one.source: one.column for one in draft.filled}
        doubt = advice(name, targets.get(name))
    return f"  # {safe(doubt)}" if doubt else ""


def _typed_first(settings: Mapping[str, object]) -> dict[str, object]:
    return {"type": settings.get("type", "delimited"), **settings}


def _column(column: Mapping[str, object], kind: ColumnKind | None) -> dict[str, object]:
    """What goes into a text is read as text: leading zeros and the way numbers are written are kept.

    What goes into a number or a date is read as one, also where the sample is empty, looks like a code or holds a
    broken value: that is a reject then.
    """
    if kind in _TEXTS and column.get("type") != "text":
        return {"name": column["name"], "type": "text"}
    if kind in _NO_TEXTS and column.get("type") == "text":
        return {**column, "type": _NO_TEXTS[kind], "validate": True}
    return dict(column)


def _destination(draft: Draft) -> list[str]:
    currency = [f"  currency: {scalar(draft.currency)}  # of money columns"] if draft.currency else []
    return [
        "destination:",
        "  type: dynamics",
        *(f"  {key}: {flow(value)}" for key, value in draft.connection.items()),
        f"  id_column: {scalar(draft.id_column)}",
        *currency,
        '  # filter: "statecode eq 0"  # OData $filter: the rows that this sync owns',
        "  on_null: clear  # an empty value empties the column; keep: it is left alone",
    ]


def _mappings(draft: Draft) -> list[str]:
    lines = ["mappings:"]
    read = {source: column["name"] for source, column in draft.calculated.items()}
    for one in draft.filled:
        pair = {"source": read.get(one.source, one.source), "target": one.target}
        lines.append(f"  - {flow(pair)}{_remark(one)}")
    for one in draft.lookups:
        entity = one.column.targets[0].entity if one.column is not None and one.column.targets else "account"
        link = flow({"entity": entity, "column": "name"})
        ends = f"source: {scalar(one.source)}, target: {scalar(one.target)}"
        lines.append(f"  # - {{ {ends}, link: {link} }}  # a lookup: say by which column its row is found")
    mapped = {one.source for one in draft.mappings}
    unused = [str(column["name"]) for column in draft.look.columns if column["name"] not in mapped]
    return lines + ([f"  # not mapped: {', '.join(map(scalar, unused))}"] if unused else [])


def _remark(proposal: Proposal) -> str:
    checked = proposal.match in (Match.EXACT, Match.STATED)
    return "" if checked else f"  # {proposal.match.value}: please check"


def _behaviour(draft: Draft) -> list[str]:
    return [
        "behaviour:",
        "  strategy: full  # full: both sides are compared; delta: what is read is inserted or updated",
        f"  key: {flow(list(draft.key))}  # the target columns that say which record is which row",
        "  new: insert  # or ignore",
        "  changed: update  # or ignore",
        "  dropped: ignore  # or delete, { deactivate: <status reason> }, { expire: <date column> }",
        "  brakes: { removals: 5%, creates: 50%, updates: 50%, rejects: 5%, at_least: 20 }  # beyond: held",
        "  approval: none  # required: every plan waits for `dynsync apply`",
    ]

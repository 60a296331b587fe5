"""Which source column probably belongs to which destination column: by name only, for a person to confirm."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

from shared.values.tables import Column, ColumnKind, Table

NEAR_ENOUGH = 0.8
"""Least likeness (0 to 1) of two names that are proposed to each other."""

_PREFIX = re.compile(r"^[a-z][a-z0-9]{1,7}_")
"""A publisher's prefix, such as `new_` or `cr123_`."""


_SYNONYMS = {"no": "number", "nr": "number", "num": "number", "tel": "phone", "telephone": "phone", "mail": "email"}
_SYNONYMS |= {"zip": "postal", "postcode": "postal", "url": "website", "web": "website"}
_KEY_WORDS = {"number", "code", "key", "id"}
_ANY = {ColumnKind.TEXT, ColumnKind.MEMO, ColumnKind.CHOICE}
_NUMBERS = {ColumnKind.INTEGER, ColumnKind.BIGINT, ColumnKind.DECIMAL, ColumnKind.DOUBLE, ColumnKind.MONEY}
_HOLDERS = {"number": _ANY | _NUMBERS, "date": _ANY | {ColumnKind.DATETIME}, "bool": _ANY | {ColumnKind.BOOLEAN}}
"""Which columns can hold what is not text."""


class Match(StrEnum):
    """How a proposal was found."""

    EXACT = "same name"
    NORMALISED = "same name but for case, signs or prefix"
    NEAREST = "similar name"
    KEY = "looks like the key"
    NAME = "looks like the name"
    STATED = "stated"
    GUESSED = "the source's name; the table could not be read"


@dataclass(frozen=True, slots=True)
class Proposal:
    """One source column and the destination column for it. `column` is None while the table is not known."""

    source: str
    target: str
    match: Match
    column: Column | None = None


def normal(name: str) -> str:
    """The name in lower case without accents and signs."""
    return "".join(sign for sign in _plain(name) if sign.isalnum())


def _plain(name: str) -> str:
    """In lower case, without accents."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name).casefold() if not unicodedata.combining(sign))


def writable(table: Table) -> list[Column]:
    """The columns that a sync may fill."""
    return [
        column
        for column in table.columns.values()
        if (column.creatable or column.updatable or column.primary_id) and column.kind is not ColumnKind.UNSUPPORTED
    ]


def propose(sources: Mapping[str, str], table: Table) -> list[Proposal]:
    """At most one proposal for each source column and each destination column, in the source's order.

    `sources` holds names and types (text, number, date, bool). Names that are equal come first, then those that are
    equal but for case, signs and a publisher's prefix, then the most similar. At last the one column that is left and
    sounds like a key, or a name, meets the table's alternate key, or its name column. But for equal names, only columns
    that can hold the type are looked at.
    """
    free = {column.name: column for column in writable(table)}
    found: dict[str, Proposal] = {}

    def take(source: str, column: Column | None, match: Match) -> None:
        if column is not None:
            found[source] = Proposal(source, column.name, match, free.pop(column.name))

    for source in sources:
        take(source, free.get(source), Match.EXACT)
    for match, find in ((Match.NORMALISED, _same), (Match.NEAREST, _nearest)):
        for source, kind in sources.items():
            if source not in found:
                take(source, find(source, [one for one in free.values() if holds(one, kind)]), match)
    keys = [key.columns[0] for key in table.keys if key.active and len(key.columns) == 1]
    for match, told, names in ((Match.KEY, _KEY_WORDS, keys), (Match.NAME, {"name"}, [table.name_column or ""])):
        sounding = [source for source in sources if source not in found and words(source) & told]
        if len(sounding) == 1 and len(names) == 1:
            take(sounding[0], free.get(names[0]), match)
    return [found[source] for source in sources if source in found]


def holds(column: Column, kind: str) -> bool:
    """Whether values of a source column's type can fill the column."""
    return kind not in _HOLDERS or column.kind in _HOLDERS[kind]


def guess(sources: Sequence[str]) -> list[Proposal]:
    """Proposals without a table: the source's own names in a logical name's form."""
    names = {source: re.sub(r"[^a-z0-9]+", "_", _plain(source)).strip("_") for source in sources}
    return [Proposal(source, name, Match.GUESSED) for source, name in names.items() if name]


def propose_key(proposals: Sequence[Proposal], table: Table | None) -> list[str]:
    """The target columns that probably tell records apart: a mapped alternate key, else a mapped number or code.

    None when nothing sounds like a key: a wrong one does harm.
    """
    targets = [proposal.target for proposal in proposals]
    for key in table.keys if table is not None else ():
        if key.active and set(key.columns) <= set(targets):
            return list(key.columns)
    telling = [target for target in targets if re.search(r"(number|code|key|no|nr|id)$", target)]
    return telling[:1]


def _names(column: Column) -> set[str]:
    without_prefix = _PREFIX.sub("", column.name)
    return {normal(name) for name in (column.name, without_prefix, column.schema_name, column.label) if normal(name)}


def _same(source: str, columns: Iterable[Column]) -> Column | None:
    fitting = [column for column in columns if normal(source) in _names(column)]
    by_own_name = [column for column in fitting if normal(column.name) == normal(source)]
    return next(iter(by_own_name or fitting), None)


def _nearest(source: str, columns: Iterable[Column]) -> Column | None:
    name = normal(source)
    likeness = [(_nearness(source, name, column), column) for column in columns]
    best = max(likeness, key=lambda one: one[0], default=None)
    return best[1] if best is not None and best[0] >= NEAR_ENOUGH else None


def _nearness(source: str, name: str, column: Column) -> float:
    """By letters, or by words: `phone` is near to `Main Phone`, for all it says is in there."""
    letters = max(_likeness(name, other) for other in _names(column))
    said = words(source)
    within = said and any(said <= words(text) for text in (column.label, column.schema_name))
    return max(letters, NEAR_ENOUGH + letters / 10) if within else letters


def words(name: str) -> set[str]:
    """The words in a name, without digits, and one word for what has several: `customerNo` is customer and number."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return {_SYNONYMS.get(word, word) for word in re.findall(r"[^\W\d_]+", apart.casefold())}


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()

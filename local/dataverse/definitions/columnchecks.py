"""What a column's members have to do with its type: bounds, digits, options, defaults, targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal

from local.dataverse.definitions import bounds
from local.dataverse.definitions.columns import kind_of
from local.dataverse.definitions.forms import ColumnForm
from local.dataverse.definitions.mistakes import Mistake, Path, shown
from local.dataverse.tables import CONTENTS, TEXTS, Kind

_WHOLE = (Kind.INTEGER, Kind.BIGINT)
_OPTIONS = (Kind.CHOICE, Kind.CHOICES)
_OF_KINDS: tuple[tuple[str, str, Collection[Kind]], ...] = (
    ("high", "max", (*TEXTS, *bounds.WIDEST, *CONTENTS)),
    ("low", "min", tuple(bounds.WIDEST)),
    ("precision", "precision", tuple(bounds.PRECISION)),
    ("precision_source", "precision_source", (Kind.MONEY,)),
    ("text_format", "format", tuple(TEXTS)),
    ("options", "options", (*_OPTIONS, Kind.BOOLEAN)),
    ("option_set", "option_set", _OPTIONS),
    ("default", "default", (Kind.CHOICE, Kind.BOOLEAN)),
    ("targets", "targets", (Kind.LOOKUP, Kind.CUSTOMER)),
)
"""Members that only some kinds of column have."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a column may name: tables and global option sets; and which parts of the file were wrong in themselves."""

    tables: Collection[str]
    option_sets: Collection[str]
    wrong: Collection[Path]


def mistakes(name: str, form: ColumnForm, path: Path, known: Known) -> Iterator[Mistake]:
    """What is wrong with a column; nothing that follows only from a part that was wrong in itself."""
    if form.schema_name is not None and form.schema_name.lower() != name:
        yield Mistake((*path, "schema"), shown(form.schema_name), f"{name}, in upper and lower case as you like")
    if (*path, "type") in known.wrong:
        return
    kind = kind_of(form)[0]
    for attribute, word, kinds in _OF_KINDS:
        found = getattr(form, attribute)
        if found is not None and kind not in kinds:
            yield Mistake((*path, word), shown(found), f"nothing; a column of type {form.kind} has no {word}")
    yield from _size(kind, form, path)
    yield from _digits(kind, form, path)
    yield from _options(kind, form, path, known)
    yield from _targets(kind, form, path, known)


def _size(kind: Kind, form: ColumnForm, path: Path) -> Iterator[Mistake]:
    """Lengths and kilobytes."""
    most = (bounds.MOST_LENGTH | bounds.MOST_SIZE_KB).get(kind)
    found = form.high
    if most is None or found is None:
        return
    if found != found.to_integral_value() or not 1 <= found <= most:
        unit = "characters" if kind in TEXTS else "kilobytes"
        yield Mistake((*path, "max"), shown(found), f"a whole number of {unit} from 1 to {most:,}")


def _digits(kind: Kind, form: ColumnForm, path: Path) -> Iterator[Mistake]:
    """Bounds and precision of numbers."""
    if kind not in bounds.WIDEST:
        return
    least, most = bounds.WIDEST[kind]
    low, high = least if form.low is None else form.low, most if form.high is None else form.high
    sound = True
    for word, value in (("min", low), ("max", high)):
        whole = kind not in _WHOLE or value == value.to_integral_value()
        if not (least <= value <= most and whole):
            sound = False
            yield Mistake((*path, word), shown(value), f"a {_number(kind)} from {least:,} to {most:,}")
    if sound and low > high:
        yield Mistake((*path, "min"), shown(low), f"at most the max, {shown(high)}")
    digits = bounds.MOST_PRECISION.get(kind)
    if digits is not None and form.precision is not None and not 0 <= form.precision <= digits:
        sound = False
        yield Mistake((*path, "precision"), shown(form.precision), f"a whole number from 0 to {digits}")
    if form.precision_source not in (None, 0, 1, 2):
        allowed = "0 (the column's), 1 (the organization's), 2 (the currency's)"
        yield Mistake((*path, "precision_source"), shown(form.precision_source), allowed)
    if sound:
        yield from _most_digits(kind, low, high, form, path)


def _most_digits(kind: Kind, low: Decimal, high: Decimal, form: ColumnForm, path: Path) -> Iterator[Mistake]:
    precision = bounds.PRECISION.get(kind) if form.precision is None else form.precision
    if bounds.too_many_digits(kind, low, high, precision):
        found = f"min {shown(low)}, max {shown(high)} and {precision} digits behind the point"
        yield Mistake(path, found, "no more than 18 digits in all; state narrower bounds or a smaller precision")


def _number(kind: Kind) -> str:
    return "whole number" if kind in _WHOLE else "number"


def _options(kind: Kind, form: ColumnForm, path: Path, known: Known) -> Iterator[Mistake]:
    if form.options is not None and form.option_set is not None:
        yield Mistake(path, "options and option_set", "one of the two")
    if form.option_set is not None and form.option_set not in known.option_sets and kind in _OPTIONS:
        named = ", ".join(sorted(known.option_sets)) or "none; the file has no option_sets"
        yield Mistake((*path, "option_set"), shown(form.option_set), named)
    if any(wrong[: len(path) + 1] == (*path, "options") for wrong in known.wrong):
        return
    if kind is Kind.BOOLEAN and form.options is not None and set(form.options) != {0, 1}:
        found = ", ".join(map(str, form.options)) or "no options"
        yield Mistake((*path, "options"), found, "a label for 0 and one for 1")
    yield from _default(kind, form, path)


def _default(kind: Kind, form: ColumnForm, path: Path) -> Iterator[Mistake]:
    found = form.default
    if kind is Kind.BOOLEAN and found not in (None, 0, 1):
        yield Mistake((*path, "default"), shown(found), "true or false")
    if kind is not Kind.CHOICE or found is None or form.option_set is not None:
        return
    if isinstance(found, bool) or found not in (form.options or {}):
        allowed = ", ".join(map(str, form.options or ())) or "nothing; the column has no options"
        yield Mistake((*path, "default"), shown(found), allowed)


def _targets(kind: Kind, form: ColumnForm, path: Path, known: Known) -> Iterator[Mistake]:
    if (*path, "targets") in known.wrong:
        return
    if kind is Kind.LOOKUP and not form.targets:
        yield Mistake((*path, "targets"), shown(form.targets), "at least one table, such as {account: {}}")
    for table in form.targets or () if kind in (Kind.LOOKUP, Kind.CUSTOMER) else ():
        if table not in known.tables:
            yield Mistake((*path, "targets", table), "no such table", ", ".join(sorted(known.tables)))

"""One canonical form per column type: what Dataverse would store, as DuckDB SQL for both sides.

Source values and destination values are brought to the same type and the same form before they are compared, so an
unchanged record is never sent. Empty text is null; decimals, money and doubles are rounded to the column's precision
(halves away from zero, as SQL Server does); instants are whole seconds in UTC; choices are sorted; ids are UUIDs.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from shared.sql import literal
from shared.values.tables import Column, ColumnKind, DateBehaviour

MONEY_SCALE = 4
"""Digits after the point that Dataverse keeps of money."""

_SQL_TYPES = {
    ColumnKind.TEXT: "VARCHAR",
    ColumnKind.MEMO: "VARCHAR",
    ColumnKind.INTEGER: "INTEGER",
    ColumnKind.BIGINT: "BIGINT",
    ColumnKind.BOOLEAN: "BOOLEAN",
    ColumnKind.CHOICE: "INTEGER",
    ColumnKind.CHOICES: "VARCHAR",
    ColumnKind.STATE: "INTEGER",
    ColumnKind.STATUS: "INTEGER",
    ColumnKind.LOOKUP: "UUID",
    ColumnKind.OWNER: "UUID",
    ColumnKind.UNIQUEIDENTIFIER: "UUID",
}
_TEXTS = (ColumnKind.TEXT, ColumnKind.MEMO)
_LETTER_MARKS = r"[^\P{M}\x{0300}-\x{036F}]"
"""Marks beside the accents of Latin, Greek and Cyrillic, for RE2."""
_WIRE_TIME = "'%Y-%m-%dT%H:%M:%SZ'"


@dataclass(frozen=True, slots=True)
class Form:
    """The canonical form of one destination column: `sql_type` in DuckDB, `scale` in digits after the point."""

    column: Column
    sql_type: str
    scale: int | None = None

    @property
    def name(self) -> str:
        """The column's logical name."""
        return self.column.name

    @property
    def is_text(self) -> bool:
        """Whether the column holds text."""
        return self.column.kind in _TEXTS


def form_of(column: Column, *, money_scale: int | None = None) -> Form:
    """The canonical form of a column. `money_scale` is the scale of the currency or of the organisation."""
    kind = column.kind
    if kind is ColumnKind.DATETIME:
        date_only = column.date_behaviour is DateBehaviour.DATE_ONLY
        return Form(column, "DATE" if date_only else "TIMESTAMP")
    if kind is ColumnKind.MONEY:
        scale = min(_money_scale(column, money_scale), MONEY_SCALE)
        return Form(column, _decimal(column, scale), scale)
    scale = column.precision if column.precision is not None else 10
    if kind is ColumnKind.DECIMAL:
        return Form(column, _decimal(column, scale), scale)
    if kind is ColumnKind.DOUBLE:
        return Form(column, "DOUBLE", scale)
    return Form(column, _SQL_TYPES[kind])


def text_form() -> Form:
    """The form of some text."""
    return form_of(Column("text", "text", ColumnKind.TEXT, "StringType"))


def _decimal(column: Column, scale: int) -> str:
    """A decimal type as wide as the column's range needs: 18 digits where they do, for those are quick."""
    if column.min_value is None or column.max_value is None:
        return f"DECIMAL(38,{scale})"
    largest = int(max(abs(column.min_value), abs(column.max_value)))
    return f"DECIMAL({18 if len(str(largest)) + scale <= 18 else 38},{scale})"


def _money_scale(column: Column, money_scale: int | None) -> int:
    if column.precision_source == 0 or money_scale is None:
        return column.precision if column.precision is not None else MONEY_SCALE
    return money_scale


def settle(form: Form, sql: str) -> str:
    """SQL that brings a value already of about the right type to the canonical form."""
    kind = form.column.kind
    if form.is_text:
        return f"nullif({sql}, '')"
    if form.scale is not None:
        return f"round({sql}, {form.scale})::{form.sql_type}"
    if form.sql_type == "TIMESTAMP":
        return f"date_trunc('second', {sql})"
    if kind is ColumnKind.CHOICES:
        return _sorted_choices(sql)
    return f"({sql})::{form.sql_type}"


def _sorted_choices(sql: str) -> str:
    numbers = f"list_transform(string_split({sql}, ','), lambda part: try_cast(trim(part) AS INTEGER))"
    return f"nullif(array_to_string(list_sort(list_distinct({numbers})), ','), '')"


def page_type(form: Form) -> str:
    """The DuckDB type in which a column of a destination page is read (`read_json(columns=…)`)."""
    return form.sql_type


def to_json(form: Form, sql: str) -> str:
    """SQL of the value as JSON text, `null` included."""
    if form.sql_type == "TIMESTAMP":
        sql = f"strftime({sql}, {_WIRE_TIME})"
    return f"coalesce(to_json({sql})::VARCHAR, 'null')"


def read_member(form: Form, sql: str) -> str:
    """SQL of a JSON member as a reply holds it: `"name":"x"`, `"_parentaccountid_value":"…"`."""
    return f"{literal(_quoted(form.column.read_name) + ':')} || {to_json(form, sql)}"


def wire_member(form: Form, sql: str, *, entity: str | None = None, entity_sql: str | None = None) -> str:
    """SQL of a JSON member as a request holds it: `"name":"x"`, `"parentaccountid@odata.bind":"/accounts(…)"`.

    `entity` (fixed) or `entity_sql` (from a column) says which table a lookup of several targets points at. A lookup
    is cleared through the navigation property of its first target.
    """
    if not form.column.is_lookup:
        return f"{literal(_quoted(form.name) + ':')} || {to_json(form, sql)}"
    targets = form.column.targets
    chosen = [target for target in targets if target.entity == entity] or list(targets)
    clear = literal(f"{_quoted(chosen[0].navigation + '@odata.bind')}:null")
    cases = []
    for target in chosen:
        member = literal(f'{_quoted(target.navigation + "@odata.bind")}:"/{target.entity_set}(')
        test = f" AND {entity_sql} = {literal(target.entity)}" if entity_sql and len(chosen) > 1 else ""
        cases.append(f"WHEN {sql} IS NOT NULL{test} THEN {member} || {sql}::VARCHAR || ')\"'")
    return f"CASE {' '.join(cases)} ELSE {clear} END"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def key_form(form: Form, sql: str, *, accent_sensitive: bool) -> str:
    """SQL of a key column as the server's collation sees it.

    Case never counts; accents count by the environment's base language; trailing blanks never do; `ß` is `ss`. Marks
    that are no accents (the vowel signs of Thai or Devanagari) always count, so a text that holds one keeps them all.
    """
    if not form.is_text:
        return sql
    trimmed = without_trailing_blanks(sql)
    plain = f"nfc_normalize({trimmed})"
    if not accent_sensitive:
        plain = (
            f"CASE WHEN regexp_matches({plain}, {literal(_LETTER_MARKS)}) THEN {plain} ELSE strip_accents({plain}) END"
        )
    folded = f"rtrim(nfc_normalize(replace(replace(lower({plain}), 'ß', 'ss'), 'ς', 'σ')), ' ')"
    is_ascii = f"strlen({sql}) = length({sql})"
    return f"CASE WHEN {is_ascii} THEN lower({trimmed}) ELSE {folded} END"


def key_text(value: str, *, accent_sensitive: bool) -> str:
    """What `key_form` gives for a text, in Python: for single values outside the engine's tables."""
    plain = unicodedata.normalize("NFC", value.rstrip(" "))
    if not accent_sensitive and not any(map(_is_letter_mark, plain)):
        bare = "".join(sign for sign in unicodedata.normalize("NFD", plain) if unicodedata.category(sign)[0] != "M")
        plain = unicodedata.normalize("NFC", bare)
    folded = "".join(map(_lower, plain)).replace("ß", "ss").replace("ς", "σ")
    return unicodedata.normalize("NFC", folded).rstrip(" ")


def _is_letter_mark(sign: str) -> bool:
    return not "\u0300" <= sign <= "\u036f" and unicodedata.category(sign)[0] == "M"


def _lower(sign: str) -> str:
    """The one small letter of a sign; Python alone makes two of `İ`."""
    return "i" if sign == "İ" else sign.lower()


def key_hash(forms: Collection[Form], sql_of: dict[str, str], *, accent_sensitive: bool) -> str:
    """SQL of the 64-bit hash of the key columns; NULL when one of them is null."""
    parts = [key_form(form, sql_of[form.name], accent_sensitive=accent_sensitive) for form in forms]
    missing = " OR ".join(f"{sql_of[form.name]} IS NULL" for form in forms)
    return f"CASE WHEN {missing} THEN NULL ELSE hash({', '.join(parts)}) END"


def compared(form: Form, sql: str, *, key: bool) -> str:
    """SQL of the value as it is compared: of a key's text, trailing blanks do not count."""
    return without_trailing_blanks(sql) if key and form.is_text else sql


def without_trailing_blanks(sql: str) -> str:
    """SQL of a text without blanks at its end; looking first costs a third of trimming."""
    return f"CASE WHEN ends_with({sql}, ' ') THEN rtrim({sql}, ' ') ELSE {sql} END"

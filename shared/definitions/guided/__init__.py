"""A definition as a form, for those who never saw YAML: the settings that people change most, and the mappings.

The form is read from the text and written back into it (`shared.definitions.rewriting`): what it does not know stays
as it is, and what is written in a way that it does not take (a mapping with a link, a condition) is shown and left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.definitions.document import Document, read_document
from shared.definitions.guided.rows import Row, RowAnswer, key_of, rows_of, with_rows
from shared.definitions.guided.settings import FIELDS, Setting, setting_of, with_settings
from shared.definitions.rewriting.values import at

__all__ = ["Guide", "Row", "RowAnswer", "Section", "Setting", "filled_in", "guide"]


@dataclass(frozen=True, slots=True)
class Section:
    """Settings that belong together."""

    title: str
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """The form of one text. `keyed`: the sync key is a plain list, so that rows can be chosen for it."""

    sections: tuple[Section, ...]
    rows: tuple[Row, ...]
    keyed: bool
    columns: tuple[str, ...]
    """The source's columns, as far as the text names them."""
    schedule: Mapping[str, str]
    """`cron` and `time_zone` as they stand in the form."""


def guide(text: str) -> Guide:
    """The form that shows what the text says.

    Raises:
        DocumentError: the text is not YAML.
    """
    document = read_document(text)
    sections = tuple(
        Section(title, tuple(setting_of(document, field) for field in fields)) for title, fields in FIELDS.items()
    )
    found = {setting.name: setting.value for section in sections for setting in section.settings}
    when = {name: found[f"schedule.{name}"] for name in ("cron", "time_zone")}
    return Guide(sections, rows_of(document.value), key_of(document.value) is not None, _columns(document), when)


def filled_in(text: str, settings: Mapping[str, str], rows: Sequence[RowAnswer]) -> str:
    """The text with what a person filled in; a form that was left as it was changes nothing.

    `settings` by dotted path, as `Setting.value` told them; those that are not named are left alone.

    Raises:
        DocumentError: the text is not YAML.
        RefuseError: something is written in a way that the form cannot change.
    """
    return with_rows(with_settings(text, settings), rows)


def _columns(document: Document) -> tuple[str, ...]:
    schema = at(document.value, ("source", "schema"))
    names = [one.get("name") for one in schema if isinstance(one, dict)] if isinstance(schema, list) else []
    return tuple(dict.fromkeys(name for name in names if isinstance(name, str)))

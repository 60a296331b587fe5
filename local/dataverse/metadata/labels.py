"""Texts of the user interface, in the base language and in others: as JSON, and read from it.

Source: Microsoft Learn, "Label complex type".
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid5

from local.dataverse import refusals
from local.dataverse.tables import Labels

LANGUAGE = 1033
_SPACE = UUID("0d000000-0000-4000-8000-0000000000ff")
Document = dict[str, object]


@dataclass(frozen=True, slots=True)
class Texts:
    """One text: in the base language, and in others."""

    base: str
    others: Labels = ()


def identity(*parts: str) -> str:
    """The stable id of a piece of metadata."""
    return str(uuid5(_SPACE, "/".join(parts)))


def label(text: str, others: Labels = ()) -> Document:
    """A label; the user's language is the base language."""
    localized = [_one(LANGUAGE, text)] if text or others else []
    localized += [_one(language, other) for language, other in others]
    return {"LocalizedLabels": localized, "UserLocalizedLabel": localized[0] if localized else None}


def read(kind: str, name: str, value: object, default: str = "") -> Texts:
    """The texts of a label in a body; `default` where the base language has none.

    Raises:
        Refusal: it is no label.
    """
    if value is None:
        return Texts(default)
    localized = value.get("LocalizedLabels") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(localized or [], list):
        raise refusals.payload(kind, f"Cannot convert the member '{name}' to the expected type 'Label'.")
    found = dict(_localized(kind, name, item) for item in localized or ())
    if not found and value.get("UserLocalizedLabel") is not None:
        found = dict([_localized(kind, name, value["UserLocalizedLabel"])])
    base = found.pop(LANGUAGE, default)
    return Texts(base, tuple(sorted(found.items())))


def merged(new: Texts, old: Labels) -> Texts:
    """New texts over old ones; languages that the new ones do not name stay."""
    return Texts(new.base, tuple(sorted((dict(old) | dict(new.others)).items())))


def _localized(kind: str, name: str, item: object) -> tuple[int, str]:
    found = item if isinstance(item, dict) else {}
    language, text = found.get("LanguageCode"), found.get("Label")
    if type(language) is not int or not isinstance(text, str):
        raise refusals.payload(kind, f"Cannot convert a member of '{name}' to the expected type 'LocalizedLabel'.")
    return language, text


def _one(language: int, text: str) -> Document:
    return {
        "Label": text,
        "LanguageCode": language,
        "IsManaged": False,
        "MetadataId": identity("label", str(language), text),
        "HasChanged": None,
    }

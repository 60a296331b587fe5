"""The single settings of the form: what stands there, what may stand there, and how an answer is written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, get_args, get_origin

from shared.definitions.document import Document, Path, path_of, read_document
from shared.definitions.guarded import OPEN
from shared.definitions.rewriting import put, put_each, remove
from shared.definitions.rewriting.values import GONE, at
from shared.definitions.rewriting.writing import flow
from shared.definitions.sync import SyncDefinition
from shared.definitions.wording import place_of
from shared.errors import RefuseError


class Kind(StrEnum):
    """How a setting is asked for."""

    LINE = "line"
    LONG = "long"
    WORD = "word"
    FLAG = "flag"
    COUNT = "count"
    SHARE = "share"


@dataclass(frozen=True, slots=True)
class Field:
    """One line of the form: where the setting stands, what people call it, and how it is asked for.

    `meaning` is said in place of the model's words where those speak of the text.
    """

    path: str
    label: str
    kind: Kind = Kind.WORD
    meaning: str = ""


_EMPTY = "Beyond it the job waits with its plan. Left empty: no limit."


FIELDS: Mapping[str, tuple[Field, ...]] = {
    "About": (
        Field("title", "Title", Kind.LINE),
        Field("description", "Description", Kind.LONG),
        Field("enabled", "Enabled", Kind.FLAG, "no: it neither starts by schedule nor by hand."),
    ),
    "Schedule": (
        Field(
            "schedule.cron",
            "When it starts",
            Kind.LINE,
            "Minute, hour, day of the month, month and day of the week: 0 6 * * 1-5 is six o'clock, Monday to Friday. "
            "A sixth field, in front, is for seconds. "
            "Left empty: it has no schedule.",
        ),
        Field("schedule.time_zone", "Time zone", Kind.LINE, "Whose clock is meant, such as Europe/Amsterdam."),
    ),
    "What it does": (
        Field("behaviour.strategy", "Strategy"),
        Field("behaviour.new", "New records"),
        Field(
            "behaviour.changed",
            "Changed records",
            meaning="A record whose row differs: update the row or leave it. A condition is written in the text.",
        ),
        Field(
            "behaviour.dropped",
            "Dropped records",
            meaning="A row without a record: leave it (ignore) or delete it. To deactivate it, or to set its end date, "
            "is written in the text. Only with strategy full, where everything is read each time.",
        ),
        Field("behaviour.returned", "Records that come back"),
        Field("behaviour.approval", "Approval"),
    ),
    "Brakes": (
        Field(
            "behaviour.brakes.removals",
            "Removals",
            Kind.SHARE,
            f"Rows deleted, expired and deactivated, as a share of the destination's rows. {_EMPTY}",
        ),
        Field(
            "behaviour.brakes.creates",
            "Creates",
            Kind.SHARE,
            f"Rows created, as a share of the destination's rows; it may pass 100%. {_EMPTY} "
            "Not limited while the destination is empty.",
        ),
        Field(
            "behaviour.brakes.updates",
            "Updates",
            Kind.SHARE,
            f"Rows updated, as a share of the destination's rows. {_EMPTY}",
        ),
        Field(
            "behaviour.brakes.rejects",
            "Rejects",
            Kind.SHARE,
            f"Records rejected, as a share of the records read. {_EMPTY}",
        ),
        Field("behaviour.brakes.at_least", "At least (rows)", Kind.COUNT),
    ),
    "Destination": (Field("destination.filter", "Filter", Kind.LONG),),
}
"""The form, from top to bottom. Choices, defaults and meanings come from the models."""


MOST_WORK = 600_000
"""Characters of the text times settings that are new in it: each of them is put in by reading the text anew."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as the form shows it.

    `value`: as text, the default where nothing is written. `shown`: what stands there is more than the form takes, and
    is only shown. `choices` are the words that may stand there. `guarded`: changing it needs `admin`.
    """

    name: str
    label: str
    kind: Kind
    meaning: str
    value: str
    default: str
    choices: tuple[str, ...] = ()
    shown: str = ""
    written: bool = False
    guarded: bool = False


def setting_of(document: Document, field: Field) -> Setting:
    """The setting as the document has it."""
    *_, name = path_of(field.path)
    owner = place_of(SyncDefinition, path_of(field.path)[:-1]).model
    assert owner is not None, field.path  # noqa: S101 - that FIELDS are of the models is under test
    place = owner.model_fields[str(name)]
    choices = tuple(dict.fromkeys(_words(place.annotation))) if field.kind is Kind.WORD else ()
    found = at(document.value, path_of(field.path))
    default = _default(place)
    shown = "" if found is GONE or _fits(found, field.kind, choices) else flow(found)
    return Setting(
        name=field.path,
        label=field.label,
        kind=field.kind,
        meaning=field.meaning or place.description or "",
        value=default if found is GONE else "" if shown else _text(found),
        default=default,
        choices=choices,
        shown=shown,
        written=found is not GONE,
        guarded=name not in OPEN.get(owner, frozenset()),
    )


def with_settings(text: str, answers: Mapping[str, str]) -> str:
    """The text with the answers that differ from what it says. Raises as `put`."""
    document = read_document(text)
    order = [setting.alias or name for name, setting in SyncDefinition.model_fields.items()]
    there: dict[Path, object] = {}
    others: list[tuple[Setting, str]] = []
    for field in (field for fields in FIELDS.values() for field in fields):
        setting = setting_of(document, field)
        answer = answers.get(field.path, setting.value)
        if setting.shown or answer == setting.value or _follows(field.path, answers):
            continue
        if setting.written and answer:
            there[path_of(field.path)] = _value(setting.kind, answer)
        else:
            others.append((setting, answer))
    if len(others) * len(text) > MOST_WORK:
        raise RefuseError(
            f"the text is too long for {len(others)} settings that it does not have yet",
            remedy="fill in fewer at a time, or write them into the text",
        )
    text = put_each(text, there)
    for setting, answer in others:
        text = _written(text, setting, answer, order)
    return text


def _follows(path: str, answers: Mapping[str, str]) -> bool:
    """Whether it means nothing without a setting beside it that is left out."""
    return path == "schedule.time_zone" and not answers.get("schedule.cron")


def _written(text: str, setting: Setting, answer: str, order: list[str]) -> str:
    path: Path = path_of(setting.name)
    if answer or setting.kind is Kind.WORD:
        return put(text, path, _value(setting.kind, answer), order if len(path) == 1 else ())
    if setting.kind is Kind.SHARE:
        return put(text, path, None)
    return remove(text, ("schedule",) if setting.name == "schedule.cron" else path)


def _value(kind: Kind, answer: str) -> object:
    if kind is Kind.FLAG and answer in ("true", "false"):
        return answer == "true"
    if kind is Kind.COUNT and answer.isascii() and answer.isdigit() and len(answer) <= 18:
        return int(answer)
    return answer


def _fits(found: object, kind: Kind, choices: tuple[str, ...]) -> bool:
    """Whether the form can show the value, and tell whether somebody changed it."""
    if kind is Kind.FLAG:
        return isinstance(found, bool)
    if kind is Kind.WORD:
        return found in choices if isinstance(found, str) else False
    if isinstance(found, str):
        return "\r" not in found and (kind is Kind.LONG or "\n" not in found)
    return found is None or (isinstance(found, int | float) and not isinstance(found, bool))


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str) else flow(value)


def _default(field: Any) -> str:
    told = field.json_schema_extra
    if isinstance(told, dict) and "default" in told:
        return str(told["default"])
    return "" if field.is_required() else _text(field.get_default(call_default_factory=True))


def _words(annotation: Any) -> Iterator[str]:
    """The words that an annotation takes, whatever stands around them."""
    for argument in get_args(annotation):
        if get_origin(annotation) is Literal:
            yield from [argument] if isinstance(argument, str) else []
        else:
            yield from _words(argument)

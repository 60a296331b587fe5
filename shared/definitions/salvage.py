"""What is whole of a broken file, so that the checks across its parts can speak in the same answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Literal, cast, get_args, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from shared.definitions.document import Path
from shared.definitions.part import Part
from shared.definitions.source import SOURCES, SourceBase
from shared.definitions.wording import model_parts, nearest_key

_BROKEN = object()


class _SourceOfNoKind(SourceBase):
    """What all sources share, where the type is missing or unknown; the type itself is always broken."""

    type: Literal[""]


def behind_unknown_types(findings: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """What else is wrong with a source whose type is missing or unknown: a look into it stops at its type.

    It is taken for one of the type that was probably meant; with none near, only what all sources share is looked at.
    """
    for finding in findings:
        given = finding["input"]
        if finding["loc"] != ("source",) or not finding["type"].startswith("union_tag") or not isinstance(given, dict):
            continue
        near = get_close_matches(str(given.get("type", "")), list(SOURCES), n=1)
        model = SOURCES[near[0]] if near else SourceBase
        shared = {setting.alias or name for name, setting in SourceBase.model_fields.items()}
        meant = {**given, "type": near[0]} if near else {key: value for key, value in given.items() if key in shared}
        try:
            model.model_validate(meant)
        except ValidationError as error:
            tag = f"<{near[0] if near else next(iter(SOURCES))}>"  # what is shared has the same words in each of them
            for inner in error.errors(include_url=False):
                yield {**inner, "loc": ("source", tag, *inner["loc"])}


def salvage[Model: Part](model: type[Model], value: object, doubtful: frozenset[Path], path: Path = ()) -> Model:
    """The part with every setting that is whole; to ask it for one of the others raises `BrokenSettingError`.

    A setting is broken when its value is, when it stands there twice (`doubtful`), when it is needed and missing, or
    when it is missing and an unknown key looks like it.
    """
    given = value if isinstance(value, dict) else {}
    fields = {setting.alias or name: (name, setting) for name, setting in model.model_fields.items()}
    meant = {nearest_key(key, list(fields)) for key in given if key not in fields}
    whole: dict[str, Any] = {}
    for key, (name, setting) in fields.items():
        if key in given:
            found = _value(model, name, given[key], doubtful, (*path, key))
        elif key in meant or setting.is_required() or not isinstance(value, dict):
            found = _BROKEN
        else:
            found = setting.get_default(call_default_factory=True)
        if found is not _BROKEN:
            whole[name] = found
    return _holding(model, whole)


def without[Model: Part](part: Model, name: str) -> Model:
    """The part with one setting more that is taken for broken."""
    return _holding(type(part), {key: value for key, value in part.__dict__.items() if key != name})


def _holding[Model: Part](model: type[Model], whole: dict[str, Any]) -> Model:
    part = model.model_construct()
    part.__dict__.clear()  # the defaults of what is broken
    part.__dict__.update(whole)
    return part


@cache
def _adapter(model: type[Part], name: str) -> TypeAdapter[Any]:
    setting = model.model_fields[name]
    annotation: Any = setting.annotation
    return TypeAdapter(Annotated[annotation, *setting.metadata] if setting.metadata else annotation)


def _value(model: type[Part], name: str, value: object, doubtful: frozenset[Path], path: Path) -> object:
    if path in doubtful:
        return _BROKEN
    if not any(other[: len(path)] == path for other in doubtful):
        try:
            return _adapter(model, name).validate_python(value)
        except ValidationError:
            pass
    return _inside(model.model_fields[name], value, doubtful, path)


def _inside(setting: FieldInfo, value: object, doubtful: frozenset[Path], path: Path) -> object:
    """What is whole inside of a broken value: of each item of a list or mapping, or of the one part."""
    part, kind = _part(setting, value), _container(setting.annotation)
    if part is None:
        return _BROKEN
    if kind is None:
        return salvage(part, value, doubtful, path)
    if isinstance(value, list) and kind is not Mapping:
        return tuple(salvage(part, item, doubtful, (*path, number)) for number, item in enumerate(value))
    if isinstance(value, dict) and kind is Mapping:
        items = {key: {} if item is None else item for key, item in value.items()}
        return {key: salvage(part, item, doubtful, (*path, key)) for key, item in items.items()}
    return _BROKEN


def _part(setting: FieldInfo, value: object) -> type[Part] | None:
    """The model that a value is meant to be of; of a source without a sound type, what all sources share."""
    parts = [part for _, part in model_parts(setting.annotation)]
    if all(issubclass(part, SourceBase) for part in parts) and parts:
        kind = value.get("type") if isinstance(value, dict) else None
        return SOURCES.get(kind, _SourceOfNoKind) if isinstance(kind, str) else _SourceOfNoKind
    return parts[0] if len(parts) == 1 else None


def _container(annotation: Any) -> type | None:
    """`tuple` or `Mapping`, when that is what stands there."""
    if get_origin(annotation) is Annotated:
        return _container(get_args(annotation)[0])
    origin = get_origin(annotation)
    if origin is tuple:
        return tuple
    return cast(type, Mapping) if origin is Mapping else None

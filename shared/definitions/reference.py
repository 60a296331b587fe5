"""The editor's schema and the settings reference, made from the models: `python -m shared.definitions.reference`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.definitions.part import Part
from shared.definitions.reach import Reach
from shared.definitions.source import SourceBase
from shared.definitions.sync import SyncDefinition
from shared.definitions.wording import model_parts

ROOT = Path(__file__).resolve().parents[2]
SCHEMA_FILE = ROOT / "syncs" / "sync.schema.json"
SETTINGS_FILE = ROOT / "docs" / "settings.md"
COMMAND = "python -m shared.definitions.reference"

_INTRODUCTION = f"""# Settings

Every setting of a sync definition (one YAML file in `syncs/`) and of the operator's reach file. Made from the models by
`{COMMAND}`; do not edit this page.

A setting marked **needed** has no default. Keys that are not listed here are errors. Secrets are written as
`{{ secret: <name> }}`, the name of a Key Vault secret, never as the value. A complete example is
[accounts-from-erp.yaml](examples/accounts-from-erp.yaml).
"""


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the reference: where the part stands in the file, and its model."""

    place: str
    model: type[Part]
    without: frozenset[str] = frozenset()


def sync_schema() -> dict[str, Any]:
    """The JSON schema of a definition, for editors."""
    schema = SyncDefinition.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Sync definition"}


def schema_text() -> str:
    """The text of `syncs/sync.schema.json`."""
    return json.dumps(sync_schema(), indent=2, ensure_ascii=False) + "\n"


def settings_text() -> str:
    """The text of `docs/settings.md`."""
    sections = [*_sections("", SyncDefinition, set()), Section("reach file (`syncs/reach.yaml`)", Reach)]
    return _INTRODUCTION + "".join(_section(section) for section in sections)


def _sections(place: str, model: type[Part], seen: set[type[Part]]) -> Iterator[Section]:
    """The part and everything below it, each model at the first place where it stands."""
    shared = frozenset(SourceBase.model_fields) if issubclass(model, SourceBase) and model is not SourceBase else None
    yield Section(_heading(place, model), model, shared or frozenset())
    for name, setting in model.model_fields.items():
        parts = [part for _, part in model_parts(setting.annotation)]
        if name == "source" and model is SyncDefinition:
            parts = [SourceBase, *parts]
        for part in parts:
            if part not in seen:
                seen.add(part)
                yield from _sections(f"{place}.{setting.alias or name}".lstrip("."), part, seen)


def _heading(place: str, model: type[Part]) -> str:
    if not place:
        return "the sync"
    if model is SourceBase:
        return "`source`, every kind"
    kind = model.model_fields.get("type")
    if kind is not None and issubclass(model, SourceBase):
        return f"`source` with `type: {_schema(model)['properties']['type']['const']}`"
    return f"`{place}`" if model.__name__ != "SecretRef" else "a secret"


def _schema(model: type[Part]) -> dict[str, Any]:
    return model.model_json_schema(by_alias=True)


def _section(section: Section) -> str:
    schema = _schema(section.model)
    needed = set(schema.get("required", ()))
    lines = [
        f"\n## {section.place[0].upper() + section.place[1:]}\n",
        f"{schema.get('description', '')}\n",
        "| setting | allowed | default | meaning |",
        "|---|---|---|---|",
    ]
    skipped = {setting.alias or name for name, setting in section.model.model_fields.items() if name in section.without}
    for name, setting in sorted(schema["properties"].items(), key=lambda pair: pair[0] != "type"):
        if name in skipped:
            continue
        default = "**needed**" if name in needed else _default(setting)
        lines.append(f"| `{name}` | {_cell(allowed(setting, schema))} | {default} | {_cell(setting['description'])} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _default(setting: Mapping[str, Any]) -> str:
    default = setting.get("default")
    if default is None or default in ("", [], {}):
        return "none"
    if isinstance(default, dict):
        return "see below"
    text = ", ".join(map(_word, default)) if isinstance(default, list) else _word(default)
    return f"`{_cell(text)}`"


def _word(value: object) -> str:
    """A value as one writes it in YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def allowed(setting: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """What a setting takes, in words."""
    if "$ref" in setting:
        target = schema["$defs"][setting["$ref"].rsplit("/", 1)[-1]]
        return _keys(target)
    if setting.get("examples"):
        return f"text such as `{setting['examples'][0]}`"
    if "enum" in setting:
        return ", ".join(dict.fromkeys(f"`{_word(value)}`" for value in setting["enum"]))
    if "const" in setting:
        return f"`{setting['const']}`"
    for choice in ("anyOf", "oneOf"):
        if choice in setting:
            texts = [allowed(part, schema) for part in setting[choice] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(texts))
    return _of_type(setting, schema)


def _keys(target: Mapping[str, Any]) -> str:
    names = list(target.get("properties", {}))
    return (
        "`{ " + ", ".join(f"{name}: …" for name in names) + " }`" if len(names) <= 3 else "keys and values, see below"
    )


def _of_type(setting: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    kind = setting.get("type")
    if kind == "array":
        return f"list of: {allowed(setting.get('items', {}), schema)}"
    if kind == "object":
        values: Mapping[str, Any] = setting.get("additionalProperties") or next(
            iter(setting.get("patternProperties", {}).values()), {}
        )
        return f"names, each with: {allowed(values, schema)}"
    if kind in ("integer", "number"):
        noun = "whole number" if kind == "integer" else "number"
        bounds = [f"{word} {setting[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in setting]
        return " ".join([noun, *bounds])
    if kind == "boolean":
        return "`true`, `false`"
    if isinstance(kind, list):
        return ", ".join("text" if name == "string" else name for name in kind if name != "null")
    return _text(setting)


def _text(setting: Mapping[str, Any]) -> str:
    longest = setting.get("maxLength")
    return f"text, at most {longest} characters" if longest and longest <= 1000 else "text"


def write() -> list[Path]:
    """Write both files; gives their paths."""
    for path, text in ((SCHEMA_FILE, schema_text()), (SETTINGS_FILE, settings_text())):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [SCHEMA_FILE, SETTINGS_FILE]


if __name__ == "__main__":
    write()

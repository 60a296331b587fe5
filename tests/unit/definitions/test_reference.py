from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from shared.definitions import reference
from shared.definitions.document import read_document
from shared.definitions.part import Part, SecretRef
from shared.definitions.reach import Reach
from shared.definitions.source import SOURCES
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import SOURCES_THAT_RUN
from shared.definitions.wording import SECRET_PLACES, model_parts
from tests.unit.definitions.test_cases import BASE


def models(model: type[Part], seen: set[type[Part]]) -> Iterator[type[Part]]:
    if model not in seen:
        seen.add(model)
        yield model
        for setting in model.model_fields.values():
            for _, part in model_parts(setting.annotation):
                yield from models(part, seen)


def test_the_generated_files_are_fresh() -> None:
    """The editor's schema and the settings page say what the models say."""
    for file, text in (
        (reference.SCHEMA_FILE, reference.schema_text()),
        (reference.SETTINGS_FILE, reference.settings_text()),
    ):
        assert file.read_text(encoding="utf-8") == text, f"{file.name} is stale; run {reference.COMMAND}"


def test_every_setting_has_a_meaning() -> None:
    """A description in plain words, ending like a sentence, for the schema and the page."""
    for root in (SyncDefinition, Reach):
        for model in models(root, set()):
            assert model.__doc__
            for name, setting in model.model_fields.items():
                assert setting.description, f"{model.__name__}.{name}"
                assert setting.description.endswith("."), f"{model.__name__}.{name}"


def test_every_model_has_its_table() -> None:
    """No part of a definition is missing from the settings page."""
    text = reference.settings_text()
    for model in models(SyncDefinition, set()):
        assert (model.__doc__ or "").splitlines()[0] in text, model.__name__


def test_what_does_not_run_yet_says_so() -> None:
    """The settings page and the editor tell of a kind of source that it is refused, before anybody uses it."""
    for kind, model in SOURCES.items():
        said = "does not run yet" in (model.__doc__ or "")
        assert said is (kind not in SOURCES_THAT_RUN), kind


def test_every_place_of_a_secret_is_known() -> None:
    """What may hold a secret is never shown in a message, so every such setting is on the list."""
    for model in models(SyncDefinition, set()):
        for name, setting in model.model_fields.items():
            if SecretRef in [part for _, part in model_parts(setting.annotation)]:
                assert (setting.alias or name) in SECRET_PLACES


def test_the_schema_knows_the_keys_of_the_base() -> None:
    """Editors complete what the loader takes: every top-level key, and unknown ones are marked."""
    schema = reference.sync_schema()
    assert set(read_document(BASE).value) <= set(schema["properties"])
    assert schema["additionalProperties"] is False
    assert get_args(SyncDefinition.model_fields["mappings"].annotation)

"""What a listener's sync means at this moment."""

from __future__ import annotations

from typing import Any

import pytest

from shared.definitions.loading import parse_sync
from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.meaning import Meaning
from shared.errors import DefinitionError, StateError
from tests.unit.definitions.test_cases import BASE

OFF = parse_sync(BASE, name="base")
ON = parse_sync(BASE.replace("listener: { enabled: false", "listener: { enabled: true"), name="base")
DEAF = OFF.model_copy(update={"listener": None})


def means(found: SyncDefinition | Exception) -> Meaning:
    def definition(_: str) -> SyncDefinition:
        if isinstance(found, Exception):
            raise found
        return found

    return Meaning("base", definition, lambda _: {})


def test_a_definition_says_whether_its_listener_listens() -> None:
    """Switched on, with the sync itself; a broken one lets messages wait for it instead of passing them by."""
    assert means(ON).is_on()
    for off in (OFF, DEAF, ON.model_copy(update={"enabled": False})):
        assert not means(off).is_on()
    assert means(DefinitionError("base", [])).is_on()
    with pytest.raises(DefinitionError):
        means(DEAF).hearing()


def test_another_object_is_another_definition() -> None:
    """A line is kept for the very definition that it was opened with, and for no broken one."""
    assert means(ON).is_still(ON)
    assert not means(OFF).is_still(ON)
    assert not means(DefinitionError("base", [])).is_still(ON)


@pytest.mark.parametrize("ask", [Meaning.is_on, Meaning.hearing, lambda meaning: meaning.is_still(ON)])
def test_a_store_that_does_not_answer_is_no_broken_definition(ask: Any) -> None:
    """The messages come again; nothing is parked as if somebody had to mend something."""
    with pytest.raises(StateError):
        ask(means(StateError("the store does not answer")))

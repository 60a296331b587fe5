"""What a listener's sync means at this moment: a definition may be changed while messages come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from shared.definitions.sync import SyncDefinition
from shared.engine.realtime.hearing import Hearing
from shared.errors import DefinitionError


@dataclass(frozen=True, slots=True)
class Meaning:
    """`definition` gives the sync's definition as it is now, the same object as long as it is the same one;
    `variables` the values that its expressions may use.

    Raises:
        StateError: from every method, when the store of definitions does not answer.
    """

    sync: str
    definition: Callable[[str], SyncDefinition]
    variables: Callable[[SyncDefinition], Mapping[str, str]]

    def hearing(self) -> Hearing:
        """The definition, heard as messages. Raises `DefinitionError`: it is broken, or has no listener."""
        definition = self.definition(self.sync)
        hearing = Hearing(definition, self.variables(definition))
        _ = hearing.listener
        return hearing

    def is_on(self) -> bool:
        """Whether the definition lets the listener listen; a broken one does not keep messages from waiting for it."""
        try:
            definition = self.definition(self.sync)
        except DefinitionError:
            return True
        return definition.enabled and definition.listener is not None and definition.listener.enabled

    def is_still(self, known: SyncDefinition) -> bool:
        """Whether the definition is the one that is known."""
        try:
            return self.definition(self.sync) is known
        except DefinitionError:
            return False

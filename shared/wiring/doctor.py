"""Opens a client for each credential of a sync, and lets the doctor look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from shared.dataverse.pauses import PausePolicy
from shared.dataverse.service_url import parse_service_url
from shared.definitions.catalogue import Catalogue, Edit, noted
from shared.definitions.connection import DataverseConnection
from shared.definitions.sync import SyncDefinition
from shared.engine.doctor import diagnose, role_of
from shared.errors import AuthenticationError, NotAllowedError
from shared.values.problems import Severity
from shared.values.rights import Finding, Grade, Role
from shared.wiring.connections import Connector

_PAUSES = PausePolicy(attempts=2, first_s=0.5, longest_s=5.0, throttled_total_s=20.0, throttled_attempts=3)
"""Somebody waits for what is found; a look that the service puts off is told as that."""


def findings(definition: SyncDefinition, connector: Connector) -> list[Finding]:
    """What stands in the way of a sync in its environment, each with its fix."""
    impatient = replace(connector, pauses=_PAUSES)
    with ExitStack() as stack:
        try:
            users = {
                name: stack.enter_context(impatient.open(definition.name, connection))
                for name, connection in _credentials(definition)
            }
        except (AuthenticationError, NotAllowedError) as error:
            fix = error.remedy or "set the secret with `secrets set`, or an operator adds what is missing to the reach"
            return [Finding("identity", Grade.ERROR, error.found, fix)]
        return diagnose(definition, users)


def of_edit(edit: Edit | None) -> list[Finding]:
    """That a sync is edited in the app, and what became of its file."""
    grades = {Severity.NOTE: Grade.NOTE, Severity.WARNING: Grade.WARNING, Severity.ERROR: Grade.ERROR}
    notes = noted(edit) if edit is not None else []
    return [Finding("definition", grades[note.severity], note.found, note.remedy) for note in notes]


def roles(catalogue: Catalogue, connector: Connector, syncs: Sequence[str], *, undo: bool) -> list[Role]:
    """The least-privilege role of each environment that these syncs (none named: all sound ones) write to.

    Raises:
        NotFoundError, DefinitionError: a sync is not there or broken.
        DestinationError, AuthenticationError: metadata cannot be read.
    """
    by_environment: dict[str, list[SyncDefinition]] = {}
    for name in syncs or catalogue.names():
        definition = catalogue.get(name)
        environment = parse_service_url(definition.destination.service_url).origin
        by_environment.setdefault(environment, []).append(definition)
    found = []
    for definitions in by_environment.values():
        with connector.open(definitions[0].name, definitions[0].destination) as client:
            found.append(role_of(definitions, client, undo=undo))
    return found


def _credentials(definition: SyncDefinition) -> Iterator[tuple[str, DataverseConnection]]:
    """Each credential by itself, with a name for people: that of the secret with its client id."""
    destination = definition.destination
    if len(destination.sign_ins) < 2:
        named = destination.client_id.secret if destination.client_id else "the app's managed identity"
        one = destination.sign_ins[0].client_id.secret if destination.sign_ins else named
        yield one, destination
        return
    for credential in destination.sign_ins:
        yield credential.client_id.secret, destination.model_copy(update={"credentials": (credential,)})

"""Chooses where secrets come from, and looks after those that the syncs of a folder may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from shared.definitions.catalogue import Catalogue
from shared.definitions.checks.outside import secrets_of
from shared.definitions.reach import Reach
from shared.errors import NotAllowedError
from shared.ports import SecretHome
from shared.secrets import EnvironmentSecrets, KeyVaultSecrets, checked_name
from shared.values.secrets import SecretEntry
from shared.wiring.connections import utc_now
from shared.wiring.settings import Settings


def open_secrets(settings: Settings, environ: Mapping[str, str], *, verify: bool | str) -> SecretHome:
    """The key vault that the settings name, else the environment. `verify` is what requests takes."""
    if settings.key_vault_url is None:
        return EnvironmentSecrets(environ)
    return KeyVaultSecrets(settings.key_vault_url, clock=utc_now, verify=verify)


@dataclass(frozen=True, slots=True)
class SecretDesk:
    """The secrets of one folder's syncs: those that are named, and what else a sync may name."""

    home: SecretHome
    catalogue: Catalogue
    reach: Reach

    def entries(self) -> list[SecretEntry]:
        """Every secret that a sound sync names or that lies within a sync's reach, by name."""
        named = self._named()
        states = self.home.states([name for name, _ in named.values()])
        known = self.catalogue.all_names()
        within = {name for name in states if self._within_reach(name, known)}
        shown = {name: named.get(name, (name, ())) for name in sorted({*named, *within})}
        return [SecretEntry(name, states[key], syncs) for key, (name, syncs) in shown.items()]

    def put(self, name: str, read: Callable[[], str]) -> None:
        """Keep a secret that some sync may name; its value is read only then.

        Raises:
            NotAllowedError: no sync may name it, or its home cannot be written.
            AuthenticationError: it is no name, or the home refuses.
        """
        if not self._within_reach(checked_name(name), self.catalogue.all_names()):
            raise NotAllowedError(
                "no sync here may name that secret (it is not shown, for it may be a secret itself); name one that "
                "begins with a sync's name and --, or let an operator allow it under `secrets` in syncs/reach.yaml"
            )
        self.home.put(name, read() if self.home.writable else "")

    def _named(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Name as written and the syncs that name it, by the name in lower case."""
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for sync, definition in self.catalogue.sound().items():
            for name in {name.lower(): name for _, name in secrets_of(definition)}.values():
                written, syncs = found.get(name.lower(), (name, ()))
                found[name.lower()] = (written, (*syncs, sync))
        return found

    def _within_reach(self, name: str, syncs: Sequence[str]) -> bool:
        return any(self.reach.allows_secret(sync, name) for sync in syncs)

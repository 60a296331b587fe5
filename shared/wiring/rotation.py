"""The one way in which secrets of a sync are used: within the reach, and read anew once when they were refused.

A vault's values are remembered for minutes. Somebody may change one meanwhile, and nothing shall need a restart.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared import log
from shared.definitions.reach import Reach
from shared.errors import AuthenticationError, NotAllowedError
from shared.ports import Secrets, Source, SourceSink, StagedSource

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Reached:
    """The secrets that one sync may name; any other is refused with `NotAllowedError`."""

    secrets: Secrets
    reach: Reach
    sync: str

    def get(self, name: str) -> str:
        """The value, as it is remembered."""
        self._refuse_outside(name)
        return self.secrets.get(name)

    def renew(self, name: str) -> str:
        """The value as its home has it now."""
        self._refuse_outside(name)
        return self.secrets.renew(name)

    def _refuse_outside(self, name: str) -> None:
        if not self.reach.allows_secret(self.sync, name):
            raise NotAllowedError(
                f"sync {self.sync!r} may not name the secret {name!r}",
                remedy=f"it may name {self.sync}--…, and what an operator adds under `secrets` in syncs/reach.yaml",
            )


@dataclass(frozen=True, slots=True)
class HandedOut:
    """Secrets that know which values they gave."""

    secrets: Secrets
    values: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, name: str) -> str:
        """The value, as it is remembered."""
        self.values[name] = self.secrets.get(name)
        return self.values[name]

    def renew(self, name: str) -> str:
        """The value as its home has it now."""
        self.values[name] = self.secrets.renew(name)
        return self.values[name]

    def changed(self) -> bool:
        """Whether one that was given is another by now; each is asked for at its home. Raises as `get`."""
        others = [name for name, value in self.values.items() if self.secrets.renew(name) != value]
        if others:
            log.event(_logger, "credentials.renewed", secrets=",".join(others))
        return bool(others)


def once_more[Given](secrets: Secrets, use: Callable[[Secrets], Given]) -> Given:
    """What `use` makes of the secrets; when one is refused and is another by now, `use` gets a second chance.

    Raises:
        AuthenticationError: it was refused, and nothing newer is there, or that was refused as well.
    """
    handed = HandedOut(secrets)
    try:
        return use(handed)
    except AuthenticationError:
        if not handed.changed():
            raise
    return use(secrets)


class RenewedSource:
    """A source (`ports.Source`) that signs in with a secret; `opened` opens it.

    Nothing is tried twice with the same secret: too many refused logins lock an account.

    Raises:
        DynsyncError: it cannot be opened.
    """

    def __init__(self, secrets: Secrets, opened: Callable[[Secrets], Source]) -> None:
        self._secrets, self._opened = secrets, opened
        self._handed = HandedOut(secrets)
        self._source = opened(self._handed)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files outside the workspace that are read."""
        return self._source.files

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`; the sink's table begins anew with a second try."""
        return self._tried(lambda source: source.stage(sink))

    def column_types(self) -> Mapping[str, str]:
        """The source's own columns and their DuckDB types, in order."""
        return self._tried(lambda source: source.column_types())

    def _tried[Given](self, use: Callable[[Source], Given]) -> Given:
        try:
            return use(self._source)
        except AuthenticationError:
            if not self._handed.changed():
                raise
        self._handed = HandedOut(self._secrets)
        self._source = self._opened(self._handed)
        return use(self._source)

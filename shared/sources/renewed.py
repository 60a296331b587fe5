"""A source whose secret was refused is opened once more with the secret as its home has it now.

A vault's values are remembered for some minutes. A password or token that was rotated in that time must not fail a job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from shared import log
from shared.errors import AuthenticationError
from shared.ports import Secrets, Source, SourceSink, StagedSource

_logger = logging.getLogger(__name__)


class GivenSecrets:
    """Secrets, and which of them were given out."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._given: dict[str, str] = {}

    def get(self, name: str) -> str:
        """The value, as it is remembered."""
        value = self._given[name] = self._secrets.get(name)
        return value

    def renew(self, name: str) -> str:
        """The value as its home has it now."""
        value = self._given[name] = self._secrets.renew(name)
        return value

    def changed(self) -> list[str]:
        """Asks the home anew for what was given out; the names of those that are others now."""
        given = dict(self._given)
        return [name for name, value in given.items() if self.renew(name) != value]


class RenewedSource:
    """A source that is opened again, once, when it is refused and its home has another secret by now.

    Nothing is tried twice with the same secret: too many refused logins lock an account.
    """

    def __init__(self, opened: Callable[[], Source], secrets: GivenSecrets) -> None:
        self._opened, self._secrets = opened, secrets
        self._source = opened()

    @property
    def files(self) -> tuple[Path, ...]:
        """See `Source.files`."""
        return self._source.files

    def stage(self, sink: SourceSink) -> StagedSource:
        """See `Source.stage`. A second read begins anew, so it does not matter how far the first one came."""
        return self._tried(lambda source: source.stage(sink))

    def column_types(self) -> Mapping[str, str]:
        """See `Source.column_types`."""
        return self._tried(lambda source: source.column_types())

    def _tried[Answer](self, ask: Callable[[Source], Answer]) -> Answer:
        try:
            return ask(self._source)
        except AuthenticationError:
            changed = self._secrets.changed()
            if not changed:
                raise
            log.event(_logger, "credentials.renewed", secrets=",".join(changed))
        self._source = self._opened()
        return ask(self._source)

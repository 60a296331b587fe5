"""The Dataverse client: who we are, what the environment and its tables are, and their rows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from shared.dataverse.asking import Answer, Asking
from shared.dataverse.collation import is_accent_sensitive
from shared.dataverse.metadata import Catalogue, TableReading
from shared.dataverse.metadata.json import text, whole
from shared.dataverse.reading import Reader, Row
from shared.dataverse.transport import Transport
from shared.errors import DestinationError
from shared.values.tables import Environment, Table

_ORGANISATION = "organizations?$select=organizationid,languagecode,pricingdecimalprecision"
_CURRENCIES = "transactioncurrencies?$select=transactioncurrencyid,isocurrencycode,currencyprecision"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the service takes us for. GUIDs."""

    user_id: str
    business_unit_id: str
    organization_id: str


@dataclass(slots=True)
class Learned:
    """What a client knows already."""

    catalogue: Catalogue
    tables: dict[str, Table] = field(default_factory=dict)
    identity: Identity | None = None
    environment: Environment | None = None


class DataverseClient(Reader):
    """One environment: its rows, as every reader reads them, and what it is and holds.

    Thread-safe; what it learns of tables and environment it keeps. Asks side by side as far as the transport lets it.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.transport = transport
        self._learned = Learned(Catalogue(self))
        self._lock = threading.RLock()

    def who_am_i(self) -> Identity:
        """Who the service takes us for; the cheapest proof that address and credentials are right."""
        reply = self.transport.get("WhoAmI").json()
        return Identity(text(reply, "UserId"), text(reply, "BusinessUnitId"), text(reply, "OrganizationId"))

    def server_time(self) -> datetime:
        """The service's clock, to whole seconds, in UTC.

        Raises:
            DestinationError: the reply has no readable date.
        """
        date = self.transport.get("WhoAmI").headers.get("date", "")
        try:
            return parsedate_to_datetime(date).astimezone(UTC)
        except ValueError:
            raise DestinationError(f"the service's reply has no readable Date header (found {date[:40]!r})") from None

    @property
    def organization_id(self) -> str:
        """The environment's own id, a GUID; asked for once."""
        with self._lock:
            self._learned.identity = self._learned.identity or self.who_am_i()
            return self._learned.identity.organization_id

    def environment(self) -> Environment:
        """What holds for the whole environment.

        Raises:
            DestinationError: the organisation's row cannot be read.
        """
        with self.side_by_side() as asked:
            return asked.environment()()

    def table(self, name: str) -> Table:
        """A table by its logical, schema, set or (when only one has it) display name, in any case.

        Raises:
            DestinationError: there is none; the nearest names are told.
        """
        with self.side_by_side() as asked:
            return asked.table(name)()

    @contextmanager
    def side_by_side(self) -> Iterator[Asked]:
        """Ask for several things that do not wait for each other; other threads wait, and find what was learned."""
        with self._lock, Asking(side_by_side=self.transport.useful > 1) as asking:
            yield Asked(self, asking, self._learned)


class Asked:
    """What is asked of one environment at once; each answer is kept by the client, and raises as its methods do."""

    def __init__(self, client: DataverseClient, asking: Asking, learned: Learned) -> None:
        self._client, self._asking, self._learned = client, asking, learned
        self._tables: dict[str, Answer[Table]] = {}
        self._environment: Answer[Environment] | None = None

    def environment(self) -> Answer[Environment]:
        """What holds for the whole environment. The very first request of all goes alone: it shows who we are."""
        if self._environment is None:
            self._environment = self._asked_environment()
        return self._environment

    def _asked_environment(self) -> Answer[Environment]:
        known = self._learned.environment
        if known is not None:
            return lambda: known
        client, later = self._client, self._asking.later
        is_first = not client.transport.requests.requests
        identity = later(client.who_am_i)
        if is_first:
            identity()
        organisation = later(lambda: client.all_rows(_ORGANISATION))
        currencies = later(lambda: client.all_rows(_CURRENCIES))

        def answer() -> Environment:
            self._learned.identity = identity()
            self._learned.environment = _environment(self._learned.identity, organisation(), currencies)
            return self._learned.environment

        return cache(answer)

    def table(self, name: str) -> Answer[Table]:
        """A table by any of its names.

        Raises:
            DestinationError: there is none; the nearest names are told.
        """
        catalogue, tables = self._learned.catalogue, self._learned.tables
        logical = catalogue.find(name).logical
        if logical in tables:
            return lambda: tables[logical]
        if logical not in self._tables:
            reading = TableReading(self._asking, self._client.transport, self._client, logical)

            def answer() -> Table:
                if logical not in tables:
                    tables[logical] = reading.table(catalogue.entity_sets())
                return tables[logical]

            self._tables[logical] = answer
        return self._tables[logical]


def _environment(identity: Identity, rows: Sequence[Row], currencies: Answer[list[Row]]) -> Environment:
    language = whole(rows[0], "languagecode") if rows else None
    if language is None:
        raise DestinationError("the organisation's base language cannot be read; give the user read on Organization")
    precision = whole(rows[0], "pricingdecimalprecision")
    return Environment(
        organization_id=identity.organization_id,
        base_language=language,
        accent_sensitive=is_accent_sensitive(language),
        pricing_precision=2 if precision is None else precision,
        currencies=_currencies(currencies()),
        user_id=identity.user_id,
    )


def _currencies(rows: Sequence[Row]) -> dict[str, tuple[str, int]]:
    return {
        text(row, "isocurrencycode").upper(): (
            text(row, "transactioncurrencyid").lower(),
            2 if (digits := whole(row, "currencyprecision")) is None else digits,
        )
        for row in rows
        if text(row, "isocurrencycode")
    }

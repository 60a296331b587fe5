"""The Dataverse client: who we are, what the environment and its tables are, and their rows."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.dataverse.collation import is_accent_sensitive
from shared.dataverse.metadata import Catalogue, read_table
from shared.dataverse.metadata.json import text, whole
from shared.dataverse.reading import Reader
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


class DataverseClient(Reader):
    """One environment: its rows, as every reader reads them, and what it is and holds.

    Thread-safe; what it learns of tables and environment it keeps.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(transport)
        self.transport = transport
        self._catalogue = Catalogue(self)
        self._tables: dict[str, Table] = {}
        self._lock = threading.Lock()

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

    def environment(self) -> Environment:
        """What holds for the whole environment.

        Raises:
            DestinationError: the organisation's row cannot be read.
        """
        identity = self.who_am_i()
        rows = self.all_rows(_ORGANISATION)
        language = whole(rows[0], "languagecode") if rows else None
        if language is None:
            raise DestinationError(
                "the organisation's base language cannot be read; give the user read on Organization"
            )
        precision = whole(rows[0], "pricingdecimalprecision")
        return Environment(
            organization_id=identity.organization_id,
            base_language=language,
            accent_sensitive=is_accent_sensitive(language),
            pricing_precision=2 if precision is None else precision,
            currencies=self._currencies(),
            user_id=identity.user_id,
        )

    def table(self, name: str) -> Table:
        """A table by its logical, schema, set or (when only one has it) display name, in any case.

        Raises:
            DestinationError: there is none; the nearest names are told.
        """
        logical = self._catalogue.find(name).logical
        with self._lock:
            if logical not in self._tables:
                sets = self._catalogue.entity_sets()
                self._tables[logical] = read_table(self.transport, self, logical, sets)
            return self._tables[logical]

    def _currencies(self) -> dict[str, tuple[str, int]]:
        rows = self.all_rows(_CURRENCIES)
        return {
            text(row, "isocurrencycode").upper(): (
                text(row, "transactioncurrencyid").lower(),
                2 if (digits := whole(row, "currencyprecision")) is None else digits,
            )
            for row in rows
            if text(row, "isocurrencycode")
        }

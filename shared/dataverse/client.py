"""The Dataverse client: who we are, what the environment and its tables are, and their rows."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from shared.dataverse.collation import is_accent_sensitive
from shared.dataverse.metadata import Catalogue, read_table
from shared.dataverse.metadata.json import text, whole
from shared.dataverse.queries import Key
from shared.dataverse.reading import PAGE_SIZE, Reader, Row
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


class DataverseClient:
    """One environment. Thread-safe; what it learns of tables and environment it keeps."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._reader = Reader(transport)
        self._catalogue = Catalogue(self._reader)
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
        rows = self._reader.all_rows(_ORGANISATION)
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
                self._tables[logical] = read_table(self.transport, self._reader, logical, sets)
            return self._tables[logical]

    def pages(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        order_by: Sequence[str] = (),
        page_size: int = PAGE_SIZE,
        lookup_types: bool = False,
        extra: Sequence[str] = (),
    ) -> Iterator[bytes]:
        """The JSON array of each page, exactly as the server sent it: `Reader.pages`."""
        return self._reader.pages(
            table,
            columns,
            filter=filter,
            order_by=order_by,
            page_size=page_size,
            lookup_types=lookup_types,
            extra=extra,
        )

    def rows(
        self,
        table: Table,
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        order_by: Sequence[str] = (),
        lookup_types: bool = False,
        extra: Sequence[str] = (),
    ) -> list[Row]:
        """All rows parsed, for small reads: `Reader.rows`."""
        return self._reader.rows(
            table, columns, filter=filter, order_by=order_by, lookup_types=lookup_types, extra=extra
        )

    def rows_by_id(
        self, table: Table, ids: Iterable[str], columns: Sequence[str], *, lookup_types: bool = False
    ) -> dict[str, Row]:
        """The rows that exist among the ids, by id; each with its `@odata.etag`."""
        return self._reader.rows_by_id(table, ids, columns, lookup_types=lookup_types)

    def rows_by_key(
        self,
        table: Table,
        key_columns: Sequence[str],
        keys: Iterable[Key],
        columns: Sequence[str],
        *,
        filter: str | None = None,  # noqa: A002 - the option's name in OData
        lookup_types: bool = False,
    ) -> Iterator[list[Row]]:
        """The rows whose key columns equal one of the keys, one list per request: `Reader.rows_by_key`."""
        return self._reader.rows_by_key(table, key_columns, keys, columns, filter=filter, lookup_types=lookup_types)

    def total(self, table: Table, filter: str | None = None) -> int | None:  # noqa: A002 - the option's name in OData
        """About how many rows there are, for progress; None when it is not cheap to know."""
        return self._reader.total(table, filter)

    def _currencies(self) -> dict[str, tuple[str, int]]:
        rows = self._reader.all_rows(_CURRENCIES)
        return {
            text(row, "isocurrencycode").upper(): (
                text(row, "transactioncurrencyid").lower(),
                2 if (digits := whole(row, "currencyprecision")) is None else digits,
            )
            for row in rows
            if text(row, "isocurrencycode")
        }

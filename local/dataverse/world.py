"""What every request works with: tables, rows, the clock, the caller, and what the organization has settled."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count

from local.dataverse.logic.steps import Steps
from local.dataverse.store import Store
from local.dataverse.tables import Tables

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: `rate` is units per unit of the base currency, times 10^10."""

    row_id: str
    symbol: str
    precision: int
    rate: int


@dataclass(slots=True)
class Settled:
    """What the rows of organization, currency and user say; read again after one of them changes."""

    organization_id: str
    caller_id: str
    caller_disabled: bool
    pricing_precision: int
    base: Currency
    currencies: dict[str, Currency]


class World:
    """One environment."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self._settled: Settled | None = None
        self._application = ""
        self._acting: str | None = None
        self.steps = Steps(store)
        self._ids = count(secrets.randbits(31))
        tail = secrets.token_hex(8)
        self._tail = f"{tail[:4]}-f111-{'89ab'[secrets.randbits(2)]}{tail[4:7]}-{tail[7:16]}{secrets.token_hex(2)[:3]}"

    @property
    def tables(self) -> Tables:
        """All tables."""
        return self.store.tables

    def now(self) -> str:
        """The moment as columns hold it."""
        return self.clock().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_ids(self, number: int) -> list[str]:
        """Fresh ids, growing as the service's own do."""
        tail, ids = self._tail, self._ids
        return [f"{next(ids) & 0xFFFFFFFF:08x}-{tail}" for _ in range(number)]

    @property
    def settled(self) -> Settled:
        """Organization, caller and currencies."""
        if self._settled is None:
            self._settled = _read(self.store, self._application)
        return self._settled

    def act_as(self, application: str) -> None:
        """From now on the caller is the user of this application (its client id); '' is the first application user."""
        if application != self._application:
            self._application = application
            self._settled = None

    @property
    def application(self) -> str:
        """The client id of the calling application, '' for the first one."""
        return self._application

    @property
    def caller_id(self) -> str:
        """The user as whom rows are written: the impersonated one, otherwise the application's; empty without any."""
        return self._acting or self.settled.caller_id

    @property
    def delegate_id(self) -> str | None:
        """The user who acts on behalf of the caller, None without impersonation."""
        return self.settled.caller_id or None if self._acting else None

    @contextmanager
    def acting_as(self, user_id: str | None) -> Iterator[None]:
        """Writes inside as this user; None leaves the caller as it is."""
        before = self._acting
        self._acting = user_id or before
        try:
            yield
        finally:
            self._acting = before

    def forget(self) -> None:
        """Reads organization, caller and currencies again when next asked."""
        self._settled = None


def _read(store: Store, application: str) -> Settled:
    listed = store.all(
        "SELECT transactioncurrencyid, currencysymbol, currencyprecision, exchangerate FROM transactioncurrency"
    )
    currencies = {
        str(row[0]): Currency(str(row[0]), str(row[1]), _int(row[2], 2), _int(row[3], 10**10)) for row in listed
    }
    row = store.all("SELECT organizationid, pricingdecimalprecision, basecurrencyid FROM organization LIMIT 1")
    organization = row[0] if row else ("", 2, None)
    base = currencies.get(str(organization[2])) or next(iter(currencies.values()), Currency("", "", 2, 10**10))
    users = (
        "SELECT systemuserid, isdisabled FROM systemuser WHERE applicationid IS NOT NULL AND ? IN ('', applicationid) "
        "ORDER BY rowid LIMIT 1"
    )
    caller = (store.all(users, (application,)) or [("", 0)])[0]
    return Settled(str(organization[0]), str(caller[0]), bool(caller[1]), _int(organization[1], 2), base, currencies)


def _int(value: object, default: int) -> int:
    return value if isinstance(value, int) else default

"""Delta tokens: the last row version that the caller has seen, and when; and places between two pages of changes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from local.dataverse import refusals
from local.dataverse.refusals import Refusal

_TOKEN = re.compile(r"(\d{1,18})!(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)", re.ASCII)
_PLACE = re.compile(
    r'<cookie pagenumber="(\d{1,9})" after="(\d{1,18})" gone="([01])" since="([^"]{0,60})" istracking="True" ?/>'
)
_WRITTEN = "%m/%d/%Y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class DeltaToken:
    """A moment in a table's history: everything up to `version` is known."""

    version: int
    at: datetime

    @property
    def text(self) -> str:
        """The token, decoded."""
        return f"{self.version}!{self.at.astimezone(UTC).strftime(_WRITTEN)}"

    @property
    def quoted(self) -> str:
        """The token, ready for a URL."""
        return quote(self.text, safe="")


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two pages of a tracked query: behind the version `after`, among the deleted rows when `gone`.

    `start` was the beginning of the query: from there the next delta counts.
    """

    page: int
    after: int
    gone: bool
    start: DeltaToken

    @property
    def quoted(self) -> str:
        """The place as `$skiptoken`, ready for a URL."""
        text = (
            f'<cookie pagenumber="{self.page}" after="{self.after}" gone="{int(self.gone)}" '
            f'since="{self.start.text}" istracking="True" />'
        )
        return quote(text, safe="=/")


def read(text: str) -> DeltaToken:
    """A decoded `$deltatoken`.

    Raises:
        Refusal: it is none.
    """
    found = _TOKEN.fullmatch(text)
    try:
        at = datetime.strptime(found[2], _WRITTEN).replace(tzinfo=UTC) if found else None
    except ValueError:
        at = None
    if found is None or at is None:
        raise refusals.query("The $deltatoken is malformed: use the @odata.deltaLink as it was given.")
    return DeltaToken(int(found[1]), at)


def place(text: str) -> Place:
    """A decoded `$skiptoken` of a tracked query.

    Raises:
        Refusal: it is none.
    """
    found = _PLACE.fullmatch(text)
    if found is None:
        raise refusals.query("The $skiptoken is malformed: use the @odata.nextLink as it was given.")
    return Place(int(found[1]), int(found[2]), found[3] == "1", read(found[4]))


def check_age(token: DeltaToken, now: datetime, days: int) -> None:
    """Lets a token pass that is young enough.

    Raises:
        Refusal: it has expired.
    """
    if now - token.at > timedelta(days=days):
        raise Refusal(
            400,
            "0x80044352",
            "Version stamp associated with the client has expired. Please perform a full sync.",
        )

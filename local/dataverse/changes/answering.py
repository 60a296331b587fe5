"""Answers `Prefer: odata.track-changes` and the delta links that come of it.

The first answer holds every row and a delta link; the link gives what was created or changed since, by version, and
then what was deleted. A row that was created and deleted in between comes only as deleted.
Source: Microsoft Learn, "Use change tracking to synchronize data with external systems".
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote_plus

from local.dataverse import lateindexes, refusals
from local.dataverse.changes import tokens
from local.dataverse.changes.tokens import DeltaToken, Place
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.odata.options import MAX_PAGE, Options
from local.dataverse.odata.queries import Asked, Reader
from local.dataverse.odata.scope import ROOT
from local.dataverse.odata.shapes import JsonRow, shape
from local.dataverse.partitions import id_of, row_column
from local.dataverse.refusals import Refusal
from local.dataverse.tables import Table
from shared.sql import identifier

_DAYS = 7


class Changes:
    """Tracked queries of every table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def answer(self, table: Table, asked: Asked, request: Request) -> Reply:
        """One page of a tracked query: of all rows, or of the changes since a token.

        Raises:
            Refusal: the table is not tracked, an option does not go with tracking, or the token has expired.
        """
        _check(table, asked.options)
        since = self._since(asked.options.delta)
        place = None if asked.options.skiptoken is None else tokens.place(asked.options.skiptoken)
        start = (
            DeltaToken(self._reader.world.store.version, self._reader.world.clock()) if place is None else place.start
        )
        limit = asked.preferences.page or MAX_PAGE
        entries = self._entries(table, since, place, limit + 1)
        page = entries[:limit]
        rows = self._rows(table, asked, [version for version, _, gone in page if not gone])
        rows += [_deleted(table, row_id, request) for _, row_id, gone in page if gone]
        if len(entries) > limit:
            number = place.page if place else 1
            link = _link(table, request, "$skiptoken", Place(number + 1, page[-1][0], page[-1][2], start).quoted)
        else:
            link = _link(table, request, "$deltatoken", start.quoted)
        suffix = "" if since is None else "/$delta"
        return _reply(table, asked, rows, link, suffix)

    def count(self, table: Table, delta: str) -> int:
        """The number of changes since a token, at most the service's cap.

        Raises:
            Refusal: the table is not tracked, or the token has expired.
        """
        _check(table, Options())
        since = self._since(delta)
        return len(self._entries(table, since, None, MAX_PAGE))

    def _since(self, delta: str | None) -> DeltaToken | None:
        if delta is None:
            return None
        token = tokens.read(delta)
        store = self._reader.world.store
        days = store.value("SELECT expirechangetrackingindays FROM organization LIMIT 1")
        tokens.check_age(token, self._reader.world.clock(), days if isinstance(days, int) else _DAYS)
        return token

    def _entries(
        self, table: Table, since: DeltaToken | None, place: Place | None, limit: int
    ) -> list[tuple[int, str, bool]]:
        """Version, id and whether it is gone, of each change behind a place: those that are there, then the deleted.

        Both are read in the order of an index, from the place on: a page costs its own rows, wherever it is.
        """
        lateindexes.of_changes(self._reader.world.store, table)
        low = since.version if since else 0
        found: list[tuple[int, str, bool]] = []
        if place is None or not place.gone:
            found += self._there(table, low if place is None else place.after, limit)
        if since is not None and len(found) < limit:
            found += self._gone(table, place.after if place is not None and place.gone else low, limit - len(found))
        return found

    def _there(self, table: Table, version: int, limit: int) -> list[tuple[int, str, bool]]:
        name, key = identifier(table.name), identifier(row_column(table))
        statement = (
            f"SELECT versionnumber, {key} FROM {name} WHERE versionnumber > ? ORDER BY versionnumber LIMIT {limit}"
        )
        return [(int(str(number)), str(row_id), False) for number, row_id in self._reader.run(statement, (version,))]

    def _gone(self, table: Table, version: int, limit: int) -> list[tuple[int, str, bool]]:
        """What was deleted and did not come back."""
        name, key = identifier(table.name), identifier(row_column(table))
        statement = (
            'SELECT d.version, d.id FROM "~deleted" AS d WHERE d."table" = ? AND d.version > ? '
            f"AND NOT EXISTS (SELECT 1 FROM {name} WHERE {key} = d.id) ORDER BY d.version LIMIT {limit}"
        )
        listed = self._reader.run(statement, (table.name, version))
        return [(int(str(number)), str(row_id), True) for number, row_id in listed]

    def _rows(self, table: Table, asked: Asked, versions: Sequence[int]) -> list[JsonRow]:
        """The rows of the versions from the first to the last; every row has a version of its own."""
        if not versions:
            return []
        plan = self._reader.plan(table, None, asked.options)
        wanted = shape(plan.scope, asked.options, asked.preferences, asked.root)
        first, last = (plan.compiler.context.bound(version) for version in (versions[0], versions[-1]))
        plan.tests.append(f"{ROOT}.versionnumber BETWEEN {first} AND {last}")
        order = f"ORDER BY {ROOT}.versionnumber"
        statement = f"SELECT {wanted.terms} FROM {plan.scope.source()} {plan.where} {order}"
        return self._reader.filled(wanted, self._reader.run(statement, plan.compiler.context.values), asked)


def _check(table: Table, options: Options) -> None:
    if not table.change_tracking:
        raise Refusal(
            400,
            "0x80072491",
            f"Entity: {table.name} isn't enabled for change tracking. Enable change tracking and try again.",
        )
    given = {
        "$filter": options.filter is not None,
        "$orderby": bool(options.orderby),
        "$expand": bool(options.expand),
        "$top": options.top is not None,
        "$apply": options.apply is not None,
        "fetchXml": options.fetch is not None,
        "sql": options.sql is not None,
    }
    for name, found in given.items():
        if found:
            raise refusals.query(f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.')


def _reply(table: Table, asked: Asked, rows: list[JsonRow], link: str, suffix: str) -> Reply:
    names = f"({','.join(asked.options.select)})" if asked.options.select else ""
    context = f"{asked.root}$metadata#{table.entity_set}{names}{suffix}"
    document: JsonRow = {"@odata.context": context}
    document["@odata.nextLink" if "$skiptoken=" in link else "@odata.deltaLink"] = link
    document["value"] = rows
    return json_reply(document, message="RetrieveMultiple", rows=len(rows))


def _deleted(table: Table, row_id: str, request: Request) -> JsonRow:
    context = f"{request.root}$metadata#{table.entity_set}/$deletedEntity"
    return {"@odata.context": context, "id": id_of(row_id), "reason": "deleted"}


def _link(table: Table, request: Request, option: str, token: str) -> str:
    """The request's own URL with another token; a page between keeps the delta token it counts from."""
    dropped = {"$skiptoken"} if option == "$skiptoken" else {"$skiptoken", "$deltatoken"}
    kept = [part for part in request.query.split("&") if part and unquote_plus(part.partition("=")[0]) not in dropped]
    return f"{request.root}{table.entity_set}?{'&'.join([*kept, f'{option}={token}'])}"

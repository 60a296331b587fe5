"""Answers `?fetchXml=` and `?sql=` on an entity set."""

from __future__ import annotations

import re
from urllib.parse import quote

from local.dataverse import refusals
from local.dataverse.fetchxml import faults, reading
from local.dataverse.fetchxml.model import Fetch
from local.dataverse.fetchxml.statement import Statement, statement
from local.dataverse.messages import Reply, Request, json_reply
from local.dataverse.odata import paging
from local.dataverse.odata import reading as row_reading
from local.dataverse.odata.applying import MAX_SOURCE, too_many_rows
from local.dataverse.odata.links import next_link
from local.dataverse.odata.options import MAX_PAGE
from local.dataverse.odata.queries import COUNT_CAP, Asked, Reader
from local.dataverse.odata.shapes import JsonRow
from local.dataverse.tables import Table
from local.dataverse.values import GUID

COOKIE = "Microsoft.Dynamics.CRM.fetchxmlpagingcookie"
MORE = "Microsoft.Dynamics.CRM.morerecords"
TOTAL = "Microsoft.Dynamics.CRM.totalrecordcount"
OVER = "Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"
METADATA = "Microsoft.Dynamics.CRM.globalmetadataversion"
_GIVEN = re.compile(r'\s*<cookie page="\d{1,9}"\s*/?>.{0,20000}', re.DOTALL)


class Fetches:
    """FetchXML and SQL of every table."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def fetch(self, table: Table, text: str, asked: Asked) -> Reply:
        """One page of a FetchXML query.

        Raises:
            Refusal: the query cannot be understood.
        """
        fetch = reading.read(text)
        _check_table(table, fetch, "fetchXml")
        if fetch.cookie and _GIVEN.fullmatch(fetch.cookie) is None:
            raise faults.invalid("Malformed XML in the Paging Cookie")
        made = self._made(fetch, asked)
        size = fetch.count or asked.preferences.page or MAX_PAGE
        rows, more = self._page(made, size if fetch.top is None else fetch.top, (fetch.page - 1) * size)
        more = more and fetch.top is None
        document = _document(table, asked, fetch)
        wants = asked.preferences.wants
        if wants(TOTAL):
            document |= self._total(made, fetch)
        if wants(METADATA):
            document[f"@{METADATA}"] = self._reader.world.store.metadata_version
        if wants(MORE):
            document[f"@{MORE}"] = more
        if more and wants(COOKIE) and table.id_column in rows[0]:
            document[f"@{COOKIE}"] = _cookie(table, fetch.page, rows)
        return json_reply({**document, "value": rows}, message="RetrieveMultiple", rows=len(rows))

    def saved(self, table: Table, asked: Asked) -> Reply:
        """One page of a query that is kept as a row: a view of everybody's, or one's own.

        Raises:
            Refusal: there is no such query, or it is about another table.

        Source: Microsoft Learn, "Retrieve and execute predefined queries".
        """
        everybodys = asked.options.saved is not None
        name, given = ("savedquery", asked.options.saved) if everybodys else ("userquery", asked.options.own)
        row_id = (given or "").strip().strip("{}").lower()
        if GUID.fullmatch(row_id) is None:
            raise refusals.query(f"The {'savedQuery' if everybodys else 'userQuery'} option is the id of a {name}.")
        statement = f"SELECT fetchxml FROM {name} WHERE {name}id = ?"
        kept = self._reader.world.store.all(statement, (row_id,)) if name in self._reader.world.tables.by_name else []
        if not kept:
            raise refusals.no_row(name, row_id)
        return self.fetch(table, str(kept[0][0] or ""), asked)

    def sql(self, table: Table, text: str, asked: Asked, request: Request) -> Reply:
        """One page of a SQL query; the pages behind it by `@odata.nextLink`.

        Raises:
            Refusal: the query cannot be understood, or is more than the service takes.
        """
        from local.dataverse.sqlquery import reading as sql_reading  # the parser is slow to import

        fetch = sql_reading.read(text)
        _check_table(table, fetch, "sql")
        made = self._made(fetch, asked)
        page, done = _done(asked.options.skiptoken)
        wanted = MAX_PAGE if fetch.top is None and fetch.count is None else fetch.top or fetch.count or 0
        limited = fetch.top is not None or fetch.count is not None
        left = max(wanted - done, 0) if limited else MAX_PAGE
        size = min(left, asked.preferences.page or MAX_PAGE)
        rows, more = self._page(made, size, fetch.skip + done)
        document = {**_document(table, asked, fetch), "value": rows}
        if more and (not limited or done + size < wanted):
            token = paging.token(paging.Position(page + 1, (done + size,)))
            document["@odata.nextLink"] = next_link(request, table.entity_set, token)
        return json_reply(document, message="RetrieveMultiple", rows=len(rows))

    def _made(self, fetch: Fetch, asked: Asked) -> Statement:
        made = statement(self._reader.world.tables, self._reader.context(), fetch, asked.preferences)
        if fetch.aggregate and self._count(made, MAX_SOURCE + 1) > MAX_SOURCE:
            raise too_many_rows()
        return made

    def _page(self, made: Statement, size: int, skip: int) -> tuple[list[JsonRow], bool]:
        listed = self._reader.run(made.page(size + 1, skip), made.values)
        return row_reading.rows(listed[:size], made.members), len(listed) > size

    def _count(self, made: Statement, limit: int) -> int:
        return int(str(self._reader.run(made.counted(limit), made.values)[0][0]))

    def _total(self, made: Statement, fetch: Fetch) -> JsonRow:
        if not fetch.total:
            return {f"@{TOTAL}": -1, f"@{OVER}": False}
        number = self._count(made, COUNT_CAP + 1)
        return {f"@{TOTAL}": min(number, COUNT_CAP), f"@{OVER}": number > COUNT_CAP}


def _check_table(table: Table, fetch: Fetch, option: str) -> None:
    """The query is about the table of the URL, which has all the joins asked for; an elastic one has outer ones only.

    Source: Microsoft Learn, "Use elastic tables".
    """
    if fetch.entity.name != table.name:
        raise faults.invalid(
            f"The {option} query is about the entity '{fetch.entity.name[:100]}', the URL about '{table.name}'."
        )
    if table.elastic and any(join.kind != "outer" for join in fetch.entity.joins()):
        raise faults.no_links()


def _document(table: Table, asked: Asked, fetch: Fetch) -> JsonRow:
    names = ",".join(attribute.alias or attribute.name for attribute in fetch.entity.attributes)
    shown = f"({names})" if names else ""
    return {"@odata.context": f"{asked.root}$metadata#{table.entity_set}{shown}"}


def _cookie(table: Table, page: int, rows: list[JsonRow]) -> str:
    """The paging cookie: its inner part is encoded twice, as the service does."""
    first, last = (f"{{{str(row[table.id_column]).upper()}}}" for row in (rows[0], rows[-1]))
    inner = f'<cookie page="{page}"><{table.id_column} last="{last}" first="{first}" /></cookie>'
    return f'<cookie pagenumber="{page + 1}" pagingcookie="{quote(quote(inner, safe=""))}" istracking="False" />'


def _done(skiptoken: str | None) -> tuple[int, int]:
    """The page that a token opens, and the rows before it."""
    if skiptoken is None:
        return 1, 0
    place = paging.position(skiptoken, 1)
    done = place.last[0]
    if not isinstance(done, int) or not 0 <= done < 2**40:
        raise faults.invalid("The $skiptoken is malformed: use the @odata.nextLink as it was given.")
    return place.page, done

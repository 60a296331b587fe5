"""A definition in words: where records come from and where they go. Never a secret, nor what could hold one."""

from __future__ import annotations

from shared.definitions.behaviour import ConditionalUpdate, Deactivate, Expire
from shared.definitions.source import DataverseSource, FileSource, RestSource, Source, SqlSource
from shared.definitions.sync import SyncDefinition

_KINDS = {
    "delimited": "Delimited text",
    "fixed_width": "Fixed-width text",
    "excel": "Excel workbook",
    "json": "JSON file",
    "parquet": "Parquet file",
}
_DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "sqlserver": "SQL Server"}
_DROPPED = {"ignore": "leave them", "delete": "delete them"}


def source_words(source: Source) -> str:
    """`Delimited text: incoming/customers.csv`. Of an address only host and path, for its query may hold a key."""
    match source:
        case FileSource():
            path = source.path
            given = f"what each start hands over ({path[1:]})" if path[:1] == "@" and path[1:].isidentifier() else ""
            return f"{_KINDS[source.type]}: {given or place(path)}"
        case SqlSource():
            what = f"table {source.table}" if source.table else "a query"
            return f"{_DATABASES[source.dialect]} database: {what}"
        case RestSource():
            return f"JSON over HTTP: {place(source.url)}"
        case DataverseSource():
            return f"Dataverse table {source.entity} at {_host(source.service_url)}"


def destination_words(definition: SyncDefinition) -> str:
    """`Dataverse table account at contoso.crm4.dynamics.com`."""
    return f"Dataverse table {definition.destination.entity} at {_host(definition.destination.service_url)}"


def behaviour_words(definition: SyncDefinition) -> list[str]:
    """What becomes of new, changed and dropped records, a sentence each."""
    rules = definition.behaviour
    changed = rules.changed
    updates = f"when {changed.when}" if isinstance(changed, ConditionalUpdate) else str(changed)
    found = [_read(definition), f"Key: {', '.join(rules.key)}", f"New: {rules.new}", f"Changed: {updates}"]
    if not definition.reads_a_part:
        found.append(f"Dropped: {_dropped(rules.dropped)}")
    return [*found, "Every plan waits for approval"] if rules.approval == "required" else found


def _read(definition: SyncDefinition) -> str:
    if definition.behaviour.strategy == "delta":
        return "Inserts and updates (delta): what is absent means nothing"
    part = definition.source.watermark is not None
    return "Reads what is newer than the last time (incremental)" if part else "Reads the whole source (full)"


def _dropped(rule: object) -> str:
    match rule:
        case Deactivate():
            return f"deactivate them ({rule.deactivate})"
        case Expire():
            return f"expire them ({rule.expire})"
        case _:
            return _DROPPED[str(rule)]


def place(address: str) -> str:
    """A path as it is; an address without whom it signs in as, its query and its fragment, which may hold a key."""
    scheme, sign, rest = address.partition("://")
    if not sign:
        return address
    if scheme.lower() in ("http", "https"):
        rest = rest.partition("?")[0].partition("#")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _host(address: str) -> str:
    return place(address).partition("://")[2].partition("/")[0] or place(address)

"""The least-privilege role of all syncs of one environment."""

from __future__ import annotations

from collections.abc import Sequence

from shared.dataverse import rights
from shared.dataverse.client import DataverseClient
from shared.definitions.sync import SyncDefinition
from shared.engine.doctor.needs import needs_of
from shared.values.rights import Access, Depth, Grant, NamedNeed, Need, Role

_ORDER = tuple(Access)


def role_of(definitions: Sequence[SyncDefinition], client: DataverseClient, *, undo: bool = False) -> Role:
    """The privileges that these syncs need together, each once, with why; all for the whole organization.

    Raises:
        DestinationError, AuthenticationError: metadata cannot be read.
    """
    tables: dict[tuple[str, Access], Need] = {}
    named: dict[str, NamedNeed] = {}
    for definition in definitions:
        needs = needs_of(definition, client.table(definition.destination.entity), undo=undo)
        for need in needs.tables:
            tables.setdefault((need.table, need.access), need)
        for one in needs.named:
            named.setdefault(one.name, one)
    return Role(
        service_url=definitions[0].destination.service_url,
        syncs=tuple(definition.name for definition in definitions),
        business_unit_id=client.who_am_i().business_unit_id,
        grants=(*_table_grants(client, list(tables.values())), *_named_grants(client, list(named.values()))),
    )


def _table_grants(client: DataverseClient, needs: Sequence[Need]) -> list[Grant]:
    ordered = sorted(needs, key=lambda need: (need.table, _ORDER.index(need.access)))
    known = {table: rights.privileges_of(client, table) for table in dict.fromkeys(need.table for need in ordered)}
    grants = []
    for need in ordered:
        privilege = known[need.table].get(need.access)
        if privilege is not None:
            grants.append(Grant(need.table, need.access, privilege.name, privilege.id, Depth.GLOBAL, need.why))
    return grants


def _named_grants(client: DataverseClient, needs: Sequence[NamedNeed]) -> list[Grant]:
    return [
        Grant("", "", need.name, rights.named_privilege(client, need.name), Depth.GLOBAL, need.why) for need in needs
    ]

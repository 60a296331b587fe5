"""The look itself: each finding with its fix."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from shared.dataverse import rights
from shared.dataverse.client import DataverseClient
from shared.dataverse.rights import MESSAGES, User, readable
from shared.definitions.sync import SyncDefinition
from shared.engine.doctor.needs import creates, needs_of
from shared.errors import AuthenticationError, DestinationError, RetryError, UnknownTableError
from shared.mapping.build import sync_key
from shared.values.rights import Access, ColumnRights, Depth, Finding, Grade, Held, Needs, Privilege
from shared.values.tables import Column, ColumnKind, Table

_FILLED = {ColumnKind.OWNER, ColumnKind.STATE, ColumnKind.STATUS}
"""Required columns of these kinds are filled by the service."""
_ROLE = "give the application user the role that `role` writes"

_PROFILE = "add the application user to a column security profile that allows it (Power Platform admin center)"


def diagnose(definition: SyncDefinition, users: Mapping[str, DataverseClient]) -> list[Finding]:
    """Everything that was found, in the order in which it matters. `users`: a client for each credential, by a name
    for people."""
    findings: list[Finding] = []
    seen: tuple[DataverseClient, Table] | None = None
    for name, client in users.items():
        try:
            table = client.table(definition.destination.entity)
            findings += examine_user(name, client, definition, table)
        except UnknownTableError as error:
            findings.append(Finding("table", Grade.ERROR, error.found, error.remedy))
        except (AuthenticationError, DestinationError, RetryError) as error:
            findings.append(_no_entrance(name, error))
        else:
            seen = seen or (client, table)
    return [*findings, *(_table_findings(definition, *seen) if seen else []), *_steps_after(definition)]


def _steps_after(definition: SyncDefinition) -> list[Finding]:
    """What steps after the job do in Dataverse is theirs to know: no metadata tells which rights that takes."""
    calls = {step.name: step.action or step.function for step in definition.post_sync if step.action or step.function}
    calls |= {step.name: f"workflow {step.workflow.id}" for step in definition.post_sync if step.workflow}
    if not calls:
        return []
    listed = "; ".join(f"{name}: {called}" for name, called in calls.items())
    fix = (
        "ask who made it for the privileges that it takes (of a custom API also its execute privilege); `role` has none"
    )
    return [
        Finding("steps after", Grade.NOTE, f"these do in Dataverse what nobody can see from outside: {listed}", fix)
    ]


def _no_entrance(name: str, error: Exception) -> Finding:
    found = getattr(error, "found", "") or str(error)
    fix = getattr(error, "remedy", "") or (
        "see that its secrets are there and right (`dynsync secrets list`, `dynsync secrets set`), and that the "
        "application is a user of the environment with a role (Power Platform admin center, Settings, Users + "
        "permissions, Application users)"
    )
    return Finding("identity", Grade.ERROR, f"{name} cannot work: {found}", fix)


def examine_user(name: str, client: DataverseClient, definition: SyncDefinition, table: Table) -> list[Finding]:
    """Who signs in with one credential, and what that user may and may not do.

    Raises:
        DestinationError, AuthenticationError, RetryError: the service does not say who it is.
    """
    user = rights.user(client)
    needs = needs_of(definition, table)
    return [
        _identity(name, user),
        *_looked(lambda: _privileges(client, user, needs), "privileges"),
        *_looked(lambda: _columns(client, user, table.name, needs), "columns"),
        *_looked(lambda: [_allowance(client)], "quota"),
    ]


def _identity(name: str, user: User) -> Finding:
    if user.application:
        return Finding("identity", Grade.GOOD, f"{name} is the application user {user.name!r}")
    return Finding(
        "identity",
        Grade.WARNING,
        f"{name} is {user.name!r}, a person and no application user",
        "use an app registration of its own: a person's sign-in ends with the person, and its limits are shared",
    )


def _looked(look: Callable[[], Sequence[Finding]], area: str) -> Sequence[Finding]:
    """What a look finds; one that is refused, or gets no answer, is a finding of its own."""
    try:
        return look()
    except DestinationError as error:
        return [Finding(area, Grade.NOTE, f"could not be looked at: {error.found}", "ask an administrator to look")]
    except (AuthenticationError, RetryError) as error:
        found = getattr(error, "found", "") or str(error)
        return [Finding(area, Grade.WARNING, f"could not be looked at: {found}", "run the doctor again in a while")]


def _privileges(client: DataverseClient, user: User, needs: Needs) -> list[Finding]:
    held = rights.held(client, user.id)
    known = {table: rights.privileges_of(client, table) for table in dict.fromkeys(n.table for n in needs.tables)}
    findings = [_privilege(held, known[n.table].get(n.access), n.table, n.access, n.why) for n in needs.tables]
    for named in needs.named:
        if held.depth(named.name) is None:
            findings.append(_missing(named.name, "", named.why))
    wrong = [finding for finding in findings if finding is not None]
    count = len(needs.tables) + len(needs.named)
    return wrong or [Finding("privileges", Grade.GOOD, f"all {count} privileges that the sync needs are there")]


def _privilege(held: Held, one: Privilege | None, table: str, access: Access, why: str) -> Finding | None:
    if one is None:
        return None  # the table knows no such privilege: nothing can be given or taken
    depth = held.depth(one.id, one.name)
    if depth is None:
        return _missing(one.name, f" ({access} on {table})", why)
    if depth is Depth.GLOBAL:
        return None
    found = f"{one.name} reaches only {depth.value} rows ({access} on {table}); rows of others stay unseen"
    effect = "they would be created a second time" if access is Access.READ else "they would be refused"
    return Finding("privileges", Grade.WARNING, f"{found}, so {effect}", f"set its depth to Organization: {_ROLE}")


def _missing(name: str, where: str, why: str) -> Finding:
    return Finding("privileges", Grade.ERROR, f"{name}{where} is missing; needed because {why}", _ROLE)


def _columns(client: DataverseClient, user: User, table: str, needs: Needs) -> list[Finding]:
    used = needs.columns_read | needs.columns_created | needs.columns_updated
    secured = {name: key for name, key in rights.secured_columns(client, table).items() if name in used}
    elsewhere = {
        (other, name): key
        for other, words in needs.columns_looked_up.items()
        for name, key in rights.secured_columns(client, other).items()
        if name in words
    }
    held = rights.column_rights(client, user.id) if secured or elsewhere else {}
    findings = [found for name, key in sorted(secured.items()) if (found := _column(name, held.get(key), needs))]
    findings += [_unseen(*place) for place, key in sorted(elsewhere.items()) if not held.get(key, ColumnRights()).read]
    good = f"no column security is in the way of the {len(used)} columns used"
    return findings or [Finding("columns", Grade.GOOD, good)]


def _unseen(table: str, name: str) -> Finding:
    found = f"{table}.{name} has column security, and the user may not read it; by it, no row of {table} is found"
    return Finding("columns", Grade.ERROR, found, _PROFILE)


def _column(name: str, held: ColumnRights | None, needs: Needs) -> Finding | None:
    given = held or ColumnRights()
    lacks = [
        word
        for word, wanted, has in (
            ("read", needs.columns_read, given.read),
            ("create", needs.columns_created, given.create),
            ("update", needs.columns_updated, given.update),
        )
        if name in wanted and not has
    ]
    if not lacks:
        return None
    found = f"{name} has column security, and the user may not {' or '.join(lacks)} it"
    if "read" in lacks:
        found += "; unread, its value looks empty and would be written again and again"
    return Finding("columns", Grade.ERROR, found, _PROFILE)


def _allowance(client: DataverseClient) -> Finding:
    left = rights.allowance(client)
    if not left.requests:
        return Finding("quota", Grade.NOTE, "the service told no limits with its answer")
    found = (
        f"in its window of five minutes, one server of the service has {_number(left.requests)} requests and "
        f"{_number(left.seconds)} seconds of execution left; it advises {_number(left.at_a_time)} requests at a time"
    )
    return Finding("quota", Grade.NOTE, found)


def _number(told: str) -> str:
    """A header's number as people write it; what is none, as it came."""
    digits = told.replace(",", "")
    return f"{float(digits):,.0f}" if digits.replace(".", "", 1).isdecimal() else told or "an unknown number of"


def _table_findings(definition: SyncDefinition, client: DataverseClient, table: Table) -> list[Finding]:
    looks: list[tuple[str, Callable[[], Sequence[Finding]]]] = [
        ("key", lambda: [_key(definition, client, table)]),
        ("required columns", lambda: _required(definition, table)),
        ("duplicate rules", lambda: [_duplicates(definition, client, table.name)]),
        ("plug-in steps", lambda: [_steps(client, table.name)]),
        ("table", lambda: _table(table)),
    ]
    return [finding for area, look in looks for finding in _looked(look, area)]


def _key(definition: SyncDefinition, client: DataverseClient, table: Table) -> Finding:
    key = frozenset(sync_key(definition))
    words = ", ".join(sorted(key))
    if key == {table.id_column}:
        return Finding("key", Grade.GOOD, "the sync key is the table's own id")
    states = [one for one in rights.key_states(client, table.name) if one.columns == key]
    if not states:
        fix = (
            f"add an alternate key over {words} (make.powerapps.com, Tables, Keys), so that Dataverse keeps out doubles"
        )
        return Finding("key", Grade.WARNING, f"no alternate key covers the sync key ({words})", fix)
    if any(one.state == "Active" for one in states):
        return Finding("key", Grade.GOOD, f"the alternate key {states[0].name} over {words} is active")
    one = states[0]
    if one.state == "Failed":
        fix = "two rows have the same key: merge them, then reactivate the key (make.powerapps.com, Tables, Keys)"
        return Finding("key", Grade.ERROR, f"the index of the alternate key {one.name} over {words} has failed", fix)
    return Finding(
        "key", Grade.WARNING, f"the index of {one.name} over {words} is {one.state}", "wait until it is active"
    )


def _required(definition: SyncDefinition, table: Table) -> list[Finding]:
    mapped = {mapping.target for mapping in definition.mappings}
    columns = table.columns.values()
    missing = sorted(column.name for column in columns if _is_asked_for(column) and column.name not in mapped)
    if not creates(definition) or not missing:
        return [
            Finding("required columns", Grade.GOOD, "every column that Dataverse requires is mapped or filled by it")
        ]
    fix = "map it, or make sure that logic of the environment fills it; otherwise new records are rejected"
    return [
        Finding("required columns", Grade.WARNING, f"{name} is required by the system and not mapped", fix)
        for name in missing
    ]


def _is_asked_for(column: Column) -> bool:
    return column.required and column.creatable and not column.primary_id and column.kind not in _FILLED


def _duplicates(definition: SyncDefinition, client: DataverseClient, table: str) -> Finding:
    rules = rights.published_duplicate_rules(client, table)
    asked = definition.destination.duplicate_detection
    if asked and not rules:
        fix = "publish a rule, or remove duplicate_detection, which makes every write slower"
        return Finding("duplicate rules", Grade.WARNING, "duplicate_detection is on, and no rule is published", fix)
    if rules and not asked:
        found = f"published rules do not hold for this sync: {readable(rules)}"
        return Finding("duplicate rules", Grade.NOTE, found, "set `duplicate_detection: true` if they should")
    return Finding(
        "duplicate rules", Grade.GOOD, f"published rules asked: {readable(rules)}" if rules else "none published"
    )


def _steps(client: DataverseClient, table: str) -> Finding:
    steps = rights.custom_steps(client, table)
    if not steps:
        return Finding("plug-in steps", Grade.GOOD, f"no custom step runs on {' or '.join(MESSAGES)} of {table}")
    listed = "; ".join(f"{message}: {readable(names)}" for message, names in steps.items())
    fix = (
        "each runs for every row and costs its time; `bypass` skips them, `tag` lets them leave this sync's rows alone"
    )
    return Finding("plug-in steps", Grade.NOTE, listed, fix)


def _table(table: Table) -> list[Finding]:
    findings = []
    if not (table.bulk_create and table.bulk_update):
        found = f"{table.name} takes no bulk messages, so each row is an operation of its own"
        findings.append(
            Finding("table", Grade.NOTE, found, "expect fewer rows a second; another application user helps")
        )
    if not table.optimistic_concurrency:
        found = f"{table.name} has no optimistic concurrency: an edit between look and write is not noticed"
        findings.append(Finding("table", Grade.WARNING, found, "run when nobody edits these rows"))
    on = "on" if table.change_tracking else "off"
    found = f"change tracking of {table.name} is {on}"
    fix = "" if table.change_tracking else "only a sync that reads changes from this table needs it: switch it on there"
    return [*findings, Finding("change tracking", Grade.GOOD if table.change_tracking else Grade.NOTE, found, fix)]

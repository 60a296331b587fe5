"""`init`: writes a first definition from a file, a table and a few answers."""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.table import Table as Grid

from shared.cli.answers import Answers, currency_code, environment, secret_name, source_file, sync_name, table_name
from shared.cli.dataverse import service_url
from shared.cli.draft import Draft, render
from shared.cli.looking import SourceLook, look_at_table
from shared.cli.options import on_this_machine, session_of
from shared.cli.output import say_json
from shared.cli.proposals import Match, Proposal, guess, propose, propose_key, writable
from shared.cli.reaching import reachable_path
from shared.cli.screens.paper import draw, say
from shared.cli.session import Session
from shared.cli.texts import as_called, called, counted, safe, safe_lines
from shared.definitions.loading import parse_sync
from shared.definitions.reach import LOOPBACK, address
from shared.errors import DynsyncError, NotFoundError, UnknownTableError
from shared.secrets import variable_for
from shared.values.tables import ColumnKind, Table

_ENTITY = "Table (entity)"


@click.command(short_help="Write a first definition, from a file and a few answers.")
@click.argument("name", required=False)
@click.option("--source", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The source file.")
@click.option(
    "--database", "dialect", type=click.Choice(["postgresql", "sqlserver"]), help="A table instead of a file."
)
@click.option("--table", "source_table", help="The database's table: sales.customers.")
@click.option("--connection-secret", "source_secret", help="Name of the secret that holds its connection string.")
@click.option("--entity", help="The table: account.")
@click.option("--service-url", help="The environment: https://org.crm4.dynamics.com")
@click.option("--tenant-id-secret", "tenant_id", help="Name of the secret; left out, the service names the tenant.")
@click.option("--client-id-secret", "client_id", help="Name of the secret that holds the client id.")
@click.option("--client-secret-secret", "client_secret", help="Name of the secret that holds the client secret.")
@click.option("--map", "maps", multiple=True, metavar="SOURCE=TARGET", help="A mapping; an empty target: none.")
@click.option("--key", help="The sync key: target columns, separated by commas.")
@click.option("--currency", help="ISO code of money columns: EUR.")
@click.option("-y", "--yes", is_flag=True, help="Take the defaults instead of asking.")
@click.option("--force", is_flag=True, help="Write over a definition of this name.")
@on_this_machine
@session_of
def init(session: Session, /, **given: object) -> None:
    """Write a first definition: look into a source file, propose mappings by name, ask for the rest."""
    answers = Answers(**given)  # type: ignore[arg-type]
    if answers.dialect is not None:
        source = Path(answers.ask("Table of the database", answers.source_table, option="--table"))
        name = _name(answers, source)
        look = _table_look(session, answers, name, str(source))
    else:
        source = answers.source or Path(answers.ask("Source file", None, option="--source", checked=source_file))
        look = session.look(source)
        _show_rows(session, source.name, look)
        name = _name(answers, source)
    target = _target(session, answers, name)
    connection = _connection(answers, name)
    path = None if answers.dialect else reachable_path(session.syncs, source, agree=answers.agree)
    connection, table = _table(session, answers, name, connection)
    mappings = _confirmed(session, answers, _stated(answers, _proposals(look, table), look, table), look, table)
    draft = Draft(
        name=name,
        path=path,
        look=look,
        connection=connection,
        id_column=table.id_column if table else f"{connection['entity']}id",
        mappings=tuple(mappings),
        key=_key(answers, mappings, table),
        currency=_currency(answers, mappings),
        with_schema=(session.syncs / "sync.schema.json").exists(),
    )
    _write(target, draft)
    _say(session, target, draft)


def _table_look(session: Session, answers: Answers, name: str, table: str) -> SourceLook:
    """The table's columns; its first rows are shown."""
    question = "Secret with the connection string"
    secret = answers.ask(question, answers.source_secret, f"{name}--source", checked=secret_name)
    where = {"type": "sql", "dialect": answers.dialect, "connection": {"secret": secret}, "table": table}
    look = look_at_table(where, session.app.sample(name, where))
    _show_rows(session, table, look)
    return look


def _show_rows(session: Session, name: str, look: SourceLook) -> None:
    """The first rows, and about how many there are, for a person."""
    if session.json or not look.rows:
        return
    about = f"about {look.about:,} rows; " if look.about is not None else ""
    say(session.err(), f"{name}: {about}the first ones:")
    names = [safe(str(column["name"])) for column in look.columns]
    grid = Grid(*names, box=None, pad_edge=False, header_style="bold")
    for row in look.rows:
        grid.add_row(*("" if cell is None else safe(cell[:40]) for cell in row))
    draw(session.err(), grid)


def _name(answers: Answers, source: Path) -> str:
    default = re.sub(r"[^a-z0-9]+", "-", source.stem.casefold()).strip("-")[:60] or "my-sync"
    return answers.ask("Name of the sync", answers.name, default, checked=sync_name)


def _target(session: Session, answers: Answers, name: str) -> Path:
    target = session.syncs / f"{name}.yaml"
    there = target.exists() and not answers.force
    if there and not answers.agree(f"{target} exists already. Write over it?", default=False):
        raise click.UsageError(f"{target} exists already and was left as it is; choose another name, or --force")
    return target


def _connection(answers: Answers, name: str) -> dict[str, object]:
    """`destination:` as far as it says where and who."""
    where = {
        "entity": answers.ask(_ENTITY, answers.entity, "account", checked=table_name),
        "service_url": answers.ask("Service URL", answers.service_url, service_url(), checked=environment),
    }
    who = {"tenant_id": secret_name(answers.tenant_id)} if answers.tenant_id else {}
    for member, given in (("client_id", answers.client_id), ("client_secret", answers.client_secret)):
        question, default = f"Secret with the {member.replace('_', ' ')}", f"{name}--{member.replace('_', '-')}"
        who[member] = answers.ask(question, given, default, checked=secret_name)
    authority = {"authority": local} if (local := _loopback(where["service_url"])) else {}
    return where | authority | {member: {"secret": secret} for member, secret in who.items()}


def _loopback(url: str) -> str | None:
    """The origin, when the URL leads to this machine: the local Dataverse gives out its own tokens."""
    found = address(url)
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if found is not None and found.host in LOOPBACK else None


def _table(
    session: Session, answers: Answers, name: str, connection: dict[str, object]
) -> tuple[dict[str, object], Table | None]:
    """The connection and the table it leads to, asked for until there is such a table; None while nobody answers.

    Raises:
        UnknownTableError: there is no such table, and nobody to ask.
    """
    while True:
        try:
            return connection, session.app.table(name, connection)
        except UnknownTableError as error:
            if answers.yes:
                raise
            say(session.err(), f"Error: {safe_lines(str(error))}")
            connection = connection | {"entity": answers.ask(_ENTITY, None, checked=table_name)}
        except DynsyncError as error:
            message = safe_lines(as_called(str(error)))
            say(session.err(), f"The table cannot be read now, so nothing is checked against it: {message}")
            return connection, None


def _proposals(look: SourceLook, table: Table | None) -> list[Proposal]:
    types = {str(column["name"]): str(column["type"]) for column in look.columns}
    return propose(types, table) if table is not None else guess(list(types))


def _stated(answers: Answers, proposals: list[Proposal], look: SourceLook, table: Table | None) -> list[Proposal]:
    """The proposals, with those of --map in their place."""
    found = {proposal.source: proposal for proposal in proposals}
    names = [str(column["name"]) for column in look.columns]
    for pair in answers.maps:
        source, equals, target = pair.rpartition("=")
        if not equals or source not in names:
            raise click.UsageError(f"--map {pair!r}: SOURCE=TARGET is wanted, SOURCE one of {', '.join(names)}")
        found = {name: one for name, one in found.items() if name != source and one.target != target}
        if target:
            found[source] = _stated_one(source, target, table)
    return [found[name] for name in names if name in found]


def _stated_one(source: str, target: str, table: Table | None) -> Proposal:
    column = table.columns.get(target) if table is not None else None
    if table is not None and column not in writable(table):
        close = get_close_matches(target.casefold(), [one.name for one in writable(table)], n=3, cutoff=0.5)
        remedy = f"did you mean {', '.join(close)}?" if close else "columns have logical names"
        raise click.UsageError(f"{table.name} has no column {target!r} that may be written; {remedy}")
    return Proposal(source, target, Match.STATED, column)


def _confirmed(
    session: Session, answers: Answers, proposals: list[Proposal], look: SourceLook, table: Table | None
) -> list[Proposal]:
    """The proposals as a person leaves them."""
    names = [str(column["name"]) for column in look.columns]
    if not answers.yes and not (proposals and _accepted(session, answers, proposals, names)):
        proposals = _asked(answers, proposals, names, table)
    if not any(one.column is None or not one.column.is_lookup for one in proposals):
        raise NotFoundError("no source column was mapped; name mappings by --map SOURCE=TARGET")
    return proposals


def _accepted(session: Session, answers: Answers, proposals: list[Proposal], names: list[str]) -> bool:
    """Whether the person takes the proposals as they are; the columns without one are shown too."""
    found = {one.source: one for one in proposals}
    grid = Grid("source", "target", "why", box=None, pad_edge=False, header_style="bold")
    for name in names:
        one = found.get(name)
        grid.add_row(safe(name), one.target if one else "-", one.match.value if one else "not mapped")
    draw(session.err(), grid)
    return answers.agree("Use these mappings? (n: each column is asked for)", default=True)


def _asked(answers: Answers, proposals: list[Proposal], names: list[str], table: Table | None) -> list[Proposal]:
    """Every source column's target, as the person says it; the proposal, or none, is the default."""
    proposed = {one.source: one for one in proposals}
    kept: dict[str, Proposal] = {}
    for name in names:

        def target(text: str, name: str = name) -> str:
            wanted = text.strip()
            if wanted in kept:
                raise click.UsageError(f"{wanted} is mapped already, by {kept[wanted].source!r}; - for none")
            return wanted if wanted == "-" else _stated_one(name, wanted, table).target

        one = proposed.get(name)
        default = one.target if one is not None and one.target not in kept else "-"
        said = answers.ask(f"Target of {safe(name)!r} (- for none)", None, default, checked=target)
        if said != "-":
            kept[said] = one if one is not None and said == one.target else _stated_one(name, said, table)
    return list(kept.values())


def _key(answers: Answers, mappings: list[Proposal], table: Table | None) -> tuple[str, ...]:
    fillable = [one for one in mappings if one.column is None or not one.column.is_lookup]
    targets = [one.target for one in fillable]

    def key(text: str) -> str:
        if not _parts(text) or not set(_parts(text)) <= set(targets):
            raise click.UsageError(f"key {text!r}: name mapped target columns only: {', '.join(targets)}")
        return text

    text = answers.ask(
        "Sync key (target columns)",
        answers.key,
        ", ".join(propose_key(fillable, table)) or None,
        option="--key COLUMN,… (the target columns that say which record is which row)",
        checked=key,
    )
    return _parts(text)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _currency(answers: Answers, mappings: list[Proposal]) -> str | None:
    """Asked for when money is mapped and no currency is."""
    kinds = {one.column.kind for one in mappings if one.column is not None}
    targets = {one.target for one in mappings if one.column is None or not one.column.is_lookup}
    if answers.currency:
        return currency_code(answers.currency)
    if ColumnKind.MONEY not in kinds or "transactioncurrencyid" in targets:
        return None
    return answers.ask("Currency of the money columns", None, "EUR", checked=currency_code)


def _write(target: Path, draft: Draft) -> None:
    text = render(draft)
    parse_sync(text, name=draft.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(target)


def _say(session: Session, target: Path, draft: Draft) -> None:
    secrets = [ref["secret"] for ref in draft.connection.values() if isinstance(ref, dict)]
    variables = [variable_for(secret) for secret in secrets]
    if session.json:
        pairs = [{"source": one.source, "target": one.target, "match": one.match.value} for one in draft.mappings]
        say_json({"file": target, "sync": draft.name, "key": draft.key, "mappings": pairs, "set": variables})
        return
    out = session.out()
    say(out, f"Wrote {target}: {counted(len(draft.filled), 'mapping')}, key {', '.join(draft.key)}.")
    for one in draft.lookups:
        say(out, f"{one.target} is a lookup: say by which column its row is found; it stands in the file as a comment.")
    for source, column in draft.calculated.items():
        say(out, f"{source} is read by a calculated column of type {column['type']}; please check its formula.")
    if os.environ.get("DYNSYNC_KEY_VAULT_URL"):
        say(out, f"See which secrets the vault lacks: {called()} secrets list")
    elif unset := [variable for variable in variables if variable not in os.environ]:
        say(out, "Set these environment variables:")
        for variable in unset:
            say(out, f"  {variable}")
    say(out, f"Then: {called()} check {draft.name}")

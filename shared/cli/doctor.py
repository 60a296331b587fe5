"""`doctor` and `role`: is the environment ready for a sync, and which rights does it need."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click
from rich.console import Console

from shared.cli.facade import Doctor
from shared.cli.options import everywhere, session_of
from shared.cli.output import CLEAN, FAILED, say_json
from shared.cli.screens.paper import say
from shared.cli.session import Session
from shared.cli.texts import as_called, called, counted, safe
from shared.errors import DefinitionError, NotFoundError, RefuseError
from shared.values.rights import Finding, Grade, Grant, Role

_SIGNS = {
    Grade.GOOD: ("✓", "green"),
    Grade.NOTE: ("·", ""),
    Grade.WARNING: ("!", "yellow"),
    Grade.ERROR: ("✗", "bold red"),
}
_COLUMNS = ("service_url", "table", "access", "privilege", "privilege_id", "depth", "why")


@click.command(short_help="See whether the environment is ready; each finding with its fix.")
@click.argument("sync", required=False)
@everywhere
@session_of
def doctor(session: Session, sync: str | None) -> int:
    """Look at the environment of SYNC (of every sync): identity, rights, key, plug-ins, limits; each with its fix."""
    app, broken = _doctor(session), session.app.broken()
    names = [sync] if sync else _every_name(session)
    found = {name: _of_broken(broken[name]) if name in broken and not sync else app.findings(name) for name in names}
    if session.json:
        say_json([{"sync": name, "findings": findings} for name, findings in found.items()])
    else:
        for name, findings in found.items():
            _show(session.out(), name, findings)
    in_the_way = any(one.grade is Grade.ERROR for findings in found.values() for one in findings)
    return FAILED if in_the_way else CLEAN


@click.command(short_help="Write the least-privilege security role of the syncs.")
@click.argument("names", nargs=-1, metavar="[SYNC]...")
@click.option("--undo", is_flag=True, help="With the rights that taking a job back needs.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the privileges to a file: .json for the Web API, .csv for a sheet.",
)
@everywhere
@session_of
def role(session: Session, names: tuple[str, ...], undo: bool, out: Path | None) -> int:
    """Write the least-privilege security role that the syncs need (none named: all), one for each environment."""
    if out is not None and out.suffix not in (".json", ".csv"):
        raise RefuseError(f"--out {out.name}: write a file that ends with .json or .csv")
    app = _doctor(session)
    if not names:
        _tell_left_out(session)
    roles = app.roles(names, undo=undo)
    if out is not None:
        _write(out, roles)
    if session.json:
        say_json(roles)
        return CLEAN
    for one in roles:
        _show_role(session.out(), one)
    if out is not None:
        say(session.out(), f"Written to {out}.")
    return CLEAN


def _doctor(session: Session) -> Doctor:
    if not isinstance(session.app, Doctor):
        raise RefuseError(
            f"{called()} doctor and role are asked of an app that holds definitions and secrets; this one cannot look"
        )
    return session.app


def _every_name(session: Session) -> list[str]:
    names = session.app.sync_names()
    if not names:
        raise NotFoundError(f"there is no definition in {session.syncs}; `{called()} init` writes one")
    return names


def _of_broken(error: DefinitionError) -> list[Finding]:
    found = f"the definition cannot be used: {counted(len(error.problems), 'problem')}"
    return [Finding("definition", Grade.ERROR, found, f"`dynsync check {error.sync}` tells each with its remedy")]


def _tell_left_out(session: Session) -> None:
    """A role without the needs of a broken sync is too small for it, so that is said."""
    broken = session.app.broken()
    if not [name for name in _every_name(session) if name not in broken]:
        raise RefuseError(f"every definition in {session.syncs} is broken; `{called()} check` tells why")
    if broken:
        listed = safe(", ".join(broken))
        say(session.err(), f"Without what these need, whose definitions are broken (`{called()} check`): {listed}.")


def _show(out: Console, name: str, findings: Sequence[Finding]) -> None:
    say(out, f"{safe(name)}:")
    width = max((len(finding.area) for finding in findings), default=0)
    for one in findings:
        say(out, "  ", _SIGNS[one.grade], f" {one.area.ljust(width)}  {safe(one.found)}", hang=width + 6)
        if one.fix and one.grade is not Grade.GOOD:
            say(out, f"    {' ' * width}  → {safe(as_called(one.fix))}", hang=width + 8)


def _show_role(out: Console, one: Role) -> None:
    say(out, f"Role for {one.service_url} ({', '.join(one.syncs)}), every privilege at depth Organization:")
    width = max((len(grant.table or grant.name) for grant in one.grants), default=0)
    for table, access, why in _lines(one.grants):
        say(out, f"  {table.ljust(width)}  {access}")
        say(out, f"  {' ' * width}    {why}")
    say(out, "Give the application user this role beside App Opener, which opens the environment to it.")


def _lines(grants: Iterable[Grant]) -> Iterator[tuple[str, str, str]]:
    """One line for each table, its accesses together; then what belongs to no table."""
    by_table: dict[str, list[Grant]] = {}
    for grant in grants:
        by_table.setdefault(grant.table or grant.name, []).append(grant)
    for table, some in by_table.items():
        access = " ".join(grant.access for grant in some) if some[0].table else "(miscellaneous privilege)"
        yield table, access, "; ".join(dict.fromkeys(grant.why for grant in some))


def _write(path: Path, roles: Sequence[Role]) -> None:
    """The privileges as the Web API's AddPrivilegesRole takes them, or as rows."""
    if path.suffix == ".json":
        path.write_text(json.dumps([_body(one) for one in roles], indent=2) + "\n", encoding="utf-8")
        return
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for one in roles:
            writer.writerows(
                (one.service_url, grant.table, grant.access, grant.name, grant.id, grant.depth, grant.why)
                for grant in one.grants
            )


def _body(one: Role) -> dict[str, object]:
    """What `POST roles(<id>)/Microsoft.Dynamics.CRM.AddPrivilegesRole` takes, for one environment."""
    privileges = [
        {
            "PrivilegeId": grant.id,
            "PrivilegeName": grant.name,
            "Depth": grant.depth.value,
            "BusinessUnitId": one.business_unit_id,
        }
        for grant in one.grants
        if grant.id
    ]
    return {"ServiceUrl": one.service_url, "AddPrivilegesRole": {"Privileges": privileges}}

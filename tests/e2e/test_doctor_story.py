"""`doctor` and `role` against the local Dataverse: what is missing is told with its fix, and the role fits the job."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from local.dataverse.logic import Event
from local.dataverse.tables import Key
from shared.cli.root import dynsync
from shared.values.jobs import JobState
from shared.values.rights import Finding, Grade
from tests.e2e.conftest import World
from tests.e2e.stories import Sync
from tools.deployment.plan_report import planned, report

ROOT = Path(__file__).parents[2]

SYNC = Sync(
    columns={"no": "text", "name": "text", "parent": "text"},
    maps={
        "no": "accountnumber",
        "name": "name",
        "parent": {"target": "parentaccountid", "link": {"entity": "account", "column": "accountnumber"}},
    },
    key=["accountnumber"],
)


def findings(world: World, area: str = "") -> list[Finding]:
    return [one for one in world.app.findings("story") if area in ("", one.area)]


def worst(world: World, area: str) -> Finding:
    order = list(Grade)
    return max(findings(world, area), key=lambda one: order.index(one.grade))


def typed(world: World, *words: str) -> Result:
    folders = ["--syncs", str(world.folder / "syncs"), "--state", str(world.folder / "state")]
    return CliRunner(env=world.environ).invoke(dynsync, [*words, *folders, "--quiet"], catch_exceptions=False)


def test_a_ready_environment(world: World) -> None:
    """Nothing is in the way: who signs in, every privilege, key, limits, each said."""
    SYNC.read(world, ["A1", "One", ""])
    found = findings(world)
    assert [one for one in found if one.grade is Grade.ERROR] == []
    assert {"identity", "privileges", "columns", "quota", "key", "plug-in steps", "change tracking"} <= {
        o.area for o in found
    }
    assert "application user '# Dynamics Sync'" in worst(world, "identity").found
    assert re.search(r"has [\d,]+ requests and [\d,]+ seconds", worst(world, "quota").found)


@pytest.mark.parametrize(
    ("table", "kind", "says"),
    [
        ("account", "Create", "prvCreateAccount"),
        ("account", "Write", "prvWriteAccount"),
        ("account", "Read", "prvReadAccount"),
        ("organization", "Read", "prvReadOrganization"),
    ],
)
def test_a_missing_privilege_is_named_before_a_job_meets_it(world: World, table: str, kind: str, says: str) -> None:
    """The doctor names exactly the privilege for which a job then fails or rejects."""
    SYNC.read(world, ["A1", "One", ""])
    if kind == "Write":
        assert world.run("story").state is JobState.SUCCEEDED
        SYNC.read(world, ["A1", "Two", ""])
    world.dataverse.inject({"kind": "privilege", "table": table, "privilege": kind, "count": None})
    errors = [one for one in findings(world) if one.grade is Grade.ERROR]
    assert len(errors) == 1
    assert says in errors[0].found
    assert "role" in errors[0].fix
    assert world.run("story").state is not JobState.SUCCEEDED


def test_what_is_not_needed_is_not_asked_for(world: World) -> None:
    """A sync that deletes nothing does not miss the right to delete; one that does, does."""
    SYNC.read(world, ["A1", "One", ""])
    world.dataverse.inject({"kind": "privilege", "table": "account", "privilege": "Delete", "count": None})
    assert worst(world, "privileges").grade is Grade.GOOD
    SYNC.behaving(dropped="delete").define(world)
    assert "prvDeleteAccount" in worst(world, "privileges").found


def test_a_named_privilege(world: World) -> None:
    """What `bypass` needs is asked for with it, and only then."""
    world.dataverse.inject({"kind": "privilege", "privilege": "prvBypassCustomBusinessLogic", "count": None})
    SYNC.read(world, ["A1", "One", ""])
    assert worst(world, "privileges").grade is Grade.GOOD
    SYNC.but(destination={"bypass": {"logic": ["sync"]}}).define(world)
    assert "prvBypassCustomBusinessLogic is missing" in worst(world, "privileges").found


def test_a_secured_column(world: World) -> None:
    """A column with column security that the user may not read or write."""
    SYNC.read(world, ["A1", "One", ""])
    world.dataverse.inject({"kind": "column_security", "table": "account", "column": "name", "count": None})
    found = worst(world, "columns")
    assert found.grade is Grade.ERROR
    assert "name has column security, and the user may not read or create or update it" in found.found


def test_a_secured_column_of_a_linked_table(world: World) -> None:
    """Rows are found by it, so it has to be readable; one that the link does not use may be secured."""
    link = {"target": "primarycontactid", "link": {"entity": "contacts", "column": "emailaddress1"}}
    SYNC.but(maps={"no": "accountnumber", "name": "name", "parent": link}).read(world, ["A1", "One", ""])
    world.dataverse.inject({"kind": "column_security", "table": "contact", "column": "lastname", "count": None})
    assert fault(world, "columns")[0] is Grade.GOOD
    assert fault(world, "privileges")[0] is Grade.GOOD
    world.dataverse.inject({"kind": "column_security", "table": "contact", "column": "emailaddress1", "count": None})
    grade, told = fault(world, "columns")
    assert grade is Grade.ERROR
    assert "contact.emailaddress1 has column security" in told


def test_a_column_that_is_not_used_may_be_secured(world: World) -> None:
    """Security of other columns is nobody's trouble."""
    SYNC.read(world, ["A1", "One", ""])
    world.dataverse.inject({"kind": "column_security", "table": "account", "column": "telephone1", "count": None})
    assert worst(world, "columns").grade is Grade.GOOD


def test_nobody_and_a_wrong_secret(world: World) -> None:
    """An application that is no user, a disabled one, a wrong secret: told with what to do, not as a failure."""
    SYNC.read(world, ["A1", "One", ""])
    for kind in ("not_member", "user_disabled"):
        world.dataverse.inject({"kind": kind, "count": None})
        (found,) = findings(world)
        assert (found.area, found.grade) == ("identity", Grade.ERROR)
        assert "Application users" in found.fix
        world.dataverse.application.faults.clear()
    world.environ["DYNSYNC_SECRET_STORY__CLIENT_SECRET"] = "not-the-one"
    (found,) = findings(world)
    assert found.grade is Grade.ERROR
    assert "not-the-one" not in found.found
    del world.environ["DYNSYNC_SECRET_STORY__CLIENT_SECRET"]
    (found,) = findings(world)
    assert "story--client-secret" in found.found


def test_an_unknown_table(world: World) -> None:
    """The nearest names are told."""
    SYNC.but(destination={"entity": "acount"}).read(world, ["A1", "One", ""])
    (found,) = [one for one in findings(world) if one.grade is Grade.ERROR]
    assert "account" in found.fix


def test_plug_in_steps(world: World) -> None:
    """Steps on the table are named by message, others are not."""
    SYNC.read(world, ["A1", "One", ""])
    assert worst(world, "plug-in steps").grade is Grade.GOOD

    def number_it(_: Event) -> None:
        pass

    def elsewhere(_: Event) -> None:
        pass

    world.dataverse.on(number_it, "account", "Create")
    world.dataverse.on(elsewhere, "contact", "Update")
    found = worst(world, "plug-in steps").found
    assert "Create: number_it" in found
    assert "elsewhere" not in found


def with_table(world: World, **changes: object) -> None:
    """The table `account` with other members."""
    store = world.dataverse.application.service.world.store
    store.tables = store.tables.with_tables(store.tables.by_name["account"].changed(**changes))


def fault(world: World, area: str) -> tuple[Grade, str]:
    """The worst of an area; whatever is no good news has its fix."""
    found = worst(world, area)
    assert found.grade is Grade.GOOD or found.fix
    return found.grade, f"{found.found} → {found.fix}"


@pytest.mark.parametrize(
    ("state", "grade", "says"),
    [
        ("Active", Grade.GOOD, "is active"),
        ("Pending", Grade.WARNING, "is Pending → wait until it is active"),
        ("InProgress", Grade.WARNING, "is InProgress → wait until it is active"),
        ("Failed", Grade.ERROR, "has failed → two rows have the same key: merge them"),
        (None, Grade.WARNING, "→ add an alternate key over accountnumber"),
    ],
)
def test_the_alternate_key_in_each_state(world: World, state: str | None, grade: Grade, says: str) -> None:
    """As the environment tells it: over the sync key, and only over it."""
    SYNC.read(world, ["A1", "One", ""])
    other = Key("new_other", "new_Other", "Other", ("name", "accountnumber"))
    own = [Key("new_number", "new_Number", "Number", ("accountnumber",), state)] if state else []
    with_table(world, keys=(other, *own))
    found = fault(world, "key")
    assert (found[0], says in found[1]) == (grade, True), found


def test_a_required_column(world: World) -> None:
    """A column that the system requires and nobody fills is named; a mapped one is not."""
    SYNC.read(world, ["A1", "One", ""])
    assert fault(world, "required columns")[0] is Grade.GOOD
    columns = world.dataverse.application.service.world.tables.by_name["account"].columns
    required = {name: replace(columns[name], required="SystemRequired") for name in ("telephone1", "name")}
    with_table(world, columns={**columns, **required})
    (found,) = findings(world, "required columns")
    assert found.grade is Grade.WARNING
    assert "telephone1 is required" in found.found


def test_duplicate_rules_of_the_environment(world: World) -> None:
    """Those of this table only; asked for and absent, there and not asked for."""
    rules = world.dataverse.application.service.rights.duplicate_rules
    rules["Contacts alike"] = "contact"
    SYNC.read(world, ["A1", "One", ""])
    assert fault(world, "duplicate rules") == (Grade.GOOD, "none published → ")
    SYNC.but(destination={"duplicate_detection": True}).define(world)
    assert fault(world, "duplicate rules")[0] is Grade.WARNING
    rules["Accounts alike"] = "account"
    assert fault(world, "duplicate rules")[0] is Grade.GOOD
    SYNC.define(world)
    grade, told = fault(world, "duplicate rules")
    assert grade is Grade.NOTE
    assert "Accounts alike" in told
    assert "Contacts" not in told


def test_a_table_without_change_tracking_and_versions(world: World) -> None:
    """Both are told, each with what it means."""
    SYNC.read(world, ["A1", "One", ""])
    assert fault(world, "change tracking")[0] is Grade.GOOD
    with_table(world, change_tracking=False, optimistic=False)
    assert fault(world, "change tracking")[0] is Grade.NOTE
    assert fault(world, "table")[0] is Grade.WARNING


def test_a_privilege_that_reaches_too_few_rows(world: World) -> None:
    """Rows of others would not be seen and made again: the depth is told with how to mend it."""
    world.dataverse.application.service.rights.depths["prvReadAccount"] = "Local"
    SYNC.read(world, ["A1", "One", ""])
    grade, told = fault(world, "privileges")
    assert grade is Grade.WARNING
    assert "prvReadAccount reaches only Local rows" in told
    assert "depth to Organization" in told


def test_a_look_without_an_answer_spoils_no_other(world: World) -> None:
    """A service that is busy just then is a finding of that look; every other one is told."""
    SYNC.but(destination={"timeout_s": 1}).read(world, ["A1", "One", ""])
    world.dataverse.inject({"status": 503, "path": "duplicaterules", "headers": {"Retry-After": "600"}, "count": None})
    grade, told = fault(world, "duplicate rules")
    assert grade is Grade.WARNING
    assert "again in a while" in told
    assert {"identity", "privileges", "key", "plug-in steps", "change tracking"} <= {
        one.area for one in findings(world)
    }


def test_what_cannot_be_looked_at_is_a_note(world: World) -> None:
    """Where the user may not read steps or rules, the rest is told all the same."""
    SYNC.read(world, ["A1", "One", ""])
    refuse = {"status": 403, "code": "0x80040220", "text": "no", "count": None}
    world.dataverse.inject({**refuse, "path": "sdkmessageprocessingsteps"}, {**refuse, "path": "duplicaterules"})
    assert [worst(world, area).grade for area in ("plug-in steps", "duplicate rules")] == [Grade.NOTE, Grade.NOTE]
    assert worst(world, "privileges").grade is Grade.GOOD


def test_the_command(world: World) -> None:
    """Exit code 0 when nothing is in the way, 1 when something is; `--json` has it all."""
    SYNC.read(world, ["A1", "One", ""])
    good = typed(world, "doctor")
    assert good.exit_code == 0, good.output
    assert "story:" in good.stdout
    world.dataverse.inject({"kind": "privilege", "table": "account", "privilege": "Create", "count": None})
    bad = typed(world, "doctor", "story", "--json")
    assert bad.exit_code == 1
    (told,) = json.loads(bad.stdout)
    assert any(one["grade"] == "error" and "prvCreateAccount" in one["found"] for one in told["findings"])


def test_the_role_is_what_the_job_uses(world: World) -> None:
    """Each table privilege of the role is one without which a job of this sync does not succeed, or one for links and
    lookups that the local Dataverse does not ask for; nothing more."""
    SYNC.read(world, ["A1", "One", ""])
    (role,) = world.app.roles([], undo=False)
    granted = {(one.table, one.access) for one in role.grants}
    assert granted == {
        ("organization", "Read"),
        ("transactioncurrency", "Read"),
        ("systemuser", "Read"),
        ("account", "Read"),
        ("account", "Create"),
        ("account", "Write"),
        ("account", "Append"),
        ("account", "AppendTo"),
    }
    more = {(one.table, one.access) for one in world.app.roles(["story"], undo=True)[0].grants}
    assert more - granted == {("account", "Delete")}


def test_a_user_with_that_role_alone_does_the_whole_job(world: World) -> None:
    """Every other privilege of every table is taken away: creates, updates, links and lookups still go through."""
    SYNC.read(world, ["A1", "One", ""])
    granted = {(one.table, one.access) for one in world.app.roles([], undo=False)[0].grants}
    tables = world.dataverse.application.service.world.tables.by_name
    for table in tables:
        for kind in ("Create", "Read", "Write", "Delete"):
            if (table, kind) not in granted:
                world.dataverse.inject({"kind": "privilege", "table": table, "privilege": kind, "count": None})
    assert [one for one in findings(world) if one.grade is Grade.ERROR] == []
    assert world.run("story").state is JobState.SUCCEEDED
    assert SYNC.run(world, ["A1", "Uno", ""], ["A2", "Two", "A1"]).state is JobState.SUCCEEDED
    assert {row["name"] for row in world.dataverse.rows("account")} == {"Uno", "Two"}


def test_the_role_as_files(world: World) -> None:
    """A body for AddPrivilegesRole, with the ids that the environment has; and rows for a sheet."""
    SYNC.but(destination={"bypass": {"plugins": True}}).read(world, ["A1", "One", ""])
    body = world.folder / "role.json"
    sheet = world.folder / "role.csv"
    shown = typed(world, "role", "--out", str(body))
    assert shown.exit_code == 0, shown.output
    assert "account" in shown.stdout
    assert "App Opener" in shown.stdout
    typed(world, "role", "story", "--out", str(sheet))
    (one,) = json.loads(body.read_text("utf-8"))
    privileges = one["AddPrivilegesRole"]["Privileges"]
    assert {p["Depth"] for p in privileges} == {"Global"}
    assert all(len(p["PrivilegeId"]) == len(p["BusinessUnitId"]) == 36 for p in privileges)
    rows = list(csv.DictReader(sheet.read_text("utf-8").splitlines()))
    assert {row["privilege"] for row in rows} == {p["PrivilegeName"] for p in privileges}
    assert "prvBypassCustomPlugins" in {row["privilege"] for row in rows}


def test_a_role_file_of_another_kind_is_refused(world: World) -> None:
    """Only what can be read again."""
    SYNC.read(world, ["A1", "One", ""])
    refused = typed(world, "role", "--out", "role.xlsx")
    assert refused.exit_code == 1
    assert ".json or .csv" in refused.stderr


def test_the_report_of_a_pipeline_holds_counts_and_no_value(world: World) -> None:
    """`tools/plan-report` plans with the real command, and tells counts only."""
    SYNC.read(world, ["A1", "Confidential One", ""], ["A2", "Confidential Two", ""])

    def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        words = [*command, "--syncs", str(world.folder / "syncs")]
        environ = os.environ | world.environ
        return subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, env=environ)

    told = planned("story", str(world.folder / "plans"), run)
    assert told.counts == (2, 0, 0, 0, 0, 0), told
    assert "Confidential" not in report([told])
    assert world.dataverse.rows("account") == []

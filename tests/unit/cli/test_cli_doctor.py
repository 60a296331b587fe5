"""`doctor` and `role`: whom they ask, what they say of every definition, and what they never say to a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from click.testing import CliRunner

from shared.cli.root import dynsync
from shared.cli.session import Session
from shared.errors import DefinitionError
from shared.values.problems import Problem
from shared.values.rights import Depth, Finding, Grade, Grant, Role
from tests.unit.cli.cases import MadeUpApp, call

BROKEN = DefinitionError("contacts", [Problem("source", "is missing"), Problem("mappings", "is missing")])
ROLE = Role(
    "https://org.crm4.dynamics.com",
    ("accounts-from-erp",),
    "0d000000-0000-4000-8000-0000000000b0",
    (
        Grant("account", "Read", "prvReadAccount", "p-1", Depth.GLOBAL, "rows are compared"),
        Grant("", "", "prvWorkflowExecution", "p-2", Depth.GLOBAL, "a workflow"),
    ),
)


@dataclass
class Looking(MadeUpApp):
    """An app that can look for itself. `names` are its definitions, `unsound` those that are broken."""

    names: tuple[str, ...] = ("accounts-from-erp", "contacts")
    unsound: tuple[str, ...] = ("contacts",)
    found: Sequence[Finding] = (Finding("identity", Grade.GOOD, "it is"),)
    wanted: list[Sequence[str]] = field(default_factory=list)

    def sync_names(self) -> list[str]:
        return list(self.names)

    def broken(self) -> Mapping[str, DefinitionError]:
        return dict.fromkeys(self.unsound, BROKEN)

    def findings(self, sync: str) -> list[Finding]:
        if sync in self.unsound:
            raise BROKEN
        return list(self.found)

    def roles(self, syncs: Sequence[str], *, undo: bool) -> list[Role]:
        self.wanted.append(syncs)
        return [ROLE]


def never(*_: object) -> MadeUpApp:
    raise AssertionError("nothing is to be opened")


@pytest.mark.parametrize("command", [["init"], ["secrets", "list"]])
def test_a_deployed_app_is_not_asked(command: list[str]) -> None:
    """What needs this machine's folders and secrets refuses `--app` before anything is opened, and says what to do."""
    session = Session(open_remote=never, open_app=never)
    words = [*command, "--json", "--app", "https://func.azurewebsites.net"]
    refused = CliRunner().invoke(dynsync, words, obj=session, catch_exceptions=False)
    assert refused.exit_code == 1
    assert "works on this machine only; leave --app out" in refused.stderr
    assert "leave --app out" in json.loads(refused.stdout)["error"]["message"]


@pytest.mark.parametrize("command", ["doctor", "role"])
def test_a_deployed_app_looks_with_its_own_credentials(command: str) -> None:
    """`DYNSYNC_APP` counts as for other commands: nothing is looked at from here."""
    session = Session(open_remote=lambda _: Looking(unsound=()), open_app=never)
    environ = {"DYNSYNC_APP": "https://func.azurewebsites.net"}
    assert CliRunner(env=environ).invoke(dynsync, [command], obj=session, catch_exceptions=False).exit_code == 0


@pytest.mark.parametrize("command", ["doctor", "role"])
def test_an_app_that_cannot_look_says_from_where_to(command: str) -> None:
    """Only an app with definitions and secrets can."""
    refused = call(MadeUpApp(), command)
    assert refused.exit_code == 1
    assert "an app that holds definitions and secrets" in refused.stderr


def test_a_broken_definition_is_in_the_way() -> None:
    """It is told beside the others, and the call ends with 1; a broken one that is named says all its problems."""
    all_of_them = call(Looking(), "doctor")
    assert all_of_them.exit_code == 1
    assert "accounts-from-erp:" in all_of_them.stdout
    assert "the definition cannot be used: 2 problems" in all_of_them.stdout
    assert "check contacts" in all_of_them.stdout
    named = call(Looking(), "doctor", "contacts")
    assert named.exit_code == 1
    assert "mappings" in named.stderr
    assert call(Looking(), "doctor", "accounts-from-erp").exit_code == 0


def test_a_role_is_a_readable_table() -> None:
    """What is given stands in one column, also behind the name of a privilege that is longer than any table's."""
    lines = call(Looking(unsound=()), "role").stdout.splitlines()
    given = [line.index(word) for line in lines for word in ("Read", "(miscellaneous") if word in line]
    assert given == [given[0]] * 2


def test_a_role_says_whom_it_leaves_out() -> None:
    """A role for all is not one for a broken definition; beside the JSON, on the other stream."""
    told = call(Looking(), "role", "--json")
    assert (told.exit_code, len(json.loads(told.stdout))) == (0, 1)
    assert "contacts" in told.stderr
    assert call(Looking(), "role", "accounts-from-erp").stderr == ""
    assert call(Looking(unsound=()), "role").stderr == ""


def test_nothing_to_look_at_is_no_good_news() -> None:
    """An empty folder is told; so is one in which every definition is broken, before a role is made of nothing."""
    for command in ("doctor", "role"):
        refused = call(Looking(names=(), unsound=()), command)
        assert refused.exit_code == 1
        assert "no definition" in refused.stderr
    app = Looking(names=("contacts",))
    assert call(app, "role").exit_code == 1
    assert app.wanted == []


def test_names_of_the_environment_cannot_move_the_cursor() -> None:
    """What others called their plug-ins is escaped; commands are named as they are called here."""
    app = Looking(found=[Finding("plug-in steps", Grade.NOTE, "Create: \x1b[31mred\x07", "see `dynsync check x`")])
    shown = call(app, "doctor", "accounts-from-erp", environ={"DYNSYNC_CALLED": "./dynsync"})
    assert "\x1b" not in shown.stdout
    assert "\\x1b[31mred" in shown.stdout
    assert "`./dynsync check x`" in shown.stdout

"""Which options a command takes, and where they may stand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import click
import pytest
from click.testing import CliRunner

from shared.cli.root import dynsync
from shared.cli.session import Session
from tests.unit.cli.cases import MadeUpApp

URL = "https://func.azurewebsites.net"
SHARED = {"--app", "--state", "--syncs", "--json", "--quiet", "--verbose"}
OF_THIS_MACHINE = {"init", "secrets"}


def commands() -> dict[str, click.Command]:
    """Every command that does something, by its words."""
    found: dict[str, click.Command] = {}
    for name, command in dynsync.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {inner}": one for inner, one in command.commands.items()}
        else:
            found[name] = command
    return found


@pytest.mark.parametrize("words", commands())
def test_a_command_offers_what_it_obeys(words: str) -> None:
    """A deployed app, folders and progress only where they mean something."""
    told = CliRunner().invoke(dynsync, [*words.split(), "--help"], obj=Session(), catch_exceptions=False).stdout
    offered = set(re.findall(r"(?<=\s)--[a-z-]+", told)) & SHARED
    if words == "dataverse":
        assert offered == {"--json"}
    elif words.split(maxsplit=1)[0] in OF_THIS_MACHINE:
        assert offered == SHARED - {"--app"}
    else:
        assert offered == SHARED


def address(*words: str, env: Mapping[str, str] | None = None) -> str | None:
    """The app that a call speaks to; None: the one on this machine."""
    asked: list[str | None] = []

    def remote(where: str) -> MadeUpApp:
        asked.append(where)
        return MadeUpApp()

    def here(*_: object) -> MadeUpApp:
        asked.append(None)
        return MadeUpApp()

    ended = CliRunner(env=env).invoke(dynsync, words, obj=Session(open_remote=remote, open_app=here))
    assert ended.exit_code == 0, ended.stderr
    return asked[0]


def test_the_app_stands_before_the_command_or_behind_it() -> None:
    """What is nearer to the command counts; what was typed goes before the variable."""
    env = {"DYNSYNC_APP": "https://other.azurewebsites.net"}
    assert address("jobs") is None
    assert address("jobs", env=env) == env["DYNSYNC_APP"]
    for given in (env, None):
        assert address("--app", URL, "jobs", env=given) == URL
        assert address("jobs", "--app", URL, env=given) == URL
        assert address("--app", "https://far.example", "jobs", "--app", URL, env=given) == URL


@pytest.mark.parametrize("words", [["secrets", "list"], ["dataverse"], ["init"]])
def test_a_command_of_this_machine_refuses_it_in_both_places(words: list[str]) -> None:
    """It would look elsewhere than one thinks."""
    for given in (["--app", URL, *words], [*words, "--app", URL]):
        ended = CliRunner().invoke(dynsync, given, obj=Session(open_app=lambda *_: pytest.fail("opened")))
        assert ended.exit_code == 1
        assert "works on this machine only; leave --app out" in ended.stderr

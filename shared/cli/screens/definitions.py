"""Definitions as the app has them: whose they are, their history, and what a change changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import unified_diff

import click
from rich.console import Console
from rich.text import Text

from shared.cli.screens.paper import say
from shared.cli.screens.problems import print_problem
from shared.cli.texts import called, instant, safe
from shared.values.definitions import DefinitionView, Draft
from shared.values.revisions import Revision

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_HEAD = 2
"""Lines that say what is compared."""
_NO_END = "\\ No newline at end of file"


@dataclass(frozen=True, slots=True)
class Side:
    """One of two texts that are compared, and what it is called."""

    sync: str
    name: str
    text: str


def difference(old: Side, new: Side) -> list[str]:
    """What makes the new text of the old one, as the lines of a patch of `syncs/SYNC.yaml`; none: they are alike."""
    place = f"syncs/{old.sync}.yaml"
    lines = unified_diff(_lines(old.text), _lines(new.text), place, place, old.name, new.name, lineterm="")
    return [piece for line in lines for piece in line.split("\n")]


def _lines(text: str) -> list[str]:
    """Its lines without their ends; a last one that has no end says so, as `diff` does."""
    *lines, last = text.split("\n")
    return [*lines, f"{last}\n{_NO_END}"] if last else lines


def print_difference(out: Console, lines: Sequence[str]) -> None:
    """Line by line; to a file as they are, on a terminal coloured and with nothing that could move the cursor."""
    for number, line in enumerate(lines):
        if out.is_terminal:
            style = "bold" if number < _HEAD else _STYLES.get(line[:1], "")
            out.print(Text(safe(line.replace("\t", "    ")), style), soft_wrap=True)
        else:
            click.echo(line)


def print_saving(out: Console, draft: Draft) -> None:
    """What to know of a change beside its lines."""
    if draft.same and not draft.creates:
        say(out, "It means the same as before.")
    if draft.guarded and not draft.creates:
        say(out, f"Only an administrator may change: {safe(', '.join(draft.guarded))}.")
    for problem in draft.problems:
        print_problem(out, problem)


def print_origin(err: Console, sync: str, revision: Revision | None, view: DefinitionView | None) -> None:
    """Whose a text is: the file's, or of a revision; and whether the file has changed since."""
    if revision is None or (view is not None and view.from_file):
        say(err, f"{safe(sync)}, as its file has it.")
    else:
        note = f": {safe(revision.note)}" if revision.note else ""
        did = "dropped" if revision.dropped else "saved"
        say(
            err, f"{safe(sync)}, revision {revision.number}, {did} by {safe(revision.by)}, {instant(revision.at)}{note}"
        )
    if view is None:
        return
    if view.file_changed:
        found = f"The sync's file has changed since; `{called()} definition diff {safe(sync)}` compares."
        say(err, ("Warning: ", "yellow"), found)
    for problem in view.problems:
        print_problem(err, problem)


def print_history(out: Console, sync: str, revisions: Sequence[Revision]) -> None:
    """One line per revision, and its note."""
    if not revisions:
        say(out, f"Nobody has changed {safe(sync)} in the app: it is as its file has it.")
    width = len(str(revisions[0].number)) if revisions else 0
    for one in revisions:
        did = "  dropped" if one.dropped else ""
        say(out, (str(one.number).rjust(width), "bold"), f"  {instant(one.at)}  {safe(one.by)}", (did, "yellow"))
        if one.note:
            say(out, (f"{' ' * width}  {safe(one.note)}", "dim"))

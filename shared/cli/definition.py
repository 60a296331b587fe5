"""`definition`: see, save, compare and drop a sync's definition as the app has it; what was changed is kept."""

from __future__ import annotations

import sys
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import click

from shared.cli.facade import DefinitionWords, Edits
from shared.cli.options import everywhere, session_of
from shared.cli.output import say_json
from shared.cli.screens.definitions import Side, difference, print_difference, print_history, print_origin, print_saving
from shared.cli.screens.paper import say
from shared.cli.session import Session, who
from shared.cli.texts import called, safe, safe_lines
from shared.errors import DefinitionError, NotFoundError, RefuseError
from shared.values.definitions import DefinitionView, Draft
from shared.values.problems import Severity
from shared.values.revisions import Revision

LARGEST_BYTES = 1_000_000
"""Of a file that is read: more than any definition takes, whose characters are counted later."""
_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
_NOTE = click.option("-m", "--note", default="", help="Why, for those who read the history.")
_BASE = click.option(
    "--from",
    "base",
    type=click.IntRange(0),
    help="The revision that you set out from, as show told (0: the file); refused when a newer one is there.",
)
_REVISION = click.option("--revision", type=click.IntRange(0), help="Of this number, as history has it; 0: the file.")


@click.group(short_help="See and change a sync's definition in the app.")
def definition() -> None:
    """See and change a sync's definition in the app; what was changed is kept, with who and when."""


def _words(session: Session) -> DefinitionWords:
    if not isinstance(session.app, Edits):
        raise RefuseError("this app keeps no edited definitions; run the command where its state is")
    return session.app.definitions


@definition.command(short_help="Print the definition, and nothing else.")
@click.argument("sync")
@_REVISION
@everywhere
@session_of
def show(session: Session, sync: str, revision: int | None) -> None:
    """Print the definition, and nothing else on standard output: `> syncs/SYNC.yaml` brings an edit home."""
    words = _words(session)
    view = words.show(sync) if revision is None else None
    text = view.text if view is not None else words.text(sync, revision or 0)
    found = view.revision if view is not None else _revision(words, sync, revision or 0)
    if session.json:
        say_json(view if view is not None else {"sync": sync, "number": revision, "text": text, "revision": found})
        return
    _print_text(text)
    if not session.quiet:
        print_origin(session.err(), sync, found, view)


def _revision(words: DefinitionWords, sync: str, number: int) -> Revision | None:
    return next(iter(words.revisions(sync, before=number + 1, limit=1)), None) if number else None


def _print_text(text: str) -> None:
    """To a file to the byte; on a terminal with nothing that could move the cursor."""
    if sys.stdout.isatty():
        click.echo(safe_lines(text.removesuffix("\n")))
        return
    out = sys.stdout.buffer
    out.write(text.encode())
    out.flush()


@definition.command(short_help="List what was changed in the app, by whom and when.")
@click.argument("sync")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 500), help="How many revisions.")
@everywhere
@session_of
def history(session: Session, sync: str, limit: int) -> None:
    """List the changes that were made in the app, the newest first."""
    found = _words(session).revisions(sync, limit=limit)
    if session.json:
        say_json(found)
    else:
        print_history(session.out(), sync, found)


@definition.command(short_help="Put a file in the place of the definition, or create a sync.")
@click.argument("sync")
@click.argument("file", type=_FILE)
@_NOTE
@_BASE
@everywhere
@session_of
def save(session: Session, sync: str, file: str, note: str, base: int | None) -> None:
    """Put FILE (- reads standard input) in the place of the definition: shows what changes and saves it at once.

    It is refused when it has an error, or when somebody else changed the definition in the meantime: while this runs,
    or, with --from, since the text that FILE was made of was read.
    """
    text, words = _read(file), _words(session)
    now, newest = _now(words, sync)
    if now is not None and now.text == text and not now.file_changed:
        _tell_same(session, sync)
        return
    draft = words.draft(sync, text)
    if not session.json:
        _tell_new(session, sync, draft)
    errors = [problem for problem in draft.problems if problem.severity is Severity.ERROR]
    if errors:
        raise DefinitionError(sync, errors)
    lines = difference(_side(sync, now), Side(sync, file, text))
    if not session.json:
        print_difference(session.out(), lines)
        print_saving(session.out(), draft)
    revision = words.save(sync, text, expected=newest if base is None else base, by=who(), note=note)
    if session.json:
        say_json({"revision": revision, "diff": "\n".join(lines), **_told(draft)})
    else:
        say(session.out(), f"Saved {safe(sync)} as revision {revision.number}.")
        say(session.out(), f"Then: {called()} check {safe(sync)} (asks the source and Dataverse, too)")


def _now(words: DefinitionWords, sync: str) -> tuple[DefinitionView | None, int]:
    """The definition as it is, None when there is no such sync, and the number that a change of it has to name."""
    try:
        view = words.show(sync)
    except NotFoundError:
        newest = _newest(words, sync)
        return None, newest.number if newest is not None else 0
    return view, view.revision.number if view.revision is not None else 0


def _newest(words: DefinitionWords, sync: str) -> Revision | None:
    """The newest revision also of a sync that was taken away."""
    try:
        return next(iter(words.revisions(sync, limit=1)), None)
    except NotFoundError:
        return None


def _tell_same(session: Session, sync: str) -> None:
    if session.json:
        say_json({"revision": None, "diff": ""})
    else:
        say(session.out(), f"{safe(sync)} is this text already; nothing was saved.")


def _tell_new(session: Session, sync: str, draft: Draft) -> None:
    if draft.creates:
        near = get_close_matches(sync, session.app.sync_names(), n=3)
        meant = f" (Near it: {safe(', '.join(near))}.)" if near else ""
        say(session.err(), f"There is no sync {safe(sync)} yet; saving this creates it.{meant}")


def _told(draft: Draft) -> dict[str, object]:
    return {"creates": draft.creates, "same": draft.same, "guarded": draft.guarded, "problems": draft.problems}


@definition.command(short_help="Give a sync back to its file; where it has none, take it away.")
@click.argument("sync")
@_NOTE
@_BASE
@everywhere
@session_of
def drop(session: Session, sync: str, note: str, base: int | None) -> None:
    """Give a sync back to its file; where it has none, take the sync away. Its history stays."""
    words = _words(session)
    view = words.show(sync)
    newest = view.revision.number if view.revision is not None else 0
    revision = words.save(sync, None, expected=newest if base is None else base, by=who(), note=note)
    if session.json:
        say_json({"revision": revision})
        return
    kept = f"`{called()} definition show {safe(sync)} --revision {revision.number - 1}` still shows what it was"
    end = "is its file's again" if view.file else "is taken away"
    say(session.out(), f"{safe(sync)} {end}; {kept}.")


@definition.command(short_help="Compare the definition with its file, or with a file of yours.")
@click.argument("sync")
@click.argument("file", type=_FILE, required=False)
@_REVISION
@everywhere
@session_of
def diff(session: Session, sync: str, file: str | None, revision: int | None) -> None:
    """Show what an edit changed in the sync's file; with FILE (- reads standard input), what FILE would change."""
    words = _words(session)
    view = words.show(sync)
    side = _side(sync, view)
    if revision is not None:
        side = Side(sync, f"revision {revision}" if revision else "its file", words.text(sync, revision))
    if file is not None:
        lines = difference(side, Side(sync, file, _read(file)))
    else:
        lines = difference(_file_side(words, view), side)
    if session.json:
        say_json({"sync": sync, "diff": "\n".join(lines)})
    elif lines:
        print_difference(session.out(), lines)
    else:
        say(session.err(), "There is no difference.")


def _side(sync: str, view: DefinitionView | None) -> Side:
    if view is None:
        return Side(sync, "no sync yet", "")
    number = view.revision.number if view.revision is not None else 0
    return Side(sync, "its file" if view.from_file else f"revision {number}", view.text)


def _file_side(words: DefinitionWords, view: DefinitionView) -> Side:
    if not view.file:
        return Side(view.sync, "no file", "")
    return replace(_side(view.sync, view), name="its file", text=words.text(view.sync, 0))


def _read(file: str) -> str:
    """The text of a file, or of standard input. Raises `RefuseError` when it is none."""
    name = "standard input" if file == "-" else file
    if file == "-":
        content = sys.stdin.buffer.read(LARGEST_BYTES + 1)
    else:
        with Path(file).open("rb") as opened:
            content = opened.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise RefuseError(f"{name} is longer than {LARGEST_BYTES:,} bytes, which no definition takes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RefuseError(f"{name} is not UTF-8; save it with the encoding UTF-8") from None

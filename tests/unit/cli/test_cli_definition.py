"""`definition`: what it prints where, what it saves on what, and how it ends."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from shared.cli.root import dynsync
from shared.cli.screens.definitions import Side, difference, print_difference
from shared.cli.session import Session
from shared.errors import NotFoundError, RefuseError, StaleDefinitionError
from shared.values.definitions import DefinitionView, Draft
from shared.values.problems import Problem, Severity
from shared.values.revisions import Revision
from tests.unit.cli.cases import MadeUpApp, call

AT = datetime(2026, 3, 1, 12, 0, 7, tzinfo=UTC)
FILE = "name: accounts\ntitle: Größe\n"
EDIT = FILE + "description: edited\n"
LATE = Problem("behaviour.brakes", "is loose", "think again", Severity.WARNING)


@dataclass
class Words:
    """One sync, `accounts`, and its revisions; `wrong` are the problems of every draft."""

    file: str | None = FILE
    texts: list[str | None] = field(default_factory=list)
    wrong: tuple[Problem, ...] = ()
    guarded: tuple[str, ...] = ()
    notes: list[tuple[str, str]] = field(default_factory=list)
    overtaken: bool = False
    file_changed: bool = False

    def show(self, sync: str) -> DefinitionView:
        edit = self.texts[-1] if self.texts else None
        text = edit if edit is not None else self.file
        if sync != "accounts" or text is None:
            raise NotFoundError(f"there is no sync {sync!r}; did you mean accounts?")
        newest = next(iter(self.revisions(sync)), None)
        return DefinitionView(sync, text, newest, edit is None, self.file is not None, self.file_changed, self.wrong)

    def revisions(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        if sync != "accounts":
            raise NotFoundError("no such sync")
        made = [
            Revision(sync, number, f"{by}\x1b[2J", AT, note, dropped=text is None)
            for number, (text, (by, note)) in enumerate(zip(self.texts, self.notes, strict=True), start=1)
        ]
        return [one for one in reversed(made) if before is None or one.number < before][:limit]

    def text(self, sync: str, number: int) -> str:
        found = self.file if number == 0 else self.texts[number - 1]
        if found is None:
            raise NotFoundError("no such text")
        return found

    def draft(self, sync: str, text: str) -> Draft:
        creates = sync != "accounts" or not (self.file or self.texts)
        return Draft(sync, self.wrong, self.guarded, creates=creates, same="#" in text)

    def save(self, sync: str, text: str | None, *, expected: int, by: str, note: str = "") -> Revision:
        if expected != len(self.texts) or self.overtaken:
            raise StaleDefinitionError("otto changed it at noon")
        if text is None and not self.texts:
            raise RefuseError("it is as its file has it")
        self.texts.append(text)
        self.notes.append((by, note))
        return Revision(sync, len(self.texts), by, AT, note, dropped=text is None)


@dataclass
class EditingApp(MadeUpApp):
    """An app whose definitions can be edited."""

    definitions: Words = field(default_factory=Words)

    def sync_names(self) -> list[str]:
        return ["accounts", "contacts"]


@pytest.fixture
def app() -> EditingApp:
    return EditingApp()


def edited(app: EditingApp, *texts: str | None) -> EditingApp:
    app.definitions.texts += texts
    app.definitions.notes += [("nia", f"note {number}") for number, _ in enumerate(texts)]
    return app


def written(folder: Path, text: str, name: str = "mine.yaml") -> str:
    (folder / name).write_bytes(text.encode())
    return str(folder / name)


def test_show_prints_the_text_alone(app: EditingApp) -> None:
    """To the byte on standard output, so that `>` brings it home; whose it is, on standard error."""
    ended = call(app, "definition", "show", "accounts")
    assert (ended.exit_code, ended.stdout_bytes) == (0, FILE.encode())
    assert "as its file has it" in ended.stderr
    ended = call(edited(app, EDIT, FILE + "# again\r\n"), "definition", "show", "accounts")
    assert ended.stdout_bytes == (FILE + "# again\r\n").encode()
    assert ended.stderr == "accounts, revision 2, saved by nia\\x1b[2J, 2026-03-01 12:00:07 UTC: note 1\n"
    assert call(app, "definition", "show", "accounts", "-q").stderr == ""


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_changed_file_that_does_not_count_is_told(app: EditingApp, verb: str) -> None:
    """Whoever mended the file of an edited sync, and runs it, learns that the edit ran; machines read JSON alone."""
    edited(app, EDIT)
    assert "file" not in call(app, verb, "accounts", "-q").stderr
    app.definitions.file_changed = True
    ended = call(app, verb, "accounts", "-q")
    assert "its file has changed since and does not count until `dynsync definition drop accounts`" in ended.stderr
    assert (ended.exit_code, call(app, verb, "accounts", "-q", "--json").stderr) == (0, "")


def test_an_older_text_is_shown(app: EditingApp) -> None:
    """By its number; 0 is the file's."""
    edited(app, EDIT, None)
    ended = call(app, "definition", "show", "accounts", "--revision", "1")
    assert (ended.stdout, ended.stderr.split(",")[1]) == (EDIT, " revision 1")
    assert call(app, "definition", "show", "accounts", "--revision", "0").stdout == FILE
    assert call(app, "definition", "show", "accounts").stdout == FILE
    told = json.loads(call(app, "definition", "show", "accounts", "--revision", "1", "--json").stdout)
    assert (told["text"], told["revision"]["number"]) == (EDIT, 1)


def test_show_tells_what_is_wrong_with_it(app: EditingApp) -> None:
    """Problems, and a file that has changed since; in JSON as the app says it."""
    app.definitions.file_changed, app.definitions.wrong = True, (LATE,)
    ended = call(app, "definition", "show", "accounts")
    assert ended.stdout == FILE
    assert "file has changed since" in ended.stderr
    assert "behaviour.brakes: is loose" in ended.stderr
    told = json.loads(call(app, "definition", "show", "accounts", "--json").stdout)
    assert (told["text"], told["file_changed"], told["problems"][0]["severity"]) == (FILE, True, "warning")


def test_save_shows_what_changes_and_saves_on_what_was_read(app: EditingApp, tmp_path: Path) -> None:
    """The lines, what takes an administrator, the warnings; then the revision, with who and why."""
    app.definitions.wrong, app.definitions.guarded = (LATE,), ("source.path",)
    ended = call(app, "definition", "save", "accounts", written(tmp_path, EDIT), "-m", "more words")
    assert ended.exit_code == 0
    for said in ("+description: edited", "may change: source.path", "warning behaviour.brakes", "as revision 1"):
        assert said in ended.stdout
    assert ended.stdout.splitlines()[-1].startswith("Then: dynsync check accounts")
    assert "-" not in [line[:1] for line in ended.stdout.splitlines()[2:]]
    assert app.definitions.texts == [EDIT]
    assert app.definitions.notes == [("nia", "more words")]
    ended = call(app, "definition", "save", "accounts", "-", answers=EDIT + "# why\n")
    assert (ended.exit_code, len(app.definitions.texts)) == (0, 2)
    assert "means the same" in ended.stdout


def test_save_in_json(app: EditingApp, tmp_path: Path) -> None:
    """The revision, the lines, and what there is to know."""
    told = json.loads(call(app, "definition", "save", "accounts", written(tmp_path, EDIT), "--json").stdout)
    assert (told["revision"]["number"], told["creates"], told["problems"]) == (1, False, [])
    assert told["diff"].splitlines()[:2] == [
        "--- syncs/accounts.yaml\tits file",
        f"+++ syncs/accounts.yaml\t{tmp_path}/mine.yaml",
    ]
    told = json.loads(call(app, "definition", "save", "accounts", written(tmp_path, EDIT), "--json").stdout)
    assert told == {"revision": None, "diff": ""}


def test_a_text_that_stands_there_already_is_not_saved(app: EditingApp, tmp_path: Path) -> None:
    """It is no failure, so that a script may say it again."""
    ended = call(app, "definition", "save", "accounts", written(tmp_path, FILE))
    assert (ended.exit_code, app.definitions.texts) == (0, [])
    assert "nothing was saved" in ended.stdout


def test_an_edit_whose_file_has_changed_is_saved_anew(app: EditingApp, tmp_path: Path) -> None:
    """With the same text, which then sets out from the file as it is now."""
    app.definitions.file_changed = True
    ended = call(edited(app, EDIT), "definition", "save", "accounts", written(tmp_path, EDIT))
    assert (ended.exit_code, app.definitions.texts) == (0, [EDIT, EDIT])


def test_a_text_with_errors_is_refused_with_all_of_them(app: EditingApp, tmp_path: Path) -> None:
    """Exit code 1, nothing on standard output, nothing saved."""
    app.definitions.wrong = (LATE, Problem("a", "is wrong (line 3)"), Problem("b", "is wrong, too (line 4)"))
    ended = call(app, "definition", "save", "accounts", written(tmp_path, EDIT))
    assert (ended.exit_code, ended.stdout, app.definitions.texts) == (1, "", [])
    assert "has 2 problems" in ended.stderr
    assert "line 4" in ended.stderr


def test_who_comes_second_is_refused(app: EditingApp, tmp_path: Path) -> None:
    """With who was first; nothing is merged."""
    app.definitions.overtaken = True
    ended = call(app, "definition", "save", "accounts", written(tmp_path, EDIT))
    assert (ended.exit_code, app.definitions.texts) == (1, [])
    assert "otto changed it" in ended.stderr


@pytest.mark.parametrize("verb", ["save", "drop"])
def test_what_was_made_of_an_older_text_is_refused(verb: str, app: EditingApp, tmp_path: Path) -> None:
    """With --from: though nobody comes between while the command runs. The number that was read is taken."""
    edited(app, EDIT)
    words = ["definition", verb, "accounts", *([written(tmp_path, FILE + "# mine\n")] if verb == "save" else [])]
    refused = call(app, *words, "--from", "0")
    assert (refused.exit_code, app.definitions.texts) == (1, [EDIT])
    assert "otto changed it at noon" in refused.stderr
    assert call(app, *words, "--from", "1").exit_code == 0
    assert len(app.definitions.texts) == 2


def test_a_new_sync_is_said_to_be_one(app: EditingApp, tmp_path: Path) -> None:
    """With the names that are near, for it may be a slip; one that was taken away goes on with its numbers."""
    app.definitions = Words(file=None)
    ended = call(app, "definition", "save", "accounts", written(tmp_path, FILE))
    assert (ended.exit_code, app.definitions.texts) == (0, [FILE])
    edited(app, None)
    assert call(app, "definition", "save", "accounts", written(tmp_path, EDIT)).exit_code == 0
    assert len(app.definitions.texts) == 3
    app.definitions = Words()
    ended = call(app, "definition", "save", "acounts", written(tmp_path, FILE))
    assert "no sync acounts yet; saving this creates it. (Near it: accounts, contacts.)" in ended.stderr
    app.definitions.wrong = (Problem("name", "'accounts' is another name"),)
    ended = call(app, "definition", "save", "acounts", written(tmp_path, FILE))
    assert (ended.exit_code, "Near it: accounts" in ended.stderr) == (1, True)


@pytest.mark.parametrize("verb", ["show", "drop", "diff"])
def test_a_mistyped_name_gets_the_near_ones(verb: str, app: EditingApp) -> None:
    """As the app tells them."""
    ended = call(app, "definition", verb, "acounts")
    assert (ended.exit_code, ended.stdout) == (1, "")
    assert "did you mean accounts?" in ended.stderr


@pytest.mark.parametrize("content", [b"name: \xff\n", b"x" * 1_000_001])
def test_a_file_that_is_no_text_is_not_sent(content: bytes, app: EditingApp, tmp_path: Path) -> None:
    """It is refused here, with what to do."""
    (tmp_path / "mine.yaml").write_bytes(content)
    ended = call(app, "definition", "save", "accounts", str(tmp_path / "mine.yaml"))
    assert (ended.exit_code, app.definitions.texts) == (1, [])
    assert "UTF-8" in ended.stderr or "longer than" in ended.stderr


def test_diff_compares_the_edit_with_its_file(app: EditingApp) -> None:
    """As a patch of the file, so that `| patch -p0` brings it home, too."""
    assert "no difference" in call(app, "definition", "diff", "accounts").stderr
    ended = call(edited(app, EDIT), "definition", "diff", "accounts")
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert ended.stdout == (
        "--- syncs/accounts.yaml\tits file\n+++ syncs/accounts.yaml\trevision 1\n"
        "@@ -1,2 +1,3 @@\n name: accounts\n title: Größe\n+description: edited\n"
    )
    edited(app, FILE)
    assert "no difference" in call(app, "definition", "diff", "accounts").stderr
    assert "+description" in call(app, "definition", "diff", "accounts", "--revision", "1").stdout


def test_diff_with_a_file_tells_what_saving_it_would_change(app: EditingApp, tmp_path: Path) -> None:
    """From the definition as it is, or from a revision, to the file."""
    mine = written(tmp_path, FILE)
    ended = call(edited(app, EDIT), "definition", "diff", "accounts", mine)
    assert "-description: edited" in ended.stdout
    assert (
        json.loads(call(app, "definition", "diff", "accounts", mine, "--revision", "0", "--json").stdout)["diff"] == ""
    )


def test_a_sync_without_a_file_is_all_new(app: EditingApp) -> None:
    """Every line of it."""
    app.definitions = Words(file=None)
    ended = call(edited(app, FILE), "definition", "diff", "accounts")
    assert "--- syncs/accounts.yaml\tno file" in ended.stdout
    assert "+title: Größe" in ended.stdout


def test_drop_gives_it_back_or_takes_it_away(app: EditingApp) -> None:
    """It says which, and how to see what it was; without an edit there is nothing to drop."""
    assert call(app, "definition", "drop", "accounts").exit_code == 1
    ended = call(edited(app, EDIT), "definition", "drop", "accounts", "-m", "home")
    assert "is its file's again; `dynsync definition show accounts --revision 1`" in ended.stdout
    assert app.definitions.notes[-1] == ("nia", "home")
    app.definitions = Words(file=None)
    told = json.loads(call(edited(app, EDIT), "definition", "drop", "accounts", "--json").stdout)
    assert told["revision"]["dropped"] is True
    app.definitions = Words(file=None)
    assert "is taken away" in call(edited(app, EDIT), "definition", "drop", "accounts").stdout


def test_history_tells_who_and_why(app: EditingApp) -> None:
    """The newest first, and no more than asked; nothing that could move the cursor."""
    assert "Nobody has changed accounts" in call(app, "definition", "history", "accounts").stdout
    ended = call(edited(app, EDIT, None), "definition", "history", "accounts")
    assert ended.stdout == (
        "2  2026-03-01 12:00:07 UTC  nia\\x1b[2J  dropped\n   note 1\n"
        "1  2026-03-01 12:00:07 UTC  nia\\x1b[2J\n   note 0\n"
    )
    told = json.loads(call(app, "definition", "history", "accounts", "--limit", "1", "--json").stdout)
    assert [one["number"] for one in told] == [2]


def test_an_app_that_keeps_none_says_so() -> None:
    """As every word that an app does not know."""
    ended = call(MadeUpApp(), "definition", "show", "accounts")
    assert ended.exit_code == 1
    assert "keeps no edited definitions" in ended.stderr


def test_a_terminal_gets_colours_and_no_signs_that_move() -> None:
    """What comes is green, what goes is red; a file gets the lines as they are."""
    lines = difference(Side("a", "old", "x: 1\n"), Side("a", "new", "x: \x1b[2J\r\n"))
    paper = io.StringIO()
    print_difference(Console(file=paper, force_terminal=True, color_system="standard", width=80), lines)
    assert "\x1b[1m--- syncs/a.yaml    old" in paper.getvalue()
    assert "\x1b[31m-x: 1" in paper.getvalue()
    assert "\x1b[32m+x: \\x1b[2J\\r" in paper.getvalue()


def test_a_terminal_gets_a_text_that_moves_nothing(
    app: EditingApp, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A definition that somebody else saved is shown sign by sign, and ends its last line."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(SystemExit):
        dynsync.main(
            ["definition", "show", "accounts"], obj=Session(open_app=lambda *_: edited(app, "x: \x1b[2J\n# ü"))
        )
    assert capsys.readouterr().out == "x: \\x1b[2J\n# ü\n"


def test_a_last_line_without_an_end_is_told() -> None:
    """As `diff` does, so that the patch applies."""
    lines = difference(Side("a", "old", "x: 1"), Side("a", "new", "x: 1\n"))
    assert lines[-3:] == ["-x: 1", "\\ No newline at end of file", "+x: 1"]
    assert difference(Side("a", "old", ""), Side("a", "new", "")) == []

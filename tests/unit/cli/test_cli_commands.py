"""Commands: what they ask of the app, what they say to machines, and how they end."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from shared import VERSION
from shared.cli.reject_file import COLUMNS
from shared.cli.screens.changes import LONGEST_VALUE, shortened
from shared.cli.texts import duration
from shared.errors import AuthenticationError, DefinitionError, DestinationError, NotFoundError, SourceError
from shared.values.causes import EXAMPLES, MOST_CAUSES, Tally, by_cause
from shared.values.jobs import Job, JobState, StepResult
from shared.values.problems import Problem, Severity
from shared.values.records import Reject, RejectType
from tests.unit.cli.cases import (
    CHANGES,
    CLEAN,
    FAILED,
    HELD,
    JOBS,
    PROBLEMS,
    REJECTS,
    WAITING,
    WITH_REJECTS,
    MadeUpApp,
    call,
    failing,
    spoken,
)


@pytest.mark.parametrize("words", [["run", "accounts-from-erp"], ["plan", "accounts-from-erp"], ["apply", "91d0"]])
@pytest.mark.parametrize(("job", "code"), [(CLEAN, 0), (FAILED, 1), (WITH_REJECTS, 2), (HELD, 3), (WAITING, 3)])
@pytest.mark.parametrize("json_asked", [True, False])
def test_the_exit_code_tells_how_the_job_ended(words: list[str], job: Job, code: int, json_asked: bool) -> None:
    """0 clean, 1 failed, 2 finished with rejects, 3 waits for approval; on every screen and in JSON."""
    assert call(MadeUpApp(job), *words, *(["--json"] if json_asked else [])).exit_code == code


@pytest.mark.parametrize("state", [state for state in JobState if state not in (JobState.SUCCEEDED,)])
def test_only_success_is_clean(state: JobState) -> None:
    """No other state ends with 0."""
    job = Job(id="x", sync="s", state=state, started_by="nia", created_at=CLEAN.created_at)
    assert call(MadeUpApp(job), "run", "s").exit_code != 0


def test_run_hands_over_what_was_said(tmp_path: Path) -> None:
    """Sync, variables, files and the user reach the app."""
    file = tmp_path / "extract.csv"
    file.write_text("a\n", encoding="utf-8")
    app = MadeUpApp()
    call(app, "run", "accounts-from-erp", "-v", "region=EM=EA", "-v", "empty=", "--file", f"extract={file}")
    ((verb, asked),) = app.asked
    assert (verb, asked["sync"], asked["started_by"]) == ("run", "accounts-from-erp", "nia")
    assert asked["variables"] == {"region": "EM=EA", "empty": ""}
    assert asked["files"] == {"extract": file}


def test_a_job_can_only_be_queued(tmp_path: Path) -> None:
    """`--queue` stores the job with what was said, and says how it goes on; it runs nothing."""
    app = MadeUpApp(replace(CLEAN, state=JobState.QUEUED))
    file = tmp_path / "x.csv"
    file.write_text("a\n", encoding="utf-8")

    result = call(app, "run", "accounts-from-erp", "--queue", "--file", f"extract={file}")

    [(verb, asked)] = app.asked
    assert (verb, asked["files"], asked["apply"], asked["started_by"]) == ("queue", {"extract": file}, True, "nia")
    assert result.exit_code == 0
    assert f"apply {CLEAN.id}" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-v", "region"], "'region' is not of the form NAME=VALUE"),
        (["-v", "=x"], "'=x' is not of the form NAME=VALUE"),
        (["-v", "a=1", "-v", "a=2"], "'a' is given twice"),
        (["-v", "x" * 100_000], f"'{'x' * 59}…' is not of the form NAME=VALUE"),
        (["--file", "extract=/no/such/file"], "there is no file '/no/such/file'"),
        (["--colour"], "No such option"),
    ],
)
def test_a_slip_on_the_command_line_is_a_failure(words: list[str], said: str) -> None:
    """Usage errors end with 1, for 2 means rejects; nothing is started."""
    app = MadeUpApp()
    result = call(app, "run", "accounts-from-erp", *words)
    assert (result.exit_code, result.stdout, app.asked) == (1, "", [])
    assert said in result.stderr


def test_an_error_is_one_message_on_stderr() -> None:
    """No traceback, nothing on standard output, exit code 1."""
    result = call(failing(SourceError("customers.csv cannot be read\x1b[31m; check the path")), "run", "s", "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: customers.csv cannot be read\\x1b[31m; check the path\n"


def test_an_error_is_json_for_machines() -> None:
    """With --json the error is on standard output too, with all problems of a definition."""
    error = DefinitionError("s", [Problem("source.type", "is wrong", "write delimited")])
    result = call(failing(error), "run", "s", "--json")
    said = json.loads(result.stdout)["error"]
    assert result.exit_code == 1
    assert said["type"] == "DefinitionError"
    assert said["problems"] == [
        {"path": "source.type", "found": "is wrong", "remedy": "write delimited", "severity": "error"}
    ]
    assert result.stderr.endswith(f"Error: {error}\n")


def test_ctrl_c_ends_cleanly() -> None:
    """One line, exit code 130, no traceback."""
    app = MadeUpApp(error=KeyboardInterrupt())
    result = call(app, "run", "s", "-q")
    assert result.exit_code == 130
    assert result.stderr.strip().startswith("Stopped.")


def test_progress_without_a_terminal_is_plain_lines_on_stderr() -> None:
    """Standard output holds the screen alone; --quiet leaves out the lines."""
    result = call(MadeUpApp(), "run", "s")
    assert result.stderr.splitlines() == [
        "read source …",
        "read source: 10,000",
        "apply: 50 of 155, 3 rejects",
        "apply: 155 of 155, 3 rejects",
    ]
    assert call(MadeUpApp(), "run", "s", "--quiet").stderr == ""


def test_a_job_speaks_json() -> None:
    """Every member of the job, times with their zone, and nothing else on standard output."""
    said = spoken(MadeUpApp(HELD), "run", "s")
    assert set(said) == set(Job.__dataclass_fields__)
    assert said["state"] == "AwaitingApproval"
    assert said["source"]["unchanged"] == 88
    assert said["brakes"][0]["name"] == "removals"
    assert datetime.fromisoformat(said["created_at"]) == HELD.created_at


def test_show_speaks_json() -> None:
    """The job, and its changes where they are asked for; numbers that JSON does not know are texts."""
    assert set(spoken(MadeUpApp(), "show", "7f3c")) == {"job"}
    said = spoken(MadeUpApp(), "show", WAITING.id, "--changes", "--limit", "2")
    assert [change["key"] for change in said["changes"]] == ["C-1001", "C-2002"]
    labels = {"old_label": None, "new_label": None}
    assert said["changes"][1]["fields"][0] == {"column": "creditlimit", "old": "1000.00", "new": "2500.00"} | labels


def test_lists_speak_json() -> None:
    """jobs, rejects and check."""
    assert [job["id"] for job in spoken(MadeUpApp(), "jobs", "--limit", "2")] == [FAILED.id, WAITING.id]
    said = spoken(MadeUpApp(), "rejects", WITH_REJECTS.id)
    assert said["job"] == WITH_REJECTS.id
    assert [one["row"] for one in said["rejects"]] == [one.row for one in REJECTS]
    assert spoken(MadeUpApp(), "rejects", CLEAN.id)["rejects"] == []
    checked = spoken(MadeUpApp(problems=PROBLEMS), "check")
    assert [(one["sync"], one["ok"], len(one["problems"])) for one in checked] == [
        ("accounts-from-erp", False, 2),
        ("contacts", False, 1),
    ]


def test_warnings_do_not_fail_a_check() -> None:
    """Only errors end with 1; a broken definition is one."""
    warning = Problem("a", "is odd", severity=Severity.WARNING)
    assert call(MadeUpApp(problems=[warning]), "check", "accounts-from-erp").exit_code == 0
    assert call(MadeUpApp(problems=PROBLEMS), "check", "accounts-from-erp").exit_code == 1
    assert call(MadeUpApp(), "check", "contacts").exit_code == 1


def test_a_note_is_no_warning() -> None:
    """What is only to be known stands there, last, and the sync is fine."""
    note = Problem("", "edited in the app by Ann", severity=Severity.NOTE)
    said = call(MadeUpApp(problems=[note]), "check", "accounts-from-erp").stdout
    assert said.splitlines() == ["accounts-from-erp: fine", "  note edited in the app by Ann"]
    warning = Problem("", "is odd", severity=Severity.WARNING)
    said = call(MadeUpApp(problems=[note, warning]), "check", "accounts-from-erp").stdout
    assert [line.split()[0] for line in said.splitlines()] == ["accounts-from-erp:", "warning", "note"]
    assert "1 warning" in said


def test_check_without_definitions_says_how_to_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder is not "fine"."""
    monkeypatch.setattr(MadeUpApp, "sync_names", lambda self: [])
    result = call(MadeUpApp(), "check")
    assert result.exit_code == 1
    assert "dynsync init" in result.stderr


def test_an_unknown_job_is_said() -> None:
    """The app's message, exit code 1; where a sync might have been meant, the message says so and names them."""
    for command, said in (
        ("show", "there is no job 'nope'"),
        ("rejects", "there is no sync or job 'nope'; syncs: accounts-from-erp"),
        ("replay", "there is no sync or job 'nope'; syncs: accounts-from-erp"),
    ):
        result = call(MadeUpApp(), command, "nope")
        assert (result.exit_code, said in result.stderr) == (1, True), result.stderr


def test_show_filters_changes() -> None:
    """By action and by key."""
    said = spoken(MadeUpApp(), "show", WAITING.id, "--action", "delete", "--action", "create")
    assert [change["action"] for change in said["changes"]] == ["create", "delete"]
    said = spoken(MadeUpApp(), "show", WAITING.id, "--key", "C-3003")
    assert [change["change"] for change in said["changes"]] == [2]


@pytest.mark.parametrize("words", [["plan", "s"], ["show", WAITING.id]])
def test_a_plan_is_exported(words: list[str], tmp_path: Path) -> None:
    """--export writes the whole plan and says so."""
    result = call(MadeUpApp(WAITING), *words, "--export", str(tmp_path / "plan.csv"))
    assert (tmp_path / "plan.csv").exists()
    assert "Wrote 155 changes to" in result.stdout


@pytest.mark.parametrize(
    ("file", "says"), [("plan.doc", "does not end in .csv, .jsonl or .parquet"), ("no/plan.csv", "there is no folder")]
)
def test_where_the_plan_goes_is_looked_at_before_the_job_begins(tmp_path: Path, file: str, says: str) -> None:
    """Nobody waits for a plan that cannot be written down."""
    app = MadeUpApp(WAITING)
    result = call(app, "plan", WAITING.sync, "--out", str(tmp_path / file))
    assert result.exit_code == 1
    assert says in result.stderr
    assert result.stdout == ""


def test_rejects_are_written_as_csv(tmp_path: Path) -> None:
    """All of them, with a heading; a text that a spreadsheet would run is marked as text, a number is not."""
    path = tmp_path / "rejects.csv"
    result = call(MadeUpApp(), "rejects", WITH_REJECTS.id, "--csv", str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert result.stdout.replace("\n", "").endswith("rejects.csv.")
    assert list(rows[0]) == list(COLUMNS)
    assert [row["record"] for row in rows] == [str(one.row) for one in REJECTS]
    assert (rows[-1]["key"], rows[-1]["found"]) == ("'=C9", "-5")
    assert [file.name for file in tmp_path.iterdir()] == ["rejects.csv"]


def test_rejects_that_cannot_be_written_are_said(tmp_path: Path) -> None:
    """A folder that is not there is an error in words."""
    result = call(MadeUpApp(), "rejects", WITH_REJECTS.id, "--csv", str(tmp_path / "no" / "rejects.csv"))
    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)


def test_causes_stay_few() -> None:
    """However many different reasons there are, the screen is bounded and nothing is left uncounted."""
    many = [Reject(n, None, RejectType.REFUSED, None, None, "reason " + "x" * n) for n in range(1000)]
    causes = by_cause(many)
    assert len(causes) == MOST_CAUSES + 1
    assert sum(cause.count for cause in causes) == 1000
    assert causes[0].reason == "various other reasons"


def test_long_values_are_shown_where_they_part() -> None:
    """Two long texts that differ at their end do not look alike."""
    old, new = shortened("x" * 500 + "old", "x" * 500 + "new")
    assert (old, new) == (f"…{'x' * 30}old", f"…{'x' * 30}new")
    assert shortened("short", "shorter") == ("short", "shorter")
    assert max(map(len, shortened("a" * 999, "b" * 999))) == LONGEST_VALUE


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.44, "0.4 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.9, "1 min 00 s"),
        (3599.9, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_read_well(seconds: float, words: str) -> None:
    """No "60 s" and no "59 min 60 s"."""
    assert duration(seconds) == words


@pytest.mark.parametrize("command", ["init", "check", "plan", "run", "apply", "jobs", "show", "rejects"])
def test_every_command_explains_itself(command: str) -> None:
    """--help is there, and every command about jobs has --json, --state and --syncs."""
    result = call(MadeUpApp(), command, "--help")
    assert result.exit_code == 0
    assert all(option in result.stdout for option in ("--json", "--state", "--syncs"))


@pytest.mark.parametrize("group", [[], ["listener"], ["secrets"], ["definition"]])
def test_a_list_of_commands_is_read_whole(group: list[str]) -> None:
    """At 80 columns no command's line ends in dots."""
    said = call(MadeUpApp(), *group, "--help", environ={"COLUMNS": "80"}).stdout
    listed = said.partition("\nCommands:\n")[2].partition("\n\n")[0].splitlines()
    assert listed
    assert not [line for line in listed if line.endswith("...")]


def test_the_version_is_told() -> None:
    """What who asks for help is asked first; it starts nothing."""
    result = call(MadeUpApp(), "--version")
    assert (result.exit_code, result.stdout) == (0, f"dynsync {VERSION}\n")


def test_the_cases_hold_every_kind_of_change() -> None:
    """The pictures show creates, updates and removals."""
    assert {change.action.value for change in CHANGES} >= {"create", "update", "delete", "expire"}


def test_a_secret_missing_is_said_with_its_variable() -> None:
    """The message of the error tree reaches the person unchanged."""
    result = call(failing(AuthenticationError("set the environment variable DYNSYNC_SECRET_X")), "plan", "s", "-q")
    assert result.stderr == "Error: set the environment variable DYNSYNC_SECRET_X\n"


@pytest.mark.parametrize("error", [DestinationError("no table 'x'"), OSError(5, "Input/output error", "x.csv")])
def test_a_check_goes_on_after_a_sync_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """What ends one sync's check is that sync's problem; the others are looked at all the same."""

    def check(self: MadeUpApp, sync: str) -> list[Problem]:
        raise error

    monkeypatch.setattr(MadeUpApp, "check", check)
    said = spoken(MadeUpApp(), "check")
    assert [(one["sync"], one["ok"]) for one in said] == [("accounts-from-erp", False), ("contacts", False)]
    assert str(error.args[-1]) in said[0]["problems"][0]["found"]
    assert call(MadeUpApp(), "check").exit_code == 1


def test_a_check_of_an_unknown_sync_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that nobody defined is no sync with a problem."""

    def check(self: MadeUpApp, sync: str) -> list[Problem]:
        raise NotFoundError(f"there is no sync {sync!r}")

    monkeypatch.setattr(MadeUpApp, "check", check)
    result = call(MadeUpApp(), "check", "nix")
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: there is no sync 'nix'\n")


def test_jobs_of_an_unknown_sync_are_refused() -> None:
    """A slip in a name is told, with the names there are; a sync that never ran is no slip."""
    result = call(MadeUpApp(), "jobs", "--sync", "other")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "there is no sync 'other'" in result.stderr
    assert "contacts" in result.stderr
    assert call(MadeUpApp(), "jobs", "--sync", "contacts").exit_code == 0


def test_rejects_are_counted_as_the_balance_counts() -> None:
    """A record with two problems is one record; what was only reported, conflicts and refused changes stand apart."""
    found = [
        Reject(1, "a", RejectType.MAX_LENGTH, "x", "1", "too long"),
        Reject(1, "a", RejectType.MANDATORY, "y", None, "empty"),
        Reject(2, "b", RejectType.MAX_LENGTH, "x", "1", "too long"),
        Reject(2, "b", RejectType.INPUT_FORMAT, "z", "?", "odd", rejecting=False),
        Reject(3, "c", RejectType.CONFLICT, None, None, "moved"),
        Reject(None, "d", RejectType.REFUSED, None, None, "no"),
    ]
    tally = Tally()
    assert list(tally.counting(found)) == found
    assert tally.words() == "2 records rejected, 1 change refused, 1 conflict; 1 lesser problem reported"


def test_examples_end_with_a_mark_only_where_some_are_left_out() -> None:
    """Six records with five values: the values are all there."""
    (cause,) = by_cause(
        [Reject(n, "k", RejectType.MAX_LENGTH, "x", str(n % 5), "too long") for n in range(1, EXAMPLES + 2)]
    )
    assert (cause.more, cause.keys, len(cause.found)) == ({"records"}, ["k"], 5)


def test_cancel_asks_or_ends() -> None:
    """A running job is asked to stop, which is said; one that waits is cancelled and shown."""
    app = MadeUpApp()
    app.result = replace(CLEAN, state=JobState.RUNNING, finished_at=None)
    asked = call(app, "cancel", "7f3c")
    assert (asked.exit_code, app.asked) == (0, [("cancel", {"job_id": "7f3c", "by": "nia"})])
    assert "was asked to stop; it does within one batch" in asked.stdout
    app.result = replace(HELD, state=JobState.CANCELLED, error="cancelled by nia")
    assert "cancelled by nia" in call(app, "cancel", "91d0").stdout
    assert spoken(app, "cancel", "91d0")["state"] == "Cancelled"


def test_jobs_as_a_file(tmp_path: Path) -> None:
    """One line per job and the same columns for all; what a spreadsheet would take for a formula is text."""
    app = MadeUpApp()
    path = tmp_path / "jobs.csv"
    assert "Wrote 5 jobs" in call(app, "jobs", "--csv", str(path)).stdout
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [job.id for job in JOBS]
    clean = rows[-1]
    assert (clean["started_by"], clean["variables"], clean["source_read"]) == ("nia", '{"region": "EMEA"}', "10000")
    assert (clean["planned_create"], clean["destination_kept"], clean["finished_at"][:19]) == (
        "100",
        "5",
        "2025-03-01T12:00:12",
    )
    assert rows[0]["error"].startswith("line 17")


def test_the_history_is_all_in_csv_and_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both balances, the seconds of each phase, requests and pauses, who, with what, by which definition."""
    sent = {"requests": 7, "throttled": 2, "retries": 1, "throttled_s": 5}
    steps = (StepResult("tell", "http", True, 1, 0.1, ""), StepResult("mark", "sql", False, 3, 9.0, "no answer"))
    monkeypatch.setattr("tests.unit.cli.cases.JOBS", [replace(CLEAN, requests=sent, steps=steps)])
    app = MadeUpApp()
    path = tmp_path / "jobs.csv"
    call(app, "jobs", "--csv", str(path))
    with path.open(encoding="utf-8-sig", newline="") as file:
        line = list(csv.DictReader(file))[-1]
    told = spoken(app, "jobs")[-1]
    assert (line["steps"], [step["succeeded"] for step in told["steps"]]) == ("tell: done; mark: failed", [True, False])
    for side in ("source", "destination"):
        assert {name: line[f"{side}_{name}"] for name in told[side]} == {k: str(v) for k, v in told[side].items()}
        assert told[side]["read"] == sum(count for name, count in told[side].items() if name != "read")
    assert told["timings_s"] == CLEAN.timings_s
    assert {phase: line[f"seconds_{phase.replace(' ', '_')}"] for phase in told["timings_s"]} == {
        phase: str(seconds) for phase, seconds in told["timings_s"].items()
    }
    assert told["requests"] == sent
    assert {name: line[name] for name in told["requests"]} == {k: str(v) for k, v in told["requests"].items()}
    for name in ("started_by", "definition_version", "definition_hash"):
        assert told[name] == line[name] == getattr(CLEAN, name)
    assert told["variables"] == json.loads(line["variables"]) == {"region": "EMEA"}


def test_a_file_of_jobs_holds_all_that_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list on the screen has the last few only."""
    monkeypatch.setattr("shared.cli.jobs._FEW", 2)
    path = tmp_path / "jobs.csv"
    assert len(spoken(MadeUpApp(), "jobs")) == 2
    assert "Wrote 5 jobs" in call(MadeUpApp(), "jobs", "--csv", str(path)).stdout
    assert "Wrote 1 job " in call(MadeUpApp(), "jobs", "--csv", str(path), "--limit", "1").stdout


def test_show_one_record() -> None:
    """Of a sync, which a job may stand for: changes with their outcome, and why it was set aside; unknown is said."""
    app = MadeUpApp()
    text = call(app, "show", "--record", "C-2002", "--sync", "accounts-from-erp").stdout
    assert app.asked[-1] == ("stories", {"key": "C-2002", "job_id": None, "sync": "accounts-from-erp", "limit": 20})
    assert all(words in text for words in ("7f3c0a1e", "update  C-2002", "refused by Dataverse (0x8004: no)"))
    assert "set aside: Max Length Violation" in text
    call(app, "show", "7f3c", "--record", "C-2002")
    assert app.asked[-1] == ("stories", {"key": "C-2002", "job_id": None, "sync": "accounts-from-erp", "limit": 20})
    other = call(app, "show", "7f3c", "--record", "C-2002", "--sync", "contacts")
    assert (other.exit_code, "is one of sync accounts-from-erp, not of contacts" in other.output) == (1, True)
    assert "No job that is kept did anything to C-9" in call(app, "show", "7f3c", "--record", "C-9").stdout
    assert spoken(app, "show", "7f3c", "--record", "C-2002")["jobs"][0]["changes"][0]["outcome"]["status"] == "rejected"
    nothing = call(app, "show")
    assert nothing.exit_code == 1
    assert "say which job to show" in nothing.output


def test_rejects_as_csv_on_standard_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` is no file's name: a pipe gets the lines and nothing else."""
    monkeypatch.chdir(tmp_path)
    result = call(MadeUpApp(), "rejects", WITH_REJECTS.id, "--csv", "-")
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("record,key,type,column,found,reason")
    assert "Wrote" not in result.stdout
    assert len(lines) > 1
    assert list(tmp_path.iterdir()) == []

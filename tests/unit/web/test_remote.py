"""The commands against a deployed app: the real API behind a transport without a network."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
import requests
from click.testing import CliRunner, Result
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from shared.cli.facade import App, Doctor, Edits, EventWords
from shared.cli.remote import RemoteApp, open_remote
from shared.cli.remote.events import _parts
from shared.cli.remote.line import Line
from shared.cli.rights import COMMANDS
from shared.cli.root import dynsync
from shared.cli.session import Session
from shared.errors import (
    DefinitionError,
    FailError,
    NotAllowedError,
    NotFoundError,
    NotSignedInError,
    RefuseError,
    StaleDefinitionError,
    TransitionError,
    UnavailableError,
)
from shared.permissions import NEEDS
from shared.values.cases import Choice
from shared.values.definitions import Draft
from shared.values.jobs import JobState
from shared.values.rights import Depth, Grade, Grant, Role
from shared.web.call import Request
from tests.unit.web.conftest import Api, Opener, principal

URL = "https://contoso.azurewebsites.net"

LOCAL_ONLY = ("init", "secrets", "dataverse")


class Wire(BaseAdapter):
    """Hands requests to an API, as App Service does: a token becomes the principal's header."""

    def __init__(self, api: Api, who: dict[str, str]) -> None:
        super().__init__()
        self.api = api
        self.who = who
        self.seen: list[requests.PreparedRequest] = []
        self.lost = 0

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.seen.append(request)
        url = urlsplit(str(request.url))
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        if headers.get("authorization") == "Bearer good":
            headers |= self.who
        body = request.body or b""
        asked = Request(
            str(request.method), unquote(url.path), dict(parse_qsl(url.query)), headers,
            body.encode() if isinstance(body, str) else body, url.netloc,
        )  # fmt: skip
        answer = self.api.application.answer(asked)
        if self.lost:
            self.lost -= 1
            raise requests.ReadTimeout
        told = requests.Response()
        told.status_code, told.raw, told.headers = (
            answer.status,
            io.BytesIO(answer.body),
            CaseInsensitiveDict(answer.headers),
        )
        return told

    def close(self) -> None:
        pass


@pytest.fixture
def wire(open_api: Opener) -> Wire:
    return Wire(open_api(), principal("dynsync.admin"))


def line(wire: Wire, token: str | None = "good") -> Line:
    session = requests.Session()
    session.mount("https://", wire)
    return Line(URL, (lambda: token) if token else None, session)


@pytest.fixture
def remote(wire: Wire) -> RemoteApp:
    """The deployed app; while somebody waits for a job, its queue is worked on."""
    return RemoteApp(line(wire), sleep=lambda _: work(wire.api))


def work(api: Api) -> None:
    for job in api.hosted.app.waiting():
        api.hosted.app.cancel(job.id, by="the test")


def command(app: App, *words: str) -> Result:
    session = Session(open_remote=lambda _: app)
    return CliRunner().invoke(dynsync, [*words, "--app", URL, "--json"], obj=session)


def test_it_is_an_app(remote: RemoteApp) -> None:
    """Every word of the command line is there."""
    app: App = remote
    words = {name for name in vars(App) if not name.startswith("_")}
    assert words <= set(dir(app))


def test_syncs_and_checks(remote: RemoteApp) -> None:
    """As the caller may see them; a broken one with its problems."""
    assert remote.sync_names() == ["accounts", "broken", "contacts", "files", "hidden"]
    assert [str(problem) for problem in remote.broken()["broken"].problems]
    with pytest.raises(NotFoundError, match="nothing"):
        remote.check("nothing")


def test_a_job_is_started_and_watched(remote: RemoteApp, tmp_path: Path) -> None:
    """With its variables and its file; the answer is the job as it ended."""
    path = tmp_path / "erp.csv"
    path.write_text("no,label\n")
    how = {"started_by": "me", "progress": lambda _: None}
    job = remote.start("files", variables={}, files={"extract": path}, apply=False, **how)
    assert (job.state, job.variables, job.started_by) == (JobState.CANCELLED, {"extract": "erp.csv"}, "nia@contoso.com")
    assert remote.job(job.id[:12]) == job
    assert remote.jobs(sync="files") == [job]
    assert remote.plan_sample(job.id, limit=5) == []
    assert list(remote.rejects(job.id)) == []
    assert remote.stories("A1", job_id=job.id)[0].job == job


def test_an_answer_that_is_lost_starts_no_second_job(remote: RemoteApp, wire: Wire) -> None:
    """It is asked for again under the same key."""
    wire.lost = 2
    job = remote.queue("accounts", variables={}, files={}, started_by="me", apply=True)
    assert remote.jobs() == [job]
    assert len({request.headers["Idempotency-Key"] for request in wire.seen[:3]}) == 1


def test_an_app_that_does_not_answer_is_told(remote: RemoteApp, wire: Wire) -> None:
    """After a few tries."""
    wire.lost = 100
    with pytest.raises(UnavailableError, match="did not answer"):
        remote.queue("accounts", variables={}, files={}, started_by="me", apply=True)


def test_its_errors_are_the_house_s(remote: RemoteApp) -> None:
    """By the problem's type, with its own words."""
    job = remote.queue("accounts", variables={}, files={}, started_by="me", apply=True)
    assert remote.cancel(job.id, by="me").state is JobState.CANCELLED
    with pytest.raises(TransitionError, match="Cancelled"):
        remote.cancel(job.id, by="me")
    with pytest.raises(RefuseError, match="regoin"):
        remote.queue("accounts", variables={"regoin": "x"}, files={}, started_by="me", apply=True)
    with pytest.raises(NotFoundError):
        remote.job("20990101")


def test_several_jobs_may_begin_alike(remote: RemoteApp, wire: Wire) -> None:
    """Then more of the id is asked for."""
    for _ in range(2):
        wire.api.job()
    with pytest.raises(NotFoundError, match="several jobs begin with"):
        remote.job("2")


def test_open_rejects_and_schedules_are_there(remote: RemoteApp) -> None:
    """Of a sync and of a job; what is not there to replay is said in the app's words."""
    job = remote.queue("accounts", variables={}, files={}, started_by="me", apply=True)
    assert list(remote.open_rejects("accounts")) == list(remote.open_rejects(job.id)) == []
    assert remote.upcoming() == []
    with pytest.raises(RefuseError, match="reject"):
        remote.replay("accounts", Choice(), started_by="me", progress=lambda _: None, apply=True)


@pytest.mark.parametrize("token", [None, "bad"])
def test_without_a_good_token_it_says_how_to_sign_in(wire: Wire, token: str | None) -> None:
    """The scope that the app tells is shown and not used: it might be another app's."""
    with pytest.raises(NotSignedInError, match="DYNSYNC_APP_SCOPE"):
        RemoteApp(line(wire, token)).sync_names()


def test_the_token_goes_with_every_call(remote: RemoteApp, wire: Wire) -> None:
    """And to this address only: a redirection is not followed."""
    remote.sync_names()
    assert {request.headers["Authorization"] for request in wire.seen} == {"Bearer good"}


@pytest.mark.parametrize("url", ["http://contoso.com", "ftp://x", "contoso", "https://a@b", "", "https://a\\b"])
def test_a_token_goes_over_tls_or_to_this_machine(url: str) -> None:
    """Any other address is refused before anything is sent."""
    with pytest.raises(RefuseError, match="is no address"):
        open_remote(url, None)
    open_remote("http://127.0.0.1:7071", None)


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b'{"syncs": 1}'), (500, b"oops"), (302, b"")])
def test_a_strange_answer_is_an_error(status: int, body: bytes) -> None:
    """Never a guess."""

    class Strange(BaseAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            told = requests.Response()
            told.request = request
            told.status_code, told.raw = status, io.BytesIO(body)
            told.headers["Location"] = "https://evil.example/"
            return told

        def close(self) -> None:
            pass

    session = requests.Session()
    session.mount("https://", Strange())
    with pytest.raises(FailError if status != 302 else NotSignedInError):
        RemoteApp(Line(URL, lambda: "good", session)).sync_names()


def test_every_command_has_its_rights_or_is_of_this_machine() -> None:
    """One table for page, API and command line; the help says what a deployed app asks for."""
    assert set(dynsync.commands) == COMMANDS.keys() | set(LOCAL_ONLY)
    asked = {operation for operations in COMMANDS.values() for operation in operations}
    assert asked <= set(NEEDS)
    ended = CliRunner().invoke(dynsync, ["run", "--help"], obj=Session())
    assert "`run` needs execute on the sync" in " ".join(ended.stdout.split())


def test_real_time_is_told_and_steered(remote: RemoteApp, wire: Wire) -> None:
    """Listeners, what waits, events to send; the app's refusals in its words."""
    path = wire.api.folder / "syncs/contacts.yaml"
    path.write_text(path.read_text() + "listener: { enabled: true, key: [no] }\n")
    events: EventWords = remote.events
    assert [one.sync for one in events.listeners()] == ["contacts"]
    assert events.listener("contacts").on
    assert not events.switch("contacts", on=False).on
    assert events.parked("contacts") == []
    assert set(events.release("contacts", by="me").values()) <= {0}
    with pytest.raises(RefuseError):
        events.publish("contacts", [b'{"no": "A1", "label": "One"}'] * 3)
    moment = datetime(2026, 1, 31, 8, tzinfo=UTC)
    assert events.start_from("contacts", moment).start_from == moment
    assert events.start_from("contacts", None).start_from is None
    assert events.rejected_events("contacts") == []
    assert events.replay_events("contacts", [7]) == {}
    for asked in (events.dead_letters, events.redrive):
        with pytest.raises(RefuseError, match="no setting says where the queues are"):
            asked()


def test_definitions_are_told_and_changed(remote: RemoteApp, wire: Wire) -> None:
    """On the revision that was read; the app's refusals are the house's errors, with all problems of a text."""
    assert isinstance(remote, Edits)
    words = remote.definitions
    view = words.show("accounts")
    assert (view.text, view.revision) == ((wire.api.folder / "syncs/accounts.yaml").read_text(), None)
    text = view.text + "description: Größe\n"
    assert words.draft("accounts", text) == Draft("accounts")
    revision = words.save("accounts", text, expected=0, by="me", note="ü")
    assert (revision.number, revision.by, revision.note) == (1, "nia@contoso.com", "ü")
    assert words.show("accounts") == replace(view, text=text, revision=revision, from_file=False, problems=ANY)
    assert words.revisions("accounts", before=2, limit=1) == [revision]
    assert (words.text("accounts", 1), words.text("accounts", 0)) == (text, view.text)
    with pytest.raises(StaleDefinitionError, match=r"nia@contoso\.com"):
        words.save("accounts", view.text, expected=0, by="me")
    with pytest.raises(DefinitionError, match="titel") as refused:
        words.save("accounts", text + "titel: x\n", expected=1, by="me")
    assert [problem.path for problem in refused.value.problems] == ["titel"]
    assert words.save("accounts", None, expected=1, by="me", note="home & done").note == "home & done"
    with pytest.raises(RefuseError):
        words.save("accounts", None, expected=2, by="me")
    for who, said in (
        (wire.who, r"^[^;]*; did you mean accounts or contacts\?$"),
        (principal("crm-writers"), r"see; did you mean accounts\?$"),
        (principal("others"), r"see$"),
    ):
        wire.who = who
        with pytest.raises(NotFoundError, match=said):
            words.show("acounts")


def test_a_definition_is_saved_by_the_command(remote: RemoteApp, wire: Wire, tmp_path: Path) -> None:
    """A new sync, another text, and the way back, with the exit codes of the command line."""
    text = (wire.api.folder / "syncs/accounts.yaml").read_text().replace("accounts", "fresh")
    file = tmp_path / "fresh.yaml"
    file.write_text(text)
    ended = command(remote, "definition", "save", "fresh", str(file))
    assert (ended.exit_code, json.loads(ended.stdout)["creates"]) == (0, True)
    file.write_text(text + "description: x\n")
    assert json.loads(command(remote, "definition", "save", "fresh", str(file)).stdout)["revision"]["number"] == 2
    assert json.loads(command(remote, "definition", "drop", "fresh").stdout)["revision"]["number"] == 3
    assert command(remote, "definition", "show", "fresh").exit_code == 1
    assert json.loads(command(remote, "definition", "save", "fresh", str(file)).stdout)["revision"]["number"] == 4
    file.write_text(text + "titel: x\n")
    ended = command(remote, "definition", "save", "fresh", str(file))
    assert (ended.exit_code, json.loads(ended.stdout)["error"]["problems"][0]["path"]) == (1, "titel")


def test_the_app_looks_at_environments_itself(remote: RemoteApp, monkeypatch: pytest.MonkeyPatch, wire: Wire) -> None:
    """With its own credentials, which here are missing; a role comes back as it was made."""
    assert isinstance(remote, Doctor)
    (finding,) = remote.findings("accounts")
    assert (finding.area, finding.grade) == ("identity", Grade.ERROR)
    assert "accounts--client" in finding.found
    ended = command(remote, "doctor", "accounts")
    assert (ended.exit_code, json.loads(ended.stdout)[0]["findings"][0]["area"]) == (1, "identity")
    role = Role(
        "https://contoso.crm4.dynamics.com",
        ("accounts",),
        "7d",
        (Grant("account", "Read", "p", "1", Depth.GLOBAL, "w"),),
    )
    monkeypatch.setattr(
        wire.api.hosted.app, "roles", lambda names, *, undo: [role] if (names, undo) == (("accounts",), True) else []
    )
    assert remote.roles(("accounts",), undo=True) == [role]
    assert json.loads(command(remote, "role", "accounts", "--undo").stdout)[0]["business_unit_id"] == "7d"


def test_many_events_travel_in_calls_of_a_size_that_is_taken() -> None:
    """In their order, none lost."""
    documents = [b'{"no": "%d", "pad": "%s"}' % (number, b"x" * (number % 3000)) for number in range(2500)]
    parts = list(_parts(documents))
    assert [one for part in parts for one in part] == documents
    assert all(len(part) <= 1000 and len(b",".join(part)) < 950_000 for part in parts)


def test_commands_work_through_it(remote: RemoteApp, wire: Wire) -> None:
    """With the exit codes of the command line."""
    ended = command(remote, "run", "accounts", "-v", "region=NL")
    assert ended.exit_code == 1  # the test cancels it
    job = json.loads(ended.stdout)
    assert json.loads(command(remote, "jobs").stdout)[0]["id"] == job["id"]
    assert json.loads(command(remote, "show", job["id"]).stdout)["job"]["state"] == "Cancelled"
    assert command(remote, "rejects", job["id"]).exit_code == 0
    assert command(remote, "cancel", job["id"]).exit_code == 1


@pytest.mark.parametrize("word", LOCAL_ONLY)
def test_commands_of_this_machine_say_so(word: str, remote: RemoteApp) -> None:
    """`--app` is refused when it was typed."""
    words = {"secrets": ["secrets", "list"]}.get(word, [word])
    ended = command(remote, *words)
    assert ended.exit_code == 1
    assert "this machine only" in ended.stderr


def test_what_cannot_be_done_remotely_says_so(remote: RemoteApp) -> None:
    """Also for who calls it past the command line."""
    calls = (lambda: remote.table("a", {}), lambda: remote.sample("a", {}))
    for call in (remote.secret_place, remote.secret_entries, *calls):
        with pytest.raises(NotAllowedError, match="deployed app"):
            call()

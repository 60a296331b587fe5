"""The pages of definitions: who sees and may do what, that nothing typed is lost, and that hostile texts stay texts."""

from __future__ import annotations

import html as entities
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from shared.definitions.loading import parse_sync
from shared.definitions.unbuilt import unbuilt_parts
from shared.values.problems import Problem
from shared.web.call import Answer
from shared.web.pages.definition.beginnings import BEGINNINGS
from shared.web.pages.definition.sheet import next_times
from shared.web.pages.lines import line, of_path, unlined
from shared.wiring.definitions import DefinitionDesk
from tests.unit.web.conftest import Api, Opener, principal
from tests.unit.web.test_pages import html
from tests.unit.web.test_sync_page import sent

PLACE = "/syncs/accounts/definition"
HOSTILE = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\"'"


def text_of(api: Api, sync: str = "accounts") -> str:
    return (api.folder / "syncs" / f"{sync}.yaml").read_text()


def typed(page: str) -> str:
    """What stands in the editor, as a browser has it."""
    found = re.search(r'<textarea id="text"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)
    assert found, page
    return entities.unescape(found[1])


def buttons(page: str) -> list[str]:
    return re.findall(r'name="do" value="([a-z]+)"', page)


def post(api: Api, text: str, do: str = "check", expected: int = 0, **fields: str) -> Answer:
    """The answer to the editor's form."""
    return sent(api, PLACE, text=text, do=do, expected=str(expected), **fields)


def save(api: Api, text: str, expected: int = 0, note: str = "") -> None:
    answer = post(api, text, "save", expected, note=note)
    assert (answer.status, answer.headers["Location"]) == (303, f"{PLACE}?said=saved"), answer.body


@pytest.fixture
def writer(open_api: Opener) -> Api:
    return open_api(principal("crm-writers", preferred_username="wim@contoso.com"))


@pytest.fixture
def admin(open_api: Opener) -> Api:
    return open_api(principal("crm-admins"))


# ---- who may


@pytest.mark.parametrize(
    ("group", "status", "found"),
    [
        ("others", 404, []), ("crm-readers", 200, []), ("crm-operators", 200, []),
        ("crm-writers", 200, ["check", "look", "save", "compare", "form"]),
        ("crm-admins", 200, ["check", "look", "save", "compare", "form"]),
    ],
)  # fmt: skip
def test_who_sees_the_editor(group: str, status: int, found: list[str], open_api: Opener) -> None:
    """Who may read sees the text and may not type; who may write gets the buttons; a stranger learns of no sync."""
    api = open_api(principal(group))
    page = html(api.call("GET", PLACE), status)
    assert buttons(page) == found
    assert ("source: no" in page) == (status == 200)
    if status == 200:
        assert typed(page) == text_of(api)
        assert bool(re.search(r'<textarea id="text"[^>]* readonly', page)) == (not found)
    form = api.call("GET", PLACE, query={"form": "true"})
    assert (b'name="setting.title"' in form.body) == (b"?form=true" in form.body) == bool(found)
    refused = post(api, text_of(api) + "#\n", "save")
    assert refused.status == {"crm-writers": 303, "crm-admins": 303, "others": 404}.get(group, 403)


def test_what_is_guarded_is_named_before_it_is_tried(writer: Api, admin: Api) -> None:
    """The editor tells who lacks `admin` so; a check names the settings and nothing else; saving is refused."""
    page = html(writer.call("GET", PLACE))
    assert "That takes <code>admin</code>" in page
    assert "That takes" not in html(admin.call("GET", PLACE))
    stolen = text_of(writer).replace("accounts--client-secret", "other--client-secret")
    checked = html(post(writer, stolen))
    assert "You may not save this text" in checked
    assert "destination.client_secret" in checked
    assert "Not examined" in checked
    assert "may only name" not in checked  # what is wrong with it is for those who may save it
    assert typed(checked) == stolen
    refused = html(post(writer, stolen, "save", note="why not"), 403)
    assert "destination.client_secret" in refused
    assert typed(refused) == stolen
    assert 'value="why not"' in refused
    allowed = text_of(admin).replace("entity: account", "entity: lead")
    assert "only an administrator of the sync may change: destination.entity" in re.sub(
        r"<[^>]+>", "", html(post(admin, allowed))
    )


# ---- checked, compared, saved


def test_a_text_is_checked_with_its_lines(writer: Api) -> None:
    """Each problem with its line and what to do; what was typed stays; nothing is saved."""
    wrong = text_of(writer).replace("strategy: delta", "strategy: detla")
    page = html(post(writer, wrong))
    number = next(n for n, one in enumerate(wrong.split("\n"), 1) if "detla" in one)
    assert f'data-line="{number}">Line {number}</a>' in page
    assert "1 error to mend before it can be saved." in page
    assert typed(page) == wrong
    assert "No problem found." in html(post(writer, text_of(writer) + "# more\n"))
    assert "near line 2" in html(post(writer, "name: accounts\n  a: [\n"))
    assert writer.hosted.app.definitions.revisions("accounts") == []


def test_what_only_a_look_finds_keeps_nothing_from_being_saved(writer: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page does not say that a text must be mended first which “Save” then takes."""
    monkeypatch.setattr(DefinitionDesk, "look", lambda *_: [Problem("mappings.0.target", "no such column")])
    page = html(post(writer, text_of(writer) + "# more\n", "look"))
    assert "1 error in source or Dataverse: it can be saved, but its jobs fail" in page
    assert "before it can be saved" not in page


def test_errors_keep_the_text(writer: Api) -> None:
    """A text with errors is not saved: every problem, the text and the note are there."""
    wrong = text_of(writer).replace("new: insert", "new: inserted")
    page = html(post(writer, wrong, "save", note="first try"), 422)
    assert typed(page) == wrong
    assert 'value="first try"' in page
    assert "behaviour.new" in page
    same = html(post(writer, text_of(writer), "save"), 422)
    assert "nothing is to be saved" in same


def test_a_saved_text_is_in_force_and_told(writer: Api, open_api: Opener) -> None:
    """Saved with a note, the page says who, when and why; the file is as it was."""
    before = text_of(writer)
    save(writer, before.replace("title: A sync", "title: Better"), note="It is <better>")
    page = html(writer.call("GET", PLACE, query={"said": "saved"}))
    assert "title: Better" in typed(page)
    assert "wim@contoso.com" in page
    assert "<q>It is &lt;better&gt;</q>" in page
    assert "in force from now on" in page
    assert writer.hosted.app.definition("accounts").title == "Better"
    assert text_of(writer) == before
    assert "The sync's file has changed" not in page
    (writer.folder / "syncs/accounts.yaml").write_text(before + "# deployed\n")
    assert "has changed since this edit began" in html(open_api(principal("crm-writers")).call("GET", PLACE))


def test_two_editors(writer: Api, admin: Api) -> None:
    """The second is told who was quicker, sees both texts, loses nothing, and may then save over it knowingly."""
    ours = text_of(writer).replace("title: A sync", "title: Ours")
    save(admin, text_of(admin).replace("title: A sync", "title: Theirs"), note="quick")
    page = html(post(writer, ours, "save", note="slow"), 412)
    assert "nia@contoso.com" in page
    assert typed(page) == ours
    assert "Theirs</del>" in page
    assert "Ours</ins>" in page
    assert 'value="slow"' in page
    assert "Save mine over it" in page
    assert 'name="expected" value="1"' in page
    save(writer, ours, expected=1)
    assert writer.hosted.app.definition("accounts").title == "Ours"


def test_a_hostile_text_is_a_text(writer: Api) -> None:
    """Nothing in a text, a note or a form's field becomes part of a page."""
    text = text_of(writer).replace("title: A sync", "title: '" + HOSTILE.replace("'", "''") + "'")
    for do in ("check", "compare", "form", "save"):
        answer = post(writer, text, do, note=HOSTILE)
        assert b"<script>alert" not in answer.body
        assert b"<img src=x" not in answer.body
    assert typed(html(writer.call("GET", PLACE))) == text
    for path in ("/revisions", "/revisions/1", "/differences", "?form=true"):
        page = html(writer.call("GET", PLACE + path.partition("?")[0], query={"form": "true"} if "?" in path else {}))
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_line_ends_and_leading_lines_stay(writer: Api) -> None:
    """A browser ends lines with CR LF: what is saved has the ends of what was there, and a blank first line stays."""
    plain = "\n" + text_of(writer).replace("title: A sync", "title: B")
    save(writer, plain.replace("\n", "\r\n"))
    assert writer.hosted.app.definitions.text("accounts", 1) == plain
    assert typed(html(writer.call("GET", PLACE))) == plain
    windows = plain.replace("\n", "\r\n")
    (writer.folder / "syncs/accounts.yaml").write_bytes(windows.encode())
    assert sent(writer, f"{PLACE}/drop", expected="1").status == 303
    save(writer, typed(html(writer.call("GET", PLACE))).replace("title: B", "title: C"), 2)
    assert writer.hosted.app.definitions.text("accounts", 3) == windows.replace("title: B", "title: C")


# ---- the form


def test_the_form_changes_the_text_in_place(writer: Api) -> None:
    """What is filled in is shown as a difference, with everything else as it was; nothing is saved yet."""
    text = text_of(writer).replace("title: A sync", "title: A sync   # its name")
    page = html(post(writer, text, "form"))
    assert 'name="setting.title" value="A sync"' in page
    assert 'name="source.0" value="no"' in page
    assert "needs admin" in page  # the filter and the approval
    applied = html(
        post(
            writer, text, "apply",
            setting__title="Better: it is", setting__behaviour__new="ignore", setting__schedule__cron="0 2 * * *",
            place__0="2", source__0="no", target__0="accountnumber", key__0="yes",
            place__1="1", source__1="label", target__1="description", source__n1="no", target__n1="new_no",
        )
    )  # fmt: skip
    found = typed(applied)
    assert 'title: "Better: it is"   # its name' in found
    assert "  - { source: label, target: description }\n  - { source: no, target: accountnumber }\n" in found
    assert '  - { source: "no", target: new_no }\nbehaviour:' in found
    assert "new: ignore" in found
    assert 'schedule: { cron: "0 2 * * *" }' in found
    assert "What would change" in applied
    assert writer.hosted.app.definitions.revisions("accounts") == []


def test_a_form_that_cannot_be_written_keeps_what_was_filled_in(writer: Api) -> None:
    """An anchor's value is not changed behind a person's back; the form comes again with every field."""
    text = text_of(writer).replace("title: A sync", "title: &t A sync\ndescription: *t")
    page = html(post(writer, text, "apply", setting__title="Other", source__n2="no"), 422)
    assert "cannot be changed by the form" in page
    assert 'name="setting.title" value="Other"' in page
    assert 'name="source.n2" value="no"' in page


def test_a_text_that_is_no_yaml_has_no_form(writer: Api) -> None:
    """The editor says why, with the text."""
    page = html(post(writer, "name: [", "form"), 422)
    assert typed(page) == "name: ["
    assert "cannot be shown as a form" in page


def test_next_times_are_told() -> None:
    """Three of them, across a change of the clocks; none of what is no schedule."""
    now = datetime(2025, 3, 29, 12, tzinfo=UTC)
    found = next_times({"cron": "30 2 * * *", "time_zone": "Europe/Amsterdam"}, now)
    assert [one.isoformat() for one in found] == [
        "2025-03-30T03:30:00+02:00", "2025-03-31T02:30:00+02:00", "2025-04-01T02:30:00+02:00",
    ]  # fmt: skip
    for schedule in (
        {"cron": "", "time_zone": "UTC"},
        {"cron": "x"},
        {"cron": "0 0 30 2 *"},
        {"cron": "0 0 * * *", "time_zone": "Mars/One"},
    ):
        assert next_times(schedule, now) == ()


# ---- revisions


def test_revisions_and_the_way_back(writer: Api) -> None:
    """Each has its text and its difference; an old one goes into the editor with a note; a drop is shown first."""
    text = text_of(writer)
    save(writer, text.replace("title: A sync", "title: One"), note="first")
    save(writer, text.replace("title: A sync", "title: Two"), 1, note="second")
    save(writer, text.replace("title: A sync", "title: One   # again"), 2)
    page = html(writer.call("GET", f"{PLACE}/revisions"))
    assert page.index("second") < page.index("first")
    assert "means the same as 1" in page
    assert "title: Two" in html(writer.call("GET", f"{PLACE}/revisions/2"))
    assert "title: A sync" in html(writer.call("GET", f"{PLACE}/revisions/0"))
    between = html(writer.call("GET", f"{PLACE}/differences", query={"old": "1", "new": "2"}))
    assert "One</del>" in between
    assert "Two</ins>" in between
    restored = html(writer.call("GET", PLACE, query={"revision": "2"}))
    assert "title: Two" in typed(restored)
    assert 'value="Back to revision 2"' in restored
    assert 'name="expected" value="3"' in restored
    dropping = html(writer.call("GET", f"{PLACE}/drop"))
    assert "A sync</ins>" in dropping
    assert html(sent(writer, f"{PLACE}/drop", expected="2"), 412)
    answer = sent(writer, f"{PLACE}/drop", expected="3", note="done")
    assert (answer.status, answer.headers["Location"]) == (303, f"{PLACE}?said=dropped")
    assert "gave it back to its file" in html(writer.call("GET", PLACE))
    assert "There is no edit to drop" in html(writer.call("GET", f"{PLACE}/drop"))
    assert writer.call("GET", f"{PLACE}/revisions/9").status == 404
    assert writer.call("GET", f"{PLACE}/revisions/x").status == 422


def test_jobs_are_told_with_their_revision(open_api: Opener) -> None:
    """A job that ran with a revision's definition stands beside it."""
    api = open_api(principal("dynsync.admin"))
    save(api, text_of(api).replace("title: A sync", "title: One"))
    job = api.job()
    assert f'href="/jobs/{job}"' in html(api.call("GET", f"{PLACE}/revisions"))


def test_the_way_back_is_guarded_too(writer: Api, admin: Api) -> None:
    """Who may not make the change that a drop would be is told what it takes, and gets no button."""
    save(admin, text_of(admin).replace("entity: account", "entity: lead"))
    page = html(writer.call("GET", f"{PLACE}/drop"))
    assert "destination.entity" in page
    assert "<button" not in page
    assert html(sent(writer, f"{PLACE}/drop", expected="1"), 403)
    assert writer.hosted.app.definition("accounts").destination.entity == "lead"


# ---- a new sync


def test_a_new_sync_is_begun_saved_and_taken_away(open_api: Opener) -> None:
    """From a small text, by an administrator of the app; without a file, dropping takes it away."""
    api = open_api(principal("dynsync.admin"))
    assert 'href="/new"' in html(api.call("GET", "/"))
    assert "Where do its records come from?" in html(api.call("GET", "/new"))
    begun = html(sent(api, "/new", sync="fresh", beginning="upload", do="edit"))
    text = typed(begun).replace("your-org", "contoso")
    assert 'name="sync" value="fresh"' in begun
    assert "data-guarded hidden" in html(sent(api, "/new", sync="fresh", text=text, do="check"))  # all of it is new
    as_typed = api.call("POST", "/api/syncs/fresh/definition/check", json_body={"text": text})
    assert (as_typed.status, b'"creates":true' in as_typed.body) == (200, True)
    wrong = html(sent(api, "/new", sync="fresh", do="save", text=text.replace("delta", "x")), 422)
    assert 'name="sync" value="fresh"' in wrong
    answer = sent(api, "/new", sync="fresh", do="save", text=text, note="new")
    assert (answer.status, answer.headers["Location"]) == (303, "/syncs/fresh?said=created")
    assert "only in this app, without a file; last changed by" in html(api.call("GET", "/syncs/fresh"))
    taken = html(sent(api, "/new", sync="fresh", do="save", text=text), 422)
    assert typed(taken) == text
    assert "This sync has no file" in html(api.call("GET", "/syncs/fresh/definition/drop"))
    gone = sent(api, "/syncs/fresh/definition/drop", expected="1")
    assert (gone.status, gone.headers["Location"]) == (303, "/?said=taken-away")
    assert api.call("GET", "/syncs/fresh/definition").status == 404


def test_who_may_not_make_a_sync(admin: Api) -> None:
    """An administrator of one sync makes no other; no link leads there."""
    assert html(admin.call("GET", "/new"), 403)
    assert html(sent(admin, "/new", sync="fresh", do="edit", beginning="upload"), 403)
    assert 'href="/new"' not in html(admin.call("GET", "/"))


@pytest.mark.parametrize("name", BEGINNINGS)
def test_beginnings_are_sound(name: str) -> None:
    """Every text to begin with is a definition, as it is, of parts that run."""
    definition = parse_sync(BEGINNINGS[name].text("a-new-one"), name="a-new-one")
    assert definition.behaviour.approval == "required"
    assert unbuilt_parts(definition) == []


def test_lines_of_problems() -> None:
    """The line is found at the end of the words, or in them; and taken out where it is told beside them."""
    assert (line("is wrong (line 12)"), unlined("is wrong (line 12)")) == (12, "is wrong")
    assert line("the text is not YAML near line 2, column 3") == 2
    assert line("is wrong") is None
    problems = [Problem("a.b", "x"), Problem("a.bc", "y"), Problem("a", "z")]
    assert of_path(problems, "a.b") == [problems[0]]
    assert of_path(problems, "a") == problems


def test_the_folder_has_no_text_of_ours(writer: Api) -> None:
    """What is edited in the app is kept in its state: no file of a definition is written."""
    before = {path.name: path.read_bytes() for path in Path(writer.folder / "syncs").iterdir()}
    save(writer, text_of(writer) + "# more\n")
    assert {path.name: path.read_bytes() for path in Path(writer.folder / "syncs").iterdir()} == before

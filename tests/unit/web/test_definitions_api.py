"""Definitions by the API: who may change what, on what a change sets out, and what a refusal tells."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from shared.definitions.document import MAX_CHARACTERS
from shared.errors import NotAllowedError, NotFoundError
from shared.permissions import Caller, Kind
from shared.values.definitions import Draft
from shared.values.problems import Problem, Severity
from shared.web.call import Answer
from shared.web.changing import TOLD, required
from shared.web.gate import Gate
from shared.wiring.definitions import DefinitionDesk
from tests.unit.web.conftest import DEFINITION, NOW, Api, Opener, principal

AT = "/api/syncs/accounts/definition"
WRITER, ADMIN = principal("crm-writers"), principal("crm-admins")
TEXT = DEFINITION.format(
    name="fresh", variables="  region: { default: EMEA }", path="in.csv", permissions="{ admin: [crm-admins] }"
)


def told(answer: Answer, status: int = 200) -> Any:
    assert answer.status == status, answer.body
    return json.loads(answer.body)


def file_text(api: Api, sync: str = "accounts") -> str:
    return (api.folder / f"syncs/{sync}.yaml").read_text()


def put(
    api: Api, text: str, number: object = 0, who: Mapping[str, str] | None = None, at: str = AT, note: str = ""
) -> Answer:
    tag = {} if number is None else {"if-match": f'"{number}"' if isinstance(number, int) else str(number)}
    return api.call("PUT", at, json_body={"text": text, "note": note}, headers={**tag, **(who or {})})


def drop(api: Api, number: int, who: Mapping[str, str] | None = None, at: str = AT, **query: str) -> Answer:
    return api.call("DELETE", at, headers={"if-match": f'"{number}"', **(who or {})}, query=query)


def check(api: Api, text: str, who: Mapping[str, str] | None = None, at: str = AT, **body: object) -> Answer:
    return api.call("POST", f"{at}/check", json_body={"text": text, **body}, headers=who)


def revisions(api: Api, sync: str = "accounts") -> list[int]:
    return [one.number for one in api.hosted.app.stores.definitions.list(sync)]


def test_a_definition_is_read_changed_and_given_back(api: Api) -> None:
    """With a tag that names its revision; the app goes by it at once, and the history tells who and why."""
    answer = api.call("GET", AT)
    view = told(answer)
    assert answer.headers["ETag"] == api.call("HEAD", AT).headers["ETag"] == '"0"'
    assert (view["text"], view["from_file"], view["revision"]) == (file_text(api), True, None)

    text = file_text(api).replace("title: A sync", "title: Größere")
    answer = put(api, text, 0, WRITER, note="a better title")
    revision = told(answer)
    assert (answer.headers["ETag"], revision["number"], revision["by"]) == ('"1"', 1, "nia@contoso.com")
    assert api.get("/api/syncs/accounts")["title"] == "Größere"
    view = told(api.call("GET", AT))
    assert (view["text"], view["from_file"], view["file"], view["revision"]) == (text, False, True, revision)

    answer = drop(api, 1, WRITER, note="enough")
    assert (told(answer)["dropped"], answer.headers["ETag"]) == (True, '"2"')
    assert api.get("/api/syncs/accounts")["title"] == "A sync"
    assert told(api.call("GET", AT))["text"] == file_text(api)
    first, second = (api.get(f"{AT}/revisions", query={"limit": "1", "before": before}) for before in ("9", "2"))
    assert ([one["note"] for one in first["revisions"]], first["before"]) == (["enough"], 2)
    assert ([one["note"] for one in second["revisions"]], second["before"]) == (["a better title"], 1)
    assert api.get(f"{AT}/revisions", query={"before": "1"}) == {"revisions": [], "before": None}
    assert api.get(f"{AT}/revisions/1") == {"sync": "accounts", "number": 1, "text": text}
    assert api.get(f"{AT}/revisions/0")["text"] == file_text(api)
    assert api.call("GET", f"{AT}/revisions/9").status == 404
    for wrong in ("x", "-1", "²", "9" * 30):
        assert api.call("GET", f"{AT}/revisions/{wrong}").status == 422


@pytest.mark.parametrize("tag", [None, "*", 'W/"0"', "0", '"0", "1"', '"00"', '""', '"x"', '"' + "9" * 40 + '"'])
@pytest.mark.parametrize("verb", ["PUT", "DELETE"])
def test_a_change_says_what_it_sets_out_from(tag: str | None, verb: str, api: Api) -> None:
    """One number in quotes; without it 428, with anything else 422, and the words say what to send."""
    sent = {} if tag is None else {"if-match": tag}
    body = {"json_body": {"text": file_text(api) + "description: x\n"}} if verb == "PUT" else {}
    refusal = told(api.call(verb, AT, headers=sent, **body), 428 if tag is None else 422)
    assert refusal["type"].endswith("precondition" if tag is None else "invalid")
    assert "ETag" in refusal["detail"]
    assert revisions(api) == []


def test_who_comes_second_is_told_who_was_first(api: Api) -> None:
    """412 with name and time, for a save and for a drop; a number that is yet to come is refused alike."""
    text = file_text(api)
    assert put(api, text + "description: one\n", 0).status == 200
    at = f"{api.hosted.app.stores.definitions.newest()['accounts'].at:%Y-%m-%d %H:%M}"
    for answer in (put(api, text + "description: two\n", 0, WRITER), drop(api, 2, WRITER), put(api, text, 7)):
        refusal = told(answer, 412)
        assert refusal["type"] == "urn:dynsync:problem:stale-definition"
        assert "nia@contoso.com" in refusal["detail"]
        assert at in refusal["detail"]
    assert revisions(api) == [1]


@pytest.mark.parametrize("number", [0, 1], ids=["late", "ahead"])
def test_who_comes_between_the_guard_and_the_save_wins(number: int, api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the guard let pass was compared with another text, so it is refused, and not laid over the other one; also
    when the caller foresaw the number that the other one would have."""
    drafted = DefinitionDesk.draft

    def overtaken(desk: DefinitionDesk, sync: str, text: str | None) -> Draft:
        found = drafted(desk, sync, text)
        monkeypatch.setattr(DefinitionDesk, "draft", drafted)
        desk.save(sync, file_text(api) + "description: first\n", expected=0, by="otto")
        return found

    monkeypatch.setattr(DefinitionDesk, "draft", overtaken)
    refusal = told(put(api, file_text(api) + "description: second\n", number), 412)
    assert ("otto" in refusal["detail"]) == (number == 0)
    assert "second" not in told(api.call("GET", AT))["text"]


GUARDED = {
    "destination.client_secret": ("secret: accounts--client-secret", "secret: accounts--another"),
    "destination.service_url": ("contoso.crm4", "fabrikam.crm4"),
    "source.path": ("in.csv", "other.csv"),
    "permissions": ("write: [crm-writers]", "write: [crm-writers, all]"),
}


@pytest.mark.parametrize("setting", list(GUARDED))
def test_what_is_guarded_takes_an_administrator(setting: str, open_api: Opener) -> None:
    """A writer is refused and told which setting it is; an administrator of the sync saves it."""
    api = open_api(WRITER)
    text = file_text(api).replace(*GUARDED[setting])
    for answer in (put(api, text), check(api, text)):
        refusal = told(answer, 403)
        assert re.search(rf"\({re.escape(setting)}[^)]*\)", refusal["detail"])
        assert "it needs admin" in refusal["detail"]
    assert revisions(api) == []
    assert told(check(api, text, ADMIN))["guarded"] != []
    assert put(api, text, 0, ADMIN).status == 200


def test_a_step_that_starts_another_sync_takes_the_right_to_start_it(open_api: Opener) -> None:
    """Or an administrator of one sync could start every other; a sync that is hidden and one that is not there are
    alike. A step that stands there already is nobody's new one."""
    api = open_api(ADMIN)
    chain = "post_sync:\n  - { name: next, sync: { name: %s } }\n"
    bodies = []
    for name, status in (("contacts", 404), ("hidden", 404), ("nothing", 404), ("files", 200)):
        for answer in (check(api, file_text(api) + chain % name, deep=True), put(api, file_text(api) + chain % name)):
            assert answer.status == status, answer.body
            bodies += [answer.body.replace(name.encode(), b"NAME")] if status == 404 else []
    assert len(set(bodies)) == 1
    text = file_text(api) + chain % "hidden"
    assert put(api, text, 1, principal("dynsync.admin")).status == 200
    assert put(api, text + "description: x\n", 2).status == 200
    other = text.replace("name: hidden }", "name: hidden, variables: { region: NL } }")
    assert put(api, other, 3).status == 404


def test_going_back_to_the_file_is_a_change_like_another(open_api: Opener) -> None:
    """A writer does not undo what an administrator changed by dropping it."""
    api = open_api(WRITER)
    assert put(api, file_text(api).replace(*GUARDED["destination.service_url"]), 0, ADMIN).status == 200
    assert "service_url" in told(drop(api, 1), 403)["detail"]
    assert drop(api, 1, ADMIN).status == 200


def test_a_long_list_of_guarded_settings_is_cut(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones, and how many more."""
    paths = tuple(f"post_sync.{number}" for number in range(TOLD + 5))
    monkeypatch.setattr(DefinitionDesk, "draft", lambda _, sync, text: Draft(sync, guarded=paths))
    detail = told(put(api, "x", 0, WRITER), 403)["detail"]
    assert paths[TOLD - 1] in detail
    assert paths[TOLD] not in detail
    assert "and 5 more" in detail


PROBES = {
    "a secret": (GUARDED["destination.client_secret"][0], "secret: accounts--x", "secret: contacts--client-secret"),
    "a host": ("contoso.crm4.dynamics.com", "fabrikam.crm4.dynamics.com", "intranet.example"),
    "a file": ('"in.csv"', '"nothing.csv"', '"../../../etc/passwd"'),
}


@pytest.mark.parametrize("probe", list(PROBES))
def test_a_draft_tells_a_writer_nothing_of_what_they_may_not_use(probe: str, open_api: Opener) -> None:
    """Whether it is there, or within reach, makes no difference to the answer; nor does another error beside it."""
    api = open_api(WRITER)
    old, *tried = PROBES[probe]
    texts = [file_text(api).replace(old, new) for new in tried]
    texts.append(texts[0].replace("new: insert", "new: insret"))
    for answers in ([put(api, text) for text in texts], [check(api, text, deep=True) for text in texts]):
        assert {answer.status for answer in answers} == {403}
        assert len({answer.body for answer in answers}) == 1


def test_other_systems_are_asked_after_the_guard_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With `deep`, of a sound text, for somebody who may save it."""
    asked: list[str] = []
    late = Problem("mappings.0", "is late", severity=Severity.WARNING)
    monkeypatch.setattr(DefinitionDesk, "look", lambda _, sync, text: [asked.append(sync), [late]][1])
    text = file_text(api) + "description: x\n"
    assert told(check(api, text, WRITER))["problems"] == []
    for sent, who in (
        (text.replace(*GUARDED["source.path"]), WRITER), (text, principal("crm-readers")),
        (text.replace("new: insert", "new: insret"), WRITER),
    ):  # fmt: skip
        check(api, sent, who, deep=True)
    assert asked == []
    draft = told(check(api, text, WRITER, deep=True))
    assert (asked, draft["problems"][0]["found"], draft["sound"]) == (["accounts"], "is late", True)


def test_a_text_with_errors_is_refused_with_all_of_them(api: Api) -> None:
    """422 with path and line of each; a check tells the same, and nothing is saved."""
    text = file_text(api).replace("new: insert", "new: insret").replace("target: name", "target: [name, x")
    refusal = told(put(api, text, 0, WRITER), 422)
    assert refusal["problems"]
    text = file_text(api).replace("new: insert", "new: insret") + "titel: x\n"
    refusal = told(put(api, text, 0, WRITER), 422)
    assert {one["path"] for one in refusal["problems"]} == {"behaviour.new", "titel"}
    lines = text.splitlines()
    for one in refusal["problems"]:
        number = int(re.search(r"line (\d+)", one["found"])[1])  # type: ignore[index]
        assert one["path"].split(".")[-1] in lines[number - 1]
    draft = told(check(api, text, WRITER))
    assert draft["sound"] is False
    assert {one["path"] for one in draft["problems"]} == {"behaviour.new", "titel"}
    assert revisions(api) == []


def test_the_limit_is_the_document_s_own(api: Api) -> None:
    """Its characters are counted, not the bytes of the body that carries them."""
    text = file_text(api) + "# "
    fits, too_long = (text + "😀" * (length - len(text)) for length in (MAX_CHARACTERS, MAX_CHARACTERS + 1))
    assert len(json.dumps(fits)) > 2_000_000
    assert told(put(api, fits, 0))["number"] == 1
    assert told(put(api, too_long, 1), 422)["problems"][0]["path"] == "text"
    assert put(api, "x" * 3_000_000, 1).status == 413


@pytest.mark.parametrize("name", ["reach", "NO NAME", "x" * 100, "broken.yaml"])
def test_no_sync_is_called_so(name: str, api: Api) -> None:
    """Least of all as the reach file."""
    at = f"/api/syncs/{name}/definition"
    assert api.call("GET", at).status == 404
    assert put(api, TEXT.replace("name: fresh", f"name: {name}"), 0, at=at).status in (404, 422)
    assert revisions(api, name) == []
    assert file_text(api, "reach") == "containers: [incoming]\nfolders: [..]\n"


FRESH = "/api/syncs/fresh/definition"


def test_a_new_sync_takes_an_administrator_of_the_app(open_api: Opener) -> None:
    """Also to be examined; others learn no more than of any name that nobody gave."""
    api = open_api()
    for who, status in ((principal("dynsync.write"), 403), (ADMIN, 404), (principal("crm-readers"), 404)):
        for answer in (put(api, TEXT, 0, who, FRESH), check(api, TEXT, who, FRESH)):
            assert ("create a sync" in told(answer, status)["detail"]) == (status == 403)
    everything = principal("dynsync.admin")
    assert told(check(api, TEXT, everything, FRESH))["creates"] is True
    assert put(api, TEXT, 0, everything, FRESH).status == 200
    assert "fresh" in [one["name"] for one in api.get("/api/syncs", headers=everything)["syncs"]]
    assert api.get("/api/syncs/fresh", headers=ADMIN)["rights"] != []


def test_who_may_not_read_a_sync_is_asked_for_no_other_right(open_api: Opener) -> None:
    """Whatever a draft is, its refusal is that of a sync that is not there; so the page may ask for nothing before."""
    gate = Gate(open_api().hosted, lambda: NOW)
    for draft in (Draft("fresh", creates=True), Draft("hidden", takes_away=True), Draft("hidden", guarded=("x",))):
        with pytest.raises(NotFoundError, match="that you may see"):
            required(gate, Caller(Kind.PERSON, "nia", "nia", frozenset({"others"})), draft)


def test_taking_a_sync_away_takes_one_too(open_api: Opener) -> None:
    """An administrator of the sync may not; its history stays, and it may come back."""
    api, everything = open_api(), principal("dynsync.admin")
    assert put(api, TEXT, 0, everything, FRESH).status == 200
    assert "take a sync away" in told(drop(api, 1, ADMIN, FRESH), 403)["detail"]
    assert told(drop(api, 1, everything, FRESH))["dropped"] is True
    assert api.call("GET", FRESH, headers=everything).status == 404
    assert api.get(f"{FRESH}/revisions/1", headers=everything)["text"] == TEXT
    assert [one["number"] for one in api.get(f"{FRESH}/revisions", headers=everything)["revisions"]] == [2, 1]
    assert put(api, TEXT, 0, everything, FRESH).status == 412
    assert put(api, TEXT, 2, everything, FRESH).status == 200


def test_a_broken_sync_is_mended_by_the_app_s_roles(open_api: Opener) -> None:
    """It gives nobody a right; whoever mends it gives all that is guarded anew."""
    api = open_api()
    at, text = "/api/syncs/broken/definition", TEXT.replace("fresh", "broken")
    assert api.call("GET", at, headers=ADMIN).status == 404
    view = told(api.call("GET", at, headers=principal("dynsync.read")))
    assert (view["text"], view["problems"] != []) == ("name: broken\n", True)
    assert put(api, text, 0, principal("dynsync.write"), at).status == 403
    assert put(api, text, 0, principal("dynsync.admin"), at).status == 200
    assert told(api.call("GET", at, headers=ADMIN))["problems"] == []


def test_a_right_that_was_taken_elsewhere_changes_nothing_more(open_api: Opener) -> None:
    """Another instance took it a moment ago; this one may not know yet, but looks before it changes anything."""
    api, elsewhere = open_api(ADMIN), open_api(principal("dynsync.admin"))
    assert api.call("GET", AT).status == 200
    text = file_text(api).replace("admin: [crm-admins]", "admin: [others]")
    assert put(elsewhere, text).status == 200
    assert put(api, file_text(api), 1).status == 404
    assert revisions(api) == [1]


def test_nothing_to_drop_and_nothing_to_save(api: Api) -> None:
    """What is not edited cannot be dropped; the text that stands there is no change."""
    for answer in (drop(api, 0), put(api, file_text(api), 0)):
        assert told(answer, 422)["type"] == "urn:dynsync:problem:refuse"
    assert revisions(api) == []


def test_a_reader_learns_what_they_lack_and_no_more(open_api: Opener) -> None:
    """403 with the right that changing takes, whatever it is that would change."""
    api = open_api(principal("crm-readers"))
    bodies = set()
    for text in (file_text(api) + "description: x\n", file_text(api).replace(*GUARDED["source.path"]), "{"):
        for answer in (put(api, text), check(api, text)):
            bodies.add(answer.body)
            assert "it needs write" in told(answer, 403)["detail"]
    assert len(bodies) == 1
    assert told(drop(api, 0), 403) == json.loads(bodies.pop())


def test_every_refusal_is_logged_and_nothing_of_the_text(open_api: Opener, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the sync, who and why."""
    api = open_api(WRITER)
    text = file_text(api) + "description: top-secret\n"
    guarded, broken = text.replace("in.csv", "top-secret.csv"), text + "top-secret: top-secret\n"
    expected = {
        "change a definition's": lambda: put(api, guarded, note="top-secret"),
        "definition.refused sync=accounts": lambda: put(api, broken, note="top-secret"),
        "why=StaleDefinition": lambda: put(api, text, 3, note="top-secret"),
        'operation="change a definition"': lambda: check(api, text, principal("crm-readers"), deep=True),
    }
    for said, call in expected.items():
        caplog.clear()
        assert call().status >= 400
        (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert said in line
        assert "caller=" in line
    assert "top-secret" not in caplog.text


def test_what_a_look_finds_outside_the_reach_is_logged(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As everywhere: 403, and a line of its own."""

    def outside(*_: object) -> list[Problem]:
        raise NotAllowedError("outside")

    monkeypatch.setattr(DefinitionDesk, "look", outside)
    assert check(api, file_text(api) + "description: x\n", deep=True).status == 403
    assert 'verdict="outside the reach"' in caplog.text


def test_both_ways_to_say_a_problem_are_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examination told already, a look does not tell again."""
    warning = Problem("a", "is strange", severity=Severity.WARNING)
    monkeypatch.setattr(DefinitionDesk, "draft", lambda _, sync, text: Draft(sync, (warning,)))
    monkeypatch.setattr(DefinitionDesk, "look", lambda *_: [warning, Problem("b", "is missing")])
    draft = told(check(api, file_text(api) + "description: x\n", deep=True))
    assert ([one["path"] for one in draft["problems"]], draft["sound"]) == (["a", "b"], True)

"""The page of one sync, and its forms: who sees what, what they send, and what comes back when it is refused."""

from __future__ import annotations

import re
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.values.events import Pulse
from shared.values.problems import Problem, Severity
from shared.web.call import Answer, Request
from shared.web.forms import JSON_BYTES, MOST_FIELDS, read_fields
from shared.web.pages import facts
from shared.web.routes.syncs import CheckView
from tests.examples import examples
from tests.unit.web.conftest import Api, Opener, principal
from tests.unit.web.test_pages import HOSTILE, OWN, html

MULTIPART = {**OWN, "content-type": "multipart/form-data; boundary=b"}


def sent(api: Api, path: str, **fields: str) -> Answer:
    """The answer to a form of urlencoded fields; `__` in a name is a dot."""
    body = urlencode({name.replace("__", "."): value for name, value in fields.items()}).encode()
    return api.call("POST", path, headers=OWN, body=body)


def parts(*told: tuple[str, str | None, bytes]) -> bytes:
    """A multipart body of (name, file's name or None, content)."""
    found = b""
    for name, file, content in told:
        named = "" if file is None else f'; filename="{file}"'
        found += f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode() + content + b"\r\n"
    return found + b"--b--\r\n"


# ---- what it shows


def test_the_page_tells_what_the_sync_does(api: Api) -> None:
    """Where from and where to without a secret, its rules, its jobs, and the forms of whoever may do everything."""
    job = api.job()
    text = html(api.call("GET", "/syncs/accounts"))
    for words in (
        "Delimited text: in.csv",
        "Dataverse table account at contoso.crm4.dynamics.com",
        "Key: accountnumber",
    ):
        assert words in text
    assert f'<a href="/jobs/{job}">' in text
    assert "client-secret" not in text
    assert re.findall(r'action="([^"]+)"', text) == [f"/syncs/accounts/{one}" for one in ("check", "test", "start")]
    assert 'name="variables.region" value="EMEA"' in text


def test_a_page_asks_the_store_about_the_syncs_that_it_shows(open_api: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them is a question of its own in Azure, and there may be hundreds."""
    api = open_api(principal("crm-readers"))
    for name in ("accounts", "contacts", "hidden"):
        with (api.folder / f"syncs/{name}.yaml").open("a") as file:
            file.write('schedule: { cron: "0 0 2 * * *", time_zone: UTC }\nlistener: { action: op, key: [no] }\n')
    stores, asked = api.hosted.app.stores, []
    for store, name in ((stores.schedules, "mark"), (stores.listeners, "pulse")):
        monkeypatch.setattr(
            type(store),
            name,
            lambda _, sync, name=name: asked.append((name, sync)) or (Pulse() if name == "pulse" else None),
        )
    assert "2025-03-02 02:00 UTC" in html(api.call("GET", "/"))
    assert sorted(asked) == [("pulse", "accounts"), ("pulse", "contacts")]
    asked.clear()
    html(api.call("GET", "/syncs/accounts"))
    assert sorted(asked) == [("mark", "accounts"), ("pulse", "accounts")]
    asked.clear()
    html(api.call("GET", "/", headers=principal("strangers")))
    assert asked == []


@pytest.mark.parametrize(
    ("group", "forms"),
    [("crm-readers", []), ("crm-writers", ["check", "test"]), ("crm-operators", ["check", "test", "start"])],
)
def test_buttons_are_those_of_the_caller_s_rights(group: str, forms: list[str], open_api: Opener) -> None:
    """What may not be done is not offered; and it is refused, whoever sends it all the same."""
    api = open_api(principal(group))
    text = html(api.call("GET", "/syncs/accounts"))
    assert re.findall(r'action="/syncs/accounts/([a-z]+)"', text) == forms
    if "start" not in forms:
        html(sent(api, "/syncs/accounts/start"), 403)
        assert api.hosted.app.jobs() == []


def test_an_edit_is_told(api: Api) -> None:
    """On the list and on the sync's page: by whom, and that the file has changed since."""
    path = api.folder / "syncs/accounts.yaml"
    text = path.read_text()
    pages = [html(api.call("GET", one)) for one in ("/", "/syncs/accounts")]
    assert not any("dited" in page for page in pages)
    api.hosted.app.definitions.save("accounts", text.replace("A sync", "Another"), expected=0, by=HOSTILE)
    pages = [html(api.call("GET", one)) for one in ("/", "/syncs/accounts")]
    assert all(">Edited<" in page and ">Another<" in page and "has changed since" not in page for page in pages)
    assert "edited in the app by &lt;script&gt;" in pages[1]
    path.write_text(text.replace("A sync", "A third"))
    pages = [html(api.call("GET", one)) for one in ("/", "/syncs/accounts")]
    assert all("ts file has changed since" in page and "A third" not in page for page in pages)


def test_a_broken_sync_shows_why(api: Api) -> None:
    """Every problem, no form to start it, and its check still."""
    text = html(api.call("GET", "/syncs/broken"))
    assert "The definition has 4 problems" in text
    assert re.findall(r'action="/syncs/broken/([a-z]+)"', text) == ["check"]
    html(sent(api, "/syncs/broken/start"), 409)


def test_addresses_are_shown_without_what_may_hold_a_key() -> None:
    """No sign-in, no query, no fragment; paths and patterns as they are."""
    assert facts.place("https://nia:pw@files.example.com/a.csv?sig=abc#x") == "https://files.example.com/a.csv"
    assert facts.place("https://files.example.com?sig=abc") == "https://files.example.com"
    assert facts.place("blob://incoming/customers-?.csv") == "blob://incoming/customers-?.csv"
    assert facts.place("in/customers-?.csv") == "in/customers-?.csv"


# ---- starting a job


def test_a_job_is_started_and_shown(api: Api) -> None:
    """With what was typed, by whom; two clicks on one page start one job, another choice another one."""
    (once,) = re.findall(r'name="once" value="([^"]+)"', html(api.call("GET", "/syncs/accounts")))
    first = sent(api, "/syncs/accounts/start", variables__region="APAC", once=once)
    (job,) = api.hosted.app.jobs()
    assert (first.status, first.headers["Location"]) == (303, f"/jobs/{job.id}?said=started")
    assert (job.variables["region"], job.started_by, job.to_apply) == ("APAC", "nia@contoso.com", True)
    assert sent(api, "/syncs/accounts/start", variables__region="APAC", once=once).headers == first.headers
    planned = sent(api, "/syncs/accounts/start", variables__region="APAC", once=once, dry_run="true")
    assert planned.headers["Location"] != first.headers["Location"]
    assert [one.to_apply for one in api.hosted.app.jobs()].count(False) == 1


def test_a_file_comes_with_the_form(api: Api) -> None:
    """By its variable; an address that is left empty is none, and a file that nobody chose is none either."""
    file = ("extract", "list.csv", b"no,label\nA1,One\n")
    answer = api.call(
        "POST",
        "/syncs/files/start",
        headers=MULTIPART,
        body=parts(("once", None, b""), file, ("files.extract", None, b"")),
    )
    assert answer.status == 303, answer.body
    (job,) = api.hosted.app.jobs()
    assert job.handed_over == {"extract": "input-extract-list.csv"}
    empty = parts(("extract", "", b""), ("files.extract", None, b"https://evil.example/a.csv"))
    refused = html(api.call("POST", "/syncs/files/start", headers=MULTIPART, body=empty), 403)
    assert 'value="https://evil.example/a.csv"' in refused


def test_what_is_refused_comes_back_with_what_was_typed(api: Api) -> None:
    """On the same page, with the reason and the API's status, escaped; and nothing was started."""
    for fields, status in (
        ({"variables__nothing": HOSTILE, "variables__region": HOSTILE}, 422),
        ({"surprise": "1"}, 422),
    ):
        text = html(sent(api, "/syncs/accounts/start", **fields), status)
        assert 'role="alert"' in text
        assert "<script>alert" not in text
        if "variables__region" in fields:
            assert 'value="&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&amp;"' in text
    assert api.hosted.app.jobs() == []


# ---- checking, trying


def test_the_answer_of_a_check_stands_on_the_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it found, that it found nothing, or why it could not look."""
    found = [Problem("mappings.0.target", f"no column {HOSTILE}", "see the table", Severity.WARNING)]
    for problems, words in ((found, "The check found 1 problem"), ([], "The check found nothing wrong")):
        monkeypatch.setattr(
            "shared.web.pages.sync.told.check", lambda _, told=problems: CheckView(sync="accounts", problems=told)
        )
        text = html(sent(api, "/syncs/accounts/check"))
        assert words in text
        assert ("problem--warn" in text) == bool(problems)

    def fails(_: object) -> None:
        raise SourceError("the source cannot be read")

    monkeypatch.setattr("shared.web.pages.sync.told.check", fails)
    assert "The source cannot be read" in html(sent(api, "/syncs/accounts/check"), 502)


def test_connections_are_tried_on_the_page(api: Api) -> None:
    """Each side with what stands in its way."""
    text = html(sent(api, "/syncs/accounts/test"))
    assert text.count(">Reached<") == 1
    assert text.count(">Not reached<") == 1
    text = html(sent(api, "/syncs/files/test"))
    assert "Delimited text: what each start hands over (extract)" in text
    assert "is told by each start (extract)" in text
    assert (text.count(">Not tried<"), text.count(">Not reached<")) == (1, 1)


def test_a_listener_is_switched_and_released(api: Api) -> None:
    """By buttons that are there only where there is a listener."""
    path = api.folder / "syncs/accounts.yaml"
    path.write_text(path.read_text() + "listener: { enabled: true, format: json, action: op, key: [no] }\n")
    assert "Switch it off" in html(api.call("GET", "/syncs/accounts"))
    answer = sent(api, "/syncs/accounts/listener", on="false")
    assert (answer.status, answer.headers["Location"]) == (303, "/syncs/accounts?said=switched-off")
    assert "Switch it on" in html(api.call("GET", "/syncs/accounts", query={"said": "switched-off"}))
    assert sent(api, "/syncs/accounts/release").status == 303
    html(sent(api, "/syncs/contacts/listener", on="false"), 404)


# ---- forms


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"}, {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)  # fmt: skip
def test_a_form_comes_from_a_page_of_the_app(headers: dict[str, str], api: Api) -> None:
    """Also when nothing says where it comes from; the platform's session is not enough."""
    kind = {"content-type": OWN["content-type"]}
    html(api.call("POST", "/syncs/accounts/start", headers={**kind, **headers}, body=b""), 403)
    assert api.hosted.app.jobs() == []
    assert api.call("POST", "/syncs/accounts/start", headers={**kind, "sec-fetch-site": "same-origin"}).status == 303


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 415), (b"a", "text/plain", 415), (b"variables.region=%ff", None, 400),
        (b"\xff", None, 400), (b"a=1&" * (MOST_FIELDS + 1), None, 400), (b"a=" + b"x" * 3 * JSON_BYTES, None, 413),
        (b"dry_run=true&dry_run=true", None, 422), (b"variables=1&variables.region=2", None, 422),
        (b"variables.region=1&variables=2", None, 422), (b"variables[]=1", None, 422), (b"once=%00", None, 422),
        (b"nonsense", "multipart/form-data", 400), (b"on=1", "multipart/form-data; boundary=b", 400),
    ],
)  # fmt: skip
def test_forms_that_are_none(body: bytes, kind: str | None, status: int, api: Api) -> None:
    """Refused on the page of the form, and nothing is started."""
    headers = {**OWN, **({"content-type": kind} if kind else {})}
    html(api.call("POST", "/syncs/accounts/start", headers=headers, body=body), status)
    assert api.hosted.app.jobs() == []


def test_a_button_has_no_fields(api: Api) -> None:
    """What a form does not take is not passed over."""
    html(sent(api, "/syncs/accounts/check", surprise="1"), 422)


def test_fields_are_read_as_they_were_typed() -> None:
    """Lines end with a line feed, blanks and pluses stay, lists are lists, members are members."""
    body = urlencode([("text", "a\r\nb + c"), ("variables.x", "1"), ("keys[]", "A"), ("keys[]", "B")]).encode()
    fields = read_fields(Request("POST", "/", headers=OWN, body=body), 1)
    assert fields.nested() == {"text": "a\nb + c", "variables": {"x": "1"}, "keys": ["A", "B"]}


@given(st.binary(max_size=200), st.sampled_from([OWN["content-type"], MULTIPART["content-type"], "", "\udcff"]))
@settings(max_examples=examples(100), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_a_fault_of_the_program(api: Api, body: bytes, kind: str) -> None:
    """Whatever is sent is a start or a refusal, and always a page."""
    answer = api.call("POST", "/syncs/accounts/listener", headers={**OWN, "content-type": kind}, body=body)
    assert answer.status < 500, answer.body
    assert answer.content_type == "text/html"

"""The web page: what it is made of, what it never lets through, and who sees what."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from shared.web.call import Answer, Request
from shared.web.pages import PAGES, assets
from shared.web.pages.filters import sentence
from shared.web.pages.refusals import own_path
from shared.web.pages.rendering import HEADERS, SENTENCES, TEMPLATES, see, templates
from shared.web.routes import ROUTES, described
from tests.pages import faults
from tests.unit.web.conftest import Api, Opener, principal
from tests.unit.web.test_gate import MAY, calling

TESTS = Path(__file__).parents[2]
DOCS = TESTS.parent / "docs"
HOSTILE = "<script>alert(1)</script>\"'&"
OWN = {"origin": "https://contoso.azurewebsites.net", "content-type": "application/x-www-form-urlencoded"}


def html(answer: Answer, status: int = 200) -> str:
    """A page's text, once it is a sound page of this status."""
    text = answer.body.decode()
    assert answer.status == status, text
    assert answer.content_type == "text/html"
    assert dict(answer.headers).items() >= {**HEADERS, "Cache-Control": "no-store"}.items()
    assert faults(text) == []
    return text


# ---- what a page is made of


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<style>a{}</style>", "inline"), ("<script>1</script>", "inline"), ('<p style="a">a</p>', "inline"),
        ('<p onclick="a()">a</p>', "inline"), ('<img src="/a">', "alt"), ('<a href="//evil.se">a</a>', "elsewhere"),
        ('<a href="https://evil.example">a</a>', "elsewhere"), ('<p id="a">a</p><p id="a">b</p>', "id"),
        ('<input name="a">', "label"), ('<label for="z">Z</label>', "nothing"), ("<h3>a</h3>", "follows"),
        ("<h1>b</h1>", "h1"), ("<p>", "never closed"), ("</div>", "not open"), ('<a href="/"></a>', "says nothing"),
        ('<form method="post"></form>', "where"),
    ],
)  # fmt: skip
def test_the_check_of_pages_finds(text: str, fault: str) -> None:
    """Each of the faults that it is there for, and none in a page that is sound."""
    whole = '<!doctype html><html lang="en"><head><title>t</title></head><body><h1>a</h1>{}</body></html>'
    assert faults(whole.format('<h2>b</h2><label for="c">C</label><input id="c"><a href="/d">d</a>')) == []
    assert any(fault in found for found in faults(whole.format(text)))


def test_the_policy_allows_nothing_inline_and_nobody_else() -> None:
    """Scripts, styles and forms are the app's own, and no page of another site frames it."""
    policy = dict(part.strip().split(" ", 1) for part in HEADERS["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "form-action")} == {"'self'"}


def test_no_template_trusts_a_value() -> None:
    """None marks a text as safe or switches escaping off; a value that is missing is a fault."""
    for path in TEMPLATES.rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\|\s*safe|autoescape|Markup", text), path.name
        assert not re.search(r"\s[\w-]+=\{\{", text), f"an attribute without quotes in {path.name}"
    for path in assets.FOLDER.glob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", path.read_text("utf-8"))
    with pytest.raises(UndefinedError):
        templates().from_string("{{ nothing }}").render()


def test_nothing_of_the_pages_is_dead() -> None:
    """Every class that is styled is used, every macro called, every template shown, every sentence said."""
    pages = [path for kind in ("html", "py", "js") for path in TEMPLATES.parent.rglob(f"*.{kind}")]
    text = "\n".join(path.read_text("utf-8") for path in pages)
    words = set(re.findall(r"[\w-]+", text))
    rules = "\n".join(path.read_text("utf-8") for path in assets.FOLDER.glob("*.css"))
    styled = re.findall(r"\.([a-zA-Z][\w-]*)", re.sub(r"/\*.*?\*/|\{[^{}]*\}", "", rules, flags=re.S))
    assert {name for name in styled if name not in words and f"{name.rpartition('--')[0]}--" not in words} == set()
    assert [name for name in re.findall(r"macro (\w+)", text) if len(re.findall(rf"\b{name}\(", text)) < 2] == []
    shown = (path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
    assert [name for name in (*shown, *SENTENCES) if f'"{name}"' not in text.replace(f'    "{name}": "', "")] == []


def test_pages_are_no_part_of_the_document() -> None:
    """The OpenAPI document tells the API alone; every page is marked as one, and answers GET by its own path."""
    assert not any(path in described()["paths"] for path in {route.path for route in PAGES})
    assert all(route.page for route in PAGES)
    assert not any(route.page for route in ROUTES)
    assert not any(route.path.startswith("/api") for route in PAGES)


def test_files_of_the_pages(open_api: Opener) -> None:
    """Anybody gets them; under the address that the pages use they are kept for good, under another one briefly."""
    api = open_api()
    for name in ("app.css", "app.js", "icon.svg"):
        path, _, version = assets.address(name).partition("?v=")
        for query, kept in (({"v": version}, assets.FOREVER), ({}, assets.BRIEFLY), ({"v": "old"}, assets.BRIEFLY)):
            answer = api.call("GET", path, query=query)
            assert (answer.status, answer.headers["Cache-Control"]) == (200, kept)
            assert answer.body == (assets.FOLDER / name).read_bytes()
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert api.call("GET", "/assets/rendering.py").status == 404
    assert api.call("HEAD", "/assets/app.css").body == b""


def test_every_picture_of_the_pages_is_drawn_and_shown() -> None:
    """docs/page.md shows those that the script draws, and no other."""
    told = re.findall(r"pictures/([a-z-]+\.png)", (DOCS / "page.md").read_text("utf-8"))
    drawn = re.findall(r'"(page-[a-z]+\.png)":', (TESTS / "browser/pictures.py").read_text("utf-8"))
    assert told == drawn
    assert set(drawn) == {path.name for path in (DOCS / "pictures").glob("page-*.png")}


# ---- the list of syncs


def write(api: Api, name: str, text: str) -> None:
    (api.folder / "syncs" / f"{name}.yaml").write_text(text)


def test_the_first_page_lists_the_syncs(api: Api) -> None:
    """With their state, their last job, and the problems of those that are broken."""
    job = api.job()
    text = html(api.call("GET", "/"))
    assert re.findall(r'class="name" href="/syncs/([a-z]+)"', text) == api_names(api)
    assert f'<a href="/jobs/{job}"><span class="badge badge--wait">Queued</span></a>' in text
    assert "4 problems in its definition" in text
    assert text.count(">Broken<") == 1
    assert "nia@contoso.com" in text
    assert 'href="/.auth/logout"' in text


def api_names(api: Api) -> list[str]:
    return [sync["name"] for sync in api.get("/api/syncs")["syncs"]]


def test_what_a_definition_says_is_text(open_api: Opener) -> None:
    """A title, a person's name and a problem that look like HTML are shown as they are."""
    api = open_api(principal("dynsync.admin", preferred_username=HOSTILE))
    source = (api.folder / "syncs/accounts.yaml").read_text()
    write(api, "accounts", source.replace("title: A sync", f"title: '{HOSTILE.replace(chr(39), chr(39) * 2)}'"))
    write(api, "broken", 'name: broken\nsource: { type: "<img src=x>" }\n')
    text = html(api.call("GET", "/"))
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 2
    assert "&lt;img src=x" in text


def test_who_may_see_nothing_is_told_what_to_do(open_api: Opener) -> None:
    """And not whether there is anything; who may see all of nothing is told how to begin."""
    stranger = html(open_api(principal("others")).call("GET", "/"))
    assert "No sync is open to you" in stranger
    assert "dynsync.read" in stranger
    assert "accounts" not in stranger
    api = open_api(principal("dynsync.read"))
    for path in (api.folder / "syncs").glob("*.yaml"):
        path.unlink()
    assert "./dynsync init" in html(api.call("GET", "/"))


# ---- who may


@pytest.mark.parametrize("kind", list(MAY))
def test_every_page_for_every_kind_of_caller(kind: str, open_api: Opener) -> None:
    """A page where the table of rights allows it; else the way to sign in, or a page that says what is missing."""
    api, how = calling(kind, open_api)
    job = api.job()
    for route in PAGES:
        if route.method != "GET" or route.path.startswith("/assets"):
            continue
        path = route.path.replace("{sync}", "accounts").replace("{job}", job).replace("{number}", "0")
        answer = api.call("GET", path, **how)
        if route.operation in MAY[kind]:
            html(answer)
            assert api.call("HEAD", path, **how).body == b""
        elif kind == "nobody":
            assert answer.status == 302, path
            assert answer.headers["Location"].startswith("/.auth/login/aad?post_login_redirect_uri=%2F")
        else:
            text = html(answer, answer.status)
            assert answer.status in (403, 404), path
            assert "A sync" not in text


# ---- signing in


def test_nobody_is_sent_to_sign_in_and_comes_back(open_api: Opener) -> None:
    """To the page they asked for, within the app; never to an address elsewhere, nor with a key in it."""
    api = open_api()
    back = "/.auth/login/aad?post_login_redirect_uri="
    for path, query, to in (
        ("/", {}, "%2F"), ("/", {"said": "started"}, "%2F%3Fsaid%3Dstarted"), ("/", {"code": "x"}, "%2F"),
    ):  # fmt: skip
        answer = api.call("GET", path, query=query)
        assert (answer.status, answer.headers["Location"]) == (302, back + to)
        assert "Bearer" in answer.headers.get("WWW-Authenticate", "Bearer")
    answer = api.call("GET", "//evil.example/")
    assert answer.status == 404
    assert "evil" not in answer.headers.get("Location", "")


@pytest.mark.parametrize(
    ("path", "back"),
    [
        ("/jobs/1", "/jobs/1"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("https://evil.example", "/"),
        ("", "/"), ("/syncs/a b\r\nSet-Cookie: x", "/syncs/a%20b%0D%0ASet-Cookie%3A%20x"), ("/a\udcff", "/a%3F"),
    ],
)  # fmt: skip
def test_the_way_back_stays_within_the_app(path: str, back: str) -> None:
    """Whatever was asked for; what was posted is not asked for again."""
    assert own_path(Request("GET", path)) == back
    assert own_path(Request("POST", path)) == "/"


def test_whom_the_platform_knows_and_we_do_not_is_not_sent_round_and_round(
    open_api: Opener, caplog: pytest.LogCaptureFixture
) -> None:
    """A session that ended, or an account of another tenant, gets a page with the ways to sign in and out."""
    ended = principal("dynsync.admin", exp=str(datetime(2025, 2, 1, tzinfo=UTC).timestamp()))
    text = html(open_api(ended).call("GET", "/"), 401)
    assert [line.split()[0] for line in caplog.messages] == ["caller.refused"]
    assert 'href="/.auth/login/aad?post_login_redirect_uri=%2F"' in text
    assert 'href="/.auth/logout"' in text
    assert 'aria-label="Main"' not in text


def test_a_form_of_somebody_whose_session_ended_is_not_lost(open_api: Opener) -> None:
    """It is not sent to sign in, which would drop what was typed: a page leads there in another tab, and not back to
    the form's own address, where there is nothing to see."""
    for path in ("/syncs/accounts/start", "/syncs/accounts/check"):
        text = html(open_api().call("POST", path, headers=OWN, body=b"dry_run=true"), 401)
        assert 'href="/.auth/login/aad?post_login_redirect_uri=%2F" target="_blank" rel="noopener"' in text
        assert "going back shows what you typed" in text


def test_without_the_platform_there_is_no_sign_in(open_api: Opener) -> None:
    """Where App Service authentication is off, a page says that nobody is signed in, and leads nowhere."""
    answer = open_api(WEBSITE_AUTH_ENABLED="").call("GET", "/")
    assert "/.auth/" not in html(answer, 401)


# ---- errors and the way on


def test_errors_of_pages_are_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the API's status; those of the API are documents as ever, and a fault says nothing of what went on."""
    assert "there is nothing at &#39;/&lt;b&gt;&#39;".capitalize() in html(api.call("GET", "/<b>"), 404)
    assert api.call("GET", "/api/nothing").content_type == "application/problem+json"
    refused = api.call("POST", "/", headers=OWN)
    html(refused, 405)
    assert refused.headers["Allow"] == "GET"
    html(api.call("GET", "/", query={"surprise": "1"}), 422)
    monkeypatch.setattr("shared.web.pages.syncs.told.syncs", lambda _: 1 / 0)
    fault = api.call("GET", "/")
    assert "division" not in html(fault, 500)


def test_a_message_is_written_as_a_sentence() -> None:
    """It begins with a capital letter, and leaves the name of a file or of a setting as it is."""
    words = ["the file is empty", "semi.csv: the header", "behaviour.key: is missing", "", "it's late"]
    assert [sentence(one) for one in words] == [
        "The file is empty", "semi.csv: the header", "behaviour.key: is missing", "", "It's late",
    ]  # fmt: skip


def test_a_sentence_is_one_of_the_list(api: Api) -> None:
    """What the address says is shown only where it is a key of the list; the way on carries no other."""
    assert SENTENCES["cancelled"] in html(api.call("GET", "/", query={"said": "cancelled"}))
    text = html(api.call("GET", "/", query={"said": "you+have+won"}))
    assert 'role="status"' not in text
    assert "won" not in text
    answer = see("/jobs/1", said="started", page="2")
    assert (answer.status, answer.headers["Location"]) == (303, "/jobs/1?page=2&said=started")
    assert see("/").headers["Location"] == "/"
    with pytest.raises(KeyError):
        see("/", said="you have won")

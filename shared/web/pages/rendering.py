"""Makes the answers of pages: a template filled in, or the way to the next page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from shared.errors import DynsyncError
from shared.permissions import Caller, Kind, Operation
from shared.web.call import Answer, Request
from shared.web.forms import SAID
from shared.web.problems import told
from shared.web.routing import Call

if TYPE_CHECKING:
    from jinja2 import Environment

    from shared.wiring.hosted import Hosted

SIGN_OUT = "/.auth/logout"
"""Of App Service authentication. Source: Microsoft Learn, "Customize sign-ins and sign-outs", 2026."""
TEMPLATES = Path(__file__).parent / "templates"
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""With every page. `no-referrer` would make a browser say `Origin: null` for our own forms, too.
Source: Fetch standard, "append a request Origin header", 2026."""
SENTENCES: Mapping[str, str] = {
    "started": "The job is queued. This page follows it.",
    "applied": "The plan is being carried out.",
    "cancelled": "The job is asked to stop; a running one stops within one batch.",
    "undone": "A job that takes the changes back is queued.",
    "replayed": "A job that runs the rejects again is queued.",
    "switched-on": "The listener is on: messages are applied.",
    "switched-off": "The listener is off: messages are parked.",
    "released": "Parked events that had no more reason to wait were let go.",
    "saved": "The definition is saved, and in force from now on.",
    "dropped": "The edit is dropped.",
    "taken-away": "The sync is taken away.",
    "created": "The sync is there.",
}
"""All that a page can be made to say by its address."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What every page shows around its own: who reads it, and how they sign out."""

    request: Request
    caller: Caller
    hosted: Hosted

    @property
    def person(self) -> str:
        """Who is signed in; empty when nobody is."""
        return self.caller.name if self.caller.kind is not Kind.NOBODY else ""

    @property
    def sign_out(self) -> str:
        """Where the platform's session ends; empty where there is none."""
        return SIGN_OUT if self.hosted.trust.platform else ""

    @property
    def said(self) -> str:
        """The sentence about what was done just before; empty when nothing was, or the address is made up."""
        return SENTENCES.get(self.request.query.get(SAID, ""), "")

    @property
    def path(self) -> str:
        """Of this page."""
        return self.request.path


def page(call: Call, template: str, *, status: int = 200, **values: object) -> Answer:
    """A page of `templates/`. Beside the values it knows `frame`, and asks `may("RUN", sync)` for the caller's rights.

    Raises:
        jinja2.UndefinedError: the template asks for a value that was not given.
    """

    def may(operation: str, sync: str | None = None) -> bool:
        return call.gate.may(call.caller, Operation[operation], sync)

    return rendered(Frame(call.request, call.caller, call.hosted), template, status=status, may=may, **values)


def refused(call: Call, template: str, error: DynsyncError, **values: object) -> Answer:
    """The page of a form that was refused: with the error's status, and the error as `refusal`."""
    document = told(error)
    return page(call, template, status=document.status, **{**values, "refusal": document})


def rendered(frame: Frame, template: str, *, status: int, **values: object) -> Answer:
    """A page for whoever asks; `page` is for those whose rights are known."""
    text = templates().get_template(template).render(frame=frame, **values)
    return Answer(status, text.encode(errors="replace"), "text/html", HEADERS)


def see(path: str, *, said: str | None = None, **query: str) -> Answer:
    """The way on after a form: to `path` of this app, which shows the sentence once.

    Raises:
        KeyError: there is no such sentence.
    """
    told = {**query, **({SAID: said} if said and SENTENCES[said] else {})}
    return Answer(303, b"", "text/html", {**HEADERS, "Location": f"{path}?{urlencode(told)}" if told else path})


@cache
def templates() -> Environment:
    """The templates, with their filters. Loaded when the first page is asked for: the API does without."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    from shared.web.pages import filters

    found = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters.update(filters.FILTERS)
    found.globals.update(filters.GLOBALS)
    return found

"""Errors as pages: with the same status as the API's, in words that say what to do; and the way to sign in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from shared.errors import DynsyncError, NotSignedInError
from shared.permissions import Caller
from shared.web.call import Answer, Request
from shared.web.identity import PRINCIPAL
from shared.web.pages.rendering import HEADERS, Frame, rendered
from shared.web.problems import headers_of, told
from shared.wiring.hosted import Hosted

SIGN_IN = "/.auth/login/aad"
"""Of App Service authentication. Source: Microsoft Learn, "Customize sign-ins and sign-outs", 2026."""
_FAULT = (
    b'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A fault of the program</title></head><body>'
    b"<h1>A fault of the program</h1><p>Something went wrong that should not. The log of the app tells more.</p>"
    b'<p><a href="/">All syncs</a></p></body></html>'
)


def is_page(path: str) -> bool:
    """Whether a path is for people, in a browser: all but those of the API."""
    return path != "/api" and not path.startswith("/api/")


def page_of_fault() -> Answer:
    """The page when the program itself is at fault; made of nothing that could be the fault."""
    return Answer(500, _FAULT, "text/html", HEADERS)


def own_path(request: Request) -> str:
    """The address of the request within this app, to come back to; the first page when it would lead elsewhere.

    A form cannot be sent again by going there, so of one it is the first page, too.
    """
    if request.method not in ("GET", "HEAD") or not request.path.startswith("/") or request.path[1:2] in ("/", "\\"):
        return "/"
    query = {name: value for name, value in request.query.items() if name != "code"}
    path = quote(request.path, safe="/", errors="replace")
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


def sign_in(request: Request) -> str:
    """Where a browser signs in with Entra, and comes back from."""
    return f"{SIGN_IN}?{urlencode({'post_login_redirect_uri': own_path(request)})}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error of a page, and to whom it is told."""

    error: DynsyncError
    request: Request
    hosted: Hosted
    caller: Caller

    def page(self) -> Answer:
        """The page that tells it; whom nobody knows yet is sent to sign in."""
        if self._asks_to_sign_in():
            return Answer(302, b"", "text/html", {**HEADERS, "Location": sign_in(self.request)})
        document = told(self.error)
        answer = rendered(
            Frame(self.request, self.caller, self.hosted),
            "refusal.html",
            status=document.status,
            refusal=document,
            sign_in=self._sign_in(),
            lost=self.request.method == "POST",
        )
        again = headers_of(self.error, document.status)
        return replace(answer, headers={**answer.headers, **again})

    def _asks_to_sign_in(self) -> bool:
        """Whether signing in is all that is missing. Whom the platform has signed in and we do not believe would only
        come back the same, again and again; and a form that is sent anew would be empty."""
        looks = self.request.method in ("GET", "HEAD")
        return self._sign_in() != "" and looks and PRINCIPAL not in self.request.headers

    def _sign_in(self) -> str:
        unknown = isinstance(self.error, NotSignedInError) and self.hosted.trust.platform
        return sign_in(self.request) if unknown else ""

"""Calls the API of a deployed app, and gives its problem documents as the house's errors."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
from pydantic import TypeAdapter, ValidationError

from shared.definitions.reach import LOOPBACK, address
from shared.errors import (
    AlreadyRunningError,
    DynsyncError,
    FailError,
    NotAllowedError,
    NotBuiltError,
    NotFoundError,
    NotSignedInError,
    RefuseError,
    RequestError,
    StaleDefinitionError,
    TransitionError,
    UnavailableError,
)
from shared.values.problems import Problem
from shared.web.problems import FoundProblem

TIMEOUT_S = (10.0, 240.0)
"""To connect, and between two pieces of an answer. Azure's front ends give up on an answer after 230 s."""
_KINDS: Mapping[str, type[DynsyncError]] = {
    "not-found": NotFoundError,
    "not-allowed": NotAllowedError,
    "not-built": NotBuiltError,
    "already-running": AlreadyRunningError,
    "transition": TransitionError,
    "stale-definition": StaleDefinitionError,
}
_SCOPE = re.compile(r'scope="([!#-\[\]-~ ]{1,300})"')


class Line:
    """One app, called by its address. A token goes to it over TLS, or to this machine, and nowhere else."""

    def __init__(
        self, base: str, token: Callable[[], str] | None = None, session: requests.Session | None = None
    ) -> None:
        found = address(base)
        if found is None or (found.scheme != "https" and found.host not in LOOPBACK):
            raise RefuseError(f"{base[:200]!r} is no address of an app; write https://<app>.azurewebsites.net")
        self.base = base.rstrip("/")
        self._token = token
        self._session = session or requests.Session()

    def ask[T](self, gives: type[T], method: str, *path: str, **how: Any) -> T:
        """What a call gives, as a value of this type.

        Raises:
            DynsyncError: as the app says it; `UnavailableError` when it does not answer.
        """
        text = self.text(method, *path, **how)
        try:
            found: T = TypeAdapter(gives).validate_json(text)
        except ValidationError:
            raise FailError(
                f"{self.base} answered with something that this version does not know",
                remedy="use the version of `dynsync` that was deployed",
            ) from None
        return found

    def text(
        self,
        method: str,
        *path: str,
        query: Mapping[str, object] | None = None,
        body: object = None,
        raw: bytes | None = None,
        files: Mapping[str, Path] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The bytes that a call gives. `path` is escaped piece by piece; `raw` is JSON already;
        `files` make the body a form."""
        url = "/".join([self.base, "api", *(quote(piece, safe="") for piece in path)])
        sent = {"Accept": "application/json", **(headers or {})}
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token()}"
        told = {name: value for name, value in (query or {}).items() if value not in (None, "", ())}
        with ExitStack() as stack:
            how: dict[str, Any] = {"params": told, "headers": sent, "timeout": TIMEOUT_S, "allow_redirects": False}
            if files:
                opened = {name: (file.name, stack.enter_context(file.open("rb"))) for name, file in files.items()}
                how |= {"files": {"request": (None, json.dumps(body), "application/json"), **opened}}
            elif raw is not None:
                how |= {"data": raw}
                sent["Content-Type"] = "application/json"
            elif body is not None:
                how |= {"json": body}
            return self._answered(method, url, how)

    def _answered(self, method: str, url: str, how: Mapping[str, Any]) -> bytes:
        try:
            answer = self._session.request(method, url, **how)
        except requests.RequestException as error:
            maybe = method != "GET" and not isinstance(error, requests.ConnectionError)
            raise UnavailableError(
                f"{self.base} did not answer ({type(error).__name__}); try again", maybe_done=maybe
            ) from None
        if answer.ok and answer.status_code < 300:
            return answer.content
        raise self._error(answer)

    def _error(self, answer: requests.Response) -> DynsyncError:
        if answer.status_code in (301, 302, 303, 307, 308, 401):
            return NotSignedInError(f"{self.base} does not know who you are", remedy=self._sign_in(answer))
        try:
            told: dict[str, Any] = answer.json()
            kind, detail = str(told["type"]).rpartition(":")[2], str(told["detail"])
        except (ValueError, KeyError, TypeError):
            kind, detail = "", f"{self.base} answered {answer.status_code}"
        if answer.status_code in (429, 503, 504):
            return UnavailableError(detail)
        if kind == "invalid":
            return RequestError(detail, status=answer.status_code, problems=_problems(told.get("problems")))
        default = FailError if answer.status_code >= 500 else RefuseError
        return _KINDS.get(kind, default)(detail)

    def _sign_in(self, answer: requests.Response) -> str:
        """What to do. The scope is the app's own word, so it is told and not used: a token for another app is worth
        something to whoever pretends to be one."""
        if self._token is not None:
            return "it did not take your token: see that DYNSYNC_APP_SCOPE is this app's and that you may use it"
        found = _SCOPE.search(answer.headers.get("WWW-Authenticate", ""))
        scope = found[1] if found else "api://<client id of the app's registration>/.default"
        return f"if you trust it, set DYNSYNC_APP_SCOPE={scope} and sign in with `az login`"


def _problems(told: object) -> list[Problem]:
    """All that is wrong, as the app says it; nothing when it says it in another form."""
    try:
        found = TypeAdapter(list[FoundProblem]).validate_python(told)
    except ValidationError:
        return []
    return [Problem(one.path, one.found, one.remedy) for one in found]

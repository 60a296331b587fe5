"""Tokens: who we are towards Dataverse.

A client secret goes to a known Entra authority or to one that the operator named, and to no other.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import orjson

from shared.dataverse.connection import Connection, NoAnswerError, Request
from shared.dataverse.pauses import retry_after_s
from shared.dataverse.reply import Reply
from shared.dataverse.service_url import is_loopback, parse_service_url
from shared.dataverse.sign_in_pauses import SignInPauses
from shared.errors import AuthenticationError, NotAllowedError
from shared.ports import Clock

DEFAULT_AUTHORITY = "https://login.microsoftonline.com/"
KNOWN_AUTHORITIES = frozenset(
    {
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
        "https://login.partner.microsoftonline.cn",
        "https://login.chinacloudapi.cn",
        "https://login.windows.net",
        "https://login.microsoft.com",
        "https://login.windows-ppe.net",
    }
)
"""Entra's public and sovereign authorities. Source: Microsoft Learn, "National clouds" (identity platform)."""

RENEW_EARLY = timedelta(minutes=5)
_TIMEOUT_S = 30
_REPLY_LIMIT_BYTES = 1024 * 1024
_FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
_TENANT = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_AUTHORIZATION_URI = re.compile(r"authorization_uri\s*=\s*\"?([^\s,\"]+)", re.IGNORECASE)
_SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})
_AADSTS = re.compile(r"AADSTS\d+")
_ADVICE = {
    "AADSTS7000215": "the client secret is wrong: use the secret's value, not its id",
    "AADSTS7000222": "the client secret has expired: make a new one and store it",
    "AADSTS700016": "the client id is not known in this tenant: check client id and tenant id",
    "AADSTS90002": "there is no such tenant: check the tenant id",
    "AADSTS900023": "the tenant id is not valid: give its GUID or domain",
    "AADSTS500011": "the service URL is not known in this tenant: check the service URL and the tenant id",
    "AADSTS50034": "the account does not exist in this tenant: check the tenant id",
    "AADSTS7000218": "a client secret is needed and none was sent",
    "AADSTS53003": "a conditional access policy blocks this application: ask the tenant's administrator",
}


class TokenSource(Protocol):
    """Gives bearer tokens."""

    def token(self) -> str:
        """A token that is valid for some minutes at least."""
        ...

    def renew(self) -> str:
        """A new token, because the service refused the last one."""
        ...


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    renew_at: datetime


class ClientSecretTokens:
    """OAuth client credentials: one application, one environment. Thread-safe.

    `tenant_id` None: learned from the service's own 401. `verify` is what requests takes.

    Raises:
        NotAllowedError: the authority is not a known one and not in `allowed_authorities`.
    """

    def __init__(
        self,
        tenant_id: str | None,
        client_id: str,
        client_secret: str,
        service_url: str,
        authority: str = DEFAULT_AUTHORITY,
        *,
        clock: Clock,
        allowed_authorities: Iterable[str] = (),
        sleep: Callable[[float], None] = time.sleep,
        verify: bool | str = True,
    ) -> None:
        self._allowed = KNOWN_AUTHORITIES | {origin_of(url) for url in allowed_authorities}
        self._authority = allowed_authority(authority, self._allowed)
        self._tenant = checked_tenant(tenant_id) if tenant_id else None
        self._client_id, self._client_secret = client_id, client_secret
        self._service = parse_service_url(service_url)
        self._clock, self._sleep = clock, sleep
        self._connection = Connection(
            timeout_s=_TIMEOUT_S, pool=1, clock=clock, verify=verify, reply_limit_bytes=_REPLY_LIMIT_BYTES
        )
        self._lock = threading.Lock()
        self._token: _Token | None = None

    def __repr__(self) -> str:
        return f"ClientSecretTokens(for {self._service.origin})"

    def token(self) -> str:
        """The cached token, renewed five minutes before it ends.

        Raises:
            AuthenticationError: Entra refused the credentials.
            ThrottledError: Entra asks for longer pauses than are kept.
            UnavailableError: Entra cannot be reached.
        """
        with self._lock:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = self._fetch()
            return self._token.text

    def renew(self) -> str:
        """Forget the cached token and fetch a new one; raises as `token` does."""
        with self._lock:
            self._token = self._fetch()
            return self._token.text

    def _fetch(self) -> _Token:
        if self._tenant is None:
            self._authority, self._tenant = self._learn_tenant()
        asked_at = self._clock()
        url = f"{self._authority}/{self._tenant}/oauth2/v2.0/token"
        answer = self._answer("POST", url, self._form())
        return read_token(answer.status, answer.body, asked_at, self._authority)

    def _form(self) -> dict[str, str]:
        return {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "client_secret": self._client_secret,
            "scope": f"{self._service.origin}/.default",
        }

    def _learn_tenant(self) -> tuple[str, str]:
        url = f"{self._service.root}WhoAmI"
        answer = self._answer("GET", url, None)
        found = _AUTHORIZATION_URI.search(answer.headers.get("www-authenticate", ""))
        if answer.status != 401 or found is None:
            raise AuthenticationError(
                f"the service at {self._service.origin} did not name its tenant (status {answer.status}); "
                "check the service URL, or set tenant_id"
            )
        parts = urlsplit(found[1])
        tenant = parts.path.strip("/").split("/", 1)[0]
        return allowed_authority(found[1], self._allowed), checked_tenant(tenant)

    def _answer(self, method: str, url: str, form: dict[str, str] | None) -> Reply:
        """Ask until there is an answer other than "not now"."""
        waits = SignInPauses(origin_of(url))
        while True:
            answer = self._ask(method, url, form)
            if answer is not None and answer.status != 429 and answer.status < 500:
                return answer
            named_s = retry_after_s(answer.headers, self._clock()) if answer is not None else None
            if answer is not None and (named_s is not None or answer.status == 429):
                pause_s = waits.asked_to_wait(answer.status, named_s)
            else:
                pause_s = waits.unanswered(answer.status if answer is not None else None)
            self._sleep(pause_s)

    def _ask(self, method: str, url: str, form: dict[str, str] | None) -> Reply | None:
        body = urlencode(form).encode() if form else None
        try:
            return self._connection.exchange(Request(method, url, body, _FORM_HEADERS if form else {}))
        except NoAnswerError:
            return None


def origin_of(url: str) -> str:
    """Scheme, host and port of an address, in lower case."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port and (parts.scheme, parts.port) != ("https", 443) else ""
    except ValueError:
        return "an address that cannot be read"
    host = (parts.hostname or "").lower()
    return f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}{port}"


def allowed_authority(url: str, allowed: Iterable[str]) -> str:
    """The authority's origin, when a secret may be sent there.

    Raises:
        NotAllowedError: it may not.
    """
    origin = origin_of(url)
    parts = urlsplit(origin) if "://" in origin else None
    encrypted = parts is not None and (parts.scheme == "https" or is_loopback(parts.hostname))
    if origin not in set(allowed) or not encrypted:
        raise NotAllowedError(
            f"a client secret is not sent to {origin!r}: it is no known Entra authority and the operator's reach file "
            "does not name it"
        )
    return origin


def checked_tenant(tenant: str) -> str:
    """A tenant id or domain that is fit for an address.

    Raises:
        AuthenticationError: it is none, or one that means "any tenant".
    """
    if _TENANT.fullmatch(tenant) is None or tenant.lower() in _SHARED_TENANTS:
        raise AuthenticationError(
            "the tenant id is not a GUID or domain name; set tenant_id to the environment's tenant"
        )
    return tenant


def read_token(status: int, body: bytes, asked_at: datetime, authority: str) -> _Token:
    """Read the token endpoint's answer."""
    reply = _json_object(body)
    if status != 200:
        raise AuthenticationError(_refused(status, reply, authority))
    text, seconds = reply.get("access_token"), reply.get("expires_in")
    if not isinstance(text, str) or not text or not text.isascii() or not text.isprintable():
        raise AuthenticationError(f"{authority} answered without a token; check that it is an Entra authority")
    return _Token(text, asked_at + lifetime(seconds))


def lifetime(seconds: object) -> timedelta:
    """How long a token is used: five minutes less than it lives, or half of a short life."""
    try:
        whole = timedelta(seconds=min(max(int(str(seconds)), 0), 86_400))
    except ValueError:
        whole = timedelta(minutes=10)
    return whole - RENEW_EARLY if whole > 2 * RENEW_EARLY else whole / 2


def _refused(status: int, reply: dict[str, object], authority: str) -> str:
    found = _AADSTS.search(str(reply.get("error_description", "")))
    code = found[0] if found else f"status {status}"
    advice = _ADVICE.get(code, "check tenant id, client id and client secret")
    trace = str(reply.get("trace_id", ""))[:64]
    return f"{authority} refused the credentials ({code}): {advice}" + (f" (trace {trace})" if trace else "")


def _json_object(body: bytes) -> dict[str, object]:
    try:
        reply = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return reply if isinstance(reply, dict) else {}

"""The token endpoint, as Entra's for client credentials, and the tokens it gave out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import orjson

from local.dataverse import assertions
from local.dataverse.messages import Reply
from local.dataverse.refusals import Refusal

if TYPE_CHECKING:
    from local.dataverse.trust import TrustedAuthority

TENANT_ID = "0d000000-0000-4000-8000-00000000aaaa"
CLIENT_ID = "0d000000-0000-4000-8000-00000000c1d1"
CLIENT_SECRET = "local-development-only"  # noqa: S105 - opens nothing but this stand-in
TOKEN_PATH = re.compile(r"/([^/]+)/oauth2/v2\.0/token")
CONFIGURATION_PATH = re.compile(r"/([^/]+)/v2\.0/\.well-known/openid-configuration")

Problem = tuple[int, str, int, str]
"""Status, OAuth error, number and text of a refused token request."""


class Identity:
    """Gives out tokens that expire, and knows them again."""

    def __init__(self, clock: Callable[[], datetime], expires_in_s: int) -> None:
        self._clock = clock
        self._expires_in_s = expires_in_s
        self._tokens: dict[str, tuple[datetime, str]] = {}
        self._secrets = {CLIENT_ID: CLIENT_SECRET}
        self._trusted: list[TrustedAuthority] = []

    def trust(self, authority: TrustedAuthority) -> None:
        """Accepts tokens of another authority, too."""
        self._trusted.append(authority)

    def register(self, client_id: str, client_secret: str) -> None:
        """Lets another application sign in."""
        self._secrets[client_id.lower()] = client_secret

    def expire_all(self) -> None:
        """Ends every token at once."""
        self._tokens.clear()

    def token(self, tenant: str, body: bytes, host: str) -> Reply:
        """The token endpoint."""
        try:
            form = {name: values[0] for name, values in parse_qs(body.decode("ascii")).items()}
        except ValueError:
            form = {}
        problem = self._problem(tenant, form, host)
        if problem is not None:
            return self._refused(*problem)
        document = {
            "token_type": "Bearer",
            "expires_in": max(self._expires_in_s - 1, 0),
            "ext_expires_in": max(self._expires_in_s - 1, 0),
            "access_token": self.issue(form["client_id"]),
        }
        headers = [("Cache-Control", "no-store, no-cache"), ("Pragma", "no-cache")]
        return Reply(200, orjson.dumps(document), headers, "application/json; charset=utf-8", "Token")

    def issue(self, client_id: str) -> str:
        """A new token of an application."""
        token = "eyJ0eXAiOiJKV1QiLCJhbGciOiJub25lIn0." + secrets.token_urlsafe(48)
        now = self._clock()
        self._tokens = {known: entry for known, entry in self._tokens.items() if entry[0] > now}
        self._tokens[token] = (now + timedelta(seconds=self._expires_in_s), client_id.lower())
        return token

    def configuration(self, tenant: str, root: str) -> Reply:
        """What the libraries of Entra ask before they sign in: where the endpoints are."""
        if tenant.lower() != TENANT_ID:
            return self._refused(*_no_tenant(tenant))
        base = f"{root}/{TENANT_ID}"
        document = {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        }
        return Reply(200, orjson.dumps(document), [], "application/json; charset=utf-8")

    def user_of(self, authorization: str) -> str:
        """The client id behind a token, also an expired one; '' when the token is unknown."""
        entry = self._tokens.get(authorization.partition(" ")[2].strip())
        return "" if entry is None else entry[1]

    def check(self, authorization: str, authority: str) -> str:
        """Lets a request with a living token pass; gives the client id of its application.

        Raises:
            Refusal: 401, naming the authority.
        """
        kind, _, token = authorization.partition(" ")
        entry = self._tokens.get(token.strip()) or self._of_others(token.strip(), authority)
        if kind.lower() != "bearer" or entry is None or entry[0] <= self._clock():
            where = f"Bearer authorization_uri={authority}{TENANT_ID}/oauth2/authorize, resource_id={authority}"
            raise Refusal(
                401, "0x80072561", "The token is missing, expired or unknown.", headers=[("WWW-Authenticate", where)]
            )
        return entry[1]

    def _of_others(self, token: str, authority: str) -> tuple[datetime, str] | None:
        """A token of a trusted authority, remembered until it ends."""
        for trusted in self._trusted if token else ():
            found = trusted.bearer(token, authority, self._clock())
            if found is not None:
                self._tokens[token] = found
                return found
        return None

    def _refused(self, status: int, error: str, number: int, text: str) -> Reply:
        moment = self._clock().strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = (f"{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}" for _ in range(2))
        document = {
            "error": error,
            "error_description": f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {moment}",
            "error_codes": [number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={number}",
        }
        return Reply(status, orjson.dumps(document), [], "application/json; charset=utf-8", "Token")

    def _problem(self, tenant: str, form: dict[str, str], host: str) -> Problem | None:
        if tenant.lower() != TENANT_ID:
            return _no_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            return (400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        client_id = form.get("client_id", "").lower()
        if client_id not in self._secrets:
            text = f"Application with identifier '{client_id[:60]}' was not found in the directory 'Local'."
            return (400, "unauthorized_client", 700016, text)
        return self._secret_problem(client_id, form, tenant) or _scope_problem(form.get("scope", ""), host)

    def _secret_problem(self, client_id: str, form: dict[str, str], tenant: str) -> Problem | None:
        if "client_assertion" in form:
            return assertions.problem(form, client_id, tenant, self._clock())
        if "client_secret" not in form:
            return (
                401,
                "invalid_client",
                7000216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            )
        if not secrets.compare_digest(form["client_secret"].encode(), self._secrets[client_id].encode()):
            return (
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                f"value, not the client secret ID, for a secret added to app '{client_id}'.",
            )
        return None


def _no_tenant(tenant: str) -> Problem:
    text = f"Tenant '{tenant[:60]}' not found. Check to make sure you have the "
    return (400, "invalid_request", 90002, text + "correct tenant ID and are signing into the correct cloud.")


def _scope_problem(scope: str, host: str) -> Problem | None:
    if not scope.endswith("/.default"):
        return (
            400,
            "invalid_scope",
            1002012,
            f"The provided value for scope {scope[:100]} is not valid. Client credential "
            "flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
        )
    if _host_of(scope) != host.lower():
        return (
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {scope.removesuffix('/.default')[:100]} was "
            "not found in the tenant named Local.",
        )
    return None


def _host_of(scope: str) -> str:
    try:
        return urlsplit(scope).netloc.lower()
    except ValueError:
        return ""

"""The libraries' client of one vault, bound to that vault, and what its errors mean. Imported when it is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from azure.core import exceptions as azure
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from shared.errors import AuthenticationError, DynsyncError, NotAllowedError, ThrottledError, UnavailableError

_CONNECT_S, _READ_S = 10, 30
_PAUSE_S = 30.0
READING = "Key Vault Secrets User"
WRITING = "Key Vault Secrets Officer"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of which vault; of all its secrets when there is no name."""

    url: str
    name: str | None
    writing: bool = False

    def __str__(self) -> str:
        return f"the key vault {self.url}" if self.name is None else f"secret {self.name!r} in the key vault {self.url}"


class _LedElsewhereError(azure.AzureError):
    """A reply sent the client to another host."""


class _OneVault(SansIOHTTPPolicy[Any, Any]):
    """Lets no request out to another host than the vault's, whatever link a reply holds."""

    def __init__(self, url: str) -> None:
        self._start = f"{url}/".lower()

    def on_request(self, request: PipelineRequest[Any]) -> None:
        if not str(request.http_request.url).lower().startswith(self._start):
            raise _LedElsewhereError("another host")


def open_client(url: str, *, verify: bool | str, retries: int) -> SecretClient:
    """A client that signs in by Azure's default chain (in Azure: the managed identity) and follows no redirect."""
    bounds: dict[str, Any] = {
        "connection_verify": verify,
        "connection_timeout": _CONNECT_S,
        "read_timeout": _READ_S,
        "retry_total": retries,
    }
    return SecretClient(
        url,
        DefaultAzureCredential(**bounds),
        permit_redirects=False,
        per_retry_policies=[_OneVault(url)],
        logging_enable=False,
        **bounds,
    )


def explained(error: Exception, asked: Asked) -> DynsyncError:
    """The error in our words. Never the library's text: it may quote a reply."""
    status = getattr(error, "status_code", None)
    if isinstance(error, ValueError | _LedElsewhereError):
        return AuthenticationError(
            f"{asked.url} does not answer as that key vault (it names another host); check DYNSYNC_KEY_VAULT_URL"
        )
    if isinstance(error, azure.ClientAuthenticationError):
        return AuthenticationError(_unknown(asked, status))
    if isinstance(error, azure.HttpResponseError) and status is not None:
        return _answered(error, int(status), asked)
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return AuthenticationError(f"the certificate of {asked.url} cannot be verified; check the URL and any proxy")
    return UnavailableError(f"no answer for {asked}; check DYNSYNC_KEY_VAULT_URL, the network and the vault's firewall")


def _unknown(asked: Asked, status: int | None) -> str:
    if status == 401:
        return f"{asked}: the vault does not accept the app's identity (401); is the vault in another tenant?"
    return (
        f"{asked}: there is no identity to ask with; switch on the app's managed identity, or sign in with `az login` "
        "on your own machine"
    )


def _answered(error: azure.HttpResponseError, status: int, asked: Asked) -> DynsyncError:
    if status == 429:
        pause_s = _named_pause_s(error)
        return ThrottledError(
            f"{asked}: the vault has had too many requests; run again in {pause_s:.0f} s", retry_after_s=pause_s
        )
    if status >= 500:
        return UnavailableError(f"{asked}: the vault is not available (status {status}); run again later")
    if status == 403:
        return AuthenticationError(_forbidden(error, asked))
    if status == 404:
        return AuthenticationError(
            f"{asked} was not found",
            remedy=f"set it with `dynsync secrets set {asked.name or 'NAME'}`, or recover it when it was deleted",
        )
    if status == 409:
        return NotAllowedError(f"{asked} was deleted and its name is taken until it is recovered or purged")
    return AuthenticationError(f"{asked}: the vault refused the request (status {status}); check DYNSYNC_KEY_VAULT_URL")


def _forbidden(error: azure.HttpResponseError, asked: Asked) -> str:
    inner = _inner_code(error)
    if inner == "SecretDisabled":
        return f"{asked} is disabled; enable it, or set a new version"
    if inner.startswith("ForbiddenByFirewall"):
        return f"{asked}: the vault's firewall does not let this app in; allow its network"
    role = WRITING if asked.writing else READING
    return f"{asked}: the app's identity may not {'set' if asked.writing else 'read'} it; give it the role {role!r}"


def _inner_code(error: azure.HttpResponseError) -> str:
    """The code that tells more, from a closed set of shapes; '' when there is none."""
    inner = getattr(error.error, "innererror", None) or {}
    code = inner.get("code") if isinstance(inner, dict) else None
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]{1,60}", code) else ""


def _named_pause_s(error: azure.HttpResponseError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    text = str(headers.get("Retry-After", "")).strip()
    return min(float(text), 3600.0) if text.isdecimal() else _PAUSE_S

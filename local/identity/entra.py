"""Entra's addresses: token endpoint, OpenID configuration, keys, instance discovery."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.identity import assertions
from local.identity.assertions import Problem
from local.identity.directory import Application, Directory
from local.identity.tokens import Bearer, Issuer, key_set

_NO_STORE = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Entra:
    """The sign-in service of all tenants of the directory."""

    directory: Directory
    issuer: Issuer

    def application(self) -> Starlette:
        """Its addresses."""
        return Starlette(
            routes=[
                Route("/common/discovery/instance", self._instances),
                Route("/{tenant}/v2.0/.well-known/openid-configuration", self._configuration),
                Route("/{tenant}/.well-known/openid-configuration", self._configuration),
                Route("/{tenant}/discovery/v2.0/keys", self._keys),
                Route("/{tenant}/oauth2/v2.0/token", self._token, methods=["POST"]),
            ]
        )

    async def _instances(self, request: Request) -> Response:
        endpoint = f"{_base(request)}/{{tenant}}/v2.0/.well-known/openid-configuration"
        return JSONResponse({"tenant_discovery_endpoint": endpoint, "api-version": "1.1", "metadata": []})

    async def _configuration(self, request: Request) -> Response:
        tenant, base = request.path_params["tenant"], _base(request)
        if not self.directory.has_tenant(tenant):
            return self._refused(_unknown_tenant(tenant))
        root = f"{base}/{tenant}"
        return JSONResponse(
            {
                "issuer": f"{root}/v2.0",
                "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
                "token_endpoint": f"{root}/oauth2/v2.0/token",
                "jwks_uri": f"{root}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "tenant_region_scope": None,
            }
        )

    async def _keys(self, request: Request) -> Response:
        return JSONResponse(key_set())

    async def _token(self, request: Request) -> Response:
        try:
            form = {name: values[0] for name, values in parse_qs((await request.body()).decode("ascii")).items()}
        except ValueError:
            form = {}
        tenant = request.path_params["tenant"]
        application = self.directory.application(form.get("client_id", ""))
        problem = self._problem(tenant, form, application)
        if problem is not None or application is None:
            return self._refused(problem or _unknown_application(form))
        bearer = Bearer(application.client_id, application.tenant_id)
        resource = form["scope"].removesuffix("/.default")
        seconds = max(self.issuer.expires_in_s - 1, 0)
        document = {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self.issuer.issue(bearer, resource, _base(request)),
        }
        return JSONResponse(document, headers=_NO_STORE)

    def _problem(self, tenant: str, form: dict[str, str], application: Application | None) -> Problem | None:
        if not self.directory.has_tenant(tenant):
            return _unknown_tenant(tenant)
        if form.get("grant_type") != "client_credentials":
            return (400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
        if application is None or application.managed or application.tenant_id.lower() != tenant.lower():
            return _unknown_application(form)
        if not application.enabled:
            return (401, "unauthorized_client", 7000112, f"Application '{application.client_id}' is disabled.")
        return self._unproven(form, application, tenant) or self._unknown_resource(form.get("scope", ""))

    def _unproven(self, form: dict[str, str], application: Application, tenant: str) -> Problem | None:
        if "client_assertion" in form:
            return assertions.problem(form, application, tenant, self.issuer.clock())
        if "client_secret" not in form:
            return (
                401, "invalid_client", 7000216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            )  # fmt: skip
        known = application.knows(form["client_secret"], self.issuer.clock())
        if known is None:
            return (401, "invalid_client", 7000222, "The provided client secret keys are expired.")
        if not known:
            return (401, "invalid_client", 7000215, "Invalid client secret provided.")
        return None

    def _unknown_resource(self, scope: str) -> Problem | None:
        if not scope.endswith("/.default"):
            text = f"The provided value for scope {scope[:100]} is not valid: it needs /.default at its end."
            return (400, "invalid_scope", 1002012, text)
        resource = scope.removesuffix("/.default")
        if not self.directory.has_resource(resource):
            text = f"The resource principal named {resource[:100]} was not found in the tenant named Local."
            return (400, "invalid_resource", 500011, text)
        return None

    def _refused(self, problem: Problem) -> Response:
        status, error, number, text = problem
        moment = self.issuer.clock().strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = (f"{secrets.token_hex(4)}-0000-4000-8000-{secrets.token_hex(6)}" for _ in range(2))
        document = {
            "error": error,
            "error_description": f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation} "
            f"Timestamp: {moment}",
            "error_codes": [number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
        }
        return JSONResponse(document, status, _NO_STORE)


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _unknown_tenant(tenant: str) -> Problem:
    return (400, "invalid_request", 90002, f"Tenant '{tenant[:60]}' not found.")


def _unknown_application(form: dict[str, str]) -> Problem:
    client_id = form.get("client_id", "")[:60]
    text = f"Application with identifier '{client_id}' was not found in the directory 'Local'."
    return (400, "unauthorized_client", 700016, text)

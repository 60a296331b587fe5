"""The managed identity endpoint of an App Service (and so of Azure Functions).

Source: Microsoft Learn, "Use managed identities for App Service and Azure Functions", REST endpoint reference.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.identity.directory import Application, Directory
from local.identity.tokens import Bearer, Issuer

API_VERSION = "2019-08-01"
PATH = "/msi/token"


@dataclass(frozen=True, slots=True)
class Machine:
    """Gives tokens to whoever knows the machine's header, for the first managed identity or the one asked for."""

    directory: Directory
    issuer: Issuer
    header: str
    authority: str

    def application(self) -> Starlette:
        """Its one address."""
        return Starlette(routes=[Route(PATH, self._token)])

    async def _token(self, request: Request) -> Response:
        asked = request.query_params
        given = request.headers.get("x-identity-header", "")
        if not secrets.compare_digest(given.encode(), self.header.encode()):
            return _refused(401, "The identity header is missing or wrong.")
        if asked.get("api-version") != API_VERSION:
            return _refused(400, f"The api-version {asked.get('api-version', '')[:20]!r} is not supported.")
        resource = asked.get("resource", "")
        if not self.directory.has_resource(resource):
            return _refused(400, f"AADSTS500011: The resource principal named {resource[:100]} was not found.")
        identity = self._identity(asked.get("client_id"))
        if identity is None:
            return _refused(400, "No User Assigned or Delegated Managed Identity found for specified ClientId.")
        token = self.issuer.issue(Bearer(identity.client_id, identity.tenant_id), resource, self.authority)
        expires_on = int(self.issuer.clock().timestamp()) + self.issuer.expires_in_s
        document = {
            "access_token": token,
            "client_id": identity.client_id,
            "expires_on": str(expires_on),
            "not_before": str(expires_on - self.issuer.expires_in_s),
            "resource": resource,
            "token_type": "Bearer",
        }
        return JSONResponse(document)

    def _identity(self, client_id: str | None) -> Application | None:
        managed = [one for one in self.directory.managed() if one.enabled]
        if client_id is None:
            return managed[0] if managed else None
        return next((one for one in managed if one.client_id.lower() == client_id.lower()), None)


def _refused(status: int, text: str) -> Response:
    return JSONResponse({"statusCode": status, "message": text, "correlationId": secrets.token_hex(16)}, status)

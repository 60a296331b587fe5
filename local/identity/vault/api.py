"""Key Vault's addresses for secrets: who asks, whether they may, and the answer.

Source: Microsoft Learn, "Azure Key Vault REST API reference", secrets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.identity.tokens import Issuer
from local.identity.vault.documents import bundle, deleted_bundle, properties
from local.identity.vault.rights import Rights
from local.identity.vault.store import Vault, VaultError

_PAGE = 25
_WINDOW = timedelta(seconds=10)
_Act = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class VaultApi:
    """A vault behind HTTP. `resources` are the audiences that its tokens may have, the first in the challenge."""

    vault: Vault
    rights: Rights
    issuer: Issuer
    authority: str
    resources: tuple[str, ...]
    _moments: deque[datetime] = field(default_factory=deque)

    def application(self) -> Starlette:
        """Its addresses."""
        one, kept, gone = "/secrets/{name}", "/secrets/{name}/{version}", "/deletedsecrets/{name}"
        return Starlette(
            routes=[
                self._route("/secrets", "GET", "list", self._list),
                self._route("/secrets/{name}/versions", "GET", "list", self._versions),
                self._route(one, "PUT", "set", self._set),
                self._route(one, "DELETE", "delete", self._delete),
                self._route(one, "GET", "get", self._get),
                self._route(f"{one}/", "GET", "get", self._get),
                self._route(kept, "GET", "get", self._get),
                self._route(kept, "PATCH", "update", self._update),
                self._route(f"{one}/", "PATCH", "update", self._update),
                self._route("/deletedsecrets", "GET", "listDeleted", self._list_deleted),
                self._route(gone, "GET", "getDeleted", self._get_deleted),
                self._route(gone, "DELETE", "purge", self._purge),
                self._route(f"{gone}/recover", "POST", "recover", self._recover),
            ]
        )

    def _route(self, path: str, method: str, action: str, act: _Act) -> Route:
        async def guarded(request: Request) -> Response:
            try:
                refused = self._refused(request, action)
                return refused if refused is not None else await act(request)
            except VaultError as error:
                return _error(error)

        return Route(path, guarded, methods=[method])

    def _refused(self, request: Request, action: str) -> Response | None:
        """Who may not ask, or not now."""
        if "api-version" not in request.query_params:
            raise VaultError(400, "BadParameter", "api-version must be specified")
        bearer = self.issuer.bearer(request.headers.get("authorization", ""), self.resources)
        if bearer is None:
            return self._challenge()
        if self._throttled():
            raise VaultError(429, "Throttled", "Request was not processed because too many requests were received.")
        if not self.rights.may(bearer.client_id, action):
            text = f"Caller is not authorized to perform action on resource. Action: secrets/{action}"
            raise VaultError(403, "Forbidden", text, "ForbiddenByRbac")
        return None

    def _challenge(self) -> Response:
        words = f'Bearer authorization="{self.authority}", resource="{self.resources[0]}"'
        answer = _error(VaultError(401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token."))
        answer.headers["WWW-Authenticate"] = words
        return answer

    def _throttled(self) -> bool:
        now = self.vault.clock()
        while self._moments and self._moments[0] <= now - _WINDOW:
            self._moments.popleft()
        if self.vault.limit is not None and len(self._moments) >= self.vault.limit:
            return True
        self._moments.append(now)
        return False

    async def _get(self, request: Request) -> Response:
        found = self.vault.get(request.path_params["name"], request.path_params.get("version", ""))
        return JSONResponse(bundle(found, _base(request), self.vault, value=True))

    async def _set(self, request: Request) -> Response:
        body = await _body(request)
        if not isinstance(body.get("value"), str):
            raise VaultError(400, "BadParameter", "Property value is missing")
        made = self.vault.put(request.path_params["name"], body["value"], **properties(body))
        return JSONResponse(bundle(made, _base(request), self.vault, value=True))

    async def _update(self, request: Request) -> Response:
        name, version = request.path_params["name"], request.path_params.get("version", "")
        changed = self.vault.update(name, version, **properties(await _body(request)))
        return JSONResponse(bundle(changed, _base(request), self.vault))

    async def _delete(self, request: Request) -> Response:
        return JSONResponse(deleted_bundle(self.vault.delete(request.path_params["name"]), _base(request), self.vault))

    async def _recover(self, request: Request) -> Response:
        return JSONResponse(bundle(self.vault.recover(request.path_params["name"]), _base(request), self.vault))

    async def _purge(self, request: Request) -> Response:
        self.vault.purge(request.path_params["name"])
        return Response(status_code=204)

    async def _get_deleted(self, request: Request) -> Response:
        found = self.vault.deleted(request.path_params["name"])
        return JSONResponse(deleted_bundle(found, _base(request), self.vault))

    async def _list(self, request: Request) -> Response:
        base = _base(request)
        return _page(request, [bundle(one, base, self.vault, whole_id=False) for one in self.vault.newest()])

    async def _versions(self, request: Request) -> Response:
        found = self.vault.versions(request.path_params["name"])
        return _page(request, [bundle(one, _base(request), self.vault) for one in found])

    async def _list_deleted(self, request: Request) -> Response:
        found = self.vault.all_deleted()
        return _page(request, [deleted_bundle(one, _base(request), self.vault) for one in found])


def _page(request: Request, items: Sequence[dict[str, Any]]) -> Response:
    """One page, with the link to the next."""
    asked = request.query_params
    try:
        size, start = int(asked.get("maxresults", _PAGE)), int(asked.get("$skiptoken", "0"))
    except ValueError:
        raise VaultError(400, "BadParameter", "maxresults or $skiptoken is no number") from None
    if not 1 <= size <= _PAGE or start < 0:
        raise VaultError(400, "BadParameter", f"maxresults must be from 1 to {_PAGE}")
    more = start + size < len(items)
    link = f"{_base(request)}{request.url.path}?api-version={asked['api-version']}&maxresults={size}"
    next_link = f"{link}&$skiptoken={start + size}" if more else None
    return JSONResponse({"value": list(items[start : start + size]), "nextLink": next_link})


async def _body(request: Request) -> dict[str, Any]:
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise VaultError(400, "BadParameter", "The request body is no JSON object")
    return found


def _base(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"


def _error(error: VaultError) -> Response:
    inner = {"innererror": {"code": error.inner}} if error.inner else {}
    return JSONResponse({"error": {"code": error.code, "message": error.text, **inner}}, error.status)

"""Webhooks: what the service posts to others when a row was written.

Source: Microsoft Learn, "Use webhooks to create external handlers for server events" and "Azure integration".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from local.dataverse import documents
from local.dataverse.contexts import Shown, remote_context
from local.dataverse.documents import STRICT
from local.dataverse.logic.events import Event, StepRefusedError
from local.dataverse.logic.steps import Stage, Step
from local.dataverse.partitions import id_of
from local.dataverse.world import World

TIMEOUT_S = 60.0
RETRIED = frozenset((502, 503, 504))
_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One registered webhook: a `message` ('' = Create, Update and Delete) of a table, posted to `url`.

    `sync` posts within the transaction, which fails with the post, and holds up the server as long; else it is posted
    later, by itself. An update is told only when it brings one of `columns` (none given: always). `image` adds the row
    as it is afterwards, `pre_image` as it was. `key` is sent as `code` in the query, `headers` and `query` as they are.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    table: str
    message: Literal["", "Create", "Update", "Delete"] = ""
    mode: Literal["async", "sync"] = "async"
    columns: tuple[str, ...] = ()
    image: bool = False
    pre_image: bool = False
    key: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, document: object) -> Webhook:
        """A webhook from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "webhook")


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one post: the last status (0 = no answer), how often it was tried, bytes, whether it was cut."""

    webhook: Webhook
    row_id: str
    status: int
    attempts: int
    size: int
    cut: bool

    @property
    def taken(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status < 300


Post = Callable[[str, bytes, Mapping[str, str], Mapping[str, str]], int]
"""Posts a body with headers and query; the status, 0 without an answer."""


def post(url: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> int:
    """Posts over HTTP, following no redirect."""
    import requests  # only an environment with webhooks pays for its import

    try:
        reply = requests.post(
            url, data=body, headers=dict(headers), params=dict(query), timeout=TIMEOUT_S, allow_redirects=False
        )
    except requests.RequestException:
        return 0
    return reply.status_code


class Webhooks:
    """The webhooks of an environment and their latest deliveries."""

    def __init__(self, world: World, send: Post = post) -> None:
        self._world = world
        self._send = send
        self._organization_id = ""
        self.registered: list[Webhook] = []
        self.deliveries: deque[Delivery] = deque(maxlen=_KEPT)

    def register(self, webhook: Webhook) -> None:
        """Registers a webhook as a step.

        Raises:
            DocumentError: there is no such table.
        """
        if webhook.table not in self._world.tables.by_name:
            raise documents.DocumentError(f"webhook: no table {webhook.table!r}")
        self._organization_id = self._world.settled.organization_id
        stage = Stage.AFTER if webhook.mode == "sync" else Stage.LATER
        step = Step(
            lambda event: self._post(webhook, event),
            webhook.table,
            webhook.message,
            stage,
            frozenset(webhook.columns),
            name=webhook.url,
            detached=True,
        )
        self.registered.append(webhook)
        self._world.steps.add(step)

    def _post(self, webhook: Webhook, event: Event) -> None:
        shown = Shown(webhook.mode == "sync", webhook.image, webhook.pre_image, self._organization_id)
        body, cut = remote_context(self._world, event, shown)
        headers = _headers(event, cut=cut) | dict(webhook.headers)
        query = dict(webhook.query) | ({"code": webhook.key} if webhook.key else {})
        status, attempts = self._send(webhook.url, body, headers, query), 1
        if status in RETRIED:
            status, attempts = self._send(webhook.url, body, headers, query), 2
        delivery = Delivery(webhook, id_of(event.row_id), status, attempts, len(body), cut)
        self.deliveries.append(delivery)
        if not delivery.taken:
            raise StepRefusedError(
                f"The webhook call failed because the http request received status code {status or 'none'}.",
                "0x80050203",
            )


def _headers(event: Event, *, cut: bool) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "x-ms-dynamics-organization": "local",
        "x-ms-dynamics-entity-name": event.table,
        "x-ms-dynamics-request-name": event.message,
        "x-ms-correlation-request-id": event.origin.correlation_id,
    }
    return headers | ({"x-ms-dynamics-msg-size-exceeded": "True"} if cut else {})

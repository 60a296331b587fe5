"""What the functions in function_app.py do: the product is opened at the first call, and kept for the process."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.functions as func

from shared.errors import DynsyncError, RequestError, StateError
from shared.log import event
from shared.values.messages import FIRST_NUMBER, ReceivedMessage, first_number
from shared.web.call import Answer, Request
from shared.web.problems import place_of, problem, unexpected
from shared.web.relay import Relay

if TYPE_CHECKING:
    from shared.web.application import Application
    from shared.wiring.hosted import Hosted

_log = logging.getLogger(__name__)
ROOT = Path(__file__).parents[2]
"""The folder of function_app.py; relative folders in settings begin here."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0
"""Ten deliveries of a message last for 25 minutes. The host renews the lock for as long as one of them takes."""


class Doors:
    """The functions' way into the product. Opening is dear, so nothing is opened before the first call."""

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        base: Path = ROOT,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._sleep = sleep
        self._base = base
        self._lock = threading.Lock()
        self._opened: tuple[Hosted, Application] | None = None
        self._relay = Relay()
        logging.getLogger("azure").setLevel(logging.WARNING)

    def every_minute(self) -> None:
        """What the timer does."""
        with self._relay.call():
            hosted = self._open()[0]
            hosted.every_minute()
            hosted.watch()

    def run_job(self, message: bytes) -> None:
        """What a nudge on the queue does."""
        with self._relay.call():
            self._open()[0].run_job(message)

    async def apply_event(self, message: func.ServiceBusMessage) -> None:
        """What a message of real time does: it joins its sync's next batch, and is done when that is.

        While the store fails it is held back for longer and longer before it fails, too: a message that fails comes at
        once again, and after ten times it is a dead letter.
        """
        with self._relay.call():
            try:
                hosted = await asyncio.to_thread(self._open)
                await asyncio.wrap_future(hosted[0].app.listening.put(_heard(message)))
            except DynsyncError:
                await self._sleep(min(FIRST_PAUSE_S * 2 ** ((message.delivery_count or 1) - 1), LONGEST_PAUSE_S))
                raise

    def answer(self, request: func.HttpRequest, *, key: bool = False) -> func.HttpResponse:
        """What an HTTP request gets; `key`: the host has checked a function key."""
        with self._relay.call():
            return self._answer(request, key=key)

    def _answer(self, request: func.HttpRequest, *, key: bool) -> func.HttpResponse:
        try:
            application = self._open()[1]
        except DynsyncError as error:  # a wrong setting, a store that cannot be opened: not for strangers to know
            event(_log, "app.broken", level=logging.ERROR, error=type(error).__name__, reason=str(error))
            return _sent(problem(StateError("the app cannot start; its log says why")))
        except Exception as error:  # noqa: BLE001 - a door: whatever went wrong, the caller gets an answer
            event(_log, "app.broken", level=logging.ERROR, error=type(error).__name__, where=place_of(error))
            return _sent(unexpected())
        try:
            received = _received(request, key=key)
        except ValueError:
            return _sent(problem(RequestError("the address that was asked for is none", status=400)))
        return _sent(application.answer(received))

    def _open(self) -> tuple[Hosted, Application]:
        with self._lock:
            if self._opened is None:
                from shared.web.application import Application
                from shared.wiring.hosted import in_azure, open_hosted

                if in_azure(self._environ):
                    self._relay.begin()
                hosted = open_hosted(self._environ, base=self._base)
                self._opened = (hosted, Application(hosted))
            return self._opened


def _heard(message: func.ServiceBusMessage) -> ReceivedMessage:
    """The message in our own words. A redriven one keeps the number that it had when it was first sent."""
    properties = dict(message.application_properties or message.user_properties or {})
    return ReceivedMessage(
        body=message.get_body(),
        number=first_number(properties.get(FIRST_NUMBER), int(message.sequence_number or 0)),
        sync=message.subject or message.label,
        session=message.session_id,
        message_id=message.message_id,
        enqueued_at=_zoned(message.enqueued_time_utc),
        locked_until=_zoned(message.locked_until),
        properties=properties,
    )


def _zoned(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _received(request: func.HttpRequest, *, key: bool) -> Request:
    """The request in our own words; the address as it came, not as the host has parsed it.

    Raises:
        ValueError: the address is none, for the name of the host is the caller's word.
    """
    url = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Request(
        method=request.method.upper(),
        path=unquote(url.path),
        query=dict(parse_qsl(url.query, keep_blank_values=True)),
        headers=headers,
        body=request.get_body() or b"",
        host=url.netloc,
        key=key,
    )


def _sent(answer: Answer) -> func.HttpResponse:
    return func.HttpResponse(
        answer.body, status_code=answer.status, headers=dict(answer.headers), mimetype=answer.content_type
    )

"""The plain way, as samples show it: each message looks its row up and writes it, one call after the other."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field

import requests

from shared.values.messages import ReceivedMessage


@dataclass
class Peer:
    """Applies messages one by one; a session of its own for each thread. `calls` counts its requests."""

    url: str
    token: str
    calls: int = 0
    _own: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, message: ReceivedMessage) -> None:
        """One message: a look-up, then a create or an update."""
        record = json.loads(message.body)
        number = record["no"].replace("'", "''")
        found = self._sent("GET", f"accounts?$select=accountid&$filter=accountnumber eq '{number}'").json()["value"]
        body = {"accountnumber": record["no"]}
        body |= {"name": record["name"]} if "name" in record else {}
        body |= {"numberofemployees": record["staff"]} if "staff" in record else {}
        if found:
            self._sent("PATCH", f"accounts({found[0]['accountid']})", body)
        else:
            self._sent("POST", "accounts", body)

    def _sent(self, method: str, path: str, body: object = None) -> requests.Response:
        session = getattr(self._own, "session", None)
        if session is None:
            session = self._own.session = requests.Session()
            session.headers["Authorization"] = f"Bearer {self.token}"
        with self._lock:
            self.calls += 1
        reply: requests.Response = session.request(method, self.url + path, json=body, timeout=60)
        reply.raise_for_status()
        return reply

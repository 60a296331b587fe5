"""Microsoft's Python client upserting the same rows: lists of 1,000, in one thread or in several.

The client insists on https, which the local Dataverse does not speak: the connection leaves it out; the client is as it
comes. Usage: `python -m bench.ceiling.peer '{"place": …, "threads": 8, "rows": 100000, "every": 0}'`
"""

from __future__ import annotations

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from azure.core.credentials import AccessToken
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import DataverseError

from bench.ceiling.ours import cpu_s
from bench.ceiling.rows import key, row

LIST = 1000


class Credential:
    """The local Dataverse's token, as a credential of azure-core."""

    def __init__(self, place: dict[str, Any]) -> None:
        self._place = place

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for the environment."""
        client, secret = self._place["users"][0]
        form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        form["scope"] = scopes[0].replace("https://", "http://")
        url = f"{self._place['authority']}{self._place['tenant']}/oauth2/v2.0/token"
        token = requests.post(url, data=form, timeout=30).json()
        return AccessToken(token["access_token"], int(token["expires_in"]))


def plainly() -> None:
    """Let every connection of this process use http."""
    send = requests.adapters.HTTPAdapter.send

    def sent(adapter: Any, request: Any, **more: Any) -> Any:
        request.url = request.url.replace("https://127.0.0.1", "http://127.0.0.1", 1)
        return send(adapter, request, **more)

    requests.adapters.HTTPAdapter.send = sent  # type: ignore[method-assign]


def main(argument: str) -> None:
    """Write, and print what was found as JSON."""
    options = json.loads(argument)
    plainly()
    place, every = options["place"], options["every"]
    first = options.get("first", 0)
    lists = [
        [{"alternate_key": {"new_citycode": key(n)}, "record": row(n, every)} for n in range(at, at + LIST)]
        for at in range(first, first + options["rows"], LIST)
    ]
    lost = 0
    with DataverseClient(place["authority"].replace("http://", "https://").rstrip("/"), Credential(place)) as client:

        def upsert(items: list[dict[str, Any]]) -> int:
            try:
                client.records.upsert("new_city", items)
            except DataverseError:
                return len(items)
            return 0

        upsert(lists[0][:1])
        began, cpu = time.monotonic(), cpu_s()
        with ThreadPoolExecutor(options["threads"]) as pool:
            lost = sum(pool.map(upsert, lists))
        seconds = time.monotonic() - began
    rows = options["rows"]
    print(
        json.dumps(
            {
                "rows_per_s": (rows - lost) / seconds,
                "seconds": seconds,
                "lost": lost,
                "cpu_ms_per_1000": 1e6 * (cpu_s() - cpu) / rows,
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1])

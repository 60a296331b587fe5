"""A local Dataverse in a process of its own. Usage: `python -m bench.ceiling.server '{"limits": …, "users": 2}'`.

It prints one line of JSON (address and application users) and runs until its standard input ends.
"""

from __future__ import annotations

import json
import sys

from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID, LocalDataverse
from local.dataverse.limits import Limits
from local.dataverse.settings import Registration, Settings

COUNTRY = "11111111-0000-4000-8000-0000000000c1"


def main(argument: str) -> None:
    """Serve."""
    options = json.loads(argument)
    more = [
        Registration(client_id=f"0d000000-0000-4000-8000-00000000c2{number:02x}", client_secret=f"secret-{number}")
        for number in range(options["users"] - 1)
    ]
    settings = Settings(limits=Limits.of(options["limits"]), applications=tuple(more))
    with LocalDataverse(settings=settings) as server:
        server.insert("new_country", [{"new_countryid": COUNTRY, "new_iso": "NL"}])
        users = [(CLIENT_ID, CLIENT_SECRET), *((one.client_id, one.client_secret) for one in more)]
        print(json.dumps({"authority": server.authority, "tenant": TENANT_ID, "users": users}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1])

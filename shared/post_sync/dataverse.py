"""An action, a function or a classic workflow of Dataverse after a job.

Source: Microsoft Learn, "Use Web API actions", "Use Web API functions", "ExecuteWorkflow action".
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import batched
from urllib.parse import quote

from shared.dataverse.client import DataverseClient
from shared.dataverse.literals import quoted
from shared.definitions.post_sync import Workflow
from shared.errors import DynsyncError, FailError, RejectError, RetryError
from shared.post_sync.texts import filled
from shared.values.steps import Said

_AT_ONCE = 8


def act(client: DataverseClient, name: str, parameters: Mapping[str, object], values: Mapping[str, str]) -> Said:
    """Call an unbound action. It is sent once: nobody knows what a second time would do.

    Raises:
        RetryError, DestinationError: as the service answers.
    """
    body = json.dumps({key: _plain(value, values) for key, value in parameters.items()}).encode()
    reply = client.transport.send("POST", name, body=body, repeatable=False)
    return Said(f"status {reply.status}")


def ask(client: DataverseClient, name: str, parameters: Mapping[str, object], values: Mapping[str, str]) -> Said:
    """Call an unbound function, its parameters by alias. Raises as `act`."""
    made = {key: _literal(_plain(value, values)) for key, value in parameters.items()}
    named = ",".join(f"{key}=@p{number}" for number, key in enumerate(made))
    given = "&".join(f"@p{number}={quote(value, safe='')}" for number, value in enumerate(made.values()))
    reply = client.transport.get(f"{name}({named})" + (f"?{given}" if given else ""))
    return Said(f"status {reply.status}")


def start_workflow(
    client: DataverseClient,
    workflow: Workflow,
    rows: Iterator[str],
    *,
    within_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Said:
    """Start a workflow for each row, a few at a time; the service does the work in jobs of its own.

    Raises:
        FailError: it was refused for some rows; the first reason is told. Or time was up, or the service went away,
            when it was started for some: a try anew would start it for these twice.
        RetryError: the service was not there, and the workflow was started for no row.
    """
    ends_at, started, refusals = clock() + within_s, 0, list[str]()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for some in batched(rows, _AT_ONCE, strict=False):
            if clock() >= ends_at:
                raise FailError(f"it took longer than {within_s:g} s: the workflow was started for {started:,} rows")
            said = list(pool.map(lambda row_id: _started(client, workflow, row_id), some))
            away = next((one for one in said if isinstance(one, RetryError)), None)
            started += said.count(None)
            refusals += [str(one) for one in said if one is not None]
            if away is not None and not started:
                raise away
            if away is not None or (len(refusals) > _AT_ONCE and not started):
                break
    if refusals:
        raise FailError(
            f"the workflow was started for {started:,} rows and refused for {len(refusals):,}: {refusals[-1]}"
        )
    return Said(f"started for {started:,} rows")


def _started(client: DataverseClient, workflow: Workflow, row_id: str) -> DynsyncError | None:
    """Start it for one row; gives why it was not."""
    path = f"workflows({workflow.id})/Microsoft.Dynamics.CRM.ExecuteWorkflow"
    try:
        client.transport.send("POST", path, body=json.dumps({"EntityId": row_id}).encode(), repeatable=False)
    except (FailError, RejectError, RetryError) as error:
        return error
    return None


def _plain(value: object, values: Mapping[str, str]) -> object:
    return filled(value, values) if isinstance(value, str) else value


def _literal(value: object) -> str:
    return quoted(value) if isinstance(value, str) else json.dumps(value)

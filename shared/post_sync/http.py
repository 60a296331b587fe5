"""An HTTP call after a job, signed where the definition wants it.

The signature is the hash of the time and the body with a shared secret, so that the other side can tell the call from a
forged or an old one. `X-Dynsync-Delivery` is the same for every try of the same step, so that it can tell a repeat.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime

from shared.definitions.post_sync import HttpCall, PostSyncStep
from shared.errors import NotAllowedError
from shared.outbound import call
from shared.post_sync.texts import in_json, in_url
from shared.values.steps import Ended, Said


def take(
    step: PostSyncStep,
    http: HttpCall,
    ended: Ended,
    *,
    secret: Callable[[str], str],
    allows: Callable[[str], bool],
    local: bool,
    verify: bool | str,
    now: datetime,
) -> Said:
    """Make the call. `allows` says whether an address is within the operator's reach; `local`: loopback may be called.

    Raises:
        NotAllowedError: the address is outside the reach, or leads to no public address.
        RetryError, FailError: see `outbound.call`.
    """
    url = in_url(http.url, ended.variables)
    if not allows(url):
        raise NotAllowedError(
            "the step's address is outside the reach", remedy="an operator may add its host to `outbound` in reach.yaml"
        )
    body = None if http.method == "GET" else _body(http, ended)
    headers = {"X-Dynsync-Delivery": f"{ended.job.id}/{step.name}".encode("ascii", "replace").decode()}
    if body is not None:
        headers["Content-Type"] = "application/json; charset=utf-8"
    if http.secret is not None:
        headers["Authorization"] = f"Bearer {secret(http.secret)}"
    if http.signature is not None:
        headers["X-Dynsync-Signature"] = signature(secret(http.signature.secret), body or b"", now)
    answer = call(http.method, url, body=body, headers=headers, timeout_s=step.timeout_s, loopback=local, verify=verify)
    return Said(f"status {answer.status}")


def _body(http: HttpCall, ended: Ended) -> bytes:
    return (in_json(http.body, ended.variables) if http.body else report(ended)).encode()


def signature(key: str, body: bytes, now: datetime) -> str:
    """`t=<seconds>,v1=<HMAC-SHA256 of "<seconds>.<body>" in hexadecimal>`."""
    seconds = int(now.timestamp())
    digest = hmac.new(key.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


def report(ended: Ended) -> str:
    """What is sent when the definition writes no body: counts, and no value of any record."""
    job = ended.job
    return json.dumps(
        {
            "job": job.id,
            "sync": job.sync,
            "state": job.state.value,
            "error": job.error is not None,
            "started_by": job.started_by,
            "source": asdict(job.source),
            "destination": asdict(job.destination),
        }
    )

"""Microsoft's own execution engine of the Python worker, driven in this process: it indexes one app and calls it.

One app for the life of the process: the engine keeps it in its module.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import azure_functions_runtime as runtime

from local.host.messages import PROTOS, Http, Message, ParameterBinding, StatusResult, TypedData
from local.host.refusals import HostError, InvocationError

SCRIPT = "function_app.py"


@dataclass(frozen=True, slots=True)
class Indexed:
    """One function as the engine indexed it; `bindings` as the app declared them, the trigger first."""

    id: str
    name: str
    bindings: tuple[Mapping[str, Any], ...]

    @property
    def trigger(self) -> Mapping[str, Any]:
        """The binding that calls it."""
        return next(binding for binding in self.bindings if str(binding["type"]).lower().endswith("trigger"))


@dataclass(frozen=True, slots=True)
class Response:
    """What an HTTP function answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Engine:
    """Calls the functions of one app by name. All methods belong to one event loop."""

    def __init__(self, functions: Mapping[str, Indexed]) -> None:
        self.functions = functions

    @classmethod
    async def load(cls, folder: Path) -> Engine:
        """Import and index the app of a folder.

        Raises:
            HostError: there is no app, or the engine refuses it; with the engine's own words.
        """
        if not (folder / SCRIPT).is_file():
            raise HostError(f"{folder} holds no {SCRIPT}; name the folder of a function app")
        sys.path.insert(0, str(folder))
        os.environ.setdefault("PYTHON_SCRIPT_FILE_NAME", SCRIPT)
        runtime.start_threadpool_executor()
        _checked(await _init(folder), f"{folder / SCRIPT} cannot be loaded")
        answer = await runtime.functions_metadata_request(_asking("functions_metadata_request", Message()))
        _checked(answer, "the functions cannot be listed")
        found = {}
        for item in answer.function_metadata_results or []:
            load = _asking("function_load_request", Message(function_id=item.function_id))
            _checked(await runtime.function_load_request(load), f"function {item.name} cannot be loaded")
            found[item.name] = Indexed(item.function_id, item.name, tuple(map(json.loads, item.raw_bindings)))
        if not found:
            raise HostError(f"{folder / SCRIPT} declares no function")
        return cls(found)

    def close(self) -> None:
        """End the threads of synchronous functions, once those have returned."""
        runtime.stop_threadpool_executor()

    async def invoke(
        self, name: str, value: TypedData, metadata: Mapping[str, TypedData] | None = None, *, call: str = ""
    ) -> Any:
        """Call a function with its trigger's value; `call` is the invocation's id.

        Raises:
            InvocationError: it raised, or the engine could not give it the value.
        """
        function = self.functions[name]
        request = Message(
            invocation_id=call or str(uuid.uuid4()),
            function_id=function.id,
            input_data=[ParameterBinding(name=function.trigger["name"], data=value)],
            trigger_metadata=metadata or {},
            trace_context=Message(trace_parent="", trace_state="", attributes={}),
            retry_context=Message(retry_count=0, max_retry_count=0),
        )
        answer = await runtime.invocation_request(_asking("invocation_request", request))
        if answer.result.status != StatusResult.Success:
            error = answer.result.exception
            raise InvocationError(error.message, error.stack_trace or "")
        return answer.return_value


def http_response(value: Any) -> Response:
    """What an HTTP function returned; 204 when it returned nothing."""
    if value is None or value.http is None:
        return Response(204, {}, b"")
    http = value.http
    kind = http.body.WhichOneof("data") if http.body else None
    raw = getattr(http.body, kind) if kind else b""
    body = raw.encode() if isinstance(raw, str) else bytes(raw)
    return Response(int(http.status_code), dict(http.headers or {}), body)


def http_value(request: Mapping[str, Any], body: bytes) -> TypedData:
    """A request for an HTTP function: its `method`, `url`, `headers`, `query` and `params`, and its body."""
    return TypedData(http=Http(**request, body=TypedData(bytes=body)))


async def _init(folder: Path) -> Any:
    asked = _asking("worker_init_request", Message(capabilities={}, function_app_directory=str(folder)))
    asked.properties.update(host="127.0.0.1", protos=PROTOS)
    return await runtime.worker_init_request(asked)


def _asking(kind: str, message: Message) -> Any:
    return Message(request=Message(**{kind: message}), properties={})


def _checked(answer: Any, what: str) -> None:
    if answer.result.status != StatusResult.Success:
        error = answer.result.exception
        raise HostError(f"{what}: {error.message}\n{error.stack_trace or ''}".rstrip())

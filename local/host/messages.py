"""Look-alikes of the messages between the Functions host and its Python worker.

Microsoft's engine is given its message classes (in Azure made by gRPC) and asks them for attributes only; plain objects
with the same names serve it as well. Source: azure-functions-runtime 1.3.0, `handle_event.py`, `bindings/datumdef.py`.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class Message(SimpleNamespace):
    """A message whose unset members read as None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__") or name == "TypedData":  # the engine tells messages apart by trying the latter
            raise AttributeError(name)


class _Choice:
    """A message that holds one of several members."""

    def __init__(self, **members: Any) -> None:
        self.__dict__.update(members)
        self._chosen = next((name for name in members if name != "name"), None)

    def WhichOneof(self, _group: str) -> str | None:  # noqa: N802 - the wire's name
        """The member that is set."""
        return self._chosen


class TypedData(_Choice):
    """One value: `string`, `json` (as text), `bytes` or `http`."""


class ParameterBinding(_Choice):
    """A value (`data`) for a function's argument (`name`)."""


class Http(Message):
    """A request or a response."""

    def __init__(self, **members: Any) -> None:
        for name in ("headers", "params", "query"):
            members.setdefault(name, {})
        super().__init__(**members)


class StatusResult(Message):
    """How a call ended; `exception` says why."""

    Failure, Success, Cancelled = 0, 1, 2


class BindingInfo(Message):
    """A binding's direction and type of data, by the numbers of the wire."""

    undefined, string, binary, stream = 0, 1, 2, 3
    out, inout = 1, 2


class Cookie(Message):
    """A cookie of a response."""

    SameSite = SimpleNamespace(Lax=1, Strict=2, ExplicitNone=3, **{"None": 0})


_PLAIN = (
    "WorkerInitResponse",
    "FunctionMetadataResponse",
    "FunctionLoadResponse",
    "InvocationResponse",
    "RpcFunctionMetadata",
    "RpcRetryOptions",
    "RpcException",
    "WorkerMetadata",
    "NullableString",
    "NullableBool",
    "NullableDouble",
    "NullableTimestamp",
)

PROTOS = SimpleNamespace(
    TypedData=TypedData,
    ParameterBinding=ParameterBinding,
    RpcHttp=Http,
    RpcHttpCookie=Cookie,
    StatusResult=StatusResult,
    BindingInfo=BindingInfo,
    **dict.fromkeys(_PLAIN, Message),
)
"""What the engine takes for the classes that gRPC makes."""

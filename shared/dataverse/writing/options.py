"""What travels with every writing request, and with none that reads: bypasses, duplicate detection, caller, tag.

A bulk message takes the headers of its one request. In a `$batch` each operation is a request of its own with its own
headers and its own query, so they stand in every part; on the batch itself they stand once more.

Source: Microsoft Learn, "Use optional parameters", "Bypass custom Dataverse logic", "Impersonate another user using the
Web API" (2025).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.dataverse.literals import encoded


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Headers of every writing request, and the `tag` that plug-ins and events see."""

    headers: Mapping[str, str] = field(default_factory=dict)
    tag: str | None = None

    def tagged(self, path: str) -> str:
        """The path of one write, with the tag as its query."""
        return f"{path}?tag={encoded(self.tag)}" if self.tag else path

    @property
    def lines(self) -> list[str]:
        """The headers as lines of a `$batch` part."""
        return [f"{name}: {value}" for name, value in self.headers.items()]


NO_OPTIONS = WriteOptions()


def write_options(
    *,
    logic: Sequence[str] = (),
    plugins: bool = False,
    steps: Sequence[str] = (),
    flows: bool = False,
    duplicate_detection: bool = False,
    caller: str | None = None,
    tag: str | None = None,
) -> WriteOptions:
    """The options as the service spells them.

    `logic` holds `sync` and `async`; `plugins` is the older bypass of synchronous logic; `steps` are ids of plug-in
    steps; `caller` is an Entra object id.
    """
    found = {
        "MSCRM.BypassBusinessLogicExecution": ",".join(f"Custom{word.capitalize()}" for word in logic),
        "MSCRM.BypassBusinessLogicExecutionStepIds": ",".join(steps),
        "MSCRM.BypassCustomPluginExecution": "true" if plugins else "",
        "MSCRM.SuppressCallbackRegistrationExpanderJob": "true" if flows else "",
        "MSCRM.SuppressDuplicateDetection": "false" if duplicate_detection else "",
        "CallerObjectId": caller or "",
    }
    return WriteOptions({name: value for name, value in found.items() if value}, tag)

"""What a route is, and which one a request takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from shared.permissions import Caller, Operation
from shared.values.jobs import Job
from shared.web.call import Request

if TYPE_CHECKING:
    from shared.errors import DynsyncError
    from shared.web.call import Answer
    from shared.web.forms import Upload
    from shared.web.gate import Gate
    from shared.wiring.hosted import Hosted

JSON_BYTES = 1_000_000
"""The longest JSON body, where a route says no other, and the longest form field beside files."""


@dataclass(frozen=True, slots=True)
class Body:
    """What a call brought: the route's model, and the files beside it by the name of their variable.

    `typed`: the fields of a page's form as a person filled them in, to be shown once more when they are refused.
    """

    value: Any = None
    files: Mapping[str, Upload] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose route, caller and form are known; `query` and `body` are what the route's models made of them.

    `job` is that of the path: the caller may do with it what the route does.
    """

    hosted: Hosted
    gate: Gate
    request: Request
    caller: Caller
    path: Mapping[str, str]
    found: Job | None = None
    query: Any = None
    body: Body = Body()

    @property
    def sync(self) -> str:
        """The sync that the path names."""
        return self.path["sync"]

    @property
    def job(self) -> Job:
        """The job that the path names."""
        assert self.found is not None, "a route without a job asks for one"  # noqa: S101
        return self.found


@dataclass(frozen=True, slots=True)
class Reply:
    """What a route answers when the value alone does not say all."""

    value: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the API: where it is, what right it needs, what it takes, does and gives.

    `path` has names in braces: the right is asked of the sync `{sync}`, or of the sync of the job `{job}`, before
    `does` is called. `asks`: the sync stands in the body, so `does` asks for itself, by `call.gate`. `key`: the
    door is opened with a function key, by the host. `gives` is the type of the value; `takes` and `query` are
    models of the body and the query; `files`: the body may be a form with files. `media` are the types of the
    answer; a route of another than JSON gives an `Answer`. `id` is the operation's in the document, where `does`
    serves several routes. `refuses` are statuses beside those that every route of its kind has. `notes`: what the
    call leads to may need a further right, so `does` asks the gate once more, and notes for itself. `tagged`: the
    answer has an `ETag`; `conditional`: the call has to say by `If-Match` which one it changes. `most_bytes` is the
    longest JSON of a body.
    """

    method: str
    path: str
    operation: Operation
    summary: str
    does: Callable[[Call], object]
    gives: Any
    takes: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    id: str | None = None
    files: bool = False
    asks: bool = False
    key: bool = False
    status: int = 200
    media: tuple[str, ...] = ("application/json",)
    refuses: tuple[int, ...] = ()
    page: bool = False
    again: Callable[[Call, DynsyncError], Answer] | None = None
    notes: bool = False
    tagged: bool = False
    conditional: bool = False
    most_bytes: int = JSON_BYTES

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))


class Table:
    """All routes, by path and method."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._paths: dict[str, tuple[re.Pattern[str], dict[str, Route]]] = {}
        for route in self.routes:
            _, methods = self._paths.setdefault(route.path, (_pattern(route.path), {}))
            methods[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, Route], Mapping[str, str]]:
        """The routes of a path by method, and the values in it; nothing when there is none."""
        for pattern, methods in self._paths.values():
            if found := pattern.fullmatch(path):
                return methods, found.groupdict()
        return {}, {}


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(f"(?P<{piece}>[^/]+)" if odd % 2 else re.escape(piece) for odd, piece in enumerate(pieces))
    )

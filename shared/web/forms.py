"""Reads what a call brings: the query, a JSON body, files in a multipart body, and the form of a page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError

from shared.errors import RequestError
from shared.values.problems import Problem
from shared.web.call import Request
from shared.web.routing import JSON_BYTES, Body, Route

MOST_PARTS = 50
MOST_FIELDS = 6_000
"""Of a form: a definition may have a thousand mappings, with some fields each."""
FORM_BYTES = 3 * JSON_BYTES
"""The longest form without files: a text of the longest kind, most of whose characters are written as `%20`."""
FORM_FIELD = "request"
"""The field of a multipart body that holds the JSON; every other part is a file, named by its variable."""
SAID = "said"
"""In the query of a page: which sentence to show about what was done just before."""
_UNFIT = re.compile(r"[^\w.\- ()]")
_NAME_BYTES = 100
"""A file system takes 255 bytes, of which the job store adds some of its own."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a call: its own name, made harmless, and its bytes."""

    name: str
    content: bytes = field(repr=False)


def read_query(route: Route, request: Request) -> BaseModel | None:
    """The query as the route's model has it. Raises `RequestError` (422) with all that is wrong."""
    given = {name: value for name, value in request.query.items() if not (route.page and name == SAID)}
    if route.query is None:
        _refuse_unknown(given)
        return None
    try:
        return route.query.model_validate(given)
    except ValidationError as error:
        raise _invalid("the query", error) from None


def read_body(route: Route, request: Request, upload_mb: int) -> Body:
    """The body as the route's model has it, and the files beside it.

    Raises:
        RequestError: it is too large (413), of another type (415), no JSON (400), or not as it has to be (422).
    """
    kind, options = _type(request)
    files: Mapping[str, Upload] = {}
    if route.takes is None:
        if request.body.strip() not in (b"", b"{}"):
            raise RequestError("this call takes no body", status=422, remedy="send none")
        return Body(None, files)
    text = request.body
    if kind == "multipart/form-data" and route.files:
        text, files = _parts(request.body, options, upload_mb * 1_000_000)
    elif kind != "application/json":
        raise RequestError(f"the body is {kind[:80] or 'of no type'}", status=415, remedy=f"send {_taken(route)}")
    if len(text) > route.most_bytes:
        found = f"the JSON is longer than {route.most_bytes:,} bytes"
        raise _too_large(found) if route.files else RequestError(found, status=413, remedy="send less in one call")
    try:
        return Body(route.takes.model_validate_json(text), files)
    except ValidationError as error:
        if any(found["type"] == "json_invalid" for found in error.errors(include_input=False, include_url=False)):
            raise RequestError("the body is no JSON", status=400, remedy="send a JSON object in UTF-8") from None
        raise _invalid("the body", error) from None


@dataclass(frozen=True, slots=True)
class Fields:
    """A page's form: its fields in their order, and the files beside them."""

    pairs: tuple[tuple[str, str], ...] = ()
    files: Mapping[str, Upload] = field(default_factory=dict)

    @property
    def typed(self) -> dict[str, str]:
        """The last value of each field."""
        return dict(self.pairs)

    def nested(self) -> dict[str, Any]:
        """As JSON would have it: `variables.region` is a member of `variables`, `keys[]` one of a list.

        Raises:
            RequestError: a field came twice, or is both a text and an object.
        """
        told: dict[str, Any] = {}
        for name, value in self.pairs:
            outer, dot, inner = name.partition(".")
            place, last = (told.setdefault(outer, {}), inner) if dot else (told, name)
            if name.endswith("[]"):
                told.setdefault(name.removesuffix("[]"), []).append(value)
            elif not isinstance(place, dict) or last in place:
                raise RequestError("the form has two fields of one name", status=422, remedy="send each once")
            else:
                place[last] = value
        return told


def read_fields(request: Request, upload_mb: int) -> Fields:
    """The form of a page, as a browser sends it.

    Raises:
        RequestError: it is too large (413), of another type (415), or no form (400).
    """
    kind, options = _type(request)
    if kind == "multipart/form-data":
        fields, files = _multipart(request.body, options, upload_mb * 1_000_000)
        return Fields(tuple((name, _lines(value)) for name, value in fields), files)
    if kind != "application/x-www-form-urlencoded" and request.body:
        raise RequestError(f"the body is {kind[:80] or 'of no type'}", status=415, remedy="send the form of the page")
    if len(request.body) > FORM_BYTES:
        raise _too_large(f"the form is longer than {FORM_BYTES:,} bytes")
    try:
        text = request.body.decode("ascii")
        found = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise RequestError("the body is no form", status=400, remedy="send the form of the page") from None
    return Fields(tuple((name, _lines(value)) for name, value in found))


def _lines(text: str) -> str:
    """A browser ends every line of a form with CR LF, whatever was typed."""
    return text.replace("\r\n", "\n")


def form_value(model: type[BaseModel] | None, fields: Fields) -> BaseModel | None:
    """A page's form as the model has it; None of a button alone. Raises `RequestError` (422) with all that is wrong."""
    if model is None:
        if fields.pairs or fields.files:
            raise RequestError("this form has no fields", status=422, remedy="send none")
        return None
    try:
        return model.model_validate(fields.nested())
    except ValidationError as error:
        raise _invalid("the form", error) from None


def _type(request: Request) -> tuple[str, Mapping[str, str]]:
    from werkzeug.http import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type"))
    return kind.lower(), options


def _taken(route: Route) -> str:
    return "application/json or multipart/form-data" if route.files else "application/json"


def _parts(body: bytes, options: Mapping[str, str], most_bytes: int) -> tuple[bytes, Mapping[str, Upload]]:
    """The JSON and the files of a multipart body."""
    pairs, uploads = _multipart(body, options, most_bytes)
    fields = dict(reversed(pairs))  # of several, the first
    if fields.keys() - {FORM_FIELD}:
        raise RequestError(
            "a form has fields that are no file", status=422,
            remedy=f"send the JSON as the field {FORM_FIELD!r} and each file under its variable's name",
        )  # fmt: skip
    return fields.get(FORM_FIELD, "{}").encode("utf-8", "surrogatepass"), uploads


def _multipart(
    body: bytes, options: Mapping[str, str], most_bytes: int
) -> tuple[list[tuple[str, str]], dict[str, Upload]]:
    """The fields and the files of a multipart body; a file that nobody chose is none."""
    from werkzeug.exceptions import RequestEntityTooLarge
    from werkzeug.formparser import MultiPartParser

    if len(body) > most_bytes:
        raise _too_large(f"the call is longer than {most_bytes:,} bytes")
    boundary = options.get("boundary", "").encode("ascii", "replace")
    try:
        parser = MultiPartParser(_in_memory, max_form_memory_size=JSON_BYTES, max_form_parts=MOST_PARTS)
        fields, files = parser.parse(BytesIO(body), boundary, len(body))
    except RequestEntityTooLarge:
        raise _too_large(
            f"a form of more than {MOST_PARTS} parts, or with a field of over {JSON_BYTES:,} bytes"
        ) from None
    except (ValueError, EOFError):
        raise RequestError("the body is no multipart/form-data", status=400, remedy="see docs/api.md") from None
    if any(len(files.getlist(name)) > 1 for name in files):
        raise RequestError("a form has two files of one name", status=422, remedy="send each under its variable's name")
    read = {name: (file.filename, file.stream.read()) for name, file in files.items()}
    uploads = {name: Upload(_plain(own), content) for name, (own, content) in read.items() if own or content}
    return [(str(name), str(value)) for name, value in fields.items(multi=True)], uploads


def _in_memory(*_: object, **__: object) -> BytesIO:
    """Where a part of a form is put: the whole call is in memory anyway."""
    return BytesIO()


def _plain(name: str | None) -> str:
    """A file's own name without folders, of signs that mean nothing to any system."""
    last = re.split(r"[/\\]", name or "")[-1]
    short = _UNFIT.sub("_", last).encode()[-_NAME_BYTES:].decode(errors="ignore")
    return short.strip(". ") or "file"


def _too_large(found: str) -> RequestError:
    return RequestError(found, status=413, remedy="upload it to a container within reach and send its address instead")


def _refuse_unknown(query: Mapping[str, str]) -> None:
    names = [name for name in query if name != "code"]
    if names:
        problems = [Problem(name[:80], "is not known here") for name in names[:20]]
        raise RequestError("the query has names that are not known here", status=422, problems=problems)


def _invalid(what: str, error: ValidationError) -> RequestError:
    """All that is wrong, without what was found: it may be confidential."""
    problems = [Problem(_where(found["loc"]), found["msg"]) for found in error.errors(include_input=False)[:50]]
    told = "; ".join(str(problem) for problem in problems[:3])
    return RequestError(f"{what} is not as it has to be: {told}", status=422, problems=problems)


def _where(steps: tuple[Any, ...]) -> str:
    return ".".join(str(step)[:80] for step in steps)

"""`If-Match` and `ETag` of definitions: the number of a revision in quotes (RFC 9110)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import RequestError
from shared.values.revisions import Revision

HEADER = "If-Match"
PATTERN = r'^"(0|[1-9][0-9]{0,14})"$'
PARAMETER: Mapping[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": True,
    "schema": {"type": "string", "pattern": PATTERN},
    "description": 'The `ETag` of the definition as it was read, quotes included; `"0"` where it was never edited.',
}
"""The header, in the words of OpenAPI."""
TAG: Mapping[str, Any] = {
    "description": 'The number of the newest revision; `"0"`: the definition was never edited.',
    "schema": {"type": "string", "pattern": PATTERN},
}
"""The header `ETag`, in the words of OpenAPI."""
_NUMBER = re.compile(PATTERN.removeprefix("^").removesuffix("$"))


def tag(number: int) -> str:
    """A number as both headers have it."""
    return f'"{number}"'


def tagged(revision: Revision | None) -> dict[str, str]:
    """The `ETag` of a definition whose newest revision this is."""
    return {"ETag": tag(number_of(revision))}


def number_of(revision: Revision | None) -> int:
    """The number by which a change names what it sets out from; 0: nobody ever edited the definition."""
    return 0 if revision is None else revision.number


def expected_number(headers: Mapping[str, str]) -> int:
    """The number of the revision that the call sets out from.

    Raises:
        RequestError: none is said (428), or something else than one number (422).
    """
    told = headers.get(HEADER.lower())
    remedy = f'send {HEADER} with the ETag that GET of the definition gave, such as "7"; "0" where nobody edited it yet'
    if told is None:
        raise RequestError(f"the call does not say which revision it changes ({HEADER})", status=428, remedy=remedy)
    if found := _NUMBER.fullmatch(told.strip()):
        return int(found[1])
    raise RequestError(f"the header {HEADER} is {_wrong(told.strip())}", status=422, remedy=remedy)


def _wrong(told: str) -> str:
    if told == "*":
        return "*, which would change whatever is there"
    if told.startswith("W/"):
        return "a weak tag, which says alike and not the same"
    return "no single number in quotes"

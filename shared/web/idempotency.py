"""A caller's own key of a call (`Idempotency-Key`): what may be one, for the door and for the document alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from shared.errors import RequestError

HEADER = "Idempotency-Key"
LONGEST = 200
PATTERN = r"^[!-~]([ -~]*[!-~])?$"
"""Letters, digits and signs of ASCII, with blanks between them: what every HTTP client can send unchanged."""
PARAMETER: Mapping[str, Any] = {
    "name": HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PATTERN},
    "description": "A key of the caller's own: the same key gives the same job, also when it was started long ago.",
}
"""The header, in the words of OpenAPI."""
_KEY = re.compile(PATTERN.removeprefix("^").removesuffix("$"))


def sent_key(headers: Mapping[str, str]) -> str | None:
    """The key that came with a call, if any.

    Raises:
        RequestError: it is none.
    """
    key = headers.get(HEADER.lower())
    if key is None or (len(key) <= LONGEST and _KEY.fullmatch(key)):
        return key
    raise RequestError(
        f"the header {HEADER} is empty, longer than {LONGEST} characters, or holds other signs than those of ASCII",
        status=422,
        remedy="send a text such as a UUID",
    )

"""What a refused bulk call to an elastic table says of each of its rows: some were written, some were not.

Source: Microsoft Learn, "Bulk operation messages", elastic tables (2025). How the member is called in a Web API error
is not documented; it is known by the end of its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

ASKED = {"Prefer": 'odata.include-annotations="Microsoft.PowerApps.CDS.ErrorDetails.*"'}
"""Without this header a refusal does not tell of single rows."""
_DETAILS = "BulkApiErrorDetails"


@dataclass(frozen=True, slots=True)
class Told:
    """Rows of one call, by their place in it: those that were written, and those that were refused for certain."""

    written: Sequence[int]
    refused: Sequence[int]


def told_of_rows(details: Mapping[str, object], rows: int) -> Told | None:
    """What a refusal's details tell of the rows of a call; None when they tell nothing that can be relied on.

    A row that is not told of, or of which two things are told, is in neither part.
    """
    texts = (value for name, value in details.items() if name.endswith(_DETAILS) and isinstance(value, str))
    try:
        found = orjson.loads(next(texts, ""))
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, list):
        return None
    statuses: dict[int, set[int]] = {}
    for one in found:
        index, status = (one.get("RequestIndex"), one.get("StatusCode")) if isinstance(one, dict) else (None, None)
        if type(index) is not int or type(status) is not int or not 0 <= index < rows:
            return None
        statuses.setdefault(index, set()).add(status)
    sure = {index: next(iter(said)) for index, said in statuses.items() if len(said) == 1}
    return Told(
        [index for index, status in sorted(sure.items()) if 200 <= status < 300],
        [index for index, status in sorted(sure.items()) if 400 <= status < 500],
    )

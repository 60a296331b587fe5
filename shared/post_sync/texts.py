"""The job's variables in a step's texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import quote

from shared.errors import FailError
from shared.variables import names, render, template_pieces


def filled(text: str, values: Mapping[str, str]) -> str:
    """A plain text with its variables."""
    return render(template_pieces(text), lambda name: _value(name, values))


def in_url(text: str, values: Mapping[str, str]) -> str:
    """An address; a value can only ever be a piece of its path or query."""
    return render(template_pieces(text), lambda name: quote(_value(name, values), safe=""))


def in_json(text: str, values: Mapping[str, str]) -> str:
    """A JSON text; within its quotes a value stays within them. Raises `FailError` when the result is no JSON."""
    pieces = template_pieces(text)
    made = render(pieces, lambda name: json.dumps(_value(name, values))[1:-1])
    try:
        json.loads(made)
    except ValueError:
        named = f" with {', '.join(f'@{name}' for name in sorted(names(pieces)))} filled in" if names(pieces) else ""
        raise FailError(f"the step's body is no JSON{named}; put variables in double quotes") from None
    return made


def _value(name: str, values: Mapping[str, str]) -> str:
    if name not in values:
        raise FailError(f"the step needs the variable @{name}, which this job has not")
    if name.endswith("_url") and not values[name] and name.startswith("job_"):
        raise FailError(f"the step names @{name}, but only an app in Azure Functions has an address")
    return values[name]

"""The shape of a table-definition file: what has another one is told, and the rest is still looked at."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from local.dataverse.definitions.forms import FORMS, TableFile, members
from local.dataverse.definitions.mistakes import Mistake, Path, shown

_KEY = "[key]"
"""How pydantic calls a name that is wrong, behind that name."""
_GONE = object()
_EMPTY: dict[str, Any] = {"list_type": [], "dict_type": {}, "model_type": {}}
_WHOLES = {"list_type": "a list, such as [a, b]", "dict_type": "members, such as name: value"}


def read(document: dict[str, Any]) -> tuple[TableFile, list[Mistake]]:
    """The file without what is wrong in it, and what that is. `document` loses those parts."""
    mistakes: list[Mistake] = []
    while True:
        try:
            return TableFile.model_validate(document), mistakes
        except ValidationError as wrong:
            found = wrong.errors(include_url=False)
        mistakes += [_mistake(error) for error in found]
        for error in reversed(found):  # from the end, so that the numbers of list items hold
            _drop(document, _path(error), _EMPTY.get(error["type"], _GONE))


def _path(error: Any) -> Path:
    return tuple(part for part in error["loc"] if part != _KEY)


def _mistake(error: Any) -> Mistake:
    path, kind = _path(error), error["type"]
    if kind == "extra_forbidden":
        form = FORMS[str(path[-3])] if len(path) > 1 else TableFile
        return Mistake(path, "an unknown member", f"{', '.join(members(form))}")
    if kind == "model_type":
        return Mistake(path, shown(error["input"]), f"members, of {', '.join(members(FORMS[str(path[-2])]))}")
    if kind == "literal_error":
        return Mistake(path, shown(error["input"]), str(error["ctx"]["expected"]).replace("'", ""))
    allowed = error.get("ctx", {}).get("allowed") or _WHOLES.get(kind) or error["msg"]
    return Mistake(path, shown(error["input"]), str(allowed))


def _drop(document: dict[str, Any], path: Path, instead: Any) -> None:
    """Takes a part out; one that should hold others stays, empty, so that what refers to it is not wrong, too."""
    inner: Any = document
    last: Any = path[-1]
    for part in path[:-1]:
        inner = inner[part]
    if instead is not _GONE:
        inner[last] = instead.copy()
    elif isinstance(inner, list) or last in inner:
        del inner[last]

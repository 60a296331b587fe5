"""Where a file source lies: its path made from the template, inside the operator's reach, and there."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from shared import variables
from shared.errors import NotAllowedError, NotBuiltError, SourceError

_SHOWN = 5


def _bound(template: str, values: Mapping[str, str]) -> str:
    pieces = variables.template_pieces(template)
    missing = sorted(variables.names(pieces) - set(values))
    if missing:
        raise SourceError(f"the source's path {template!r} needs the variable @{missing[0]}, which has no value")
    return variables.render(pieces, lambda name: values[name])


def _similar(path: Path) -> str:
    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either"
    try:
        present = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        return f"its folder cannot be listed ({error.strerror})"
    close = difflib.get_close_matches(path.name, present, n=_SHOWN, cutoff=0.5)
    if close:
        return f"similar names in its folder: {', '.join(close)}"
    return f"its folder holds {len(present)} file(s), none of a similar name"


def locate(template: str, *, variables: Mapping[str, str], base: Path, allows_path: Callable[[Path], bool]) -> Path:
    """The absolute path of an existing file that may be read.

    `template` is relative to `base` unless absolute; links and `..` are resolved before the reach is asked.

    Raises:
        SourceError: a variable has no value, or there is no such file; names similar files of the folder.
        NotAllowedError: the path is outside the operator's reach.
        NotBuiltError: it is an address (`https://…`, `blob://…`), which this version does not read.
    """
    text = _bound(template, variables)
    if "://" in text:
        raise NotBuiltError(f"a source at an address ({text.split('://')[0]}://…) is not read yet; use a local path")
    if "\0" in text:
        raise SourceError("the source's path holds a NUL character; write a plain path")
    path = (base / text).resolve()
    if not allows_path(path):
        raise NotAllowedError(
            f"the source file {path} is outside the folders that may be read; "
            "the operator allows more in syncs/reach.yaml"
        )
    if not path.is_file():
        found = "is a folder, not a file" if path.is_dir() else "does not exist"
        raise SourceError(f"the source file {path} {found}; {_similar(path)}")
    return path

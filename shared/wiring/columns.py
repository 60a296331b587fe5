"""A source's own columns, held against a schema."""

from __future__ import annotations

from collections.abc import Sequence

from shared.sources.names import lacking, quoted
from shared.values.problems import Problem, Severity

_DELIMITERS = {";": "a semicolon", ",": "a comma", "\t": "a tab", "|": "a bar"}


def missing_columns(wanted: Sequence[str], present: Sequence[str], *, steps: bool) -> list[Problem]:
    """The columns of the schema that the source lacks, as one problem; of the delimiter, when that is another one.

    `steps` (JSON): a name with dots leads into objects (`person.first`), so its first step is what the source has to
    have; and a record may lack a member, so a column that the sample lacks is a warning while it has any other.
    """
    known = set(present)
    missing = [name for name in wanted if name not in known and not (steps and name.partition(".")[0] in known)]
    delimiter = _other_delimiter(missing, present)
    if delimiter is not None:
        found = f"the header is one name, {present[0][:100]!r}; the delimiter seems to be {_DELIMITERS[delimiter]}"
        return [Problem("source.delimiter", found, f"state it as `delimiter: {_written(delimiter)}`")]
    if not missing:
        return []
    severity = Severity.WARNING if steps and len(missing) < len(wanted) else Severity.ERROR
    has = f"it has {quoted(present) or 'none'}"
    if len(missing) == len(wanted) > 1:
        has += "; is it another file, or has it no header?"
    return [Problem("source.schema", f"the source {lacking(missing, present)}", has, severity)]


def _other_delimiter(missing: Sequence[str], present: Sequence[str]) -> str | None:
    """The sign that parts the only name into names of which the schema has some."""
    if len(present) != 1:
        return None
    for sign in _DELIMITERS:
        parts = {part.strip().strip('"') for part in present[0].split(sign)}
        if len(parts) > 1 and parts & set(missing):
            return sign
    return None


def _written(delimiter: str) -> str:
    return '"\\t"' if delimiter == "\t" else f'"{delimiter}"'

"""Definitions edited in the app, in Azure Tables: one partition, and blobs for texts too long for a row.

    head!<sync>               the newest revision, without its text
    revision!<sync>!<turned>  one revision with its text; the newest sorts first

Both rows are written in one transaction, which also takes the forgotten ones away, and only while the head is as it was
read (its ETag). A blob is there before the row that names it: a process that dies between the two leaves a blob that
nothing names, never a row without its text. A forgotten blob goes after its row: the head names it from then on, and
the sync's next change deletes it when this one could not.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence

from shared.errors import AuthenticationError, StaleDefinitionError, StateError
from shared.ports.definitions import KEPT_REVISIONS
from shared.state.azure import tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.keys import after, escaped
from shared.state.azure.tables import MovedRowError, Operation, Row, Rows
from shared.state.azure.texts import packed, unpacked
from shared.state.definitions import (
    LAST_NUMBER,
    no_revision,
    refuse_long_note,
    refuse_stale,
    revision_from_text,
    revision_to_text,
    within_numbers,
)
from shared.values.revisions import Revision

ATTEMPTS = 20
_PARTITION = "definitions"
_MOST_FORGOTTEN = 90
"""At once; one transaction takes 100 operations. Only a smaller limit than before makes it more than one."""


class AzureDefinitions:
    """The definitions of one storage account; safe for several threads, processes and machines. `kept` of each sync.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not use it.
    """

    def __init__(self, rows: Rows, blobs: Blobs, *, kept: int = KEPT_REVISIONS) -> None:
        self._rows, self._blobs, self._kept = rows, blobs, kept

    def newest(self) -> Mapping[str, Revision]:
        """The newest revision of every sync that has one, by name: one request for each thousand syncs."""
        rows = self._rows.beginning(_PARTITION, "head!", columns=["body"])
        found = (revision_from_text(row["body"]) for row in rows)
        return {revision.sync: revision for revision in found}

    def add(self, revision: Revision, text: str) -> None:
        """Keep a revision with its text, and forget the oldest. Raises `StaleDefinitionError`, `RefuseError`."""
        refuse_long_note(revision)
        made = uuid.uuid4().hex
        body = {"PartitionKey": _PARTITION, "body": revision_to_text(revision), "made": made}
        content = packed(text, f"definitions/{made}", self._blobs)
        try:
            forgotten = self._save(revision, body, content)
        except StaleDefinitionError:
            self._undeleted(_blobs([content]))
            raise
        self._undeleted(forgotten)

    def _save(self, revision: Revision, body: Row, content: Row) -> Sequence[str]:
        """Write the revision as the newest; gives the blobs that nobody needs any more."""
        row = {**body, "RowKey": _place(revision.sync, revision.number), **content}
        for _ in range(ATTEMPTS):
            found = self._rows.get(_PARTITION, _head(revision.sync))
            refuse_stale(revision, revision_from_text(found[0]["body"]) if found else None)
            left = self._undeleted(json.loads(found[0]["forgotten"])) if found else []
            beyond = self._beyond(revision)
            forgotten = [*_blobs(beyond), *left][:_MOST_FORGOTTEN]
            head = {**body, "RowKey": _head(revision.sync), "forgotten": json.dumps(forgotten)}
            first = tables.replace_at(head, found[1]) if found else tables.create(head)
            gone = [tables.remove(_PARTITION, old["RowKey"]) for old in beyond]
            if self._committed([first, tables.put(row), *gone]) or self._is_there(row):
                return forgotten
        raise StateError(f"the definition of sync {revision.sync!r} is being changed by others all the time; try again")

    def _committed(self, operations: Sequence[Operation]) -> bool:
        try:
            self._rows.commit(_PARTITION, operations)
        except MovedRowError:
            return False
        return True

    def _is_there(self, row: Row) -> bool:
        """Whether our own change is what moved the head: the answer to it was lost, and it was sent again."""
        found = self._rows.get(_PARTITION, row["RowKey"])
        return found is not None and bool(found[0]["made"] == row["made"])

    def _beyond(self, revision: Revision) -> Sequence[Row]:
        """The rows that are one too many once the revision is there, without their texts."""
        if revision.number <= self._kept:
            return []
        first = _place(revision.sync, revision.number - self._kept)
        rows = self._rows.range(_PARTITION, first=first, last=_end(revision.sync), columns=["RowKey", "blob"])
        return list(itertools.islice(rows, _MOST_FORGOTTEN))

    def _undeleted(self, blobs: Sequence[str]) -> Sequence[str]:
        """Delete blobs; gives those that could not be. No revision is refused for what it does not need."""
        for number, blob in enumerate(blobs):
            try:
                self._blobs.delete(blob)
            except (StateError, AuthenticationError):
                return blobs[number:]
        return []

    def text(self, sync: str, number: int) -> str:
        """The text kept with a revision. Raises `NotFoundError`."""
        found = self._rows.get(_PARTITION, _place(sync, number))
        if found is None:
            raise no_revision(sync, number, self.list(sync, limit=self._kept))
        return unpacked(found[0], self._blobs)

    def list(self, sync: str, *, before: int | None = None, limit: int = 50) -> list[Revision]:
        """The newest first; below a number when it is given."""
        if limit < 1:
            return []
        first = _place(sync, (LAST_NUMBER if before is None else within_numbers(before)) - 1)
        rows = self._rows.range(_PARTITION, first=first, last=_end(sync), columns=["body"], page=limit)
        return [revision_from_text(row["body"]) for row in itertools.islice(rows, limit)]


def _head(sync: str) -> str:
    return f"head!{escaped(sync)}"


def _place(sync: str, number: int) -> str:
    return f"revision!{escaped(sync)}!{LAST_NUMBER - within_numbers(number):012}"


def _end(sync: str) -> str:
    return after(f"revision!{escaped(sync)}!")


def _blobs(rows: Iterable[Row]) -> list[str]:
    """Those that the rows' texts are in."""
    return [str(row["blob"]) for row in rows if row.get("blob")]

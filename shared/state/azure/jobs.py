"""Jobs as rows of their sync's partition, and the two lists that lead to them."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from datetime import datetime

from shared.state.azure import keys, tables
from shared.state.azure.blobs import Blobs
from shared.state.azure.tables import Operation, Row, Rows
from shared.state.azure.texts import packed, unpacked
from shared.state.names import NAME, checked
from shared.state.rows import job_from_text, job_to_text
from shared.values.jobs import Job, JobState
from shared.values.life import UNFINISHED

_LAST = "~"
_OF_EACH = 100
"""Jobs of one sync in memory at a time, where those of all syncs are merged."""


class JobRows:
    """The jobs of all syncs."""

    def __init__(self, rows: Rows, blobs: Blobs) -> None:
        self._rows, self._blobs = rows, blobs

    def key(self, job: Job) -> str:
        """The row of a job within its sync."""
        return f"job!{keys.age(job.created_at, job.id)}"

    def sync_of(self, job_id: str) -> str | None:
        """The sync of a job; None when there is no such job."""
        found = self._rows.get(keys.IDS, job_id) if NAME.fullmatch(job_id) else None
        return None if found is None else unpacked(found[0], self._blobs)

    def read(self, job_id: str) -> tuple[Job, str] | None:
        """A job and its row's version; None when it is not there."""
        found = self._rows.get(keys.IDS, job_id) if NAME.fullmatch(job_id) else None
        if found is None:
            return None
        row = self._rows.get(keys.partition(unpacked(found[0], self._blobs)), f"job!{found[0]['age']}")
        return None if row is None else (self._job(row[0]), row[1])

    def announce(self, job: Job) -> None:
        """Enter a new job in both lists, before it is stored: then no stored job is ever missing from them."""
        age = keys.age(job.created_at, job.id)
        sync = packed(job.sync, job.id, self._blobs)
        self._rows.put({"PartitionKey": keys.IDS, "RowKey": checked(job.id, "job id"), "age": age, **sync})
        self._rows.put({"PartitionKey": keys.AGES, "RowKey": age, **sync})

    def withdraw(self, job: Job) -> None:
        """Take a job that was removed off both lists."""
        self._rows.delete(keys.AGES, keys.age(job.created_at, job.id))
        self._rows.delete(keys.IDS, job.id)

    def saving(self, job: Job, found: tuple[Job, str] | None) -> list[Operation]:
        """What stores a job in place of the one that was found, and keeps the list of unfinished ones with it."""
        partition = keys.partition(job.sync)
        row = {
            "PartitionKey": partition,
            "RowKey": self.key(job),
            "state": job.state.value,
            **packed(job_to_text(job), job.id, self._blobs),
        }
        operations = [tables.create(row) if found is None else tables.replace_at(row, found[1])]
        was_open, is_open = found is not None and found[0].state in UNFINISHED, job.state in UNFINISHED
        entry = {"PartitionKey": partition, "RowKey": f"open!{job.id}", "age": keys.age(job.created_at, job.id)}
        if is_open and not was_open:
            operations.append(tables.put(entry))
        if was_open and not is_open:
            operations.append(tables.remove(partition, entry["RowKey"]))
        return operations

    def find(self, beginning: str, limit: int) -> list[str]:
        """The ids that begin so, sorted."""
        if not NAME.fullmatch(beginning):
            return []
        rows = self._rows.range(keys.IDS, first=beginning, last=keys.after(beginning), page=limit)
        stored = (row["RowKey"] for row in rows if self.read(row["RowKey"]) is not None)
        return list(itertools.islice(stored, limit))

    def _of_all(self, first: str, page: int) -> Iterator[Job]:
        for row in self._rows.range(keys.AGES, first=first, last=_LAST, page=page):
            stored = self._rows.get(keys.partition(unpacked(row, self._blobs)), f"job!{row['RowKey']}")
            if stored is not None:
                yield self._job(stored[0])

    def _in(self, partition: str, states: frozenset[JobState], first: str, page: int) -> Iterator[Job]:
        """Jobs of one sync; of unfinished ones there are few, however long its history is."""
        if states and states <= UNFINISHED:
            return iter(sorted(self._open(partition, states, first), key=self.key))
        rows = self._rows.range(
            partition, first=f"job!{first}", last=f"job!{_LAST}", states=[*map(str, sorted(states))], page=page
        )
        return map(self._job, rows)

    def _open(self, partition: str, states: frozenset[JobState], first: str) -> Iterator[Job]:
        for row in self._rows.beginning(partition, "open!"):
            stored = self._rows.get(partition, f"job!{row['age']}") if row["age"] >= first else None
            if stored is not None and stored[0]["state"] in states:
                yield self._job(stored[0])

    def _job(self, row: Row) -> Job:
        return job_from_text(unpacked(row, self._blobs))

    def list(self, sync: str | None, states: frozenset[JobState], before: datetime | None, limit: int) -> list[Job]:
        """The newest first; of one sync, in some states, made before a time."""
        first = keys.older_than(before) if before is not None else "0"
        if sync is not None:
            found = self._in(keys.partition(sync), states, first, limit)
        elif states:  # the list by age leads to every job that was ever made: the timer asks for few of them
            page = min(limit, _OF_EACH)
            of_each = (self._in(one, states, first, page) for one in self._rows.partitions(keys.SYNCS))
            found = heapq.merge(*of_each, key=self.key)
        else:
            found = self._of_all(first, limit)
        return list(itertools.islice(found, limit))

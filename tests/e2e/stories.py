"""Small syncs for whole stories, said in a few words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.values.jobs import Job, JobState
from tests.e2e.conftest import World, closes

NO_BRAKES = {"removals": None, "creates": None, "updates": None, "rejects": None, "at_least": 1_000_000}


@dataclass(frozen=True)
class Sync:
    """A sync from `data.csv`. `columns` maps a source column to its type, `maps` to a target or a mapping's members.

    `source`, `destination`, `behaviour` and `rest` are further members of those parts of the definition.
    """

    columns: Mapping[str, object]
    maps: Mapping[str, object]
    key: Sequence[str]
    entity: str = "account"
    source: Mapping[str, object] = field(default_factory=dict)
    destination: Mapping[str, object] = field(default_factory=dict)
    behaviour: Mapping[str, object] = field(default_factory=dict)
    rest: Mapping[str, object] = field(default_factory=dict)
    name: str = "story"

    def but(self, **changed: object) -> Sync:
        """The same, with other members."""
        return replace(self, **changed)  # type: ignore[arg-type]

    def behaving(self, **behaviour: object) -> Sync:
        """The same, with further behaviour."""
        return replace(self, behaviour={**self.behaviour, **behaviour})

    def define(self, world: World) -> None:
        """Write the definition."""
        id_column = self.entity + "id"
        destination = {"entity": self.entity, "id_column": id_column, **self.destination}
        behaviour = {"strategy": "full", "key": list(self.key), "brakes": NO_BRAKES, **self.behaviour}
        rest = {"mappings": [_mapping(*pair) for pair in self.maps.items()], "behaviour": behaviour, **self.rest}
        schema = [_column(*pair) for pair in self.columns.items()]
        source = {"type": "delimited", "path": "data.csv", "schema": schema, **self.source}
        world.define(
            self.name,
            source=f"  {json.dumps(source)}",
            destination="".join(f"  {name}: {json.dumps(value)}\n" for name, value in destination.items()),
            rest="".join(f"{name}: {json.dumps(value)}\n" for name, value in rest.items()),
        )

    def read(self, world: World, *records: Sequence[object], header: Sequence[str] | None = None) -> None:
        """Write definition and source: each record holds its cells in the order of the read columns."""
        self.define(world)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        calculated = {name for name, type_ in self.columns.items() if isinstance(type_, Mapping) and "formula" in type_}
        names = [name for name in self.columns if name not in calculated]
        writer.writerow(header or names)
        writer.writerows(records)
        world.write("data.csv", text.getvalue())

    def run(self, world: World, *records: Sequence[object], **start: Mapping[str, str]) -> Job:
        """Read these records and run to the end; both balances close."""
        self.read(world, *records)
        return closes(world.run(self.name, **start))  # type: ignore[arg-type]

    def plan(self, world: World, *records: Sequence[object]) -> Job:
        """Read these records and plan; both balances close."""
        self.read(world, *records)
        return closes(world.plan(self.name))

    def runs_clean(self, world: World, *records: Sequence[object]) -> Job:
        """Run; then again, which finds everything as it is and writes nothing."""
        job = self.run(world, *records)
        assert (job.state, job.error) == (JobState.SUCCEEDED, None), rejects(world, job)
        self.settled(world)
        return job

    def settled(self, world: World) -> None:
        """A run of the same source writes nothing."""
        world.dataverse.clear_requests()
        again = closes(world.run(self.name))
        assert again.state in (JobState.SUCCEEDED, JobState.COMPLETED_WITH_ERRORS)
        assert world.writes() == []


def _mapping(source: str, target: object) -> dict[str, object]:
    sources = source.split("+")
    given = dict(target) if isinstance(target, Mapping) else {"target": target}
    return {"source": sources if len(sources) > 1 else source, **given}


def _column(name: str, type_: object) -> dict[str, object]:
    return {"name": name, **(dict(type_) if isinstance(type_, Mapping) else {"type": type_})}


def rejects(world: World, job: Job) -> list[tuple[int | None, str, str | None]]:
    """Row, type and column of each reject."""
    return [(reject.row, reject.type.value, reject.column) for reject in world.app.rejects(job.id)]


def fields(world: World, job: Job) -> dict[str, dict[str, object]]:
    """The planned new values by key and column."""
    changes = world.app.plan_sample(job.id, limit=100)
    return {change.key: {field.column: field.new for field in change.fields} for change in changes}


def column(world: World, name: str, table: str = "account", key: str = "accountnumber") -> dict[object, object]:
    """One column of all rows, by key."""
    return {row[key]: row[name] for row in world.dataverse.rows(table)}

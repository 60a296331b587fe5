"""A large, slow table is read by several chains: while it changes, over many slices, and from a faulty service."""

from __future__ import annotations

import functools
import math
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from shared.dataverse.client import DataverseClient
from shared.dataverse.reading import Reader
from shared.engine.applying import Applier
from shared.values.jobs import Job, JobState, Phase, Progress
from tests.e2e.conftest import BOUNDED, World, closes, ignore
from tests.e2e.stories import Sync, column
from tests.e2e.test_slice_story import Steps
from tests.examples import examples

KEYED = Sync(
    columns={"no": "text", "name": "text"},
    maps={"no": "new_externalkey", "name": "name"},
    key=["new_externalkey"],
    behaviour={"dropped": "delete"},
)
AGO = timedelta(hours=1)


class Clock:
    """The service's clock: an hour ago while the table is made, then the present time."""

    behind = AGO

    def __call__(self) -> datetime:
        return datetime.now(UTC) - self.behind


@dataclass
class Town(World):
    """A world whose clock can be set."""

    clock: Clock

    def seed(self, keys: Sequence[str], created_s: Sequence[int | None]) -> dict[str, str]:
        """A row for each key, created so many seconds after a day in 2020 (None: nobody knows); their ids by key."""
        moments = [iso(seconds) for seconds in created_s]
        rows = [
            {"new_externalkey": key, "name": "old"} | ({"overriddencreatedon": moment} if moment else {})
            for key, moment in zip(keys, moments, strict=True)
        ]
        ids = dict(zip(keys, self.dataverse.insert("account", rows), strict=True))
        with self.dataverse.application.lock:
            for key, moment in zip(keys, moments, strict=True):
                if moment is None:
                    change = f"UPDATE account SET createdon = NULL WHERE new_externalkey = '{key}'"
                    self.dataverse.application.service.world.store.run(change)
        self.clock.behind = timedelta()
        self.dataverse.clear_requests()
        return ids

    @property
    def asked(self) -> list[str]:
        """The reads of the table, decoded."""
        found = [unquote(request.path) for request in self.dataverse.requests if request.method == "GET"]
        return [path for path in found if "accounts?" in path]


def iso(seconds: int | None) -> str | None:
    return None if seconds is None else f"{datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds):%FT%TZ}"


@pytest.fixture(autouse=True)
def slow_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every service counts as slow, and pages hold three rows."""
    monkeypatch.setattr("shared.dataverse.chains.SLOW_S", 0.0)
    monkeypatch.setattr("shared.dataverse.chains._DEARER", math.inf)
    monkeypatch.setattr("shared.dataverse.reading.PAGE_SIZE", 3)
    monkeypatch.setattr("shared.engine.reading.PAGES_AT_A_TIME", 2)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with opened(tmp_path) as found:
        yield found


class opened:  # noqa: N801 - used as a function
    """A town in a folder, with nothing in it."""

    def __init__(self, folder: Path) -> None:
        (folder / "syncs").mkdir()
        (folder / "syncs" / "reach.yaml").write_text("folders: ['..']\n", encoding="utf-8")
        clock = Clock()
        self._dataverse = LocalDataverse(clock=clock)
        self._town = Town(self._dataverse, folder, {}, clock)

    def __enter__(self) -> Town:
        self._dataverse.start()
        return self._town

    def __exit__(self, *_: object) -> None:
        self._dataverse.stop()


KEYS = [f"A{n:02}" for n in range(40)]
EVEN = [n * 3600 for n in range(40)]


def test_several_chains_read_every_row_once_or_are_right_about_it(town: Town) -> None:
    """Forty rows in pages of three: the spans of time are asked for side by side, and nothing is written."""
    town.seed(KEYS, EVEN)

    job = KEYED.run(town, *([key, "old"] for key in KEYS))

    assert (job.state, job.source.unchanged, job.destination.read) == (JobState.SUCCEEDED, 40, 40)
    spans = {path for path in town.asked if "createdon ge" in path and "skiptoken" not in path}
    assert len(spans) >= 2, town.asked
    assert town.writes() == []


def test_progress_never_passes_its_total(town: Town) -> None:
    """Rows that come twice, from the first pages and from their spans, are no "49 of 40" for who watches."""
    town.seed(KEYS, EVEN)
    KEYED.read(town, *([key, "old"] for key in KEYS))
    told: list[Progress] = []

    job = town.app.start(KEYED.name, variables={}, files={}, started_by="tester", progress=told.append, apply=False)

    read = [one for one in told if one.phase is Phase.READ_DESTINATION and one.total]
    assert job.destination.read == 40
    assert read[-1].done == 40
    assert max(one.done for one in read) <= 40


@pytest.mark.parametrize(
    "created",
    [[0] * 40, [*range(39), 10**8], [0, *range(10**8, 10**8 + 39)], [None] * 30 + [5] * 10, [2**n for n in range(30)]],
    ids=["one second", "early", "late", "undated", "skewed"],
)
def test_however_rows_spread_over_time_all_are_met(town: Town, created: list[int | None]) -> None:
    """All in one second, most at one end, with no time at all: each is met."""
    keys = KEYS[: len(created)]
    town.seed(keys, created)

    job = KEYED.run(town, *([key, "old"] for key in keys))

    assert (job.source.unchanged, job.destination.read) == (len(keys), len(keys))


@pytest.mark.parametrize(
    ("sync", "why"),
    [
        (KEYED.but(destination={"parallel": 1}), "one request at a time is asked for"),
        (KEYED.but(destination={"filter": "name eq 'other'"}), "few rows"),
    ],
)
def test_one_chain_where_several_do_not_pay(town: Town, sync: Sync, why: str) -> None:
    """One request at a time, or few rows: the table is read as it always was."""
    town.seed(KEYS, EVEN)

    sync.run(town, *([key, "old"] for key in KEYS))

    assert not any("orderby=createdon" in path for path in town.asked), why


def test_a_quick_service_is_read_by_one_chain(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that come quickly are asked for one after the other: not one request more than before."""
    monkeypatch.setattr("shared.dataverse.chains.SLOW_S", math.inf)
    town.seed(KEYS, EVEN)

    KEYED.run(town, *([key, "old"] for key in KEYS))

    assert not any("createdon" in path and "orderby" in path for path in town.asked if "createdon ge" in path)
    assert len([path for path in town.asked if "modifiedon ge" not in path and "$count" not in path]) == 14


def test_an_order_that_is_dear_is_not_kept_to(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first page by creation takes too long: the one chain goes on where it was."""
    monkeypatch.setattr("shared.dataverse.chains._DEARER", 0.0)
    town.seed(KEYS, EVEN)

    job = KEYED.run(town, *([key, "old"] for key in KEYS))

    assert (job.source.unchanged, job.destination.read) == (40, 40)
    assert not any("createdon ge" in path for path in town.asked)


# --- a table that changes ---


def while_read(monkeypatch: pytest.MonkeyPatch, acts: Sequence[tuple[int, Callable[[], None]]]) -> list[int]:
    """Act behind the pages with these numbers, counted over all chains; the pages that were acted behind."""
    whole, lock, due, met = Reader.follow, threading.Lock(), dict(acts), [0]
    acted: list[int] = []

    def follow(self: Reader, path: str, *given: object, trail: object = None) -> Iterator[memoryview]:
        for page in whole(self, path, *given, trail=trail):  # type: ignore[arg-type]
            with lock:
                met[0] += trail is not None
                act = due.pop(met[0], None) if trail is not None else None
                if act:
                    act()
                    acted.append(met[0])
            yield page

    monkeypatch.setattr(DataverseClient, "follow", follow)
    return acted


ACT = st.tuples(
    st.sampled_from(["rekey", "rename", "insert wanted", "insert other", "move", "delete other"]),
    st.integers(0, 23),
    st.integers(1, 14),
    st.integers(0, 10**6),
)


@settings(BOUNDED, max_examples=examples(12))
@given(
    created=st.lists(st.none() | st.integers(0, 2000) | st.integers(0, 10**7), min_size=24, max_size=24),
    acts=st.lists(ACT, max_size=5, unique_by=(lambda act: act[1], lambda act: act[2])),
)
def test_whatever_is_edited_while_several_chains_read(created, acts) -> None:
    """Rows are re-keyed, renamed, created in the past, deleted and created again between the pages of any chain:
    each record has one row with its values afterwards, what was touched stays, and only what was not is dropped."""
    keys = [f"A{n:02}" for n in range(24)]
    wanted = set(keys[:16])  # the last eight rows have no record
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as town, pytest.MonkeyPatch.context() as patch:
        ids = town.seed(keys, created)
        touched, gone = set(), set()
        planned = []
        for what, row, page, seconds in acts:
            key, new = keys[row], f"B{row}"
            if what == "rekey":
                wanted |= {new}
                touched |= {new}
                act = functools.partial(town.edit, "accounts", ids[key], {"new_externalkey": new})
            elif what == "rename":
                touched |= {key}
                act = functools.partial(town.edit, "accounts", ids[key], {"name": "edited"})
            elif what.startswith("insert"):
                wanted |= {new} if what == "insert wanted" else set()
                touched |= {new}
                row_of = {"new_externalkey": new, "name": "new", "overriddencreatedon": iso(seconds)}
                act = functools.partial(insert, town, row_of)
            elif what == "move":
                touched |= {key}
                row_of = {"accountid": ids[key], "new_externalkey": key, "overriddencreatedon": iso(seconds)}
                act = functools.partial(replace, town, row_of)
            else:
                act = functools.partial(delete, town, ids[key]) if key not in wanted else lambda: None
                gone |= {key} - wanted
            planned.append((page, act))
        acted = while_read(patch, planned)

        job = KEYED.run(town, *([key, "new"] for key in sorted(wanted)))

        assert job.error is None
        if len(acted) == len(planned):
            rows = column(town, "name", key="new_externalkey")
            assert len(rows) == len(town.dataverse.rows("account")), "no key stands in two rows"
            assert {key for key in wanted if rows.get(key) != "new"} == set()
            assert set(rows) == wanted | (touched - gone)


def insert(town: Town, row: dict[str, object]) -> None:
    town.dataverse.insert("account", [row])


def delete(town: Town, row_id: str) -> None:
    with town.dataverse.application.lock:
        town.dataverse.application.service.world.store.run(f"DELETE FROM account WHERE accountid = '{row_id}'")


def replace(town: Town, row: dict[str, object]) -> None:
    """The same row, with the same id, created at another time."""
    delete(town, str(row["accountid"]))
    insert(town, row)


# --- a service that is wrong, and slices ---


@pytest.mark.parametrize(("kind", "says"), [("repeated_link", "twice"), ("truncated", "ended in the middle")])
def test_a_faulty_page_of_any_chain_ends_the_job_before_a_write(town: Town, kind: str, says: str) -> None:
    """A next link that leads to its own page, or half a page: the job fails, and nothing was written."""
    town.seed(KEYS, EVEN)
    KEYED.read(town, ["A01", "new"])
    town.dataverse.inject({"kind": kind, "path": "createdon ge", "nth": 2, "count": 1})

    job = town.run("story")

    assert job.state is JobState.FAILED
    assert says in str(job.error)
    assert town.writes() == []


@pytest.mark.parametrize("looks", [2, 3])
def test_slices_go_on_with_every_chain(town: Town, monkeypatch: pytest.MonkeyPatch, looks: int) -> None:
    """Wherever a slice ends, the next one goes on with what is left of each chain; rows are read once, save few."""
    monkeypatch.setattr("shared.engine.running.Applier", functools.partial(Applier, chunk_size=5))
    town.seed(KEYS, [None, None, *EVEN[2:]])
    KEYED.read(town, *([key, "new"] for key in KEYS[:30]))
    job = town.app.queue("story", variables={}, files={}, started_by="timer", apply=True)
    slices = 0
    while job.state in (JobState.QUEUED, JobState.RUNNING):
        job = step(town, job, looks + slices % 4)
        slices += 1

    assert (job.error, job.source.updated, job.destination.deleted) == (None, 30, 10), job.slices
    assert column(town, "name", key="new_externalkey") == dict.fromkeys(KEYS[:30], "new")
    assert slices > 3
    spans = [path for path in town.asked if "createdon ge" in path and "skiptoken" not in path]
    assert len(spans) >= 2


def step(town: Town, job: Job, looks: int) -> Job:
    return closes(town.app.slice(job.id, progress=ignore, stopping=Steps(looks)))

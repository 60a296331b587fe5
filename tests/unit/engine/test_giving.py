"""A replay uses the variables of the jobs whose rejects it runs again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from shared.definitions.loading import parse_sync
from shared.definitions.sync import SyncDefinition
from shared.engine.cases.giving import given_these, variables_of
from shared.errors import RefuseError
from shared.ports import State
from tests.unit.definitions.test_cases import BASE


def definition(*changes: tuple[str, str]) -> SyncDefinition:
    """The base definition, with texts replaced: its `extract` is a file, its `region` a text with a default."""
    text = BASE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_sync(text, name="base")


def given(sync: SyncDefinition, *jobs: dict[str, str]) -> dict[str, str]:
    """The variables of a replay of what some jobs set aside, `j0` the first of them."""
    kept = {f"j{number}": SimpleNamespace(variables=one) for number, one in enumerate(jobs)}
    return variables_of(cast(State, SimpleNamespace(get=kept.__getitem__)), sync, list(kept))


def test_files_of_several_days_are_replayed_together() -> None:
    """The records are kept, so it does not matter which file they came from, unless a formula of the source asks."""
    days = [{"extract": f"/in/{day}.csv", "region": "NA", "day": "1"} for day in (1, 2)]
    assert given(definition(), *days)["extract"] == "/in/2.csv"
    asked = definition(("concat(legal_name", "concat(@extract, legal_name"))
    with pytest.raises(RefuseError, match="other values of extract; replay them job by job: j0, j1"):
        given(asked, *days)


def test_other_records_are_replayed_job_by_job() -> None:
    """A variable that says which records are meant never mixes."""
    one = {"extract": "/in/1.csv", "region": "NA", "day": "1"}
    for sync in (definition(), definition(('filter: "legal_name = @region"', 'filter: "true"'))):
        with pytest.raises(RefuseError, match="other values of region; replay them job by job: j0, j1"):
            given(sync, one, {**one, "region": "EMEA"})


def test_variables_that_the_definition_got_since_have_their_default() -> None:
    """Those that it has no more are left out; one without a default is asked for, where a replay needs it."""
    assert given(definition(), {"extract": "a", "day": "1", "gone": "x"})["region"] == "EMEA"
    assert "gone" not in given(definition(), {"extract": "a", "day": "1", "gone": "x"})
    with pytest.raises(RefuseError, match=r"job j0, .* given no region, .* give it a `default`"):
        given(definition(("region: { default: EMEA }", "region: {}")), {"extract": "a"})


def test_jobs_with_other_values_of_what_is_needed_are_told_apart() -> None:
    """A file that nobody looks for again may be another; a region may not."""
    one = {"extract": "/in/1.csv", "region": "NA", "day": "1"}
    jobs = {"j0": one, "j1": {**one, "region": "EMEA"}, "j2": {**one, "extract": "/in/2.csv"}}
    state = cast(State, SimpleNamespace(get=lambda job_id: SimpleNamespace(variables=jobs[job_id])))
    assert list(given_these(state, definition(), jobs, one)) == ["j0", "j2"]


@pytest.mark.parametrize(
    ("filtered", "asks"), [("legal_name = @extract", True), ("region = @region", False), ("@days = 1", False)]
)
def test_a_filter_that_asks_for_a_file_is_known(filtered: str, asks: bool) -> None:
    """Of what it leaves out nothing is said about the records of other files."""
    assert definition().names_files(filtered) is asks

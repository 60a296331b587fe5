"""`check` on one machine: what cannot be read or asked is a problem at its place, beside all others."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.engine.jobs import JobRunner
from shared.errors import UnknownTableError
from shared.values.problems import Problem, Severity
from shared.wiring.app import LocalApp

DEFINITION = """
name: my-sync
version: "1.0.0"
source: {{ type: json, path: {path}, schema: [{{ name: person.first }}] }}
destination:
  type: dynamics
  entity: account
  service_url: http://127.0.0.1:9/api/data/v9.2/
  authority: http://127.0.0.1:9
  client_id: {{ secret: my-sync--id }}
  client_secret: {{ secret: my-sync--pw }}
  id_column: accountid
mappings: [{{ source: person.first, target: name }}]
behaviour: {{ strategy: full, key: [name], new: insert, changed: update, dropped: ignore }}
"""


def told(folder: Path, *, path: str, more: str = "") -> list[Problem]:
    """Every problem; no secret is set."""
    (folder / "syncs").mkdir()
    (folder / "syncs" / "my-sync.yaml").write_text(DEFINITION.format(path=path) + more, encoding="utf-8")
    app = LocalApp(state=folder / "state", syncs=folder / "syncs", environ={})
    return app.check("my-sync")


def problems(folder: Path, *, path: str, more: str = "") -> list[tuple[str, str]]:
    """Path and found of every problem; no secret is set."""
    return [(one.path, one.found) for one in told(folder, path=path, more=more)]


def test_what_to_do_is_told_apart_from_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For machines: of a missing secret, and of a table that the environment does not have."""
    (_, secret) = told(tmp_path, path="none.json")
    assert secret.found.endswith("the environment variable DYNSYNC_SECRET_MY_SYNC__ID is not set")
    assert secret.remedy == "set it"

    def check(*_: object) -> list[Problem]:
        raise UnknownTableError("no table 'acount'", remedy="did you mean account?")

    monkeypatch.setattr(JobRunner, "check", check)
    (tmp_path / "again").mkdir()
    (_, table) = told(tmp_path / "again", path="none.json")
    assert table == Problem("destination.entity", "no table 'acount'", "did you mean account?")


def test_a_chain_to_a_sync_that_is_switched_off_is_told(tmp_path: Path) -> None:
    """The step would fail at every end; a warning, for the other one may be switched on again."""
    chain = "post_sync: [{ name: then, when: always, sync: { name: other } }]\n"
    (tmp_path / "syncs").mkdir()
    other = DEFINITION.format(path="none.json").replace("my-sync", "other")
    (tmp_path / "syncs" / "my-sync.yaml").write_text(DEFINITION.format(path="none.json") + chain, encoding="utf-8")
    app = LocalApp(state=tmp_path / "state", syncs=tmp_path / "syncs", environ={})
    for enabled in ("true", "false"):
        (tmp_path / "syncs" / "other.yaml").write_text(f"{other}enabled: {enabled}\n", encoding="utf-8")
        found = [one for one in app.check("my-sync") if one.path == "post_sync.0.sync.name"]
        found_off = Problem(
            "post_sync.0.sync.name", "the sync 'other' is switched off, so the step fails",
            "enable it, or take the step out", Severity.WARNING,
        )  # fmt: skip
        assert found == ([] if enabled == "true" else [found_off])


def test_a_missing_file_and_a_missing_secret_are_both_told(tmp_path: Path) -> None:
    """The one does not hide the other."""
    (source, destination) = problems(tmp_path, path="none.json")
    assert source[0] == "source.path"
    assert "none.json" in source[1]
    assert destination[0] == "destination"
    assert "DYNSYNC_SECRET_MY_SYNC__ID" in destination[1]


def test_a_way_into_an_object_is_a_column(tmp_path: Path) -> None:
    """`person.first` of a JSON source is there when `person` is."""
    (tmp_path / "x.json").write_text('[{"person": {"first": "Jo"}}]', encoding="utf-8")
    assert [path for path, _ in problems(tmp_path, path="x.json")] == ["destination"]


def test_a_source_is_looked_at_where_formulas_make_the_variables(tmp_path: Path) -> None:
    """Nobody has to give them a value; a setting that one of them lacks is told."""
    made, lacking = tmp_path / "made", tmp_path / "lacking"
    for folder in (made, lacking):
        folder.mkdir()
        (folder / "x.json").write_text('[{"other": 1}]', encoding="utf-8")

    (source, _) = problems(made, path="x.json", more="variables: { run: { formula: GUID() } }\n")
    (setting, _) = problems(lacking, path="x.json", more="variables: { run: { formula: ENV('DYNSYNC_VAR_X') } }\n")

    assert source == ("source.schema", "the source has no column 'person.first'")
    assert setting[0] == "variables"
    assert "DYNSYNC_VAR_X" in setting[1]

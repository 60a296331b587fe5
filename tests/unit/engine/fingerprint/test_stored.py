"""The fingerprint's file: what is written is read, what was changed is refused, and it holds no value."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.engine.fingerprint import stored
from shared.engine.fingerprint.stored import Stamp
from shared.engine.workspace import Limits, Workspace, workspace_folder
from tests.examples import examples

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STAMP = Stamp("place", "scope", "https://x/accounts?$deltatoken=1!'ü", NOW, NOW)
WIDE = [SimpleNamespace(name=f"c{number}") for number in range(130)]


@settings(deadline=None, max_examples=examples(15))
@given(st.lists(st.sets(st.integers(0, 129), max_size=8), max_size=20))
def test_what_is_written_is_read(rows: list[set[int]]) -> None:
    """Stamp, hashes and which columns hold a value, for more columns than one mask has bits."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        columns = ", ".join(f"{target.name} VARCHAR" for target in WIDE)
        workspace.run(f"CREATE TABLE present (id UUID, kh UBIGINT, rh UBIGINT, {columns})")
        for number, held in enumerate(rows):
            cells = ["secret" if at in held else None for at in range(130)]
            workspace.append("present", [(f"00000000-0000-0000-0000-{number:012}", 2**64 - 1, None, *cells)])
        listed = ", ".join(f"{mask} AS filled{at}" for at, mask in enumerate(stored.masks(WIDE)))
        workspace.run(f"CREATE TABLE made AS SELECT id, kh, rh, {listed} FROM present")
        stored.write(workspace, "made", WIDE, STAMP, folder / stored.NAME)

        stamp = stored.stamp_of(workspace, folder / stored.NAME)
        stored.load(workspace, folder / stored.NAME, "known", WIDE, stamp)

        assert (stamp.link, stamp.read_at, stamp.rows) == (STAMP.link, NOW, len(rows))
        assert workspace.rows("FROM known ORDER BY id") == workspace.rows("FROM made ORDER BY id")
        counts = tuple(sum(at in held for held in rows) for at in range(130))
        assert workspace.rows(stored.filled(WIDE, "known")) == [counts]
        assert b"secret" not in (folder / stored.NAME).read_bytes()


@pytest.mark.parametrize("statement", ["DELETE FROM made WHERE kh = 1", "UPDATE made SET rh = 9 WHERE kh = 2"])
def test_other_rows_than_were_written_are_refused(statement: str) -> None:
    """A row less, a hash that differs: the sum tells."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        workspace.run("CREATE TABLE made AS SELECT uuid() AS id, range AS kh, range AS rh FROM range(5)")
        file = folder / stored.NAME
        stored.write(workspace, "made", [], STAMP, file)
        stamp = stored.stamp_of(workspace, file)
        workspace.run(statement)
        stored.write(workspace, "made", [], STAMP, file)
        with pytest.raises(ValueError, match="not those"):
            stored.load(workspace, file, "known", [], stamp)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all"])
def test_what_is_no_fingerprint_is_refused(content: bytes) -> None:
    """Broken files, and Parquet of something else."""
    with workspace_folder() as folder, Workspace(folder, limits=Limits()) as workspace:
        (folder / "broken").write_bytes(content)
        with pytest.raises((ValueError, duckdb.Error)):
            stored.stamp_of(workspace, folder / "broken")
        workspace.run(f"COPY (SELECT 1 AS id) TO '{folder}/other' (FORMAT parquet)")
        with pytest.raises(ValueError, match="stamp"):
            stored.stamp_of(workspace, folder / "other")


@pytest.mark.parametrize("text", ["[]", "{}", '{"place":1}', STAMP.to_json().replace("+00:00", "")])
def test_a_stamp_of_another_form_is_refused(text: str) -> None:
    """Members that are missing, times without a zone."""
    with pytest.raises(ValueError, match="stamp"):
        Stamp.from_json(text)
    assert Stamp.from_json(STAMP.to_json()) == STAMP
    assert Path(stored.NAME).suffix == ".parquet"

"""The measurement of a run without changes, at a tiny size: it measures what it says it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import measure_unchanged
from bench.measure_unchanged import measure


def test_runs_are_tracked_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first run reads ids and rows, the next ones three times what is to be read; the edits come back."""
    monkeypatch.setattr(measure_unchanged, "EDITS", 7)
    measure(40, 1, tmp_path / "data")
    said = capsys.readouterr().out
    first, still, edited = (line.split(":")[-1] for line in said.splitlines()[:3])
    assert "2 reads of rows,   0 writes" in first
    assert "3 reads of rows,   0 writes" in still
    assert "rows were edited" in edited
    for passed in ("writes of a run without changes", "its requests for rows", "rows updated after the edits"):
        assert f"PASS  {passed}" in said

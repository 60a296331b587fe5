from __future__ import annotations

from pathlib import Path

import pytest

from shared.engine.steady import SteadyFiles
from shared.errors import SourceError


def test_a_file_that_stays_is_confirmed(tmp_path: Path) -> None:
    """Reading a file changes nothing; a source without files has nothing to confirm."""
    path = tmp_path / "a.csv"
    path.write_text("a", encoding="utf-8")
    files = SteadyFiles.of([path])
    with files.while_read():
        path.read_bytes()
    with SteadyFiles.of([]).while_read():
        pass


def test_a_file_that_changes_stops_the_job(tmp_path: Path) -> None:
    """Written to, replaced by another of the same size and time, or deleted: each is noticed and named."""
    path, other = tmp_path / "a.csv", tmp_path / "b.csv"
    for change in ("written", "replaced", "deleted"):
        path.write_text("a", encoding="utf-8")
        with pytest.raises(SourceError, match=r"a\.csv changed"), SteadyFiles.of([path]).while_read():
            if change == "written":
                path.write_text("ab", encoding="utf-8")
            elif change == "replaced":
                other.write_text("b", encoding="utf-8")
                other.replace(path)
            else:
                path.unlink()
                raise SourceError("no such file")


def test_what_is_wrong_with_a_steady_file_is_said_as_it_is(tmp_path: Path) -> None:
    """Only a file that changed is said to have changed."""
    path = tmp_path / "a.csv"
    path.write_text("a", encoding="utf-8")
    with pytest.raises(SourceError, match="line 3"), SteadyFiles.of([path]).while_read():
        raise SourceError("line 3 has too many cells")

"""What `make serve` prints, to be copied into a shell."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from local.serve.furnishing import Furnished
from local.serve.places import Ports
from local.serve.telling import ready


@pytest.mark.parametrize(
    ("with_host", "wanted"), [(True, "extract=@/home/zoë o'b/my cloud/prospects.csv"), (False, "local.settings.json")]
)
def test_a_line_to_copy_survives_any_folder(with_host: bool, wanted: str) -> None:
    """A folder with a blank or an apostrophe stays one word of the shell."""
    folder = Path("/home/zoë o'b/my cloud")
    said = ready(Furnished(folder, Ports.following(0), "", ""), with_host=with_host)
    tries = said.partition("Try first:\n")[2]
    words = [word for line in tries.splitlines() if str(folder.name) in line for word in shlex.split(line)]
    assert [word for word in words if wanted in word]
    assert all(word.removeprefix("extract=@").startswith(str(folder)) for word in words if folder.name in word)

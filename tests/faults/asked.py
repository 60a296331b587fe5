"""How many of the numbered deaths and mishaps are tried: some in every run, all of them on request.

DYNSYNC_KILLS is `few` (or not set), `all` or `every`; what each means for killed processes is told in docs/jobs.md.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

ASKED = os.environ.get("DYNSYNC_KILLS", "few")
assert ASKED in ("few", "all", "every"), f"DYNSYNC_KILLS={ASKED}: few, all or every"
FEW = ASKED == "few"


def some[Case](cases: Sequence[Case], every: int, first: int = 0) -> list[Case]:
    """Of so many cases one, from the `first` on; all of them on request."""
    return list(cases[first % every :: every] if FEW else cases)

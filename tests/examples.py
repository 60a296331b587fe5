"""How many examples a law is tried with: some in every run, all of them on request (docs/promises.md, "How deep").

DYNSYNC_EXAMPLES is what part of a law's examples is tried: not set, a third; 1, all of them; 10, ten times as many.
What failed once is kept by Hypothesis, and tried first the next time.
"""

from __future__ import annotations

import os

PART = float(os.environ.get("DYNSYNC_EXAMPLES", "") or "0.34")


def examples(whole: int) -> int:
    """Of so many examples as many as are asked for, two at least."""
    return max(2, round(whole * PART))

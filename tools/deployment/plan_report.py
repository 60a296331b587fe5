"""Plans every sync that a branch changes, and writes what would happen as Markdown, for a pull request.

Reads sources and Dataverse, writes neither. The report holds counts only: the plans, with their values, stay on the
machine that runs this and go with it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.definitions.reach import SYNC_NAME

ROOT = Path(__file__).parents[2]
MARK = "<!-- dynsync plan -->"
"""Stands first, so that the next report takes this one's place."""
_ACTIONS = ("create", "update", "revive", "expire", "deactivate", "delete")
Run = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


@dataclass(frozen=True, slots=True)
class Planned:
    """What became of one plan: how many changes of each kind, and a word about it."""

    sync: str
    counts: tuple[int, ...] = ()
    rejected: int = 0
    told: str = ""


def changed_syncs(base: str, run: Run) -> list[str]:
    """The syncs whose files differ from the branch `base`; those that are gone need no plan, and what no sync can be
    called is left to `tools/check-definitions`: it could be taken for an option or break the table."""
    command = ["git", "diff", "--name-only", "--diff-filter=d", f"{base}...HEAD", "--", "syncs/"]
    paths = [Path(line) for line in run(command).stdout.splitlines()]
    if Path("syncs/reach.yaml") in paths:
        paths = sorted((ROOT / "syncs").glob("*.yaml"))
    named = {path.stem for path in paths if path.suffix == ".yaml" and path.name != "reach.yaml"}
    return sorted(name for name in named if re.fullmatch(SYNC_NAME, name))


def planned(sync: str, state: str, run: Run) -> Planned:
    """Plan one sync. What cannot be planned is told, not raised."""
    ran = run([sys.executable, "-m", "shared.cli", "plan", sync, "--json", "--quiet", "--state", state])
    try:
        job = json.loads(ran.stdout)
    except ValueError:
        return Planned(sync, told=_line(ran.stderr) or "no plan was made")
    if "error" in job and "state" not in job:
        return Planned(sync, told=_line(str(job["error"].get("message", ""))))
    counts = tuple(int(job["planned"].get(action, 0)) for action in _ACTIONS)
    brakes = [_line(str(brake["message"])) for brake in job["brakes"]]
    told = "; ".join(brakes) or _line(job["error"] or "")
    return Planned(sync, counts, int(job["source"]["rejected"]), told)


def _line(text: str) -> str:
    """One line that no table breaks at."""
    return " ".join(text.split()).replace("|", "/")[:300]


def report(plans: Sequence[Planned]) -> str:
    """The Markdown."""
    if not plans:
        return f"{MARK}\nThis change touches no sync.\n"
    head = f"| sync | {' | '.join(_ACTIONS)} | rejected | |"
    lines = [MARK, "**What the changed syncs would do now.** Nothing was written.", "", head]
    lines.append("|---|" + "--:|" * (len(_ACTIONS) + 1) + "---|")
    for one in plans:
        counts = [f"{count:,}" for count in (*one.counts, one.rejected)] if one.counts else ["–"] * (len(_ACTIONS) + 1)
        lines.append(f"| {one.sync} | {' | '.join(counts)} | {one.told} |")
    return "\n".join(lines) + "\n"


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a command; how it ends is the caller's to judge."""
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)  # noqa: S603 - our own words


def main() -> None:
    """Plan, and write the report."""
    parser = argparse.ArgumentParser(prog="tools/plan-report", description=__doc__)
    parser.add_argument("--base", default="origin/main", help="the branch that the pull request goes to")
    parser.add_argument("--out", type=Path, required=True, help="the Markdown file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dynsync-plans-") as state:
        plans = [planned(sync, state, run) for sync in changed_syncs(options.base, run)]
    text = report(plans)
    options.out.write_text(text, "utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()

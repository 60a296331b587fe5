"""`python -m local.demo`: sets the stage, tells the story, and leaves nothing running."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from local.demo.places import places
from local.demo.stage import OWN_FOLDER, DemoError, cleared, dataverse, free_port, furnish
from local.demo.story import Story, ending
from local.demo.telling import Paper
from shared.cli.session import console

CLEAN, FAILED, INTERRUPTED = 0, 1, 130
FEWEST = 500
"""With fewer records the brakes' floor (20 rows) lets every change through."""


def main() -> int:
    """Tell the story. 0: as it should be; 1: a step failed; 130: stopped by Ctrl-C."""
    given = _arguments()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    paper = Paper(console(stderr=False))
    try:
        _play(given.folder.resolve(), given.records, paper, keep=given.keep)
    except DemoError as problem:
        Paper(console(stderr=True)).stop(str(problem))
        return FAILED
    except KeyboardInterrupt:
        paper.tell("Stopped. Nothing is left running.")
        return INTERRUPTED
    return CLEAN


def _play(folder: Path, most: int | None, paper: Paper, *, keep: bool) -> None:
    with cleared(folder):
        port = free_port(folder)
        furnish(folder, f"http://127.0.0.1:{port}")
        countries, cities = places(most)
        with dataverse(folder, port) as running:
            paper.tell(
                f"A Dataverse runs on this machine now: {running.origin} (open it in a browser and watch the tables). "
                f"The source files, real names of {len(cities):,} places from GeoNames, are written to {folder}. "
                "Every line behind a $ is a command that you can type yourself."
            )
            story = Story(folder, running, paper, countries, cities)
            story.tell()
            ending(story, keep=keep)
            if keep:
                _wait(paper, running.origin)


def _wait(paper: Paper, origin: str) -> None:
    """Until Ctrl-C."""
    paper.tell(f"The local Dataverse answers at {origin} until you press Ctrl-C.")
    try:
        signal.pause()
    except KeyboardInterrupt:
        paper.tell("The local Dataverse has ended. Nothing is left running.")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=main.__doc__)
    parser.add_argument("--records", type=_records, help=f"at most so many cities, at least {FEWEST} (default: all)")
    parser.add_argument("--keep", action="store_true", help="keep the local Dataverse running at the end, until Ctrl-C")
    parser.add_argument("--folder", type=Path, default=OWN_FOLDER, help="default: %(default)s")
    return parser.parse_args()


def _records(text: str) -> int:
    if not text.isdecimal() or int(text) < FEWEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least {FEWEST}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())

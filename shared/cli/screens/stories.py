"""What jobs did to one record."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from shared.cli.screens.changes import print_changes
from shared.cli.screens.job import print_head
from shared.cli.screens.paper import say
from shared.cli.texts import instant, safe, safe_lines
from shared.values.changes import Outcome, OutcomeStatus
from shared.values.stories import RecordStory

_WORDS = {
    OutcomeStatus.DONE: ("done", "green"),
    OutcomeStatus.REJECTED: ("refused by Dataverse", "red"),
    OutcomeStatus.CONFLICT: ("left alone, the row was changed meanwhile", "yellow"),
    OutcomeStatus.IN_DOUBT: ("sent, without an answer", "yellow"),
    OutcomeStatus.NOT_ATTEMPTED: ("not attempted", "dim"),
}


def print_stories(out: Console, key: str, stories: Sequence[RecordStory]) -> None:
    """Job by job, the newest first."""
    if not any(story.changes or story.rejects for story in stories):
        say(out, f"No job that is kept did anything to {safe(key)}: it was unchanged, or nobody knows it.")
        return
    for number, story in enumerate(stories):
        if number:
            say(out, "")
        _print_story(out, story)


def _print_story(out: Console, story: RecordStory) -> None:
    print_head(out, story.job)
    say(out, (f"started by {safe(story.job.started_by)} at {instant(story.job.created_at)}", "dim"))
    for change in story.changes:
        print_changes(out, [change.planned], total=None)
        say(out, "  ", _outcome(change.outcome))
    for reject in story.rejects:
        say(out, "\n  ", (f"set aside: {reject.type.value}", "red"), f"  {safe_lines(reject.reason)}")


def _outcome(outcome: Outcome) -> tuple[str, str]:
    words, style = _WORDS[outcome.status]
    said = ": ".join(safe(text) for text in (outcome.code, outcome.message) if text)
    return (f"{words} ({said})" if said else words, style)

"""Log lines: one event is one line, whatever is in it."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.log import event, is_event_name
from shared.values.jobs import JobState

LOGGER = logging.getLogger("tests.log")


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def logged(name: str, **fields: object) -> str:
    lines = Lines()
    LOGGER.addHandler(lines)
    LOGGER.setLevel(logging.INFO)
    try:
        event(LOGGER, name, **fields)
    finally:
        LOGGER.removeHandler(lines)
    (line,) = lines.lines
    return line


def test_an_event_is_one_line_of_named_values() -> None:
    """Name first, then the fields in the order given."""
    line = logged(
        "job.finished",
        sync="accounts-from-erp",
        state=JobState.SUCCEEDED,
        created=98,
        seconds=1.5,
        approved=False,
        error=None,
        at=datetime(2025, 3, 1, tzinfo=UTC),
    )
    assert line == (
        "job.finished sync=accounts-from-erp state=Succeeded created=98 seconds=1.5 approved=false error=none "
        "at=2025-03-01T00:00:00+00:00"
    )


def test_text_is_quoted() -> None:
    """Blanks, quotes and line ends stay inside their value."""
    assert logged("page.read", file='a "b"\\c\nd e') == r'page.read file="a \"b\"\\c\nd e"'
    assert logged("page.read", file="") == 'page.read file=""'
    assert logged("page.read", file="Zürich") == 'page.read file="Zürich"'


@given(st.text())
def test_no_value_breaks_out_of_its_line(text: str) -> None:
    """Whatever the value: one line, printable, closed by its quote."""
    line = logged("page.read", file=text, next=1)
    assert line.isprintable()
    assert len(line.splitlines()) == 1
    assert line.endswith(" next=1")


def test_a_long_value_is_cut() -> None:
    """A value cannot flood the log."""
    assert len(logged("page.read", file="x" * 10_000)) < 600


def test_percent_signs_are_text() -> None:
    """A value is never a format."""
    assert logged("page.read", rate="50%s") == 'page.read rate="50%s"'


@pytest.mark.parametrize(
    "name", ["job.finish", "finished", "Job.finished", "job finished", "job.finished\n", "a.b.c", ""]
)
def test_a_name_of_another_form_is_refused(name: str) -> None:
    """Names are noun.past_verb, also when the line would not be shown."""
    quiet = logging.getLogger("tests.log.quiet")
    quiet.setLevel(logging.CRITICAL)
    with pytest.raises(ValueError, match=r"noun\.past_verb"):
        event(quiet, name)


@pytest.mark.parametrize("name", ["job.finished", "chunk.sent", "bulk_call.refused", "lease.taken_over"])
def test_names_of_the_form_are_known(name: str) -> None:
    """Regular and irregular pasts."""
    assert is_event_name(name)


def test_the_library_prints_nothing_by_itself() -> None:
    """Without a door that configures logging, warnings do not reach Python's last resort, the screen."""
    code = "import logging; from shared import log; log.event(logging.getLogger('shared.x'), 'a.sent', level=30)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")

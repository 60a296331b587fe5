"""The table of the client's operations in the documents says what the tests of this folder show, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contract.microsoft.operations import public, shown

DOCUMENT = Path(__file__).parents[3] / "docs" / "local-dataverse.md"


def table() -> tuple[set[str], set[str]]:
    """The operations that the document says pass, and those that it says do not."""
    text = DOCUMENT.read_text(encoding="utf-8").partition("## Microsoft's own client")[2].partition("\n## ")[0]
    passing: set[str] = set()
    missing: set[str] = set()
    for part, good, bad in re.findall(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", text, flags=re.MULTILINE):
        passing |= {f"{part}.{name}" for name in re.findall(r"`(\w+)`", good)}
        missing |= {f"{part}.{name}" for name in re.findall(r"`(\w+)`", bad)}
    return passing, missing


def test_the_document_says_what_passes() -> None:
    """Every public operation stands in the table once, in the column that its test decides."""
    assert table() == (shown(), public() - shown())


def test_every_operation_passes() -> None:
    """Every public operation of the client is shown to pass."""
    assert public() - shown() == set()

"""The lane functions that the documents give publishers: run as they stand there, they agree with ours."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shared.lanes import lane_of, plain_number

TEXT = (Path(__file__).parents[3] / "docs" / "realtime.md").read_text(encoding="utf-8")
ROWS = re.findall(
    r"^\| accounts-from-erp \| `(.+)` \| `([0-9a-f]{8})` \| (lane-\d+) \| (lane-\d+) \|$", TEXT, flags=re.MULTILINE
)
KEYS = [json.loads(key) for key, *_ in ROWS]
NUMBERS = re.findall(r"^\| `([^`]+)` \| `([-.\d]+)` \|$", TEXT, flags=re.MULTILINE)
SYNC = "accounts-from-erp"


def block(language: str) -> str:
    """The document's code in a language."""
    (code,) = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    return str(code)


def said(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8")
    return done.stdout.split()


EXPECTED = [lane for _, _, *lanes in ROWS for lane in lanes]


def test_the_table_is_ours() -> None:
    """The document's table of keys and lanes, which every block is held against, is what the product computes."""
    assert len(ROWS) >= 6
    assert [lane_of(SYNC, key, lanes) for key in KEYS for lanes in (64, 7)] == EXPECTED
    assert [f"lane-{int(four, 16) % lanes}" for _, four, *_ in ROWS for lanes in (64, 7)] == EXPECTED


def test_numbers_in_keys() -> None:
    """The document's table of how numbers are written."""
    assert len(NUMBERS) >= 8
    assert [plain_number(told) for told, _ in NUMBERS] == [plain for _, plain in NUMBERS]


def test_the_block_for_csharp_names_what_the_table_was_made_with() -> None:
    """It cannot be run here; the parts that decide a lane stand in it."""
    code = block("csharp")
    for part in (
        "Trim(' ')",
        "'A' and <= 'Z'",
        "(char)(c + 32)",
        r"'\u001f'",
        "Prepend(sync)",
        "UTF8",
        "ReadUInt32BigEndian",
    ):
        assert part in code


def test_python() -> None:
    """Python's block."""
    tail = f"\nfor key in {KEYS!r}:\n    print(lane({SYNC!r}, key), lane({SYNC!r}, key, 7))"
    assert said(sys.executable, "-X", "utf8", "-c", block("python") + tail) == EXPECTED


@pytest.mark.needs("node")
def test_javascript() -> None:
    """JavaScript's block."""
    tail = f"\nfor (const key of {json.dumps(KEYS)}) console.log(lane('{SYNC}', key), lane('{SYNC}', key, 7));"
    assert said("node", "-e", block("javascript") + tail) == EXPECTED


@pytest.mark.needs("java")
def test_java(tmp_path: Path) -> None:
    """Java's block."""
    rows = ", ".join("{" + ", ".join(json.dumps(part) for part in key) + "}" for key in KEYS)
    main = f"""
    public static void main(String[] arguments) throws Exception {{
        for (String[] key : new String[][] {{{rows}}}) {{
            System.out.println(lane("{SYNC}", key, 64) + " " + lane("{SYNC}", key, 7));
        }}
    }}
}}"""
    (tmp_path / "Lanes.java").write_text(block("java").rstrip().removesuffix("}") + main, encoding="utf-8")
    assert said("java", "-Dfile.encoding=UTF-8", str(tmp_path / "Lanes.java")) == EXPECTED


@pytest.mark.needs("bash")
def test_bash() -> None:
    """Bash's block."""
    calls = [["lane", SYNC, str(lanes), *key] for key in KEYS for lanes in (64, 7)]
    quoted = "\n".join(" ".join("'" + word.replace("'", "'\\''") + "'" for word in call) for call in calls)
    assert said("bash", "-c", block("bash") + "\n" + quoted) == EXPECTED

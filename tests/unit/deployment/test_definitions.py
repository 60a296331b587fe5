"""The check of definitions in a pipeline: every problem, without a source, a secret or Dataverse."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.deployment.definitions import problems

ROOT = Path(__file__).parents[3]
GOOD = """
name: good
source: {{ type: delimited, path: in/x.csv, schema: [{{ name: no, type: text }}] }}
destination:
  type: dynamics
  entity: account
  service_url: https://x.crm4.dynamics.com
  client_id: {{ secret: {owner}--id }}
  client_secret: {{ secret: {owner}--secret }}
  id_column: accountid
mappings: [{{ source: no, target: accountnumber }}]
behaviour: {{ strategy: full, key: [accountnumber] }}
"""


def write(folder: Path, name: str, text: str) -> None:
    (folder / "syncs").mkdir(exist_ok=True)
    (folder / "syncs" / name).write_text(text, "utf-8")


def test_sound_and_broken_ones(tmp_path: Path) -> None:
    """A sound one has nothing to say, a broken one all its problems; another sync's secret is out of reach."""
    write(tmp_path, "reach.yaml", "folders: [../in]\n")
    write(tmp_path, "good.yaml", GOOD.format(owner="good"))
    write(tmp_path, "thief.yaml", GOOD.format(owner="good").replace("name: good", "name: thief"))
    write(tmp_path, "broken.yaml", "name: broken\nsurce: {}\n")
    found = problems(tmp_path / "syncs")
    assert found["good"] == []
    assert any("begins with thief--" in str(problem) for problem in found["thief"])
    assert len(found["broken"]) > 1


def test_the_command_ends_with_one_when_something_is_broken(tmp_path: Path) -> None:
    """And says which; an empty folder is fine."""
    write(tmp_path, "broken.yaml", "name: broken\n")
    command = [sys.executable, "-m", "tools.deployment.definitions", str(tmp_path / "syncs")]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "broken:" in ran.stdout
    (tmp_path / "syncs/broken.yaml").unlink()
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "no definitions yet\n")

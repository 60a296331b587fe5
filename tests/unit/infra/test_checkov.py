"""Checkov over the deployment: no finding without a reason, no reason without one, nothing that it cannot read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.checkov import COMMAND
from tests.unit.infra.bicep import INFRA

SKIPS = dict(YAML(typ="safe").load(Path(__file__).with_name("checkov_skips.yaml").read_text("utf-8")))


def plain_copy(folder: Path) -> None:
    """The modules without conditions: checkov looks into no resource that is made under one."""
    for path in INFRA.rglob("*.bicep"):
        source = path.read_text("utf-8")
        plain = re.sub(r"^((?:resource|module) .*) = if \(.*\) \{$", r"\1 = {", source, flags=re.MULTILINE)
        (folder / path.name).write_text(plain.replace("'modules/", "'"), "utf-8")


@pytest.mark.needs("checkov")
def test_every_finding_has_its_reason(tmp_path: Path) -> None:
    """What checkov says of the modules is exactly what the list of reasons names, and it can read them all."""
    plain_copy(tmp_path)
    run = subprocess.run(
        [str(COMMAND), "-d", str(tmp_path), "--framework", "bicep", "--output", "json", "--quiet", "--skip-download"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    report = json.loads(run.stdout)
    found = {check["check_id"] for check in report["results"]["failed_checks"]}
    stumbled = set(re.findall(r"Failed to run check (CKV_\w+)", run.stdout + run.stderr))
    assert report["summary"]["parsing_errors"] == 0, report["results"]["parsing_errors"]
    assert report["summary"]["passed"] > 40
    assert found | stumbled == set(SKIPS)


def test_every_reason_is_a_sentence() -> None:
    """A skipped check says why."""
    assert all(re.fullmatch(r"CKV_AZURE_\d+", name) and len(reason) > 20 for name, reason in SKIPS.items())

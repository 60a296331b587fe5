"""The pipelines for a team's own repository: their shape, their rights, and that all they call is there."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.unit.infra.bicep import INFRA, read

ROOT = Path(__file__).parents[3]
GITHUB = ROOT / ".github/workflows/deliver.yml"
AZURE = ROOT / "azure-pipelines.yml"
OUTSIDE = {"az", "gh", "jq", "echo", "set", "if", "else", "fi"}
"""Commands that the hosted runners bring, and the shell's own words."""
AZ = {
    "bicep build",
    "deployment sub what-if",
    "deployment sub create",
    "deployment sub show",
}
"""Commands of the Azure command line that may be called. Source: Microsoft Learn, Azure CLI reference."""


def loaded(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text("utf-8"))


def scripts(node: object) -> Iterator[str]:
    """Every piece of shell in a pipeline."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("run", "script", "inlineScript") and isinstance(value, str):
                yield value
            else:
                yield from scripts(value)
    elif isinstance(node, list):
        for item in node:
            yield from scripts(item)


PIPELINES = {"github": list(scripts(loaded(GITHUB))), "azure": list(scripts(loaded(AZURE)))}


def commands(kind: str) -> list[str]:
    """Each simple command, without what is set before it; also those inside `$(…)` and behind a pipe."""
    found = []
    for script in PIPELINES[kind]:
        for line in script.splitlines():
            inner = re.findall(r"\$\((?=[a-z]+ )([^()]*)\)", line)
            plain = re.sub(r"'[^']*'|\"[^\"]*\"", lambda one: one[0].replace("|", "/"), line)
            for part in [*plain.split(" | "), *inner]:
                words = re.sub(r"^\s*(?:[A-Za-z_]+=(?:\$\([^)]*\)|\"[^\"]*\"|\S*)\s*)*", "", part).strip()
                if words:
                    found.append(words)
    return found


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_command_is_there(kind: str) -> None:
    """Scripts and make targets exist and can be run; other programs are those of the runner; az knows its words."""
    listed = commands(kind)
    assert len(listed) > 8
    for words in listed:
        first, *rest = words.split()
        if first == "make":
            assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE), words
        elif "/" in first:
            assert os.access(ROOT / first, os.X_OK), words
        else:
            assert first in OUTSIDE, words
        if first == "az":
            assert any(words.startswith(f"az {one} ") for one in AZ), words


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_step_that_is_promised(kind: str) -> None:
    """Lint, definitions, tests, compiler, what-if, plan on the pull request, deployment, look at the end; in order."""
    said = "\n".join(PIPELINES[kind])
    steps = ["make lint", "tools/check-definitions", ".ci/run", "az bicep build", "tools/package", "what-if"]
    steps += ["tools/plan-report", "deployment sub create", "tools/publish", "tools/smoke-test"]
    places = [said.find(step) for step in steps]
    assert -1 not in places, dict(zip(steps, places, strict=True))
    assert places == sorted(places)


@pytest.mark.parametrize("kind", PIPELINES)
def test_files_and_parameters_that_are_named_exist(kind: str) -> None:
    """Templates, parameter files and parameters are those of the deployment; outputs are read by its names."""
    text = (GITHUB if kind == "github" else AZURE).read_text("utf-8")
    assert (INFRA / "prod.parameters.json").is_file()
    for path in re.findall(r"infra/[\w.]+\.(?:bicep|json)", text):
        assert (ROOT / path).is_file(), path
    main = read(INFRA / "main.bicep")
    for name in re.findall(r'(\w+)="\$[\w{(]', " ".join(w for w in commands(kind) if "sub create" in w)):
        assert name in main.of("param"), name
    outputs = {name.lower() for name in main.of("output")}
    assert set(re.findall(r"jq -r \.(\w+)\.value", text)) <= outputs


@pytest.mark.parametrize("kind", PIPELINES)
def test_what_is_shown_is_what_would_be_deployed(kind: str) -> None:
    """What-if and deployment take the same template, files and parameters; what-if needs the right to read alone."""
    lines = [line for script in PIPELINES[kind] for line in script.splitlines()]
    (asked,) = (line.partition(" sub what-if")[2] for line in lines if " sub what-if" in line)
    (made,) = (line.partition(" sub create")[2] for line in lines if " sub create" in line)
    assert " --validation-level ProviderNoRbac " in asked
    plain = re.sub(r"\$[\w]+|\$\([\w.]+\)", "$", asked.replace(" --validation-level ProviderNoRbac", ""))
    assert plain == re.sub(r"\$[\w]+|\$\([\w.]+\)", "$", made.replace(" --name dynsync", ""))
    assert 'location="$' in made, "the place of the resources is that of the deployment"


@pytest.mark.parametrize("kind", PIPELINES)
def test_every_plan_is_served(kind: str) -> None:
    """The premium plan takes its package from a container, whose address the deployment tells."""
    said = "\n".join(PIPELINES[kind])
    assert "jq -r .dynsync_package_container.value outputs.json" in said
    assert "DYNSYNC_PACKAGE_CONTAINER=$(" in said or '--container "$container"' in said


def test_the_preview_sees_the_branch_that_it_is_held_against() -> None:
    """`git diff base...HEAD` wants the whole history, and only the preview takes it."""
    depths = {}
    for name, job in loaded(GITHUB)["jobs"].items():
        for step in job["steps"]:
            if "checkout@" in step.get("uses", ""):
                depths[name] = step["with"].get("fetch-depth")
    assert depths == {"test": None, "preview": 0, "deploy": None}
    (preview,) = (one for one in loaded(AZURE)["stages"] if one["stage"] == "preview")
    (checkout,) = (step for step in preview["jobs"][0]["steps"] if "checkout" in step)
    assert checkout == {"checkout": "self", "fetchDepth": 0}
    assert '--base "origin/$GITHUB_BASE_REF"' in "\n".join(PIPELINES["github"])
    assert '--base "origin/${SYSTEM_PULLREQUEST_TARGETBRANCH#refs/heads/}"' in "\n".join(PIPELINES["azure"])


def test_github_has_no_more_rights_than_it_needs() -> None:
    """Reading by default; an identity only where Azure is entered, none for forks; actions are pinned to a commit."""
    workflow = loaded(GITHUB)
    text = GITHUB.read_text("utf-8")
    assert workflow["permissions"] == {"contents": "read"}
    rights = {name: job.get("permissions", workflow["permissions"]) for name, job in workflow["jobs"].items()}
    assert rights == {
        "test": {"contents": "read"},
        "preview": {"contents": "read", "id-token": "write"},
        "say": {"pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }
    assert {name: job.get("environment") for name, job in workflow["jobs"].items()} == {
        "test": None,
        "preview": "preview",
        "say": None,
        "deploy": "production",
    }
    assert {name: job.get("needs") for name, job in workflow["jobs"].items()} == {
        "test": None,
        "preview": "test",
        "say": "preview",
        "deploy": "test",
    }
    with_identity = {name for name, job in workflow["jobs"].items() if "id-token" in job.get("permissions", {})}
    assert with_identity == {"preview", "deploy"}
    assert "head.repo.full_name == github.repository" in workflow["jobs"]["preview"]["if"]
    assert workflow["jobs"]["preview"]["if"].startswith("github.event_name == 'pull_request' && ")
    assert workflow["jobs"]["deploy"]["if"] == "github.event_name != 'pull_request' && github.ref == 'refs/heads/main'"
    said = [str(step.get("run", step.get("uses"))) for step in workflow["jobs"]["say"]["steps"]]
    assert not [words for words in said if "checkout" in words or "tools/" in words], "a branch's code with a right"
    assert "pull_request_target" not in text
    assert "secrets." not in text
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"]
        for step in job["steps"]:
            assert "run" in step or re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", step["uses"])
            assert "checkout@" not in step.get("uses", "") or step["with"]["persist-credentials"] is False
    assert len(re.findall(r"uses: \S+@[0-9a-f]{40}  # v\d+\.\d+\.\d+$", text, flags=re.MULTILINE)) == text.count(
        "uses:"
    )


def test_what_others_write_is_no_part_of_a_script() -> None:
    """Titles, branches and bodies of a pull request reach a script by its environment only."""
    for script in PIPELINES["github"]:
        assert "${{" not in script


def test_azure_devops_enters_by_its_service_connection() -> None:
    """A branch enters by the preview's connection, never by production's; a fork by none; no secret is there."""
    text = AZURE.read_text("utf-8")
    tasks = re.findall(r"task: AzureCLI@2", text)
    stages = {one["stage"]: one for one in loaded(AZURE)["stages"]}
    assert len(tasks) == 3
    assert str(stages["preview"]).count("'azureSubscription': '$(preview-connection)'") == 2
    assert str(stages["deploy"]).count("'azureSubscription': '$(connection)'") == 1
    assert text.count("azureSubscription:") == 3
    assert "ne(variables['System.PullRequest.IsFork'], 'True')" in stages["preview"]["condition"]
    assert "eq(variables['Build.Reason'], 'PullRequest')" in stages["preview"]["condition"]
    assert "eq(variables['Build.SourceBranch'], 'refs/heads/main')" in stages["deploy"]["condition"]
    assert "ne(variables['Build.Reason'], 'PullRequest')" in stages["deploy"]["condition"]
    assert {stages[name]["dependsOn"] for name in ("preview", "deploy")} == {"test"}
    assert [job["environment"] for job in stages["deploy"]["jobs"]] == ["production"]
    assert not re.search(r"(?i)password|client_?secret|accountkey", text)


@pytest.mark.parametrize("kind", PIPELINES)
def test_the_shell_is_sound(kind: str) -> None:
    """Each script parses."""
    for script in PIPELINES[kind]:
        ran = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
        assert ran.returncode == 0, ran.stderr


def test_azure_yaml_names_what_is_there() -> None:
    """Hooks are scripts of ours, the service is the function app of Bicep, and what it deploys is what is packed."""
    project = loaded(ROOT / "azure.yaml")
    (service,) = project["services"]
    bicep = (INFRA / "modules/app.bicep").read_text("utf-8")
    assert bicep.count(f"'azd-service-name': '{service}'") == 2
    assert project["services"][service]["dist"] == "dist/app.zip"
    assert project["services"][service]["remoteBuild"] is False
    assert {name: hook["run"] for name, hook in project["hooks"].items()} == {
        "preprovision": "tools/entra-app before",
        "postprovision": "tools/entra-app after",
        "prepackage": "tools/package",
        "postdeploy": "tools/smoke-test",
    }
    assert (ROOT / project["infra"]["path"] / f"{project['infra']['module']}.bicep").is_file()
    for hook in project["hooks"].values():
        assert os.access(ROOT / hook["run"].split()[0], os.X_OK)


def test_the_hooks_know_what_the_deployment_tells() -> None:
    """Environment variables that a hook reads are azd's own, parameters of ours, or outputs of Bicep."""
    outputs = set(read(INFRA / "main.bicep").of("output"))
    parameters = json.loads((INFRA / "main.parameters.json").read_text("utf-8"))["parameters"]
    given = {name for entry in parameters.values() for name in re.findall(r"\$\{([A-Z_]+)", str(entry["value"]))}
    read_by_hooks = set()
    for path in (ROOT / "tools/deployment").glob("*.py"):
        source = path.read_text("utf-8")
        read_by_hooks |= set(re.findall(r'env(?:iron)?(?:\.get\(|\[)"([A-Z_]+)"', source))
    assert read_by_hooks - outputs - given == {"DYNSYNC_SIGN_IN", "TOKEN"}, "a switch; what a pipeline gives"
    assert "DYNSYNC_APP_URL" in read_by_hooks & outputs
    switches = (read_by_hooks - outputs) | given
    assert switches & outputs == set(), "azd keeps outputs as variables: what a person has set would be overwritten"
    assert "DYNSYNC_SIGN_IN" in switches

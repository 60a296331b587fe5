"""The house rules: layers, sizes, docstrings, dependencies, documents."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

from shared.log import is_event_name

ROOT = Path(__file__).parents[2]
LONGEST_MODULE = 350

LAYERS = {
    "words": [
        "errors",
        "values",
        "log",
        "ports",
        "expressions",
        "nearest",
        "sql",
        "variables",
        "json_text",
        "temporary",
        "csv_file",
    ],
    "definitions": ["definitions"],
    "rules": [
        "columns",
        "canonical",
        "filters",
        "mapping",
        "reconcile",
        "brakes",
        "pages",
        "permissions",
        "formats",
        "lanes",
    ],
    "dataverse": ["dataverse", "databases", "outbound"],
    "adapters": ["sources", "state", "secrets", "bus", "post_sync"],
    "engine": ["engine"],
    "wiring": ["wiring"],
    "doors": ["cli", "web"],
}
"""From the bottom up; a part imports its own layer and those below. Adapters do not import each other."""

RANKS = {part: rank for rank, parts in enumerate(LAYERS.values()) for part in parts}
FORBIDDEN_LOG_FIELDS = {"key", "value", "token", "secret", "password", "query", "url"}


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported(path: Path) -> Iterator[str]:
    """Dotted names of everything imported, relative imports resolved."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*start, *((node.module,) if node.module else ())))
            yield from (f"{base}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str | None:
    """`engine` for `shared.engine.plan`; None for what is not a part of `shared`."""
    pieces = dotted.split(".")
    return pieces[1] if pieces[0] == "shared" and len(pieces) > 1 else None


def own_part(path: Path) -> str:
    return path.relative_to(ROOT / "shared").with_suffix("").parts[0]


def test_every_part_has_a_layer() -> None:
    """A new part of `shared` is entered in LAYERS, so that the next test watches it."""
    parts = {own_part(path) for path in modules("shared") if path != ROOT / "shared" / "__init__.py"}
    assert parts <= RANKS.keys()


def test_imports_point_down_only() -> None:
    """Doors → wiring → engine → adapters → dataverse → rules → definitions → words."""
    upward = [
        f"{name(path)} imports {dotted}"
        for path in modules("shared")
        for dotted in imported(path)
        if (below := part(dotted)) in RANKS and RANKS.get(own_part(path), 99) < RANKS[below]
    ]
    assert upward == []


def test_adapters_do_not_import_each_other() -> None:
    """Each adapter stands alone on the layers below."""
    adapters = set(LAYERS["adapters"])
    across = [
        f"{name(path)} imports {dotted}"
        for path in modules("shared")
        for dotted in imported(path)
        if own_part(path) in adapters and part(dotted) in adapters - {own_part(path)}
    ]
    assert across == []


def test_the_product_does_not_know_the_local_cloud() -> None:
    """Nothing in `shared` imports `local`, `bench` or `tests`."""
    outside = [
        f"{name(path)} imports {dotted}"
        for path in modules("shared")
        for dotted in imported(path)
        if dotted.split(".")[0] in {"local", "bench", "tests"}
    ]
    assert outside == []


def undocumented(path: Path) -> Iterator[str]:
    if not ast.get_docstring(tree(path)):
        yield name(path)
    nodes: list[ast.stmt] = list(tree(path).body)
    while nodes:
        node = nodes.pop()
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{name(path)}:{node.lineno} {node.name}"
        if isinstance(node, ast.ClassDef):
            nodes += node.body


def test_everything_public_has_a_docstring() -> None:
    """Modules, classes, functions and methods say what they are."""
    assert [place for path in modules("shared", "local") for place in undocumented(path)] == []


def test_no_module_is_long() -> None:
    """A module that outgrows a few screens becomes a folder of the same name."""
    lengths = {name(path): len(path.read_text("utf-8").splitlines()) for path in modules("shared", "local", "bench")}
    assert {path: length for path, length in lengths.items() if length > LONGEST_MODULE} == {}


def test_nothing_is_left_for_later() -> None:
    """What is not built is said in the documents, not hidden in the code."""
    marks = re.compile("TO" + "DO|FIX" + "ME|X" + "XX")
    found = [
        name(path) for path in modules("shared", "local", "bench", "tests") if marks.search(path.read_text("utf-8"))
    ]
    assert found == []


def literal_names(call: ast.Call) -> list[str]:
    """The names that an `event(logger, name, …)` call gives literally, also by a condition."""
    name = call.args[1] if len(call.args) > 1 else ast.Constant("")
    choices = [name.body, name.orelse] if isinstance(name, ast.IfExp) else [name]
    return [str(choice.value) for choice in choices if isinstance(choice, ast.Constant)]


def test_log_lines_have_proper_names_and_no_values() -> None:
    """Every `event(…)` call names itself `noun.past_verb`, and has no field that could carry a value or a secret.

    (A name that is put together is checked when it is logged.)
    """
    wrong = []
    for path in modules("shared", "local"):
        for node in ast.walk(tree(path)):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in {"event", "log.event"}):
                continue
            if not all(map(is_event_name, literal_names(node))) or FORBIDDEN_LOG_FIELDS & {
                str(keyword.arg) for keyword in node.keywords
            }:
                wrong.append(f"{name(path)}:{node.lineno}")
    assert wrong == []


def pins(file: str) -> dict[str, str]:
    lines = [line for line in (ROOT / file).read_text("utf-8").splitlines() if line and line[0] not in "#-"]
    return dict(line.split("==") for line in lines)


def test_requirements_are_pinned_to_what_is_tested() -> None:
    """Every requirement names one version, the constraints agree, and it is the one installed here."""
    wanted = pins("requirements.txt") | pins("requirements-dev.txt")
    constraints = pins("constraints.txt")
    assert {package: constraints.get(package) for package in wanted} == wanted
    assert {package: version(package) for package in wanted} == wanted


def test_every_dependency_is_entered() -> None:
    """Each requirement has its row in docs/dependencies.md, with its version, and no row is left over."""
    text = (ROOT / "docs/dependencies.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([^ |]+) \|", text, flags=re.MULTILINE))
    assert rows == pins("requirements.txt") | pins("requirements-dev.txt")


@pytest.mark.parametrize("target", ["help", "setup", "demo", "serve", "test", "lint", "bench"])
def test_make_targets_exist(target: str) -> None:
    """The habits of the house are one word each."""
    assert re.search(rf"^{target}:.*## \S", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)


def shell_lines(document: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / document).read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]


def test_ci_runs_what_the_readme_says() -> None:
    """Continuous integration runs the very command that the README gives for the tests."""
    path = ROOT / ".ci/run"
    lines = path.read_text("utf-8").splitlines()
    assert lines[:2] == ["#!/usr/bin/env bash", "set -euo pipefail"]
    assert lines[-1] == "make test"
    assert "make test" in shell_lines("README.md")


@pytest.mark.parametrize(
    "path", [".ci/run", "tools/find-python", "tools/set-up", "tools/set-up-tests", "tools/set-up-azurite", "dynsync"]
)
def test_scripts_can_be_run(path: str) -> None:
    """Scripts carry the right to be executed."""
    assert (ROOT / path).stat().st_mode & 0o111


def documents() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_links_lead_somewhere() -> None:
    """Every relative link in a document points to a file that is there."""
    broken = [
        f"{name(document)} → {target}"
        for document in documents()
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text("utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert broken == []


def test_paths_named_in_documents_exist() -> None:
    """A test that a document names as its proof is there."""
    named = re.compile(r"`((?:tests|shared|local|docs|tools|bench)/[\w./-]+)`")
    missing = [
        f"{name(document)} → {path}"
        for document in documents()
        for path in named.findall(document.read_text("utf-8"))
        if not (ROOT / path).exists()
    ]
    assert missing == []


def test_decisions_are_numbered_in_turn() -> None:
    """One number each, none left out, and the title says it, too."""
    files = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    for number, path in enumerate(files, 1):
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. "), path.name


def test_the_changelog_has_room_for_the_next_change() -> None:
    """Changes are written down as they are made."""
    assert re.search(r"^## \[?Unreleased\]?$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)

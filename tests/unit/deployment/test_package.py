"""The package: what goes in, what stays out, and that it loads."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tools.deployment import package

ROOT = Path(__file__).parents[3]


def small_install(requirements: Path, folder: Path) -> None:
    """One made-up package instead of those of the registry."""
    assert requirements.name == "requirements.txt"
    (folder / "made_up").mkdir(parents=True)
    (folder / "made_up/__init__.py").write_text("VALUE = 42\n")
    (folder / "made_up/tests").mkdir()
    (folder / "made_up/tests/test_it.py").write_text("assert False\n")
    (folder / "bin").mkdir()
    (folder / "bin/tool").write_text("#!/bin/sh\n")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist") / "app"
    package.build(ROOT, folder, small_install)
    return folder


def test_only_the_product_is_in(built: Path) -> None:
    """No tests, those of dependencies neither; no local cloud, no documents, no settings of a developer."""
    assert {path.name for path in built.iterdir()} == {*package.CONTENT, ".python_packages", "__pycache__"}
    names = {path.relative_to(built).as_posix() for path in package.files(built)}
    assert not [name for name in names if re.search(r"(^|/)tests?/|^(local|bench|docs|infra)/|local\.settings", name)]
    assert {"shared/web/pages/templates/base.html", "shared/web/pages/assets/app.css"} <= names
    assert not (built / package.LIBRARIES / "bin").exists()
    assert {path.name for path in (built / package.LIBRARIES / "made_up").iterdir()} == {"__init__.py", "__pycache__"}


def test_everything_of_ours_is_compiled(built: Path) -> None:
    """Each module has its bytecode, which is not held against the source's time."""
    sources = [*(built / "shared").rglob("*.py"), built / "function_app.py"]
    for source in sources:
        bytecode = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
        assert bytecode.read_bytes()[4:8] == b"\x01\x00\x00\x00", source


def test_bytecode_survives_the_zip(built: Path, tmp_path: Path) -> None:
    """Unpacked elsewhere, with other times, Python takes the bytecode and writes none."""
    archive = tmp_path / "app.zip"
    package.zipped(built, archive)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "there")
    folder = tmp_path / "there/shared"
    compiled = folder / "__pycache__/errors.cpython-313.pyc"
    before = compiled.read_bytes()
    (folder / "errors.py").write_text("raise SystemExit('the source was read')\n")
    run = subprocess.run(
        [sys.executable, "-c", "import shared.errors"],
        cwd=tmp_path / "there",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert compiled.read_bytes() == before


def test_the_same_content_gives_the_same_package(built: Path, tmp_path: Path) -> None:
    """Nothing in the archive tells when it was made."""
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    package.zipped(built, one)
    package.zipped(built, two)
    assert one.read_bytes() == two.read_bytes()


def test_a_module_that_does_not_compile_stops_it(tmp_path: Path) -> None:
    """A broken module is told before anything is deployed."""
    for name in package.CONTENT:
        if "." in name:
            (tmp_path / name).write_text("")
    (tmp_path / "shared").mkdir()
    (tmp_path / "syncs").mkdir()
    (tmp_path / "shared/bad.py").write_text("def (\n")
    with pytest.raises(SystemExit, match=r"bad\.py"):
        package.build(tmp_path, tmp_path / "out", small_install)


def test_the_ignore_file_leaves_out_the_rest() -> None:
    """Whoever publishes with the Core Tools instead sends the same: all else at the root is named in .funcignore."""
    ignored = {line.rstrip("/") for line in (ROOT / ".funcignore").read_text("utf-8").splitlines()}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    roots = {line.partition("/")[0] for line in tracked.splitlines()}
    left = {
        name
        for name in roots - set(package.CONTENT)
        if name not in {*ignored, ".funcignore"} and not name.startswith(".git")
    }
    assert left == set()


def test_the_functions_are_found(built: Path) -> None:
    """A fresh process loads the functions from the package (with this machine's dependencies)."""
    site = Path(str(importlib.util.find_spec("duckdb").origin)).parents[1]  # type: ignore[union-attr]
    run = subprocess.run(
        [sys.executable, "-I", "-c", package._LOAD, str(built), str(site)],
        capture_output=True,
        text=True,
        check=False,
        cwd=built,
    )
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(r"\d+\.\d\d s of processor, \d+ MB, functions: scheduled_syncs, .*web\n", run.stdout)

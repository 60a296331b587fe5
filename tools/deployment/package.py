"""Builds what is deployed: the product, the definitions and the dependencies, compiled; nothing else.

`dist/app` is the folder, `dist/app.zip` the package. Prints its size, and how long a fresh process takes to load it.
"""

from __future__ import annotations

import argparse
import compileall
import os
import platform
import py_compile
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTENT = ("function_app.py", "host.json", "requirements.txt", "constraints.txt", "shared", "syncs")
"""All that goes in, from the root of the repository. `.funcignore` names the rest."""
LIBRARIES = Path(".python_packages/lib/site-packages")
"""Where the Functions host looks for packages. Source: Microsoft Learn, "Python developer reference for Functions"."""
HOME = "/home/site/wwwroot"
"""Where the package lies in Azure: the paths that tracebacks show."""
LIMIT_MB = 600
"""Unpacked; Flex Consumption has about 0.8 GB of disk, which jobs share."""
_LEFT_OUT = {"__pycache__", ".DS_Store"}
_EPOCH = (1980, 1, 1, 0, 0, 0)
Install = Callable[[Path, Path], None]


def build(root: Path, target: Path, install: Install) -> None:
    """Fill the folder `target` anew; `install` puts the packages of a requirements file into a folder."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in CONTENT:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns(*_LEFT_OUT, "*.pyc"))
        else:
            shutil.copy2(source, target / name)
    install(root / "requirements.txt", target / LIBRARIES)
    for left_over in (target / LIBRARIES / "bin", *(target / LIBRARIES).glob("*/tests")):
        shutil.rmtree(left_over, ignore_errors=True)
    compiled(target)


def compiled(folder: Path) -> None:
    """Compile everything; the bytecode is not held against the sources' times, which a package does not keep.

    Raises:
        SystemExit: a module of ours does not compile.
    """
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    options = {"quiet": 2, "invalidation_mode": mode, "stripdir": str(folder), "prependdir": HOME, "workers": 1}
    compileall.compile_dir(folder / LIBRARIES, maxlevels=20, **options)
    ours = [folder / "function_app.py", *sorted((folder / "shared").rglob("*.py"))]
    broken = [path for path in ours if not compileall.compile_file(path, **_of_file(options))]
    if broken:
        raise SystemExit(f"these do not compile: {', '.join(map(str, broken))}")


def _of_file(options: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if name != "workers"}


def pip_install(requirements: Path, folder: Path) -> None:
    """The packages for Python 3.13 on Linux, as Azure has it, from whatever machine this is."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--target", str(folder), "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.13"]
    for tag in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"):
        command += ["--platform", tag]
    subprocess.run([*command, "-r", str(requirements)], check=True)  # noqa: S603 - our own words


def zipped(folder: Path, archive: Path) -> None:
    """The folder as one file, the same for the same content."""
    archive.unlink(missing_ok=True)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as package:
        for path in sorted(files(folder)):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            package.writestr(entry, path.read_bytes())


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder."""
    return (path for path in folder.rglob("*") if path.is_file())


_LOAD = """
import pathlib, sys, time
sys.path[:0] = [sys.argv[1], sys.argv[2]]
began = time.process_time()
import function_app
names = [one.get_function_name() for one in function_app.app.get_functions()]
high = pathlib.Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(f"{time.process_time() - began:.2f} s of processor, {int(high) / 1024:.0f} MB, functions: {', '.join(names)}")
"""


def cold_start(folder: Path) -> str:
    """What a fresh process needs to load the functions, in words; on another kind of machine, why it is not known."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "not measured: the package is for Linux on x86-64"
    command = [sys.executable, "-I", "-c", _LOAD, str(folder), str(folder / LIBRARIES)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=_bare())  # noqa: S603
    if run.returncode:
        raise SystemExit(f"the package does not load:\n{run.stderr}")
    return run.stdout.strip()


def _bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("DYNSYNC_", "PYTHON"))}


def main() -> None:
    """Build, pack, tell."""
    parser = argparse.ArgumentParser(prog="tools/package", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for app/ and app.zip")
    out = parser.parse_args().out
    folder, archive = out / "app", out / "app.zip"
    build(ROOT, folder, pip_install)
    zipped(folder, archive)
    size = sum(path.stat().st_size for path in files(folder)) / 1e6
    count = sum(1 for _ in files(folder))
    sys.stdout.write(
        f"package: {count:,} files, {size:.0f} MB unpacked, {archive.stat().st_size / 1e6:.0f} MB zipped\n"
    )
    sys.stdout.write(f"cold start: {cold_start(folder)}\n")
    if size > LIMIT_MB:
        raise SystemExit(f"the package is larger than {LIMIT_MB} MB; Flex Consumption has about 0.8 GB of disk in all")


if __name__ == "__main__":
    main()

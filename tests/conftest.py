"""What the tests need beyond Python: tests marked `needs(name)` are skipped without it, and the header says so."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import azurite, checkov, chromium, postgres
from tests.examples import examples

settings.register_profile(  # speed is measured in bench/, never asserted by a test
    "house", deadline=None, max_examples=examples(300)
)
settings.load_profile("house")


def _can_link() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        try:
            (Path(folder) / "link").symlink_to(folder)
        except OSError:
            return False
    return True


NEEDS: dict[str, tuple[str, Callable[[], bool]]] = {
    "symlinks": ("this user may not make symbolic links", _can_link),
    "postgresql": ("no PostgreSQL server is installed (Debian: apt-get install postgresql)", postgres.can_run),
    "node": ("node is not installed", lambda: shutil.which("node") is not None),
    "java": ("no Java is installed", lambda: shutil.which("java") is not None),
    "bash": ("bash is not installed", lambda: shutil.which("bash") is not None),
    "jq": ("jq is not installed", lambda: shutil.which("jq") is not None),
    "azurite": ("Azurite is not there (tools/set-up-tests installs it where npm is)", azurite.can_run),
    "chromium": ("no Chromium is installed (Debian: apt-get install chromium)", chromium.can_run),
    "axe": ("axe-core is not there (tools/set-up-tests installs it where npm is)", chromium.AXE.exists),
    "checkov": ("checkov is not there (tools/set-up-tests installs it)", checkov.can_run),
}


def missing() -> dict[str, str]:
    """What is not there, and why."""
    return {name: why for name, (why, found) in NEEDS.items() if not found()}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"needs(name): skipped unless there is one of {', '.join(NEEDS)}")


def pytest_report_header() -> list[str]:
    lacks = missing()
    if not lacks:
        return ["skipped: nothing; everything that the tests need is there"]
    return [f"skipped: tests that need {name}, because {why}" for name, why in lacks.items()]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacks = missing()
    for item in items:
        for marker in item.iter_markers("needs"):
            (name,) = marker.args
            if name not in NEEDS:
                raise pytest.UsageError(f"{item.nodeid} needs {name!r}; known are {', '.join(NEEDS)}")
            if name in lacks:
                item.add_marker(pytest.mark.skip(reason=f"needs {name}: {lacks[name]}"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgres.Server]:
    """A PostgreSQL server for this process; its tests are marked `needs("postgresql")`."""
    with postgres.server() as running:
        yield running


@pytest.fixture(scope="session")
def storage() -> Iterator[azurite.Account]:
    """Azure Storage's stand-in for this process; its tests are marked `needs("azurite")`."""
    with azurite.running() as account:
        yield account

"""Debian's Chromium, driven by Playwright: is it there, and how it is started."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Playwright

AXE = Path(__file__).parents[1] / "tools/node/node_modules/axe-core/axe.min.js"
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
)  # fmt: skip
"""Without what a browser does besides: it asks nobody but the app. The pages are our own, so root needs no sandbox."""


def program() -> str | None:
    """Where it is, if anywhere."""
    return next(filter(None, map(shutil.which, _NAMES)), None)


def can_run() -> bool:
    """Whether a browser and its driver are there."""
    return program() is not None and find_spec("playwright") is not None


def launch(playwright: Playwright) -> Browser:
    """The browser, without a window."""
    return playwright.chromium.launch(executable_path=program(), args=_FLAGS)

"""One browser for all tests, the app behind a real server, and pages on which nothing may go wrong unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests import chromium
from tests.browser.site import Site, serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opener = Callable[..., "Page"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Started once for each module: its client keeps a loop running, and other tests run loops of their own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = chromium.launch(playwright)
        yield found
        found.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The app with syncs and jobs of every kind, for tests that only look."""
    with serving(tmp_path_factory.mktemp("site") / "app") as found:
        yield found


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Opener]:
    """Opens a page of its own. A line on the console or a request that fails is a failure of the test.

    `refused`: the status that it may get; what it asked for then may break off.
    """
    contexts, faults = [], []

    def opened(base_url: str, *, width: int = 1400, theme: str = "light", refused: int = 0, **how: Any) -> Page:
        context = browser.new_context(
            base_url=base_url,
            viewport={"width": width, "height": 800},
            color_scheme=theme,
            timezone_id="Europe/Amsterdam",
            locale="en-GB",
            **how,
        )
        contexts.append(context)
        context.on(
            "console",
            lambda line: (refused and str(refused) in line.text) or faults.append(f"{line.type}: {line.text}"),
        )
        context.on("weberror", lambda error: faults.append(str(error.error)))
        context.on("requestfailed", lambda request: refused or faults.append(f"{request.url}: {request.failure}"))
        context.on("response", lambda answer: answer.status in (*range(400), refused) or faults.append(answer.url))
        page = context.new_page()
        page.set_default_timeout(10_000)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []

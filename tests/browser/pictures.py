"""`python -m tests.browser.pictures`: draws the pictures of the web page that the documents show."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from playwright.sync_api import sync_playwright

from shared.values.jobs import JobState
from tests import chromium
from tests.browser.site import Site, serving
from tests.unit.web.conftest import ON, principal

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
PICTURES: Mapping[str, tuple[str, str]] = {
    "page-syncs.png": ("/", "light"),
    "page-sync.png": ("/syncs/accounts-from-erp", "light"),
    "page-definition.png": ("/syncs/contacts-from-crm/definition", "light"),
    "page-job.png": ("/jobs/{job}", "dark"),
    "page-plan.png": ("/jobs/{job}/changes", "light"),
}
"""Each picture: the path of its page, and whether the reader's system is light or dark."""


def main() -> int:
    """Draw every picture anew, of the app as somebody sees it who is signed in and may do everything."""
    with tempfile.TemporaryDirectory() as folder:
        signed_in = principal("dynsync.admin", preferred_username="operator@contoso.com")
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with serving(Path(folder) / "app", signed_in, now=now, **ON) as site:
            _draw(site)
    return 0


def _draw(site: Site) -> None:
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        for name, (path, theme) in PICTURES.items():
            page = browser.new_page(
                base_url=site.url,
                viewport={"width": 1100, "height": 600},
                color_scheme="dark" if theme == "dark" else "light",
                locale="en-GB",
                timezone_id="Europe/Amsterdam",
            )
            page.goto(path.replace("{job}", site.jobs[JobState.COMPLETED_WITH_ERRORS]))
            page.locator("body").screenshot(path=FOLDER / name)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())

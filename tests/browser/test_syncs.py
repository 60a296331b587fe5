"""Looking at syncs and starting a job, as a person does it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser.conftest import Opener
from tests.browser.site import Site, serving

pytestmark = pytest.mark.needs("chromium")


@pytest.mark.parametrize("script", [True, False])
def test_a_job_is_started(script: bool, tmp_path: Path, open_page: Opener) -> None:
    """From the list to the sync, a variable typed, and the job is there, queued; without script, too."""
    with serving(tmp_path / "app") as site:
        page = open_page(site.url, java_script_enabled=script)
        page.goto("/")
        page.get_by_role("link", name="Customer accounts, ERP to Dynamics 365").click()
        page.get_by_label("region").fill("APAC")
        page.get_by_label("business_date").fill("2025-03-01")
        page.get_by_role("button", name="Plan only").click()
        page.wait_for_url("**/jobs/*")
        assert page.get_by_role("status").first.inner_text() == "The job is queued. This page follows it."
        job = site.hosted.app.jobs()[0]
        assert job.id in page.url
        assert ("said=" in page.url) is not script
        assert (job.variables, job.to_apply) == ({"region": "APAC", "business_date": "2025-03-01"}, False)
        page.get_by_text("Queued").first.wait_for()


def test_a_file_is_handed_over(tmp_path: Path, open_page: Opener) -> None:
    """The browser sends it with the form."""
    with serving(tmp_path / "app") as site:
        page = open_page(site.url)
        page.goto("/syncs/prospects")
        page.get_by_label("extract").set_input_files(
            {"name": "fair.csv", "mimeType": "text/csv", "buffer": b"no,label,changed_at\nA1,One,2025-03-01\n"}
        )
        page.get_by_role("button", name="Run").click()
        page.wait_for_url("**/jobs/*")
        assert site.hosted.app.jobs()[0].handed_over["extract"].endswith("fair.csv")


def test_times_are_the_readers_own(site: Site, open_page: Opener) -> None:
    """Written by the server in UTC, and by the script in the reader's zone and words, with UTC as the hint."""
    page = open_page(site.url)
    page.goto("/syncs/accounts-from-erp")
    time = page.locator("table time").first
    assert time.inner_text() == "3 Mar 2025, 07:30"
    assert time.get_attribute("title") == "2025-03-03 06:30 UTC"
    plain = open_page(site.url, java_script_enabled=False)
    plain.goto("/syncs/accounts-from-erp")
    assert plain.locator("table time").first.inner_text() == "2025-03-03 06:30 UTC"


def test_the_keyboard_is_enough(site: Site, open_page: Opener) -> None:
    """The first stop skips the frame; what has the focus shows it."""
    page = open_page(site.url)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"

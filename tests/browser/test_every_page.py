"""Every page in a browser: nothing fails, everybody can use it, and it fits a telephone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.values.jobs import JobState
from shared.web.pages import PAGES
from tests import chromium
from tests.browser.conftest import Opener
from tests.browser.site import Site
from tests.pages import faults

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.needs("chromium")
WIDTHS = (800, 360)
OF_STATE = {"/jobs/{job}/apply": JobState.AWAITING_APPROVAL}
"""Pages of a job in one state only."""
QUERY = {"/syncs/{sync}/records": "?key=A1", "/syncs/{sync}/rejects": "?cause=Invalid+Format"}
BESIDE = ("/syncs/invoices", "/syncs/prospects", "/syncs/signups", "/syncs/suppliers")
"""Syncs that are broken, take a file, have a listener, are switched off."""


def paths(site: Site) -> list[str]:
    """An address of every page that is looked at, and those of the jobs in every state."""
    found = [_path(route.path, site) for route in PAGES if route.method == "GET" and "{name}" not in route.path]
    return [*found, *BESIDE, *(f"/jobs/{job}" for job in site.jobs.values())]


def _path(path: str, site: Site) -> str:
    job = site.jobs[OF_STATE.get(path, JobState.COMPLETED_WITH_ERRORS)]
    values = {"{job}": job, "{sync}": "accounts-from-erp", "{number}": "0", "{n}": "0"}
    told = path + QUERY.get(path, "")
    for name, value in values.items():
        told = told.replace(name, value)
    return told


def test_every_page_opens(site: Site, open_page: Opener) -> None:
    """Without a fault, sound as HTML, and never wider than a tablet or a telephone: what is wider scrolls by itself."""
    page = open_page(site.url)
    for path in paths(site):
        answer = page.goto(path)
        assert answer is not None
        assert faults(answer.text()) == [], path
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        assert page.title().endswith("· Dynamics Sync"), path


@pytest.mark.needs("axe")
def test_every_page_is_accessible(site: Site, open_page: Opener) -> None:
    """By the rules of WCAG 2.2 AA that a program can judge; contrast in both themes."""
    page = open_page(site.url)
    found = {}
    for path in paths(site):
        page.goto(path)
        found[path] = violations(page)
    assert {path: told for path, told in found.items() if told} == {}


_SHORT = """found => ({
    passes: found.passes.length,
    violations: found.violations.map(one => `${one.id}: ${one.help}: ${one.nodes[0].html.slice(0, 120)}`)
})"""
"""What is wanted of axe's answer, which is long."""


def violations(page: Page) -> list[str]:
    """What a program finds on the page that is open."""
    page.emulate_media(color_scheme="light")
    page.evaluate(chromium.AXE.read_text("utf-8"))
    light: dict[str, Any] = page.evaluate(f"axe.run(document, {{ resultTypes: ['violations'] }}).then({_SHORT})")
    page.emulate_media(color_scheme="dark")
    dark: dict[str, Any] = page.evaluate(f"axe.run(document, {{ runOnly: ['color-contrast'] }}).then({_SHORT})")
    assert light["passes"] and dark["passes"], "nothing was looked at"
    return [*light["violations"], *dark["violations"]]

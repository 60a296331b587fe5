"""Stories of definitions in a browser: one who mends a mapping, and two who edit at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import Opener
from tests.browser.site import serving
from tests.unit.web.conftest import ON, principal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.needs("chromium")
SYNC = "/syncs/contacts-from-crm"


def selected(page: Page) -> str:
    return str(page.evaluate("(({ value, selectionStart, selectionEnd }) => value.slice(selectionStart, selectionEnd))"
                             "(document.getElementById('text'))"))  # fmt: skip


def test_a_mapping_is_changed_mended_saved_and_run(tmp_path: Path, open_page: Opener) -> None:
    """The form, the problem as one types with a way to its line, Tab that can be left, a note, and a job."""
    with serving(tmp_path / "app") as site:
        page = open_page(site.url)
        page.goto(SYNC)
        page.get_by_role("link", name="Edit the definition").click()
        page.get_by_role("link", name="Form").click()
        page.get_by_label("Source column of new mapping 1").fill("changed_at")
        page.get_by_label("Column of the table, new mapping 1").fill("birthdate")
        page.get_by_role("button", name="Show what changes").first.click()
        assert "- { source: changed_at, target: birthdate }" in page.locator(".diff").inner_text()
        text = page.locator("#text")
        page.get_by_text("1 line changed, not saved").wait_for()
        text.fill(text.input_value().replace("changed_at, target", "change_at, target"))
        page.get_by_text("1 error to mend before it can be saved").wait_for()
        page.locator("[data-line]").click()
        assert selected(page) == "  - { source: change_at, target: birthdate }"
        page.keyboard.press("End")
        page.keyboard.press("Tab")
        assert "birthdate }  \n" in text.input_value()
        page.keyboard.press("Shift+Tab")
        assert "\n- { source: change_at" in text.input_value()
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        assert "\n  - { source: change_at, target: birthdate }\n" in text.input_value()
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") != "text"
        text.fill(text.input_value().replace("change_at, target", "changed_at, target"))
        page.get_by_text("No problem found.").wait_for()
        page.get_by_label("Why, for the history").fill("Birthdays for the campaign")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("The definition is saved").wait_for()
        page.get_by_text("Birthdays for the campaign").wait_for()
        page.goto(SYNC)
        page.get_by_role("button", name=re.compile("Start|Run")).first.click()
        page.wait_for_url("**/jobs/*")
        job = site.hosted.app.job(page.url.rpartition("/")[2].partition("?")[0])
        assert [one.target for one in site.hosted.app.definition(job.sync).mappings][-1] == "birthdate"


def test_a_writer_is_told_what_needs_an_administrator(tmp_path: Path, browser: Browser) -> None:
    """While one types and when one saves: the settings by their names, with the text kept."""
    with serving(tmp_path / "app", principal("crm-writers"), **ON) as site:
        file = site.folder / "syncs/accounts-from-erp.yaml"
        file.write_text(file.read_text().replace("execute: [crm-operators]", "write: [crm-writers]"))
        context = browser.new_context(base_url=site.url)
        page = context.new_page()
        page.goto("/syncs/accounts-from-erp/definition")
        text = page.locator("#text")
        text.fill(text.input_value().replace("erp--client-secret", "erp--another"))
        page.locator("[data-status]", has_text="destination.client_secret").wait_for()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("alert").filter(has_text="destination.client_secret").wait_for()
        assert "erp--another" in text.input_value()
        context.close()


def test_two_editors_and_one_who_leaves(tmp_path: Path, browser: Browser) -> None:
    """The second one's text is kept beside the first one's, and who leaves with unsaved changes is asked."""
    with serving(tmp_path / "app") as site:
        context = browser.new_context(base_url=site.url)
        page = context.new_page()
        page.goto("/syncs/suppliers/definition")
        text = page.locator("#text")
        theirs = text.input_value().replace("the migration", "summer")
        site.hosted.app.definitions.save("suppliers", theirs, expected=0, by="bo@contoso.com", note="words")
        ours = text.input_value().replace("the migration", "winter")
        text.fill(ours)
        page.get_by_text("No problem found.").wait_for()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("button", name="Save mine over it").wait_for()
        assert text.input_value() == ours
        assert "(until summer" in page.locator(".diff").inner_text()
        asked: list[str] = []
        page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        text.press_sequentially("#")
        page.get_by_role("link", name="Revisions").click(no_wait_after=True)
        page.wait_for_function("document.title.startsWith('Definition')")
        assert asked == ["beforeunload"]
        assert "(until winter" in text.input_value()
        context.close()

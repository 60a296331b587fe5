"""Approving, undoing and repairing, as a person does it, over the local Dataverse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from local.dataverse import CLIENT_ID, CLIENT_SECRET, TENANT_ID, LocalDataverse
from shared.values.jobs import JobState
from shared.wiring.nudges import Nudge
from tests.browser.conftest import Opener
from tests.browser.site import Site, serving
from tests.pages import faults

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.needs("chromium")
SECRETS = {"TENANT_ID": TENANT_ID, "CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}
DEFINITION = """
name: shop
source:
  type: delimited
  path: data.csv
  schema: [{{ name: "no" }}, {{ name: name }}, {{ name: parent }}]
destination:
  type: dynamics
  entity: account
  id_column: accountid
  service_url: {url}
  authority: {authority}
  tenant_id: {{ secret: shop--tenant-id }}
  client_id: {{ secret: shop--client-id }}
  client_secret: {{ secret: shop--client-secret }}
mappings:
  - {{ source: "no", target: accountnumber }}
  - {{ source: name, target: name }}
  - {{ source: parent, target: parentaccountid, link: {{ entity: account, column: accountnumber, missing: reject }} }}
behaviour: {{ strategy: full, key: [accountnumber], dropped: delete, brakes: {{ removals: 1%, at_least: 1 }} }}
"""


class Shop:
    """A sync that can be worked on: its file, its table, the app."""

    def __init__(self, site: Site, dataverse: LocalDataverse) -> None:
        self.site = site
        self.dataverse = dataverse

    def read(self, *lines: str) -> None:
        """What the source's file holds now."""
        (self.site.folder / "data.csv").write_text("\n".join(["no,name,parent", *lines, ""]), "utf-8")

    def names(self) -> dict[Any, Any]:
        """The names in Dataverse, by number."""
        return {row["accountnumber"]: row["name"] for row in self.dataverse.rows("account")}

    def work(self) -> None:
        """One slice of the newest job, as the queue would ask for it."""
        self.site.hosted.run_job(Nudge(self.site.hosted.app.jobs(sync="shop")[0].id).to_json())


@contextmanager
def shop(folder: Path) -> Iterator[Shop]:
    """The sync `shop`, with nothing in it."""
    secrets = {f"DYNSYNC_SECRET_SHOP__{name}": value for name, value in SECRETS.items()}
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    with LocalDataverse(clock=lambda: an_hour_ago) as dataverse, serving(folder, **secrets) as site:
        text = DEFINITION.format(url=dataverse.url, authority=dataverse.authority)
        (folder / "syncs/shop.yaml").write_text(text, "utf-8")
        yield Shop(site, dataverse)


def becomes(page: Page, words: str) -> None:
    """The job's page comes to say so by itself: the script asks, and loads it again."""
    page.clock.run_for(3000)
    page.locator("#state").get_by_text(words, exact=True).wait_for()
    assert faults(page.content().replace("<!DOCTYPE", "<!doctype")) == []


def test_a_plan_is_looked_at_approved_and_undone(tmp_path: Path, open_page: Opener) -> None:
    """Started, braked, its changes seen, confirmed, finished; then taken back, after a look at that plan."""
    with shop(tmp_path / "app") as world:
        world.dataverse.insert("account", [{"accountnumber": f"A{n}", "name": f"Name {n}"} for n in range(1, 7)])
        before = world.names()
        world.read("A1,Name 1,", "A2,Another name,", "A3,Name 3,", "A4,Name 4,", "A9,Nine,")
        page = open_page(world.site.url)
        page.clock.install()
        page.goto("/syncs/shop")
        page.get_by_role("button", name="Run", exact=True).click()
        page.wait_for_url("**/jobs/*")
        world.work()
        becomes(page, "Awaiting approval")
        started = page.url
        page.get_by_text("a brake holds it. Nothing is written.").wait_for()
        page.get_by_role("link", name="Look at the 4 changes").click()
        change = page.get_by_role("article").filter(has=page.get_by_role("link", name="A2", exact=True))
        assert change.locator("td.before").inner_text() == "Name 2"
        assert change.locator("td.after").inner_text() == "Another name"
        page.get_by_role("link", name="Apply …").click()
        page.get_by_text("2 rows are deleted.").wait_for()
        assert world.names() == before
        page.get_by_role("button", name="Apply 1 create, 1 update and 2 deletes").click()
        page.wait_for_url("**/jobs/*")
        world.work()
        becomes(page, "Succeeded")
        assert world.names() == {"A1": "Name 1", "A2": "Another name", "A3": "Name 3", "A4": "Name 4", "A9": "Nine"}
        page.get_by_role("button", name="Plan the undo").dblclick(no_wait_after=True)
        page.wait_for_url(lambda url: url.partition("?")[0] != started)
        world.work()
        becomes(page, "Awaiting approval")
        page.get_by_role(
            "link", name="Apply …"
        ).click()  # what the job created goes again: a delete, so it is confirmed
        page.get_by_role("button", name="Apply").click()
        world.work()
        becomes(page, "Succeeded")
        assert world.names() == before
        page.goto(started)
        page.locator("#state").get_by_text("Undone").wait_for()
        assert len(world.site.hosted.app.jobs(sync="shop")) == 2


def test_rejects_are_run_again_once_the_cause_is_mended(tmp_path: Path, open_page: Opener) -> None:
    """A row that a lookup asked for is made; the record that waited for it is found, chosen and replayed."""
    with shop(tmp_path / "app") as world:
        world.read("A1,One,P1", "A2,Two,")
        page = open_page(world.site.url, java_script_enabled=False)
        page.goto("/syncs/shop")
        page.get_by_role("button", name="Run", exact=True).click()
        world.work()
        page.get_by_role("link", name="Look again").click()
        page.get_by_text("1 record is still open").wait_for()
        page.get_by_role("link", name="Look at the rejects").click()
        page.get_by_role("link", name="Unresolved Link in parentaccountid").click()
        page.get_by_text("the whole record").wait_for()
        world.dataverse.insert("account", [{"accountnumber": "P1", "name": "Parent"}])
        page.get_by_role("checkbox", name="Choose A1").check()
        page.get_by_role("button", name="Replay now").click()
        world.work()
        page.get_by_role("link", name="Look again").click()
        page.locator("#state").get_by_text("Succeeded").wait_for()
        assert world.names()["A1"] == "One"
        page.goto("/syncs/shop/rejects")
        page.get_by_text("The sync has no open rejects").wait_for()
        page.goto("/syncs/shop/records?key=a1")
        assert page.get_by_role("heading", level=2).count() == 2


def test_a_session_that_ended_is_told(site: Site, open_page: Opener) -> None:
    """The page of a running job loads itself again, so that it leads to sign in; but not again and again."""
    page = open_page(site.url, refused=401)
    page.clock.install()
    asked: list[str] = []

    def progress(route: Route) -> None:
        asked.append(route.request.url)
        route.continue_() if len(asked) == 1 else route.fulfill(status=401)

    page.route("**/progress", progress)
    with page.expect_response("**/progress"):
        page.goto(f"/jobs/{site.jobs[JobState.RUNNING]}")
    page.evaluate("window.before = true")
    page.locator("#phase").get_by_text("at work").wait_for()
    page.clock.run_for(2500)
    page.locator("#pace").get_by_text("No answer").wait_for()
    assert page.evaluate("window.before === undefined")
    assert len(asked) == 3

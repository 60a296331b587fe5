"""The demo's own material: the definition is valid, and a day changes what the story says."""

from __future__ import annotations

from local import demo
from shared.definitions.loading import parse_sync


def test_the_definition_is_valid() -> None:
    """What the demo shows is what a user may copy."""
    sync = parse_sync(demo._DEFINITION.format(origin="http://127.0.0.1:1"), name="customers")
    assert set(sync.source.labels) == set(demo.made_up_records()[0])


def test_a_day_changes_what_the_story_says() -> None:
    """25 changed, 5 new, 3 gone, one too long."""
    before = {one["customer_no"]: one for one in demo.made_up_records()}
    after = {one["customer_no"]: one for one in demo.a_day_later(demo.made_up_records())}
    changed = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    too_long = [key for key in after if len(after[key]["phone"]) > 20]
    assert (len(before), len(changed) - len(too_long)) == (demo.RECORDS, 25)
    assert (len(after.keys() - before.keys()), len(before.keys() - after.keys()), len(too_long)) == (5, 3, 1)

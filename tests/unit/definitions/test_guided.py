"""The guided form: left as it is, it changes nothing; filled in, it changes just that; hostile answers stay values."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.definitions.document import DocumentError, path_of, read_document
from shared.definitions.guided import Guide, RowAnswer, Setting, filled_in, guide
from shared.definitions.guided import settings as one_by_one
from shared.definitions.guided.settings import FIELDS
from shared.definitions.reference import sync_schema
from shared.definitions.rewriting.values import GONE, at
from shared.errors import RefuseError
from tests.examples import examples

FOLDER = Path(__file__).parents[3] / "docs" / "examples"
EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}
SMALL = """\
name: small
mappings:
  - { source: a, target: x }   # the first
  - source: b
    target: y
  - { source: c, target: z, link: { entity: e, column: nn } }
behaviour:
  strategy: full   # all of it
  key: [x, id]
  changed: { when: "a > 1" }
"""


def shown(found: Guide) -> dict[str, Setting]:
    return {one.name: one for section in found.sections for one in section.settings}


def answers(found: Guide) -> list[RowAnswer]:
    """The rows as a browser sends them when nobody touched anything."""
    return [RowAnswer(row.number, row.source, row.target, row.number + 1, row.key) for row in found.rows]


@pytest.mark.parametrize("text", [*EXAMPLES.values(), SMALL, "name: x\n", "mappings: 5\nbehaviour: [a]\nschedule: 1\n"])
def test_a_form_that_is_left_alone_changes_nothing(text: str) -> None:
    """What the form shows, sent back, is the text to the letter."""
    found = guide(text)
    told = {one.name: one.value for one in shown(found).values() if not one.shown}
    assert filled_in(text, told, answers(found)) == text
    assert filled_in(text, {}, []) == text


def test_choices_are_the_schemas() -> None:
    """Every field is a setting of the models, and its words, in their order, are those of the JSON schema."""
    schema = sync_schema()
    found = shown(guide(SMALL))
    for fields in FIELDS.values():
        for field in fields:
            inner = schema
            for step in path_of(field.path):
                for part in (inner, *inner.get("anyOf", [])):
                    inner = schema["$defs"][part["$ref"].rsplit("/", 1)[-1]] if "$ref" in part else inner
                inner = inner["properties"][step]
            words = [word for part in (inner, *inner.get("oneOf", [])) for word in part.get("enum", [])]
            assert list(found[field.path].choices) == words, field.path
            assert found[field.path].meaning == (field.meaning or inner["description"])
            assert not re.search(r"[{}]|null|false|true", found[field.path].meaning), (
                "words of the text, not of the form"
            )


def test_what_is_shown_is_what_counts() -> None:
    """Values as they stand, defaults where nothing does, and what is more than a word as it is written."""
    found = shown(guide(SMALL))
    assert (found["behaviour.strategy"].value, found["behaviour.new"].value) == ("full", "insert")
    assert (found["enabled"].value, found["behaviour.brakes.removals"].value) == ("true", "5%")
    assert (found["behaviour.changed"].shown, found["behaviour.changed"].value) == ('{ when: "a > 1" }', "")
    assert [(row.source, row.fixed, row.key, row.more) for row in guide(SMALL).rows] == [
        ("a", False, True, ""), ("b", False, False, ""), ("c", True, False, "link: { entity: e, column: nn }"),
    ]  # fmt: skip
    assert found["destination.filter"].guarded and found["behaviour.approval"].guarded
    assert not found["title"].guarded


def test_settings_are_written_where_they_belong() -> None:
    """A word, a number, a switch, a schedule; emptied ones go, and an emptied brake has no limit."""
    text = filled_in(
        SMALL,
        {
            "title": "Small", "enabled": "false", "schedule.cron": "0 2 * * *", "schedule.time_zone": "Europe/Rome",
            "behaviour.strategy": "delta", "behaviour.brakes.removals": "", "behaviour.brakes.at_least": "50",
            "behaviour.changed": "ignore",
        },
        [],
    )  # fmt: skip
    assert text.startswith("name: small\ntitle: Small\nenabled: false\nmappings:")
    assert "strategy: delta   # all of it\n" in text
    assert 'changed: { when: "a > 1" }\n  brakes: { removals: null, at_least: 50 }' in text
    assert 'schedule: { cron: "0 2 * * *", time_zone: Europe/Rome }' in text
    emptied = filled_in(text, {"title": "", "schedule.cron": "", "schedule.time_zone": "Asia/Tokyo"}, [])
    assert "title" not in emptied
    assert "schedule" not in emptied


def test_new_settings_are_put_into_a_text_of_some_length_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one reads the text anew: of a very long one, fewer at a time; those that are there already are as many."""
    monkeypatch.setattr(one_by_one, "MOST_WORK", 3 * len(SMALL))
    rows, absent = answers(guide(SMALL)), [f"behaviour.brakes.{name}" for name in ("removals", "creates", "updates")]
    with pytest.raises(RefuseError, match="too long for 4 settings that it does not have yet"):
        filled_in(SMALL, {**dict.fromkeys(absent, "1%"), "title": "Long"}, rows)
    assert "removals: 1%" in filled_in(SMALL, {absent[0]: "1%"}, rows)


def test_rows_are_changed_moved_added_and_taken_out() -> None:
    """The key follows its rows; comments go with them; a mapping with a link only moves."""
    text = filled_in(
        SMALL,
        {},
        [
            RowAnswer(0, "a", "x2", 3, key=True),
            RowAnswer(1, "b", "y", 2, gone=True),
            RowAnswer(2, "hacked", "hacked", 1),
            RowAnswer(None, "d", "w", 4, key=True),
            RowAnswer(None, "", "", 5),
        ],
    )
    assert text == SMALL.replace(
        SMALL[SMALL.index("  - { source: a") : SMALL.index("behaviour")],
        "  - { source: c, target: z, link: { entity: e, column: nn } }\n"
        "  - { source: a, target: x2 }   # the first\n  - { source: d, target: w }\n",
    ).replace("[x, id]", "[x2, id, w]")
    assert filled_in(SMALL, {}, [RowAnswer(1, "b", "y", 1)]).count("- ") == 3


@settings(max_examples=examples(100))
@given(
    name=st.sampled_from([field.path for fields in FIELDS.values() for field in fields]), answer=st.text(max_size=20)
)
def test_hostile_answers_stay_values(name: str, answer: str) -> None:
    """Whatever is typed is the setting's value, or it is refused; nothing else is changed."""
    before = read_document(SMALL).value
    try:
        after = read_document(filled_in(SMALL, {name: answer, "schedule.cron": "x"} | {name: answer}, [])).value
    except (RefuseError, DocumentError):
        assert any(sign == "\0" or 0xD800 <= ord(sign) <= 0xDFFF for sign in answer)
        return
    found = at(after, path_of(name))
    assert found is GONE or found is None or isinstance(found, dict | bool | int) or found in (answer, "full")
    assert isinstance(after, dict)
    assert isinstance(before, dict)
    assert {key: after[key] for key in ("name", "mappings")} == {key: before[key] for key in ("name", "mappings")}


@settings(max_examples=examples(100))
@given(cells=st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8), st.integers(-5, 50)), max_size=4))
def test_hostile_cells_stay_values(cells: list[tuple[str, str, int]]) -> None:
    """A new mapping's cells are just what was typed."""
    new = [RowAnswer(None, source, target, place) for source, target, place in cells]
    try:
        after = read_document(filled_in(SMALL, {}, [*answers(guide(SMALL)), *new])).value
    except RefuseError:
        return
    found = at(after, ("mappings",))
    assert isinstance(found, list)
    wanted = [{"source": source, "target": target} for source, target, _ in cells if source or target]
    assert sorted(map(repr, found)) == sorted(map(repr, [*at(read_document(SMALL).value, ("mappings",)), *wanted]))

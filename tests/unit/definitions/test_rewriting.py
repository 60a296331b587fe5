"""One setting of a text is changed, and every other character stays: laws, over examples and texts made up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from shared.definitions.document import Path as Steps
from shared.definitions.document import read_document
from shared.definitions.rewriting import arrange, put, put_each, remove
from shared.definitions.rewriting.values import GONE, arranged, at, changed, same
from shared.errors import RefuseError
from tests.examples import examples

FOLDER = Path(__file__).parents[3] / "docs" / "examples"
EXAMPLES = {path.stem: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.yaml"))}

STRANGE = """\
# head
name: strange   # its name
title: >-  # folded
  one
  two

# before the description
description: |
  first
    second

  # no comment but text
enabled:   # nothing is written here
'quoted key': 'it''s'
"x: y": "a # b"
flow: { a: 1, b: [x, 'y', "z"], c: {}, d: }
list:
- plain   # c1
# above the second
- "second"
-
- - nested
  - more
- k: v   # c2
  l: w
anchored: &it [1, 2]
again: *it
empty: {}
multi: one
  two   # c3
last:
  deep:
    deeper: 1.50
    # at the end of deeper
  # at the end of deep
# at the end
"""
SMALL = {"strange": STRANGE, "windows": STRANGE.replace("\n", "\r\n")}
TEXTS = EXAMPLES | SMALL

# everything that a document may hold: neither half characters nor NUL
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
HOSTILE = st.sampled_from(
    ["", " ", "null", "~", "yes", "1", "1.0", "- a", "a: b", "a #b", "#", "&x", "*x", "!t", "|", "'", '"', "\\", "{}",
     "%", "[", "]", "@v", "`", "a\nb", "a\n b\n", "\n", "\ta", "…", "\x07", "\x85", "\u2028", "\ufeff", "---", "..."]
)  # fmt: skip
PLAIN = st.one_of(
    ANY_TEXT, HOSTILE, st.booleans(), st.none(), st.integers(-(10**17), 10**17), st.lists(HOSTILE, max_size=3),
    st.dictionaries(st.sampled_from(["a", "b c", "1"]), HOSTILE, max_size=2),
)  # fmt: skip


def paths(value: object, path: Steps = ()) -> Iterator[Steps]:
    """Every path of a plain value but its root."""
    if path:
        yield path
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from paths(inner, (*path, step))


PLACES = [(name, path) for name, text in SMALL.items() for path in paths(read_document(text).value)]


def comments(text: str) -> set[str]:
    """What stands behind `#` at a line's beginning or behind a blank; texts that look so, too."""
    return set(re.findall(r"(?:^|\s)#.*?$", text.replace("\r", ""), re.MULTILINE))


@pytest.mark.parametrize("name", TEXTS)
def test_writing_back_what_was_read_changes_nothing(name: str) -> None:
    """Every value of a text, put where it stands, leaves the text as it is; so does every list in its own order."""
    text = TEXTS[name]
    value = read_document(text).value
    few = slice(None, None, 1 if name in SMALL else 7)
    for path in [*paths(value)][few]:
        found = at(value, path)
        assert put(text, path, found) == text
        if isinstance(found, list):
            assert arrange(text, path, range(len(found))) == text


@settings(max_examples=examples(100))
@given(place=st.sampled_from(PLACES), value=PLAIN)
def test_what_is_set_is_read(place: tuple[str, Steps], value: object) -> None:
    """A value that is put somewhere is what is read there, whatever it is, and nothing else means anything else."""
    text, path = TEXTS[place[0]], place[1]
    before = read_document(text).value
    try:
        after = put(text, path, value)
    except RefuseError:  # what an alias repeats cannot be changed alone
        assert path[0] in ("anchored", "again")
        return
    assert same(read_document(after).value, changed(before, path, value))
    again = put(after, path, value)
    assert again == after


@settings(max_examples=examples(100))
@given(place=st.sampled_from(PLACES), value=st.one_of(ANY_TEXT, HOSTILE, st.integers(0, 9), st.booleans(), st.none()))
def test_comments_survive(place: tuple[str, Steps], value: object) -> None:
    """Where a single value takes another's place, every comment stays, and all other lines stay to the letter."""
    text, path = TEXTS[place[0]], place[1]
    old = at(read_document(text).value, path)
    assume(not isinstance(old, list | dict) and path[0] not in ("anchored", "again", "description", "x: y"))
    after = put(text, path, value)
    assert all(one in after for one in comments(text))
    if "\n" not in str(value):
        assert (
            len(set(text.split("\n")) - set(after.split("\n"))) <= 1
            or "\n" in str(old)
            or path[0] in ("multi", "title")
        )


OWNERS = [(), ("last", "deep"), ("empty",), ("flow",), ("flow", "c"), ("list", 4)]


@settings(max_examples=examples(100))
@given(name=st.sampled_from(sorted(SMALL)), owner=st.sampled_from(OWNERS), key=HOSTILE, value=PLAIN)
def test_a_new_key_is_added(name: str, owner: Steps, key: str, value: object) -> None:
    """A key that is not there is written, with no other line changed; taken out again, the text is the old one."""
    text = SMALL[name]
    after = put(text, (*owner, key), value)
    assert same(at(read_document(after).value, (*owner, key)), value)
    assert all(one in after for one in comments(text))
    if at(read_document(text).value, owner) and "\n" not in str(value):
        assert remove(after, (*owner, key)).split() == text.split()


@pytest.mark.parametrize(("name", "path"), PLACES)
def test_what_is_removed_is_gone(name: str, path: Steps) -> None:
    """A key that is removed is gone and everything else is there; or it is refused, never half done."""
    text = TEXTS[name]
    if not isinstance(path[-1], str):
        return
    try:
        after = remove(text, path)
    except RefuseError:
        return
    assert same(read_document(after).value, changed(read_document(text).value, path, GONE))


LISTS = [(name, path) for name, path in PLACES if isinstance(at(read_document(TEXTS[name]).value, path), list)]


@settings(max_examples=examples(100))
@given(place=st.sampled_from(LISTS), chosen=st.data())
def test_lists_are_arranged(place: tuple[str, Steps], chosen: st.DataObject) -> None:
    """Items move with the comments beside and above them, go, and new ones come."""
    text, path = TEXTS[place[0]], place[1]
    items = at(read_document(text).value, path)
    assert isinstance(items, list)
    kept = chosen.draw(st.lists(st.integers(0, len(items) - 1), unique=True, max_size=8) if items else st.just([]))
    order: Sequence[object] = chosen.draw(st.permutations([*kept, *chosen.draw(st.lists(HOSTILE, max_size=2))]))
    try:
        after = arrange(text, path, order)
    except RefuseError:
        assert path[0] in ("anchored", "again") or path == ("list",) or len(path) > 1
        return
    wanted = arranged(items, order)
    assert same(at(read_document(after).value, path), wanted)
    if set(kept) == set(range(len(items))):
        assert all(one in after for one in comments(text))


LEAVES = [
    (name, path)
    for name, path in PLACES
    if not isinstance(at(read_document(SMALL[name]).value, path), list | dict) and path[0] not in ("anchored", "again")
]


@settings(max_examples=examples(100))
@given(places=st.lists(st.tuples(st.sampled_from(LEAVES), PLAIN), unique_by=lambda one: one[0], max_size=6))
def test_several_at_once_are_as_one_by_one(places: list[tuple[tuple[str, Steps], object]]) -> None:
    """Values that are put together give the text that they give one after the other."""
    values = {path: value for (name, path), value in places if name == "strange"}
    text = STRANGE
    for path, value in values.items():
        text = put(text, path, value)
    assert put_each(STRANGE, values) == text


def test_it_looks_as_a_person_would_write_it() -> None:
    """Quotes, indentation, order and comments are those of the text around."""
    text = EXAMPLES["accounts-from-erp"]
    text = put(text, ("destination", "filter"), "statecode eq 1")
    assert '  filter: "statecode eq 1"         # the rows that this sync owns' in text
    text = put(text, ("behaviour", "dropped"), "delete")
    assert "  dropped: delete\n" in text
    text = put(text, ("behaviour", "brakes", "removals"), "7.5%")
    assert "brakes: { removals: 7.5%, creates: 50%," in text
    text = put(text, ("description",), "One line\nand another")
    assert "description: |-\n  One line\n  and another\nenabled: true" in text
    text = arrange(text, ("mappings",), [1, 0, {"source": "tier", "target": "new tier"}])
    assert (
        "mappings:\n  - { source: display, target: name }\n  - { source: customer_no, target: accountnumber }\n"
        "  - { source: tier, target: new tier }\n\nbehaviour:" in text
    )


def test_new_keys_stand_where_they_belong() -> None:
    """Given the order of the keys, a new one stands behind those before it, below their comments."""
    text = "name: x   # its name\n  # more of it\nsource:\n  type: csv\n  # - not now\n\n# who\npermissions: {}\n"
    order = ("name", "title", "source", "schedule", "permissions")
    after = put(text, ("title",), "T", order)
    after = put(after, ("schedule", "cron"), "0 * * * *", order)
    assert after == (
        "name: x   # its name\n  # more of it\ntitle: T\nsource:\n  type: csv\n  # - not now\n\n"
        'schedule: { cron: "0 * * * *" }\n\n# who\npermissions: {}\n'
    )
    assert remove(put(after, ("schedule", "time_zone"), "UTC"), ("schedule",)).replace("title: T\n", "").split() == (
        text.split()
    )


def test_what_cannot_be_changed_alone_is_refused() -> None:
    """An anchor's value that is used elsewhere would change there too: refused, with the place and the line."""
    with pytest.raises(RefuseError, match=r"anchored\.0 cannot be changed by the form .*line \d+.*in the text"):
        put(STRANGE, ("anchored", 0), 5)

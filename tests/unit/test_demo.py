"""The demo's own material: real places, and the files that it makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.demo import picture
from local.demo.files import BROKEN, first_file, tear, write_records, year_later
from local.demo.places import Record, places
from local.demo.scripts import own_script_name
from local.demo.stage import EXAMPLES, SYNCS, WRITTEN_FOR, DemoError, cleared, furnish
from shared.definitions.loading import parse_sync


@pytest.fixture(scope="module")
def cities() -> list[Record]:
    return places()[1]


def test_there_are_many_real_names(cities: list[Record]) -> None:
    """At least 25,000 cities with distinct codes; thousands have a name in their own script; countries have theirs."""
    assert len({city["code"] for city in cities}) == len(cities) >= 25_000
    assert sum(city["local_name"] != "" for city in cities) > 3_000
    assert {city["country"] for city in cities} <= {country["iso"] for country in places(500)[0]}


def test_few_records_are_picked_evenly(cities: list[Record]) -> None:
    """A small demo sees the whole world, not its beginning."""
    few = places(500)[1]
    assert len(few) == 500
    assert len({city["country"] for city in few}) > 80
    assert all(city in cities for city in few[::50])


@pytest.mark.parametrize(
    ("country", "names", "own"),
    [
        ("JP", ["Tōkyō", "东京", "東京", "東京都"], "東京"),
        ("CN", ["Pékin", "北京", "北京市"], "北京"),
        ("KR", ["경성", "서울", "서울시"], "서울"),
        ("GR", ["Patra", "Πάτρα"], "Πάτρα"),
        ("RU", ["Масква", "Москва"], None),
        ("RU", ["", "Псков"], "Псков"),
        ("NL", ["Амстердам"], None),
    ],
)
def test_a_name_in_its_own_script(country: str, names: list[str], own: str | None) -> None:
    """Only a name that can be told from those in neighbouring languages counts."""
    assert own_script_name(country, names) == own


def test_the_file_of_a_year_later_is_what_the_story_says(cities: list[Record]) -> None:
    """New, changed, dropped and broken add up, and the dropped are beyond the brake of 5%."""
    first, later = first_file(cities), year_later(cities)
    before = {city["code"]: city for city in first}
    codes = [city["code"] for city in later.records]
    same = sum(before.get(city["code"]) == city for city in later.records)
    assert len(set(codes) - before.keys()) == later.new > 100
    assert len(before.keys() - set(codes)) == later.dropped > 0.05 * len(first)
    assert len(codes) == len(set(codes)) + 1
    assert same == later.unchanged + 1, "one of the two records that share a key is as it was"
    assert later.unchanged + later.new + later.changed + BROKEN == len(codes)
    assert BROKEN == 12
    (risen,) = [city for city in later.records if city["code"] == later.risen]
    assert int(before[later.risen]["population"]) < 100_000 <= int(risen["population"])


def test_a_torn_file_has_two_lines_without_a_code(tmp_path: Path, cities: list[Record]) -> None:
    """One line loses half of its fields, the next its code; all others stay as they are."""
    path = tmp_path / "cities.csv"
    write_records(path, cities[:11])
    whole = path.read_text("utf-8").splitlines()
    tear(path)
    torn = path.read_text("utf-8").splitlines()
    different = [number for number, line in enumerate(torn) if line != whole[number]]
    assert different == [6, 7]
    assert torn[6].count(",") < whole[6].count(",")
    assert torn[7].startswith(",")


@pytest.mark.parametrize("name", SYNCS)
def test_an_example_is_a_valid_definition(name: str) -> None:
    """What the demo runs stands among the examples, and is written for the local Dataverse's usual address."""
    text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
    assert parse_sync(text, name=name).destination.service_url == f"{WRITTEN_FOR}/api/data/v9.2/"


def test_the_examples_are_furnished_for_another_address(tmp_path: Path) -> None:
    """Nothing but the address and the way to the schema is changed."""
    furnish(tmp_path, "http://127.0.0.1:4711")
    for name in SYNCS:
        wanted = (EXAMPLES / f"{name}.yaml").read_text("utf-8").splitlines()[1:]
        made = (tmp_path / "syncs" / f"{name}.yaml").read_text("utf-8").splitlines()
        assert [line.replace("127.0.0.1:4711", "127.0.0.1:8765") for line in made[1:]] == wanted
        assert (tmp_path / "syncs" / made[0].partition("$schema=")[2]).resolve().exists()


def test_only_its_own_folder_is_cleared(tmp_path: Path) -> None:
    """A folder with other people's files is refused and left as it is; an earlier demo's is emptied, one at a time."""
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DemoError, match="not the demo's"), cleared(tmp_path):
        pass
    assert (tmp_path / "mine.txt").read_text() == "precious"
    own = tmp_path / "demo"
    with cleared(own):
        (own / "cities.csv").write_text("old")
        with pytest.raises(DemoError, match="still running"), cleared(own):
            pass
    assert (own / "cities.csv").exists()
    with cleared(own):
        assert not (own / "cities.csv").exists()


def test_a_picture_shows_what_a_terminal_shows_in_the_end() -> None:
    """Bars that are drawn over and over in the same place stand there once; an excerpt has its own lines only."""
    written = (
        "$ run\n\x1b[?25l\rone 1\nten 0\r\x1b[2K\x1b[1A\x1b[2Kone 2\nten \x1b[32m9\x1b[0m\n\x1b[?25hdone\n2. next\n"
    )
    shown = picture._screen(written)
    assert shown == ["$ run", "one 2", "ten \x1b[32m9\x1b[0m", "done", "2. next", ""]
    assert list(picture._between(shown, r"one", r"2\. ")) == shown[1:4]
    assert "one&#160;2" in picture._svg(shown, "test")

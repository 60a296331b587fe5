"""JSON records are staged digit for digit, with absent told from null; a broken document stages nothing half."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.errors import SourceError
from shared.ports import StagedSource
from shared.sources import json_file, json_records
from shared.sources.json_file import JsonFile
from tests.examples import examples
from tests.unit.sources.sink import FileSink

Write = Callable[..., Path]


def source(path: Path, *wanted: str, format: str = "auto", records: str | None = None) -> JsonFile:  # noqa: A002
    return JsonFile(path, wanted or ("a", "b"), format, records, path.parent)


def test_absent_is_told_from_null(write: Write, sink: FileSink) -> None:
    """A missing member is marked; a null one is not."""
    assert source(write('[{"a":1,"b":null},{"a":"x"},{}]')).stage(sink) == StagedSource(records=3)
    assert list(sink.columns()) == ["row_no", "a", "b", "a?", "b?"]
    assert sink.rows() == [(1, "1", None, False, False), (2, "x", None, False, True), (3, None, None, True, True)]


def test_values_lose_nothing(write: Write, sink: FileSink) -> None:
    """Numbers keep their digits, also inside objects; objects and lists become JSON text."""
    lines = [
        '{"a": 1.10, "b": 12345678901234567890.123}',
        '{"a": true, "b": 1E400}',
        '{"a": {"x": [1.0, "é\\n", null]}, "b": ""}',
    ]
    source(write("\n".join(lines))).stage(sink)
    assert [row[1:3] for row in sink.rows()] == [
        ("1.10", "12345678901234567890.123"),
        ("true", "1E400"),
        ('{"x":[1.0,"é\\n",null]}', ""),
    ]


@pytest.mark.parametrize("last", ['{"a": "x\\n", "b": 1}', '{"a": "x", "b": 1}'])
def test_a_text_that_says_null_is_a_text(write: Write, sink: FileSink, last: str) -> None:
    """Whether the records are plain or not: a null and the word are two things."""
    source(write('{"a": "null", "b": null}\n{"a": "", "b": "null"}\n' + last)).stage(sink)
    assert [row[1:3] for row in sink.rows()] == [("null", None), ("", "null"), (json.loads(last)["a"], "1")]


def test_a_column_may_be_called_as_the_database_numbers_rows(write: Write, sink: FileSink) -> None:
    """Records keep their own numbers, and the column its values."""
    source(write('{"RowID": 7, "b": 1}\n{"RowID": 7, "b": 2}'), "RowID", "b").stage(sink)
    assert [row[:3] for row in sink.rows()] == [(1, "7", "1"), (2, "7", "2")]


def test_a_row_that_is_lost_on_the_way_stops_the_job(write: Write, sink: FileSink) -> None:
    """What a source gave is counted against what the table holds."""
    fill = sink.fill_in_order
    sink.fill_in_order = lambda query, **given: fill(query, **given) - 1  # type: ignore[method-assign]
    with pytest.raises(SourceError, match=r"gave 2 rows, 1 could be staged"):
        source(write('{"a": 1, "b": 2}\n{"a": 3, "b": 4}')).stage(sink)


def test_dotted_names_reach_into_objects(write: Write, sink: FileSink) -> None:
    """A member with the literal name wins over the way into an object; what is no object on the way is absent."""
    source(write('[{"a.b":1,"a":{"b":2}},{"a":{"b":2}},{"a":5},{"a":{"b":null}}]'), "a.b").stage(sink)
    assert [row[1:] for row in sink.rows()] == [("1", False), ("2", False), (None, True), (None, False)]


@pytest.mark.parametrize(
    "text", ['{"n":2,"r":{"s":[{"a":1}, {"a":2}],"t":[]},"z":"]"}', '{"r":{"s":[{"a":1},{"a":2}]}}\n']
)
def test_records_lie_at_a_dotted_path(write: Write, sink: FileSink, text: str) -> None:
    """What stands beside the list is read over, and checked."""
    assert source(write(text), "a", records="r.s").stage(sink).records == 2


def test_malformed_records_are_set_aside(write: Write, sink: FileSink) -> None:
    """Lines that are no JSON or no object, and objects that name a member twice, keep their number."""
    lines = [
        '{"a":1}',
        "{broken}",
        "",
        "7",
        '{"a":1,"a":2}',
        '{"a":{"x":1,"x":2}}',
        '{"a":"\\u0000"}',
        '{"a":NaN}',
        '{"a":2}',
    ]
    staged = source(write("\r\n".join(lines)), "a").stage(sink)
    assert [row[0] for row in sink.rows()] == [1, 8]
    assert [one.row for one in staged.malformed] == [2, 3, 4, 5, 6, 7]
    reasons = [one.reason for one in staged.malformed]
    assert "not valid JSON" in reasons[0]
    assert "a number, not an object" in reasons[1]
    assert "'a' stands there twice" in reasons[2]
    assert "'x' stands there twice" in reasons[3]


def test_deep_nesting_is_one_malformed_record(write: Write, sink: FileSink) -> None:
    """A hostile record does not end the program."""
    staged = source(write('{"a":1}\n{"a":' + "[" * 100_000 + "]" * 100_000 + '}\n{"a":2}\n'), "a").stage(sink)
    assert (staged.records, [one.row for one in staged.malformed]) == (2, [2])


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ('[{"a":1},{"a":2}', {}, ["line 1", "truncated"]),
        ('[{"a":1},{"a":"x', {}, ["ends in the middle"]),
        ('[{"a":1},\n{"a":}]', {}, ["line 2", "Expecting value"]),
        ('[{"a":1}] []', {}, ["something follows"]),
        ('[{"a":1},]', {}, ["line 1"]),
        ('{"a":1}\n{"a":2', {}, ["line 2", "last record", "truncated"]),
        ('{"value":[{"a":1}]}', {}, ["no column 'a'", "'value'"]),
        ('{"value":[{"a":1}]}', {"format": "array"}, ["an object, not a list", "`records`"]),
        ('{"value":[{"a":1}]}', {"records": "items"}, ["no member 'items'", "'value'"]),
        ('{"r":[],"r":[]}', {"records": "r"}, ["'r' stands there twice"]),
        ('{"r":[{"a":1}],"z":', {"records": "r"}, ["truncated"]),
        ('[[{"a":1}]]', {"records": "x"}, ["`records` asks for the member 'x'"]),
        ("[" * 100_000, {}, ["nested too deeply"]),
        ("", {}, ["empty (0 bytes)", "written as []"]),
        ("  \n", {}, ["holds no JSON"]),
        ('[{"a":1}]'.encode("utf-16"), {}, ["utf-16"]),
    ],
)
def test_a_document_that_is_not_whole_stops_the_job(
    write: Write, sink: FileSink, text: str | bytes, options: dict[str, str], words: list[str]
) -> None:
    """The message says file, place, reason and remedy."""
    path = write(text, "x.json")
    with pytest.raises(SourceError) as caught:
        source(path, "a", **options).stage(sink)
    assert [word for word in [str(path), *words] if word not in str(caught.value)] == []


@pytest.mark.parametrize(("between", "place"), [("\n ", "line 9,002, character 7"), ("", "line 1, character 72,007")])
def test_a_place_far_behind_the_start_is_told(write: Write, sink: FileSink, between: str, place: str) -> None:
    """Line and character count from the file's start, however much of it has been read and let go."""
    text = "[" + between + f",{between}".join(['{"a":1}'] * 9000 + ['{"a":}']) + "]"
    with pytest.raises(SourceError, match=place):
        source(write(text), "a").stage(sink)


@pytest.mark.parametrize(("value", "beside"), [("x", True), ("x\ny", False), ("x\ry", False)])
def test_only_texts_within_a_line_are_read_side_by_side(
    write: Write, sink: FileSink, monkeypatch: pytest.MonkeyPatch, value: str, beside: bool
) -> None:
    """Where a text runs over a line's end, one thread counts the records, and each has its number all the same."""
    ways: list[str] = []
    in_order = sink.fill_in_order
    monkeypatch.setattr(sink, "fill_in_order", lambda *a, **k: (ways.append("beside"), in_order(*a, **k))[1])
    assert source(write(json.dumps([{"a": value, "b": n} for n in (1, 2)]))).stage(sink).records == 2
    assert sink.rows() == [(1, value, "1", False, False), (2, value, "2", False, False)]
    assert bool(ways) is beside


def test_a_record_beyond_the_limit_stops_the_job(write: Write, sink: FileSink, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: one record has a largest size, in a list and on a line."""
    monkeypatch.setattr(json_records, "MAX_RECORD_CHARS", 1 << 20)
    record = json.dumps({"a": "x" * (5 << 20)})
    for text in (f"[{record}]", record + "\n"):
        with pytest.raises(SourceError, match="1 million characters"):
            source(write(text), "a").stage(sink)


def test_an_empty_list_is_an_empty_source(write: Write, sink: FileSink) -> None:
    """No record is not an error here."""
    assert source(write("[]")).stage(sink) == StagedSource(records=0)


def test_column_types_are_the_members(write: Write) -> None:
    """Members of any of the first records, in order of appearance."""
    assert source(write('[{"x":1},{"y":2,"x":3}]')).column_types() == {"x": "VARCHAR", "y": "VARCHAR"}


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xyz", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(values=st.lists(VALUES, max_size=6), block=st.integers(1, 40), indent=st.sampled_from([None, 1]))
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_list_reads_back_whatever_the_block_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, values: list[object], block: int, indent: int | None
) -> None:
    """Law: the reader finds every record wherever a block of the file ends."""
    monkeypatch.setattr(json_records, "_BLOCK_CHARS", block)
    path = tmp_path / "law.json"
    path.write_text(json.dumps({"n": values, "r": [{"a": value} for value in values]}, indent=indent))
    reader = json_records.JsonRecords(format="auto", path="r", shown=path)
    with path.open(encoding="utf-8") as file:
        found = list(reader.read(file))
    assert [json.loads(json.dumps(one["a"])) for one in found] == [  # type: ignore[index]
        json.loads(json.dumps(value), parse_int=str) for value in values
    ]


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6).map(json.dumps)
TOKENS = (
    NUMBERS | TEXTS | VALUES.map(json.dumps) | st.sampled_from(["true", "null", '"null"', '""', "[0]", '"[1,"', "1.10"])
)
OBJECTS = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), TOKENS), max_size=4)


PLAIN = st.fixed_dictionaries({"a": st.text("xyz,[}{ ", max_size=3), "b": st.integers(0, 99)}).map(json.dumps)
FRAGMENTS = ['{"a":1,"b":2}', '{"a":1', '"b":2}', '{"b":2}', '{"a":"x}', '{y","b":1}', '{"a":1,"b":2},{"a":3,"b":4}']
TWO = '{"a":1,"b":2},{"a":3,"b":4}'
FRAGMENTS += [
    '{"a":[{"b":1}',
    '{"b":2}],"b":0}',
    "",
    " ",
    '{"a":"x","b":"y"}\r',
    ',{"a":5,"b":6}',
    "]",
    '{"a":1.10,"b":2}',
]


class OneByOne(JsonFile):
    """Reads as ever, but offers no batch."""

    def read(self, take: json_records.Take | None = None) -> Iterator[object]:
        return JsonFile.read(self)


def outcome(kind: type[JsonFile], path: Path, form: str) -> object:
    """What a read gives: the answer and the rows, or the error."""
    sink = FileSink(Path(":memory:"), threads=1)
    try:
        return kind(path, ("a", "b"), form, None, path.parent).stage(sink), sink.rows()
    except SourceError as error:
        return str(error)
    finally:
        sink.connection.close()


@pytest.fixture(params=[16, 1 << 16])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of some characters, offered again after a record."""
    monkeypatch.setattr(json_records, "_BATCH_CHARS", request.param)
    monkeypatch.setattr(json_records, "_RECORDS_BETWEEN", 1)


@pytest.mark.usefixtures("batches")
@given(objects=st.lists(OBJECTS, min_size=1, max_size=5), blank=st.sampled_from(["", " ", "\t", "\n  "]))
@example(objects=[[("a", '{"x":1,"y":2}'), ("b", "1")]] * 3, blank="")
@example(objects=[[("a", r'"x\ny"'), ("b", r'"\\"')]] * 3, blank="")
@settings(max_examples=examples(20), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_plain_records_are_read_as_any_other(tmp_path: Path, objects: list[list[tuple[str, str]]], blank: str) -> None:
    """Law: records taken many at once, of lines and of lists, are those that are read one by one."""
    texts = ["{" + f",{blank}".join(f'"{name}":{blank}{token}' for name, token in one) + "}" for one in objects]
    path = tmp_path / "law.json"
    for text, form in (("\n".join(texts), "lines"), (f"[{f',{blank}'.join(texts)}]", "array")):
        path.write_text(text, encoding="utf-8")
        assert outcome(JsonFile, path, form) == outcome(OneByOne, path, form)


@pytest.mark.usefixtures("batches")
@given(
    lines=st.lists(st.sampled_from(FRAGMENTS) | PLAIN, min_size=1, max_size=7), between=st.sampled_from(["\n", ",\n"])
)
@example(lines=['{"c":[{"b":1}', '{"b":2}],"a":1,"b":0}', TWO], between="\n")
@example(lines=['{"a":"x', 'y","b":1}', TWO], between="\n")
@example(lines=['{"a":1', '"b":1}', TWO], between="\n")
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_never_run_over_lines(tmp_path: Path, lines: list[str], between: str) -> None:
    """Law: pieces that make whole records only when lines are joined are as malformed as when read one by one."""
    path = tmp_path / "law.json"
    for text, form in ((between.join(lines), "lines"), (f"[{between.join(lines)}]", "array")):
        path.write_text(text, encoding="utf-8")
        assert outcome(JsonFile, path, form) == outcome(OneByOne, path, form)


@pytest.mark.parametrize("form", ["lines", "array"])
def test_plain_records_take_the_short_way(
    write: Write, sink: FileSink, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """All but the last one of a list, whose end is not known by what follows it."""
    single = []
    add = json_file._Staging.add
    monkeypatch.setattr(json_file._Staging, "add", lambda self, record: (single.append(record), add(self, record))[1])
    records = [json.dumps({"a": f"x{number}", "c": {"d": [1]}, "b": number}) for number in range(3000)]
    plain = [record.replace('{"d": [1]}', "0") for record in records]
    text = "\n".join(plain) if form == "lines" else "[" + ",\n ".join(records) + "]"
    assert source(write(text), format=form).stage(sink).records == 3000
    assert sink.query("SELECT count(*) FROM source WHERE a = 'x' || b AND row_no = b::INT + 1") == [(3000,)]
    assert len(single) == (0 if form == "lines" else 1)


@pytest.mark.parametrize("text", ['{"a":1}\n{"a":2}{"a":3}', '{"a":1}\n{"a":2}, {"a":3}\n'])
def test_two_objects_in_the_last_line_are_a_malformed_row(write: Write, sink: FileSink, text: str) -> None:
    """The line ends as it should, so the file is whole: the row is set aside like one in the middle."""
    staged = source(write(text), "a").stage(sink)
    (row,) = staged.malformed
    assert (staged.records, row.row) == (1, 2)
    assert "more than one object in the line" in row.reason

from __future__ import annotations

import json
import traceback
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.definitions.behaviour import ConditionalUpdate
from shared.definitions.catalogue import examine
from shared.definitions.checks import check_definition
from shared.definitions.document import DocumentError, plain_scalar, read_document
from shared.definitions.loading import load_sync, parse_sync
from shared.definitions.reach import Reach
from shared.definitions.schedule import check_cron
from shared.definitions.sync import SyncDefinition
from shared.definitions.unbuilt import unbuilt_parts
from shared.errors import DefinitionError
from tests.examples import examples
from tests.unit.definitions.test_cases import BASE

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "examples" / "accounts-from-erp.yaml"
CANARY = "hunter2canary"


def test_the_full_example_is_sound() -> None:
    """The example that the documentation shows loads and passes every check, once its hook is within reach."""
    definition = load_sync(EXAMPLE)
    assert check_definition(definition, Reach(outbound=("hooks.example.com",))) == []
    assert definition.source.watermark is not None
    assert definition.source.watermark.overlap == timedelta(minutes=5)
    assert definition.behaviour.brakes.removals == Decimal("0.05")
    assert isinstance(definition.behaviour.changed, ConditionalUpdate)
    assert definition.mappings[0].source == "customer_no"


def test_the_whole_example_runs() -> None:
    """The whole example of the manual runs: no part of it is refused."""
    assert not unbuilt_parts(load_sync(EXAMPLE))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ('path: "@extract"', "path: https://files.example.com/a.csv", "source.path"),
        ('type: delimited\n  path: "@extract"', "type: rest\n  url: https://files.example.com/", "source.type"),
    ],
)  # fmt: skip
def test_a_part_that_does_not_run_yet_is_never_ignored(old: str, new: str, path: str) -> None:
    """Each validates today and is named, so that a job that uses it is refused."""
    text = BASE.replace("schedule:", "#schedule:").replace("permissions:", "#permissions:")
    assert old in text
    text = text.replace(old, new).replace('  delimiter: ","\n  encoding: utf-8\n', "")
    assert [problem.path for problem in unbuilt_parts(parse_sync(text, name="base"))] == [path]


@pytest.mark.parametrize(
    ("variable", "paths"),
    [
        ("{ default: 'https://files.example.com/' }", ["source.path"]),
        ("{ default: 'https://a.blob.core.windows.net/in/' }", []),
        ("{ default: 'in/' }", []),
        ("{}", []),
    ],
)
def test_a_path_that_begins_with_a_variable_leads_where_its_default_does(variable: str, paths: list[str]) -> None:
    """An address on the web that a variable's default makes is named before a job starts."""
    text = BASE.replace('path: "@extract"', 'path: "@place/a.csv"').replace(
        "variables:\n", f"variables:\n  place: {variable}\n"
    )
    found = [problem.path for problem in unbuilt_parts(parse_sync(text, name="base"))]
    assert [path for path in found if path.startswith("source")] == paths


@pytest.mark.parametrize(
    ("source", "paths"),
    [
        ("{ type: sql, dialect: sqlite, path: erp.db, table: customers, schema: [{ name: a }] }", []),
        ("{ type: sql, dialect: sqlserver, connection: { secret: base--erp }, query: q, schema: [{ name: a }] }", []),
        ("{ type: parquet, path: a.parquet, schema: [{ name: a }] }", []),
        ("{ type: json, path: a.json, records: result.items, schema: [{ name: a }] }", []),
        ("{ type: fixed_width, path: a.txt, schema: [{ name: a, width: 3 }] }", []),
        ("{ type: excel, path: a.xlsx, sheet: Sheet1, schema: [{ name: a }] }", []),
        ("{ type: rest, url: 'https://a.example.com/', headers: { X-Key: { secret: base--key }, Accept: text/json },"
         " pagination: { offset: skip, limit: top }, schema: [{ name: a }] }", ["source.type"]),
        ("{ type: rest, url: 'https://a.example.com/', pagination: { next: links.next }, schema: [{ name: a }] }",
         ["source.type"]),
        ("{ type: dataverse, entity: contact, service_url: 'https://o.crm.dynamics.com', auth: managed_identity,"
         " filter: statecode eq 0, schema: [{ name: a }] }", ["source.type"]),
    ],
)  # fmt: skip
def test_every_kind_of_source_validates_and_says_whether_it_runs(source: str, paths: list[str]) -> None:
    """The whole language is there today; what does not run yet is named, not refused as unknown."""
    text = f"""
name: base
source: {source}
destination:
  type: dynamics
  entity: account
  service_url: https://org.crm4.dynamics.com
  client_id: {{ secret: base--id }}
  client_secret: {{ secret: base--secret }}
  id_column: accountid
mappings: [{{ source: a, target: b }}]
behaviour: {{ strategy: delta, key: [b] }}
"""
    assert [problem.path for problem in unbuilt_parts(parse_sync(text, name="base"))] == paths


def test_json_is_the_same_definition() -> None:
    """What the web page sends (JSON) and what a person writes (YAML) mean the same."""
    definition = parse_sync(BASE, name="base")
    assert parse_sync(json.dumps(read_document(BASE).value), name="base") == definition
    assert SyncDefinition.model_validate_json(definition.model_dump_json(by_alias=True)) == definition


def test_a_definition_cannot_be_changed() -> None:
    """A job keeps the definition it was started with."""
    with pytest.raises(ValidationError, match="frozen"):
        parse_sync(BASE, name="base").enabled = False


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"), ("off", "off"), ("2024-01-01", "2024-01-01"), ("12:30:00", "12:30:00"), ("", None), ("~", None),
        ("True", True), ("0o17", 15), ("0x1F", 31), ("007", 7), ("1e3", 1000.0), (".5", 0.5), (".inf", ".inf"),
        (".nan", ".nan"), ("1" * 40, float("1" * 40)), ("1_000", "1_000"), ("5%", "5%"), ("1e999", "1e999"),
    ],
)  # fmt: skip
def test_unquoted_values_follow_yaml_1_2(text: str, value: object) -> None:
    """No date, no sexagesimal number, no yes-and-no boolean, no infinity appears out of a text."""
    assert plain_scalar(text) == value
    assert type(plain_scalar(text)) is type(value)


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    """A missing file, a folder and a giant are definition errors like any other."""
    (tmp_path / "giant.yaml").write_bytes(b"# " + b"x" * 900_000)
    (tmp_path / "folder.yaml").mkdir()
    for name, says in (("none", "cannot be read"), ("giant", "too large"), ("folder", "cannot be read")):
        with pytest.raises(DefinitionError, match=says):
            load_sync(tmp_path / f"{name}.yaml")


def test_depth_is_bounded() -> None:
    """Nesting without end is refused before anything recurses."""
    with pytest.raises(DefinitionError, match="nested too deep"):
        parse_sync("a: " + "[" * 50_000, name="base")
    with pytest.raises(DefinitionError, match="at most 200,000"):
        parse_sync("#" * 200_001, name="base")


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.sampled_from(["@x", "5%", "U+0009"])
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
SECRETS = [("destination", "client_secret"), ("destination", "client_id"), ("destination", "tenant_id")]


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [place for key, item in value.items() for place in places(item, (*path, key))]
    elif isinstance(value, list):
        found += [place for number, item in enumerate(value) for place in places(item, (*path, number))]
    return found


PLACES = places(read_document(BASE).value)


def put(document: object, path: tuple[str | int, ...], value: object, *, remove: bool = False) -> None:
    """Set or remove what stands at the path; a path that an earlier change took away is left alone."""
    for step in path[:-1]:
        if not isinstance(document, dict | list) or (isinstance(document, dict) and step not in document):
            return
        if isinstance(document, list) and not (isinstance(step, int) and step < len(document)):
            return
        document = document[step]
    last = path[-1]
    if isinstance(document, list) and isinstance(last, int) and last < len(document):
        document[last] = value
    elif isinstance(document, dict) and isinstance(last, str):
        document[last] = value
        if remove:
            document.pop(last)


def outcome(text: str) -> str:
    """Everything that could be shown of parsing and checking a text; any other exception fails the test."""
    try:
        definition, problems = examine(text, name="base", reach=Reach())
    except DefinitionError as error:
        assert error.problems
        return "".join(traceback.format_exception(error)) + repr(error.__context__) + repr(error.__cause__)
    shown = "\n".join(map(str, [*problems, *unbuilt_parts(definition)]))
    try:
        whole = parse_sync(text, name="base")
    except DefinitionError as error:
        assert [*error.problems] == problems[: len(error.problems)]
        return shown + "".join(traceback.format_exception(error)) + repr(error.__context__) + repr(error.__cause__)
    assert whole == definition
    return shown


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.sampled_from(PLACES), values, st.booleans()), min_size=1, max_size=4))
def test_a_mangled_definition_gives_problems_and_never_another_error(
    changes: list[tuple[tuple[str | int, ...], object, bool]],
) -> None:
    """Whatever stands wherever: the answer is a definition or a list of problems."""
    document = read_document(BASE).value
    for path, value, remove in changes:
        put(document, path, value, remove=remove)
    outcome(json.dumps(document))


@settings(max_examples=examples(120), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40), st.integers(0, len(BASE)), st.integers(0, 40))
def test_a_mangled_text_gives_problems_and_never_another_error(piece: str, at: int, gone: int) -> None:
    """Any text, cut and filled anywhere, is answered."""
    outcome(BASE[:at] + piece + BASE[at + gone :])


forms = st.recursive(
    st.sampled_from(
        [CANARY, f"{CANARY}~", f" {CANARY}\x07", {CANARY: None}, {"secret": f"{CANARY}!"}, {"secret": CANARY}]
    ),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2),
        st.builds(lambda key, item: {key: item}, st.sampled_from(["secret", "value", CANARY, "client_secret"]), inner),
    ),
    max_leaves=4,
)


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from(SECRETS), forms, st.sampled_from(PLACES), values)
def test_a_secret_in_a_secrets_place_is_never_shown(
    secret: tuple[str, str], form: object, other: tuple[str | int, ...], value: object
) -> None:
    """Not in a message, not in a representation, not in the chain of errors; whatever else is wrong."""
    document = read_document(BASE).value
    put(document, other, value)
    put(document, secret, form)
    assert CANARY not in outcome(json.dumps(document))


@settings(max_examples=examples(150), deadline=None)
@given(st.sampled_from([" ", ": ", ": {", ": [", ": '", ': "', ": *", ": &", ": !", ": |", ":", ": @", ": %", ": - "]))
def test_a_secret_in_broken_yaml_is_never_shown(glue: str) -> None:
    """The library's own messages quote the text; ours do not."""
    old = "client_secret: { secret: base--client-secret }"
    assert CANARY not in outcome(BASE.replace(old, f"client_secret{glue}{CANARY}"))


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(st.text("0159*/,-?#LRH", min_size=1, max_size=6), min_size=5, max_size=6))
def test_a_cron_expression_is_due_at_some_time_or_refused(fields: list[str]) -> None:
    """The schedule's library never brings the loader down."""
    try:
        assert check_cron(" ".join(fields))
    except ValueError as error:
        assert "cron expression" in str(error)


def test_text_that_aliases_write_out_is_bounded() -> None:
    """A few characters cannot become an expression in each of thousands of places; within the bound they may."""
    anchors = "a: &a '" + "x" * 10_000 + "'\nb: &b { c: *a }\nd: "
    assert read_document(f"{anchors}[{'*b, *a, ' * 18}]").problems == ()
    with pytest.raises(DocumentError, match="at most 400,000 characters, aliases written out"):
        read_document(f"{anchors}[{'*b, *a, ' * 20}]")

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.definitions import guarded
from shared.definitions.checks.outside import secrets_of
from shared.definitions.guarded import OPEN, guarded_changes
from shared.definitions.loading import parse_sync, read_sync
from shared.definitions.mapping import ColumnMapping
from shared.definitions.part import Part, SecretRef
from shared.definitions.sync import SyncDefinition
from shared.definitions.wording import model_parts
from shared.variables import Piece, code_pieces
from tests.examples import examples
from tests.unit.definitions.test_cases import BASE

GUARDED = {
    "SyncDefinition": "post_sync permissions",
    "DelimitedSource": "type path sas",
    "FixedWidthSource": "type path sas",
    "ExcelSource": "type path sas sheet",
    "JsonSource": "type path sas records",
    "ParquetSource": "type path sas",
    "SqlSource": "type dialect connection path table query filter",
    "RestSource": "type url method headers bearer body records pagination",
    "DataverseSource": "type filter entity service_url auth tenant_id client_id client_secret certificate credentials "
    "authority",
    "DynamicsDestination": "type entity service_url auth tenant_id client_id client_secret certificate credentials "
    "authority id_column filter bypass caller tag",
    "Link": "entity column where",
    "Behaviour": "approval",
    # Within guarded settings everything is guarded:
    "SecretRef": "secret",
    "Credential": "client_id client_secret certificate",
    "NextLink": "next",
    "Offset": "offset limit size first by",
    "EntityFromColumn": "source",
    "Bypass": "logic plugins steps flows",
    "PostSyncStep": "name when timeout_s attempts action function parameters workflow http sql sync",
    "HttpCall": "url method secret signature body",
    "SqlStatement": "dialect connection statement",
    "Workflow": "id rows",
    "Chain": "name variables",
    "Permissions": "admin write execute read",
}
"""Decided: only `admin` of the sync may change these. Their reasons: docs/decisions/0022."""

_SQL = """source:
  type: sql
  dialect: postgresql
  connection: { secret: base--connection }
  query: select * from customers where region = @region
  schema:
"""
_REST = """source:
  type: rest
  url: https://api.example.com/@region
  headers: { X-Key: { secret: base--key }, X-Plain: one }
  bearer: { secret: base--bearer }
  body: '{"region": "@region"}'
  pagination: { next: links.next }
  schema:
"""
_DATAVERSE = """source:
  type: dataverse
  entity: account
  service_url: https://other.crm4.dynamics.com
  tenant_id: { secret: base--other-tenant }
  credentials:
    - { client_id: { secret: base--a }, client_secret: { secret: base--b } }
    - { client_id: { secret: base--c }, certificate: { secret: base--d } }
  schema:
"""
_STEPS = """post_sync:
  - { name: call, http: { url: "https://hook.example.com/@region", secret: base--h, signature: { secret: base--s } } }
  - { name: statement, sql: { dialect: sqlserver, connection: { secret: base--q }, statement: "exec p @region" } }
  - { name: next, sync: { name: other, variables: { day: "@region" } } }
"""


def _with_source(beginning: str) -> str:
    text = re.sub(r"source:\n.*?  schema:\n", lambda _: beginning, BASE, count=1, flags=re.DOTALL)
    return re.sub(r"  filter: \"legal_name.*\n|  day:.*\n", "", text)


_BYPASS = '  bypass: { flows: true }\n  caller: "01234567-89ab-cdef-0123-456789abcdef"\n  tag: ours\n'
_WITH_STEPS = re.sub(r"post_sync:\n.*\n", _STEPS, BASE).replace(
    '  filter: "statecode eq 0"\n', '  filter: "statecode eq 0"\n' + _BYPASS
)
_WITH_SAS = BASE.replace('  path: "@extract"\n', "  path: blob://in/@region/*.csv\n  sas: { secret: base--sas }\n")
TEXTS = [BASE, _WITH_STEPS, _WITH_SAS, *map(_with_source, (_SQL, _REST, _DATAVERSE))]
DEFINITIONS = [parse_sync(text, name="base") for text in TEXTS]


def _label(model: type[Part], name: str) -> str:
    return model.model_fields[name].alias or name


def _models(model: type[Part], seen: set[type[Part]]) -> set[type[Part]]:
    if model not in seen:
        seen.add(model)
        for setting in model.model_fields.values():
            for _, part in model_parts(setting.annotation):
                _models(part, seen)
    return seen


def test_every_setting_is_decided() -> None:
    """A new setting of any part of a definition is open or guarded by somebody's decision, and never both."""
    for model in _models(SyncDefinition, set()):
        open_here = OPEN.get(model, frozenset())
        guarded = set(GUARDED.get(model.__name__, "").split())
        decided = {_label(model, name) for name in model.model_fields}
        assert open_here | guarded == decided, f"{model.__name__}: decide about {(open_here | guarded) ^ decided}"
        assert not open_here & guarded
    assert {model.__name__ for model in _models(SyncDefinition, set())} == {
        *GUARDED,
        *(model.__name__ for model in OPEN),
    }


def test_no_open_setting_is_a_secret() -> None:
    """What is open holds no secret's name, however deep."""
    for model, open_here in OPEN.items():
        for name, setting in model.model_fields.items():
            if _label(model, name) in open_here:
                assert SecretRef not in [part for _, part in model_parts(setting.annotation)]


def _places(part: Part, put: Callable[[Any], SyncDefinition]) -> Iterator[Callable[[Any], SyncDefinition]]:
    """For every open setting below the part: what gives the definition with another value there."""
    for name in type(part).model_fields:
        label, value = _label(type(part), name), getattr(part, name)
        linked = isinstance(part, ColumnMapping) and part.link is not None
        if label not in OPEN.get(type(part), frozenset()) or (linked and label == "target"):
            continue  # a lookup that fills another column is a link that moved

        def within(new: Any, name: str = name) -> SyncDefinition:
            return put(part.model_copy(update={name: new}))

        if isinstance(value, Part):
            yield from _places(value, within)
        elif isinstance(value, tuple) and value and isinstance(value[0], Part):
            for at, item in enumerate(value):
                yield from _places(item, partial(_in_list, value, at, within))
        elif not isinstance(value, Mapping):
            yield within


def _in_list(items: tuple[Any, ...], at: int, put: Callable[[Any], SyncDefinition], new: Any) -> SyncDefinition:
    return put((*items[:at], new, *items[at + 1 :]))


def _whole(new: Any) -> SyncDefinition:
    assert isinstance(new, SyncDefinition)
    return new


@given(st.sampled_from(DEFINITIONS), st.data())
@settings(max_examples=examples(150))
def test_what_differs_in_open_settings_only_is_open(old: SyncDefinition, data: st.DataObject) -> None:
    """However many open settings differ, however the mappings are put in another order, nothing guarded has changed."""
    new = old
    for number in range(data.draw(st.integers(0, 3))):
        new = data.draw(st.sampled_from(list(_places(new, _whole))))(f"another {number}")
    another = ColumnMapping.model_validate({"source": "credit", "target": "revenue"})
    kept = [one for one in new.mappings if one.link is not None or data.draw(st.booleans())]
    mappings = tuple(data.draw(st.permutations([*kept, another])))
    new = new.model_copy(update={"mappings": mappings})
    assert guarded_changes(old, new) == []
    assert guarded_changes(new, old) == []


@pytest.mark.parametrize("definition", DEFINITIONS)
def test_every_secret_is_guarded(definition: SyncDefinition) -> None:
    """Another name in the place of any secret's is told with its path."""
    plain = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
    for path, name in secrets_of(definition):
        text = json.dumps(plain).replace(json.dumps(name), '"base--another"')
        assert path in guarded_changes(definition, SyncDefinition.model_validate_json(text)), path


GONE = ("post_sync", "destination.filter", "source.sas", "destination.bypass")


@pytest.mark.parametrize("path", GONE)
def test_what_is_added_or_removed_counts(path: str) -> None:
    """A guarded setting that comes or goes is a change of it, with the places that it has or had."""
    for definition in DEFINITIONS:
        plain = definition.model_dump(mode="json", by_alias=True, exclude_none=True)
        *parts, last = path.split(".")
        owner = plain
        for part in parts:
            owner = owner[part]
        if not owner.pop(last, None):
            continue
        without = SyncDefinition.model_validate(plain)
        for changes in (guarded_changes(definition, without), guarded_changes(without, definition)):
            assert changes
            assert all(change.startswith(path) for change in changes)


def _changed(old: str, *replacements: tuple[str, str]) -> list[str]:
    new = old
    for before, after in replacements:
        assert before in new
        new = new.replace(before, after)
    return guarded_changes(parse_sync(old, name="base"), parse_sync(new, name="base"))


def test_a_link_that_moves_counts() -> None:
    """The table that a lookup is found in, by which of its columns, and which column it fills, are guarded; the rest
    of the link is not: a lookup by another column would ask what stands in that one."""
    assert _changed(BASE, ("link: { entity: account,", "link: { entity: contact,")) == ["mappings.3.link.entity"]
    assert _changed(BASE, ("column: accountnumber", "column: governmentid")) == ["mappings.3.link.column.0"]
    assert _changed(BASE, ("target: parentaccountid", "target: masterid")) == [
        "mappings.3.link.column.0",
        "mappings.3.link.entity",
    ]
    assert _changed(BASE, ("  - { source: display, target: name }\n", ""), ("missing: reject", "missing: defer")) == []


def test_a_variable_is_as_guarded_as_what_is_made_of_it() -> None:
    """A default, formula or file that a guarded setting uses counts, through another's formula too; others do not."""
    assert _changed(BASE, ("region: { default: EMEA }", "region: { default: APAC, description: Where }")) == []
    sql = TEXTS[3]
    assert _changed(sql, ("region: { default: EMEA }", "region: { default: APAC, description: Where }")) == [
        "variables.region.default"
    ]
    assert _changed(sql, ("region: { default: EMEA }", "region: { }")) == ["variables.region.default"]
    through = sql.replace("region: { default: EMEA }", "region: { formula: \"FILENAME(@extract, '([a-z]+)')\" }")
    assert _changed(through, ("extract: { file: true }", "extract: { default: x }")) == [
        "variables.extract.default",
        "variables.extract.file",
    ]
    assert _changed(sql, ("region = @region", "region = @extract")) == ["source.query"]


def test_a_long_chain_of_variables_is_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each text is looked through a fixed number of times, however the formulas hang together: a draft is anybody's."""
    looked = 0

    def counted(text: str) -> list[Piece]:
        nonlocal looked
        looked += 1
        return code_pieces(text)

    monkeypatch.setattr(guarded, "code_pieces", counted)
    chain = "".join(f"  v{n}: {{ formula: \"FILENAME(@v{n + 1}, '(a)')\" }}\n" for n in range(200))
    new = parse_sync(BASE.replace('"@extract"', '"@v0"').replace("variables:\n", f"variables:\n{chain}"), name="base")
    assert "variables.v199.formula" in guarded_changes(parse_sync(BASE, name="base"), new)
    assert looked < 400


def test_a_setting_of_the_app_is_guarded() -> None:
    """What a formula reads from the app's settings would be written into rows: only an administrator lets it."""
    reads = "region: { formula: \"ENV('DYNSYNC_VAR_TOKEN')\" }"
    assert _changed(BASE, ("region: { default: EMEA }", reads)) == [
        "variables.region.default",
        "variables.region.formula",
    ]


def test_one_is_not_true() -> None:
    """A value of another type is another value, though Python calls the two equal."""
    one, true = (BASE.replace('JobId: "@job_id"', f"Flag: {value}") for value in ("1", "true"))
    assert guarded_changes(parse_sync(one, name="base"), parse_sync(true, name="base")) == [
        "post_sync.0.parameters.Flag"
    ]


def test_of_a_new_sync_all_that_is_set_is_told() -> None:
    """Without a definition before, every guarded setting that is not left at its default."""
    found = guarded_changes(None, parse_sync(BASE, name="base"))
    assert {"source.path", "destination.service_url", "destination.client_secret", "variables.extract.file"} <= {*found}
    assert {"post_sync.0.action", "permissions.admin.0", "mappings.3.link.entity"} <= {*found}
    assert not {"destination.bypass", "destination.authority", "name", "variables.region.default"} & {*found}
    assert found == sorted(found)


def test_of_a_broken_text_what_is_whole_is_told() -> None:
    """While somebody still writes, the page already says what an administrator will have to allow."""
    text = BASE.replace("strategy: full", "strategy: fool").replace("entity: account\n", "entity: contact\n")
    changes = guarded_changes(parse_sync(BASE, name="base"), read_sync(text, name="base").model)
    assert changes == ["destination.entity"]

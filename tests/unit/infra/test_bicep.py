"""The deployment's Bicep: whole, sound, explained. The compiler itself runs in a team's pipeline (`az bicep build`)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tree_sitter import Node

from tests.unit.infra.bicep import INFRA, BicepFile, Declaration, files, literal, members, parse, read, text, walk
from tests.unit.infra.facts import load
from tests.unit.infra.shapes import faults

FACTS = load()
FILES = files()
MAIN = INFRA / "main.bicep"
PARAMETER_FILES = [INFRA / f"{name}.parameters.json" for name in ("main", "dev", "prod")]
_BUILT_IN = {"az", "sys", "resourceGroup", "subscription", "tenant", "environment", "deployment"}
_GROUP = {"members": {name: [0, "any"] for name in ("name", "location", "tags")}}
"""A resource group is a type of the compiler itself, so the index has none."""


def resource_faults(file: BicepFile) -> list[str]:
    found = []
    for resource in file.of("resource").values():
        if not resource.existing:
            shape = _GROUP if "resourceGroups@" in resource.spec else FACTS.get(resource.spec)
            if shape is None:
                found.append(f"{resource.spec}: no facts; make them anew (tests/unit/infra/facts.py)")
            else:
                found += faults(resource.body, shape, resource.name)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_the_text_is_bicep(file: BicepFile) -> None:
    """Every file parses to its end."""
    assert file.syntax_faults() == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_resources_say_what_their_type_allows(file: BicepFile) -> None:
    """Names, kinds, allowed values, required and read-only members are those of the type at its version."""
    assert resource_faults(file) == []


PLANTED = [
    ("disableLocalAuth: true", "disableLocalAuths: true", "no property"),
    ("disableLocalAuth: true", "DisableLocalAuth: true", "meant 'disableLocalAuth'"),
    ("disableLocalAuth: true", "disableLocalAuth: 'yes'", "true or false"),
    ("maxDeliveryCount: 5", "maxDeliveryCount: '5'", "a whole number"),
    ("minimumTlsVersion: '1.2'", "minimumTlsVersion: '1.4'", "is not one of"),
    ("minimumTlsVersion: '1.2'", "serviceBusEndpoint: 'x'", "read-only"),
    ("  location: location\n  tags: tags\n  sku", "  tags: tags\n  sku", "'location' is required"),
    ("    tier: tier\n", "    tier: ['Standard']\n", "a list where"),
    ("tier == 'Premium' ? 1 : null", "tier == 'Premium' ? 'one' : null", "a whole number"),
    ("queues@2024-01-01", "queue@2024-01-01", "no facts"),
]


@pytest.mark.parametrize(("good", "bad", "said"), PLANTED, ids=lambda one: str(one)[:24])
def test_planted_faults_are_found(good: str, bad: str, said: str) -> None:
    """The check itself works: each wrong word put into a sound file is told."""
    source = (INFRA / "modules/bus.bicep").read_text("utf-8")
    assert good in source
    found = resource_faults(parse(source.replace(good, bad, 1).encode(), Path("bus.bicep")))
    assert any(said in fault for fault in found), found


def loop_names(file: BicepFile) -> set[str]:
    found = set()
    for node in walk(file.root):
        if node.type == "for_statement":
            for child in node.named_children[:-1]:
                found |= {text(inner) for inner in walk(child) if inner.type == "identifier"}
    return found


def used_names(file: BicepFile) -> set[str]:
    """Identifiers that refer to something: no keys, no members after a dot, no declared names, no functions."""
    found = set()
    for node in walk(file.root):
        up = node.parent
        if node.type != "identifier" or up is None:
            continue
        if up.type.endswith("_declaration") and up.named_children[0] == node:
            continue
        if up.type == "object_property" and up.named_children[0] == node:
            continue
        if up.type == "call_expression" and up.child_by_field_name("function") == node:
            continue
        found.add(text(node))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_every_name_is_declared_and_used(file: BicepFile) -> None:
    """No expression names what is not there, and no parameter or variable is left over."""
    declared = {one.name for one in file.declarations} | loop_names(file) | _BUILT_IN
    used = used_names(file)
    assert used - declared == set()
    assert {*file.of("param"), *file.of("var")} - used == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_everything_is_explained(file: BicepFile) -> None:
    """Each file says what it is for; each parameter and output has a description."""
    assert re.search(r"^metadata description = '.{20,}'$", file.path.read_text("utf-8"), flags=re.MULTILINE)
    dumb = [
        one.name for one in file.declarations if one.kind in ("param", "output") and "description" not in one.decorators
    ]
    assert dumb == []


def modules() -> list[tuple[BicepFile, Declaration, BicepFile]]:
    return [
        (file, module, read((file.path.parent / module.spec).resolve()))
        for file in FILES
        for module in file.of("module").values()
    ]


def test_modules_get_exactly_their_parameters() -> None:
    """Every module call gives each parameter that the module wants, and none that it does not know."""
    for file, module, target in modules():
        given = set(members(members(module.body)["params"][1]))
        wanted = {name for name, one in target.of("param").items() if one.value is None}
        assert wanted <= given <= set(target.of("param")), f"{file.path.name} → {module.spec}"


def test_outputs_that_are_named_exist() -> None:
    """`module.outputs.name` leads to an output of that module."""
    for file, module, target in modules():
        named = set(re.findall(rf"\b{module.name}\.outputs\.(\w+)", file.path.read_text("utf-8")))
        assert named <= set(target.of("output")), module.spec


def test_every_module_is_called() -> None:
    """No file of the deployment is left over."""
    called = {target.path for *_, target in modules()}
    assert {file.path for file in FILES} - called == {MAIN}


def allowed(node: Node | None) -> list[object]:
    return [literal(item) for item in node.named_children] if node is not None else []


def value_faults(one: Declaration, value: object) -> list[str]:
    kinds = {"string": str, "int": int, "bool": bool, "array": list, "object": dict}
    if type(value) is not kinds[one.type_name]:
        return [f"{one.name} is no {one.type_name}: {value!r}"]
    found = []
    if (choices := allowed(one.decorators.get("allowed"))) and value not in choices:
        found.append(f"{one.name}: {value!r} is not one of {choices}")
    size = len(value) if isinstance(value, str) else value
    for name, wrong in (("min", lambda least: size < least), ("max", lambda most: size > most)):
        node = one.decorators.get(f"{name}{'Length' if isinstance(value, str) else 'Value'}")
        if node is not None and isinstance(size, int) and wrong(literal(node)):
            found.append(f"{one.name}: {value!r} is beyond its {name}imum")
    return found


def test_defaults_are_within_their_own_bounds() -> None:
    """Every default of the deployment is a value that it would take."""
    main = read(MAIN)
    literals = [(one, literal(one.value)) for one in main.of("param").values() if one.value is not None]
    assert [fault for one, value in literals if value is not None for fault in value_faults(one, value)] == []


def given(path: Path) -> dict[str, object]:
    document = json.loads(path.read_text("utf-8"))
    return {name: entry["value"] for name, entry in document["parameters"].items()}


def substituted(one: Declaration, value: object) -> object:
    """What azd makes of `${NAME=default}`, with no such variable, and by the parameter's type."""
    found = re.fullmatch(r"\$\{[A-Z_]+(?:=(.*))?\}", value) if isinstance(value, str) else None
    if found is None:
        return value
    plain = found[1] if found[1] is not None else "x"
    return {"bool": lambda: plain == "true", "int": lambda: int(plain)}.get(one.type_name, lambda: plain)()


@pytest.mark.parametrize("path", PARAMETER_FILES, ids=lambda path: path.name)
def test_parameter_files_fit(path: Path) -> None:
    """Each names only parameters that there are, gives those without default, and stays within their bounds."""
    declared = read(MAIN).of("param")
    values = given(path)
    assert set(values) <= set(declared)
    assert {name for name, one in declared.items() if one.value is None} <= set(values)
    assert [
        f for name, value in values.items() for f in value_faults(declared[name], substituted(declared[name], value))
    ] == []


def test_azd_deploys_the_defaults_of_the_template() -> None:
    """What `azd up` says without any setting is what main.bicep says: one truth for defaults."""
    declared = read(MAIN).of("param")
    for name, value in given(INFRA / "main.parameters.json").items():
        if declared[name].value is not None and "${AZURE_" not in str(value):
            assert substituted(declared[name], value) == literal(declared[name].value), name


def test_production_is_kept_and_watched() -> None:
    """Production is careful where it costs little, and nothing that it says is less than the default or than dev."""
    prod, dev = (given(INFRA / f"{name}.parameters.json") for name in ("prod", "dev"))
    assert prod["environmentName"] == "prod"
    assert prod["storageRedundancy"] == "Standard_ZRS"
    assert (prod["alertsEnabled"], prod["alertEmail"]) == (True, ""), "a place to write the address in"
    declared = read(MAIN).of("param")
    for name in ("instanceMemoryMB", "softDeleteDays", "retentionDays", "logRetentionDays", "monthlyBudget"):
        value, least = prod[name], [literal(declared[name].value), dev.get(name)]  # type: ignore[arg-type]
        assert isinstance(value, int)
        assert all(value >= one for one in least if isinstance(one, int)), name
    assert prod["alwaysReadyHttp"] == 1
    for name in ("rejectSharePercent", "lagMinutes", "privateNetworking", "hosting", "busTier"):
        assert prod[name] == literal(declared[name].value), name  # type: ignore[arg-type]
    assert "logDailyCapGB" not in prod, "a cap loses alerts"


def test_files_that_are_loaded_are_there() -> None:
    """`loadTextContent` leads to a file."""
    for file in FILES:
        for path in re.findall(r"loadTextContent\('([^']+)'\)", file.path.read_text("utf-8")):
            assert (file.path.parent / path).is_file(), path


FUNCTIONS = {
    *("contains", "empty", "environment", "guid", "int", "items", "json", "length", "loadTextContent", "max", "min"),
    *("range", "replace", "resourceGroup", "resourceId", "string", "subscription", "subscriptionResourceId", "take"),
    *("tenant", "toLower", "toUpper", "union", "uniqueString", "utcNow"),
}
"""Functions of the language that are in use or likely to be. Source: Microsoft Learn, "Bicep functions"."""
DECORATORS = {"description", "allowed", "minLength", "maxLength", "minValue", "maxValue"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_functions_are_those_of_the_language(file: BicepFile) -> None:
    """No call of what Bicep does not have; and none that the second parser of the checks does not know."""
    called = {text(n.named_children[0]) for n in walk(file.root) if n.type == "call_expression"}
    assert called - FUNCTIONS - DECORATORS == set()


def referred(file: BicepFile) -> list[tuple[str, str]]:
    """`symbol.properties.name` in expressions: the symbol and the name."""
    source = re.sub(r"//.*", "", file.path.read_text("utf-8"))
    return re.findall(r"\b(\w+)\.properties\.(\w+)", source)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path.name)
def test_properties_that_are_read_exist(file: BicepFile) -> None:
    """What an expression takes from a resource is a property of its type."""
    for symbol, name in referred(file):
        shape = FACTS[file.of("resource")[symbol].spec]
        assert name in shape["members"]["properties"][1]["members"], f"{symbol}.properties.{name}"


@pytest.mark.parametrize(
    ("pattern", "longest", "allowed_letters"),
    [
        ("sthost${suffix}", 24, r"[a-z0-9]+"),
        ("ststate${suffix}", 24, r"[a-z0-9]+"),
        ("stsrc${suffix}", 24, r"[a-z0-9]+"),
        ("kv${suffix}", 24, r"[a-z][a-z0-9-]+"),
        ("sb-${namePrefix}-${plainName}-${suffix}", 50, r"[a-z][a-z0-9-]+"),
        ("func-${namePrefix}-${plainName}-${suffix}", 60, r"[a-z][a-z0-9-]+"),
        ("rg-${namePrefix}-${plainName}", 90, r"[\w.-]+"),
    ],
)
def test_names_are_legal_at_their_longest(pattern: str, longest: int, allowed_letters: str) -> None:
    """With the longest prefix and environment name that there may be. A unique string has 13 letters and digits."""
    sources = "".join(file.path.read_text("utf-8") for file in FILES)
    assert f"'{pattern}'" in sources
    parts = {"namePrefix": "dynsyncxyz", "plainName": "a" * 20, "suffix": "abcdefghij123"}
    name = re.sub(r"\$\{(\w+)\}", lambda found: parts[found[1]], pattern)
    assert len(name) <= longest
    assert re.fullmatch(allowed_letters, name)

"""What the resource types of Azure allow: extracted from the type index that the Bicep compiler itself reads.

`types.json` beside this file holds names, kinds and allowed values for just the types, versions and objects that
`infra/` uses. When `infra/` comes to use another one, the test says so; then, with a clone of Microsoft's public
repository bicep-types-az:

    python -m tests.unit.infra.facts PATH-OF-THE-CLONE
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tree_sitter import Node

from tests.unit.infra.bicep import alternatives, files, literal, members

FACTS = Path(__file__).with_name("types.json")
REQUIRED, READ_ONLY = 1, 2
Shape = Any
"""A kind of value: `"string"`, `"int"`, `"bool"`, `"any"`, `"unread"` (an object that nobody used when this was made),
or `{"one_of": […]}`, `{"list": shape}`, `{"members": {name: [flags, shape]}, "rest": shape?}`,
`{"by": name, "names": […], "cases": {value: shape}}`."""


def used() -> dict[str, list[Node]]:
    """The bodies of all resources of `infra/`, by type and version; those that are only referred to are left out."""
    found: dict[str, list[Node]] = {}
    for file in files():
        for resource in file.of("resource").values():
            if not resource.existing:
                found.setdefault(resource.spec, []).append(resource.body)
    return dict(sorted(found.items()))


def load() -> dict[str, Shape]:
    """The facts as they are kept."""
    return json.loads(FACTS.read_text("utf-8"))["types"]


class Index:
    """Reads the types of one clone."""

    def __init__(self, clone: Path) -> None:
        self._clone = clone
        self._paths = self._git("ls-tree", "-r", "--name-only", "HEAD", "generated").splitlines()

    def commit(self) -> str:
        return self._git("rev-parse", "HEAD").strip()

    def shape(self, spec: str, bodies: list[Node]) -> Shape:
        """The shape of a resource type, as deep as the bodies go."""
        kind, version = spec.lower().split("@")
        provider = kind.split("/", maxsplit=1)[0]
        for path in self._paths:
            if path.endswith(f"/{provider}/{version}/types.json"):
                types = self._types(path)
                for one in types:
                    if one["$type"] == "ResourceType" and one["name"].lower() == spec.lower():
                        return self._with_properties(types, one["body"], self._condensed(types, one["body"], bodies))
        raise SystemExit(f"the clone knows no {spec}")

    def _with_properties(self, types: list[Any], body: Any, shape: Shape) -> Shape:
        """The names of a resource's properties, also where no file sets one: expressions read them."""
        properties = shape.get("members", {}).get("properties")
        if properties is not None and properties[1] == "unread":
            reference = types[int(body["$ref"].removeprefix("#/"))]["properties"]["properties"]["type"]
            named = types[int(reference["$ref"].removeprefix("#/"))].get("properties", {})
            properties[1] = {"members": {name: [one["flags"] & 3, "any"] for name, one in named.items()}}
        return shape

    def _condensed(self, types: list[Any], reference: Any, nodes: list[Node]) -> Shape:
        one = types[int(reference["$ref"].removeprefix("#/"))]
        match one["$type"]:
            case "StringType":
                return "string"
            case "IntegerType":
                return "int"
            case "BooleanType":
                return "bool"
            case "StringLiteralType":
                return {"one_of": [one["value"]]}
            case "ArrayType":
                items = [item for node in nodes for item in _items(node)]
                return {"list": self._condensed(types, one["itemType"], items)}
            case "UnionType":
                sides = [self._condensed(types, side, nodes) for side in one["elements"]]
                values = sorted(value for side in sides if isinstance(side, dict) for value in side.get("one_of", []))
                return {"one_of": values} if values else sides[0]
            case "ObjectType":
                return self._object(types, one, one["properties"], nodes)
            case "DiscriminatedObjectType":
                return self._cases(types, one, nodes)
        return "any"

    def _object(self, types: list[Any], one: Any, properties: Any, nodes: list[Node]) -> Shape:
        objects = [node for node in nodes if node.type == "object"]
        if not objects:
            return "unread"
        found = {
            name: [prop["flags"] & 3, self._condensed(types, prop["type"], list(_under(objects, name)))]
            for name, prop in properties.items()
        }
        rest = one.get("additionalProperties")
        values = [value for node in objects for _, member in members(node).values() for value in alternatives(member)]
        return {"members": found} | ({"rest": self._condensed(types, rest, values)} if rest else {})

    def _cases(self, types: list[Any], one: Any, nodes: list[Node]) -> Shape:
        by = one["discriminator"]
        wanted = {literal(value) for node in _under([n for n in nodes if n.type == "object"], by) for value in [node]}
        cases = {}
        for value, reference in one["elements"].items():
            if value in wanted:
                case = types[int(reference["$ref"].removeprefix("#/"))]
                cases[value] = self._object(types, case, one["baseProperties"] | case["properties"], nodes)
        return {"by": by, "names": sorted(one["elements"]), "cases": cases}

    @cache  # noqa: B019 - lives as long as the process
    def _types(self, path: str) -> list[Any]:
        return json.loads(self._git("show", f"HEAD:{path}"))

    def _git(self, *arguments: str) -> str:
        run = subprocess.run(["git", "-C", str(self._clone), *arguments], capture_output=True, text=True, check=True)
        return run.stdout


def _under(objects: list[Node], name: str) -> Iterator[Node]:
    for node in objects:
        for key, (_, value) in members(node).items():
            if key.lower() == name.lower():
                yield from alternatives(value)


def _items(node: Node) -> Iterator[Node]:
    if node.type == "for_statement":
        yield from alternatives(node.named_children[-1])
    elif node.type == "array":
        for item in node.named_children:
            yield from alternatives(item)


def main(clone: str) -> None:
    """Write the facts anew."""
    index = Index(Path(clone))
    types = {spec: index.shape(spec, bodies) for spec, bodies in used().items() if "resourceGroups@" not in spec}
    source = f"github.com/Azure/bicep-types-az at {index.commit()}"
    document = {"source": source, "types": types}
    FACTS.write_text(json.dumps(document, indent=None, separators=(",", ":"), sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])

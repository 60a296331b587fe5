"""Bodies of definitions: members with their types, names with their rules."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from local.dataverse.metadata import labels, refused
from local.dataverse.metadata.labels import Texts

_PREFIXED = re.compile(r"(?!mscrm)[A-Za-z][A-Za-z0-9]{1,7}_[A-Za-z0-9_]+", re.ASCII)
_PREFIX = "Microsoft.Dynamics.CRM."
LEVELS = ("None", "Recommended", "ApplicationRequired")
"""RequiredLevel as it can be asked for; SystemRequired is the platform's own."""
NAME_LENGTH = 50
RELATIONSHIP_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Body:
    """An object of JSON that describes a `kind` of metadata; each getter refuses what has another form."""

    kind: str
    members: Mapping[str, object]

    @classmethod
    def of(cls, kind: str, value: object) -> Body:
        """A body of a kind.

        Raises:
            Refusal: it is no object.
        """
        if not isinstance(value, dict):
            raise refused.wrong_member(kind, kind, "object")
        return cls(kind, value)

    @property
    def type_name(self) -> str:
        """The type that `@odata.type` names, without namespace and without the word Complex before it."""
        named = self.members.get("@odata.type")
        text = named.removeprefix("#") if isinstance(named, str) else ""
        return text.removeprefix(_PREFIX).removeprefix("Complex") if text.startswith(_PREFIX) else ""

    def only(self, known: Collection[str]) -> None:
        """Lets members pass that the type has; annotations always.

        Raises:
            Refusal: there is another.
        """
        for name in self.members:
            if "@" not in name and name not in known:
                raise refused.unknown_member(self.kind, name)

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, str):
            raise refused.wrong_member(self.kind, name, "Edm.String")
        return default if value is None else value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A truth, alone or as the value of a managed property."""
        value = self.members.get(name)
        value = value.get("Value") if isinstance(value, dict) else value
        if value is not None and not isinstance(value, bool):
            raise refused.wrong_member(self.kind, name, "Edm.Boolean")
        return default if value is None else value

    def whole(self, name: str, default: int) -> int:
        """A whole number."""
        value = self.members.get(name)
        if value is None:
            return default
        if type(value) is not int or not -(2**31) <= value < 2**31:
            raise refused.wrong_member(self.kind, name, "Edm.Int32")
        return value

    def number(self, name: str, default: Decimal) -> Decimal:
        """A number."""
        value = self.members.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
            raise refused.wrong_member(self.kind, name, "Edm.Decimal")
        return Decimal(str(value))

    def value_of(self, name: str, default: str) -> str:
        """The `Value` of a complex member such as `{"Value": "Text"}`."""
        value = self.members.get(name)
        inner = value.get("Value") if isinstance(value, dict) else value
        if inner is not None and not isinstance(inner, str):
            raise refused.wrong_member(self.kind, name, "object with a Value")
        return default if inner is None else inner

    def texts(self, name: str, default: str = "") -> Texts:
        """A label."""
        return labels.read(self.kind, name, self.members.get(name), default)

    def listed(self, name: str) -> list[object]:
        """A list."""
        value = self.members.get(name)
        if value is not None and not isinstance(value, list):
            raise refused.wrong_member(self.kind, name, "collection")
        return [] if value is None else value

    def part(self, name: str, kind: str) -> Body:
        """An object inside; an empty one when there is none."""
        value = self.members.get(name)
        return Body.of(kind, {} if value is None else value)

    def one_of(self, name: str, allowed: Collection[str], default: str) -> str:
        """A member of an enumeration, alone or as the `Value` of a complex member."""
        found = self.value_of(name, default)
        if found not in allowed:
            raise refused.wrong_member(self.kind, name, f"one of {', '.join(sorted(allowed))}")
        return found

    def schema_name(self, shown: str, most: int = NAME_LENGTH) -> str:
        """The SchemaName, with a publisher's prefix.

        Raises:
            Refusal: it is missing, too long, or has no prefix.
        """
        name = self.text("SchemaName")
        if len(name) > most:
            raise refused.name_too_long(shown, name, most)
        if _PREFIXED.fullmatch(name) is None:
            raise refused.bad_prefix(shown, name)
        return name

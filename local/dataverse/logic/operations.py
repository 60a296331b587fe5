"""Actions and functions (custom APIs) that a table file declares: who may be asked what, and what it does.

Source: Microsoft Learn, "Use Web API actions" and "Use Web API functions".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from local.dataverse import documents, refusals
from local.dataverse.documents import STRICT
from local.dataverse.refusals import Refusal
from local.dataverse.values import GUID

Parameter = Annotated[str, Field(pattern=r"^(text|integer|number|boolean|guid|reference|list)\??$")]
_EDM: Mapping[str, str] = {
    "text": "Edm.String",
    "integer": "Edm.Int32",
    "number": "Edm.Decimal",
    "boolean": "Edm.Boolean",
    "guid": "Edm.Guid",
    "reference": "mscrm.crmbaseentity",
    "list": "Collection(Edm.String)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A refusal that an operation answers with."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    message: str
    code: str = "0x80040265"
    status: Annotated[int, Field(ge=400, le=599)] = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What an operation does. `set` gives columns of the bound row (of all rows of `table`, when one is named) a value,
    in the Web API's write form; `echo` answers members with parameters, `answer` with fixed values, `count` names the
    member that tells how many rows were set; `fail` refuses, after the rest was done and rolled back. A value `$Name`
    is the parameter of that name."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    set: Mapping[str, object] = field(default_factory=dict)
    table: str = ""
    echo: Mapping[str, str] = field(default_factory=dict)
    answer: Mapping[str, object] = field(default_factory=dict)
    count: str = ""
    delay_s: Annotated[float, Field(ge=0)] = 0.0
    fail: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One action or function. `bound_to` names a table (logical name): the operation is asked of one of its rows, or
    with `collection` of its entity set. Parameters are required unless their type ends with `?`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    name: Annotated[str, Field(pattern=r"^[A-Za-z_]\w{0,99}$")]
    kind: Literal["action", "function"] = "action"
    bound_to: str = ""
    collection: bool = False
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    does: Deed = field(default_factory=Deed)
    active: bool = True

    @classmethod
    def of(cls, document: object) -> Operation:
        """An operation from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "operation")

    def check(self, given: Mapping[str, object]) -> None:
        """Checks the parameters of a call.

        Raises:
            Refusal: one is unknown, missing, or of the wrong type.
        """
        for name in given:
            if name not in self.parameters and "@" not in name:
                raise _bad(f"The parameter '{name[:100]}' in the request payload is not a valid parameter for the "
                           f"operation '{self.name}'.")  # fmt: skip
        for name, kind in self.parameters.items():
            value = given.get(name)
            if value is None:
                if not kind.endswith("?"):
                    raise Refusal(400, "0x80040203", f"Required field '{name}' is missing for {self.name}.")
            elif not _is(value, kind.removesuffix("?")):
                raise refusals.bad_literal("", value, _EDM[kind.removesuffix("?")])


def _bad(text: str) -> Refusal:
    return refusals.payload("", text)


_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "text": str,
    "integer": int,
    "number": (int, float, Decimal),
    "boolean": bool,
    "guid": str,
    "reference": dict,
    "list": list,
}


def _is(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if not isinstance(value, _TYPES[kind]):
        return False
    return kind != "guid" or GUID.fullmatch(str(value)) is not None

"""The members of a table-definition file and the form of each; what they mean stands at the head of `tables.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from local.dataverse.definitions import names


def _allowed(text: str) -> WrapValidator:
    """Tells of a wrong value what is allowed, in words of our own."""

    def checked(value: object, inner: Callable[[object], object]) -> object:
        try:
            return inner(value)
        except (ValidationError, ValueError):
            raise PydanticCustomError("allowed", "{allowed}", {"allowed": text}) from None

    return WrapValidator(checked)


def _number(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError  # noqa: TRY004 - pydantic makes a mistake of this one only
    return str(value)


def _some(value: object) -> object:
    """Members that were left empty are none."""
    return {} if value is None else value


type Flag = Annotated[bool, Strict(), _allowed("true or false")]
type Text = Annotated[str, _allowed("a text")]
type Whole = Annotated[int, Strict(), _allowed("a whole number")]
type Number = Annotated[Decimal, BeforeValidator(_number), _allowed("a number")]
type Choice = Annotated[StrictBool | StrictInt, _allowed("true, false, or the number of an option")]
type Value = Annotated[
    int, Strict(), Field(ge=0, le=2**31 - 1), _allowed("a whole number from 0 to 2,147,483,647, with its label")
]
type Row = Annotated[dict[str, Any], _allowed("a row: its columns with their values")]
type Logical = Annotated[
    str,
    StringConstraints(pattern=f"^{names.LOGICAL}$"),
    _allowed("a logical name: a to z, 0 to 9 and _, a letter first, at most 100 characters"),
]
type Schema = Annotated[
    str,
    StringConstraints(pattern=f"^{names.SCHEMA}$"),
    _allowed("a name of letters, digits and _, a letter first, at most 100 characters"),
]


class Form(BaseModel):
    """A part of the file: unknown members are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)


class TargetForm(Form):
    """A table that a lookup may point at."""

    navigation: Schema | None = None
    relationship: Schema | None = None
    delete: Literal["restrict", "cascade", "remove_link"] = "remove_link"
    collection: Schema | None = None


class ColumnForm(Form):
    """A column."""

    schema_name: Schema | None = Field(None, alias="schema")
    kind: Literal[
        "text",
        "memo",
        "integer",
        "bigint",
        "decimal",
        "double",
        "money",
        "boolean",
        "date",
        "datetime",
        "date_user_local",
        "datetime_independent",
        "choice",
        "choices",
        "lookup",
        "customer",
        "uniqueidentifier",
        "file",
        "image",
    ] = Field("text", alias="type")
    label: Text | None = None
    description: Text = ""
    required: Literal["system", "application", "recommended", "none"] = "none"
    high: Number | None = Field(None, alias="max")
    low: Number | None = Field(None, alias="min")
    precision: Whole | None = None
    precision_source: Whole | None = None
    text_format: Literal["text", "email", "url", "phone", "textarea", "ticker", "json", "richtext"] | None = Field(
        None, alias="format"
    )
    options: dict[Value, Text] | None = None
    option_set: Schema | None = None
    default: Choice | None = None
    targets: dict[Logical, Annotated[TargetForm, BeforeValidator(_some)]] | None = None
    create: Flag | None = None
    update: Flag | None = None
    custom: Flag | None = None


class KeyForm(Form):
    """An alternate key."""

    schema_name: Schema | None = Field(None, alias="schema")
    label: Text | None = None
    columns: list[Logical] = Field(default_factory=list)
    state: Literal["pending", "inprogress", "active", "failed"] = "active"


class TableForm(Form):
    """A table."""

    schema_name: Schema | None = Field(None, alias="schema")
    entity_set: Schema | None = Field(None, alias="set")
    label: Text | None = None
    labels: Text | None = None
    description: Text = ""
    id_column: Logical | None = Field(None, alias="id")
    id_schema: Schema | None = None
    name: Logical | None = None
    ownership: Literal["user", "organization", "none", "business"] = "user"
    type_code: Whole = 10000
    custom: Flag | None = None
    bulk: Flag = True
    optimistic: Flag = True
    change_tracking: Flag = True
    elastic: Flag = False
    status: dict[Text, dict[Value, Text]] | None = None
    columns: Annotated[dict[Logical, Annotated[ColumnForm, BeforeValidator(_some)]], BeforeValidator(_some)] = Field(
        default_factory=dict
    )
    keys: Annotated[dict[Schema, KeyForm], BeforeValidator(_some)] = Field(default_factory=dict)
    rows: list[Row] | None = None


class OptionSetForm(Form):
    """A global option set."""

    label: Text | None = None
    options: Annotated[dict[Value, Text], BeforeValidator(_some)] = Field(default_factory=dict)


class ManyToManyForm(Form):
    """A relationship of many to many."""

    first: Logical | None = None
    second: Logical | None = None
    intersect: Logical | None = None


class TableFile(Form):
    """The whole file, without the members that `settings` reads."""

    built_in: Flag = False
    tables: Annotated[dict[Logical, TableForm], BeforeValidator(_some)] = Field(default_factory=dict)
    option_sets: Annotated[dict[Schema, OptionSetForm], BeforeValidator(_some)] = Field(default_factory=dict)
    many_to_many: Annotated[dict[Schema, ManyToManyForm], BeforeValidator(_some)] = Field(default_factory=dict)


FORMS: Mapping[str, type[Form]] = {
    "tables": TableForm,
    "columns": ColumnForm,
    "keys": KeyForm,
    "targets": TargetForm,
    "option_sets": OptionSetForm,
    "many_to_many": ManyToManyForm,
}
"""What the members of these members are."""


BESIDE = frozenset(("limits", "faults", "actions", "workflows", "webhooks", "applications", "language"))
"""Members of the file that `settings` reads."""


def members(form: type[Form]) -> list[str]:
    """The members that a part may have, as the file names them."""
    own = {field.alias or name for name, field in form.model_fields.items()}
    return sorted(own | BESIDE if form is TableFile else own)

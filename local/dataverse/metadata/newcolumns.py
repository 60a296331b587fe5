"""Columns from bodies: what an attribute's definition makes of a table's columns.

Source: Microsoft Learn, "Create and update column definitions using the Web API".
"""

from __future__ import annotations

from dataclasses import replace

from local.dataverse import refusals, systemcolumns
from local.dataverse.definitions import bounds
from local.dataverse.metadata import newoptions, refused
from local.dataverse.metadata.bodies import LEVELS, Body
from local.dataverse.metadata.columndocuments import TYPES, properties
from local.dataverse.tables import CONTENTS, Column, Kind, Option, Table, Tables

_BY_TYPE = {cast: kind for kind, (_, _, cast) in TYPES.items()} | {"LookupAttributeMetadata": Kind.LOOKUP}
_MADE_ALONE = frozenset(
    (
        Kind.TEXT,
        Kind.MEMO,
        Kind.INTEGER,
        Kind.BIGINT,
        Kind.DECIMAL,
        Kind.DOUBLE,
        Kind.MONEY,
        Kind.BOOLEAN,
        Kind.DATETIME,
        Kind.CHOICE,
        Kind.CHOICES,
        Kind.FILE,
        Kind.IMAGE,
    )
)
"""Kinds that can be created by themselves; lookups come with a relationship, the rest with the table."""
_MORE = frozenset(
    (
        "SourceTypeMask",
        "LinkedAttributeId",
        "InheritsFrom",
        "CanBeSecuredForCreate",
        "CanBeSecuredForRead",
        "CanBeSecuredForUpdate",
        "CanModifyAdditionalSettings",
        "IsDataSourceSecret",
        "IsGlobalFilterEnabled",
        "IsRequiredForForm",
        "IsSearchable",
        "IsSortableEnabled",
        "IsValidForForm",
        "IsValidForGrid",
        "AutoNumberFormat",
        "FormulaDefinition",
        "DefaultFormValue",
        "ChildPicklistLogicalNames",
        "ParentPicklistLogicalName",
        "ImeMode",
        "IsPrimaryImage",
        "CanStoreFullImage",
        "MaxHeight",
        "MaxWidth",
        "Format",
        "FormatName",
    )
)
"""Members that a definition may hold beside those that are shown."""
_FORMATS = (
    "Text",
    "Email",
    "Url",
    "Phone",
    "TextArea",
    "TickerSymbol",
    "Json",
    "RichText",
    "VersionNumber",
    "PhoneticGuide",
)
_BEHAVIOURS = ("UserLocal", "DateOnly", "TimeZoneIndependent")


def new_column(tables: Tables, body: Body, kinds: frozenset[Kind] = _MADE_ALONE) -> Column:
    """The column that a definition describes, by itself.

    Raises:
        Refusal: a part of it is malformed, or such a column cannot be made.
    """
    kind = kind_of(body)
    name = body.schema_name("Attribute")
    if kind not in kinds:
        raise refused.argument(f"Attribute {name} of type {TYPES[kind][0]} cannot be created by itself.")
    body.only(properties(TYPES[kind][2]) | _MORE)
    _check_built(body)
    shown, description = body.texts("DisplayName", name), body.texts("Description")
    column = Column(
        name=name.lower(),
        schema_name=name,
        kind=kind,
        label=shown.base,
        required=body.one_of("RequiredLevel", LEVELS, "None"),
        creatable=kind not in CONTENTS,
        updatable=kind is not Kind.FILE,
        primary_name=body.flag("IsPrimaryName"),
        custom=True,
        description=description.base,
        labels=shown.others,
    )
    return _typed(tables, column, body)


def with_columns(table: Table, *new: Column) -> Table:
    """A table with columns more, and with what comes with them: the currency, base amounts, names of files.

    Raises:
        Refusal: a name is taken.
    """
    columns = dict(table.columns)
    for given in new:
        column = systemcolumns.with_image_place(given, columns.values())
        if column.name in columns:
            raise refused.column_taken(column.schema_name)
        columns[column.name] = column
        for companion in systemcolumns.companions(column):
            columns.setdefault(companion.name, companion)
    for extra in systemcolumns.money(table.name, new):
        columns.setdefault(extra.name, extra)
    return table.changed(columns=columns)


def kind_of(body: Body) -> Kind:
    """The kind of column that a definition describes.

    Raises:
        Refusal: it describes none.
    """
    if body.type_name not in _BY_TYPE:
        raise refused.wrong_member(body.kind, "@odata.type", "a type that derives from AttributeMetadata")
    return _BY_TYPE[body.type_name]


def _check_built(body: Body) -> None:
    """Refuses what a definition can ask for, and the stand-in does not do."""
    if body.text("AutoNumberFormat"):
        raise refusals.not_built("A column that numbers itself")
    if body.members.get("SourceType") not in (None, 0) or body.text("FormulaDefinition"):
        raise refusals.not_built("A calculated or rollup column")


def _typed(tables: Tables, column: Column, body: Body) -> Column:
    if column.kind in (Kind.TEXT, Kind.MEMO):
        return _text(column, body)
    if column.kind in bounds.WIDEST:
        return _number(column, body)
    if column.kind is Kind.DATETIME:
        return _moment(column, body)
    if column.kind in CONTENTS:
        return replace(column, max_size_kb=body.whole("MaxSizeInKB", bounds.MAX_SIZE_KB[column.kind]))
    return _choice(tables, column, body) if column.kind is not Kind.LOOKUP else column


def _text(column: Column, body: Body) -> Column:
    default = "Text" if column.kind is Kind.TEXT else "TextArea"
    plain = body.text("Format", default)
    most, longest = bounds.MOST_LENGTH[column.kind], body.whole("MaxLength", bounds.LENGTH[column.kind])
    if not 1 <= longest <= most:
        raise refused.argument(f"The MaxLength {longest} of attribute {column.name} is not between 1 and {most}.")
    return replace(column, max_length=longest, text_format=body.one_of("FormatName", _FORMATS, plain))


def _number(column: Column, body: Body) -> Column:
    least, greatest = bounds.WIDEST[column.kind]
    low, high = body.number("MinValue", least), body.number("MaxValue", greatest)
    if not least <= low <= high <= greatest:
        raise refused.argument(
            f"MinValue {low} and MaxValue {high} of attribute {column.name} are not in order between {least} and "
            f"{greatest}."
        )
    precision = _precision(column, body)
    if bounds.too_many_digits(column.kind, low, high, precision):
        raise refusals.not_built(f"A column of more than 18 digits ({column.name}: narrow its bounds or its precision)")
    source = body.whole("PrecisionSource", 2) if column.kind is Kind.MONEY else None
    if source not in (None, 0, 1, 2):
        raise refused.argument(f"The PrecisionSource {source} of attribute {column.name} is none of 0, 1 and 2.")
    return replace(column, low=low, high=high, precision=precision, precision_source=source)


def _precision(column: Column, body: Body) -> int | None:
    if column.kind not in bounds.PRECISION:
        return None
    found, most = body.whole("Precision", bounds.PRECISION[column.kind]), bounds.MOST_PRECISION[column.kind]
    if not 0 <= found <= most:
        raise refused.argument(f"The Precision {found} of attribute {column.name} is not between 0 and {most}.")
    return found


def _moment(column: Column, body: Body) -> Column:
    format_name = body.one_of("Format", ("DateOnly", "DateAndTime"), "DateAndTime")
    behaviour = body.one_of("DateTimeBehavior", _BEHAVIOURS, "UserLocal")
    if behaviour == "DateOnly" and body.members.get("Format") == "DateAndTime":
        raise refused.argument(f"The Format of attribute {column.name} must be DateOnly when its behavior is DateOnly.")
    return replace(column, behaviour=behaviour, date_only_format=format_name == "DateOnly" or behaviour == "DateOnly")


def _choice(tables: Tables, column: Column, body: Body) -> Column:
    shared = newoptions.bound_set(tables, body) if column.kind is not Kind.BOOLEAN else None
    options = newoptions.local_set(column.kind, body) if shared is None else shared.options
    return replace(
        column,
        options=options,
        option_set=None if shared is None else shared.name,
        default=_default(column, body, options),
    )


def _default(column: Column, body: Body, options: tuple[Option, ...]) -> int | bool | None:
    if column.kind is Kind.BOOLEAN:
        return body.flag("DefaultValue")
    found = body.whole("DefaultFormValue", -1)
    if found != -1 and found not in {option.value for option in options}:
        raise refused.argument(f"The DefaultFormValue {found} of attribute {column.name} is none of its options.")
    return None if found == -1 else found

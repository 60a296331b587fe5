"""Options and global option sets, from bodies."""

from __future__ import annotations

from collections.abc import Iterable

from local.dataverse.metadata import refused
from local.dataverse.metadata.bodies import Body
from local.dataverse.metadata.catalogue import Catalogue
from local.dataverse.metadata.optiondocuments import global_set
from local.dataverse.tables import Kind, Option, OptionSet, Tables

FIRST_VALUE = 100_000_000
"""Where the values of options begin that are given none (option value prefix 10000)."""
_SAMPLE = OptionSet("sample", "Sample", ())
_KNOWN = frozenset((*global_set(_SAMPLE), "TrueOption", "FalseOption", "ParentOptionSetName", "Description"))
_OPTION_KNOWN = frozenset(
    (
        "Value",
        "Label",
        "Description",
        "Color",
        "ExternalValue",
        "IsManaged",
        "IsHidden",
        "MetadataId",
        "HasChanged",
        "ParentValues",
        "Tag",
        "State",
        "TransitionData",
        "DefaultStatus",
        "InvariantName",
    )
)


def new_option_set(tables: Tables, body: Body) -> OptionSet:
    """A global option set.

    Raises:
        Refusal: it is malformed, or its name is taken.
    """
    body.only(_KNOWN)
    if body.type_name != "OptionSetMetadata":
        raise refused.wrong_member(body.kind, "@odata.type", "Microsoft.Dynamics.CRM.OptionSetMetadata")
    name = _name(body)
    if name in tables.option_sets:
        raise refused.name_taken("OptionSet", name)
    if not body.flag("IsGlobal", default=True):
        raise refused.bad_options("Only Global option set can be created. IsGlobal flag must be set to 'true'.")
    shown = body.texts("DisplayName", name)
    return OptionSet(name, shown.base, listed(body), shown.others)


def _name(body: Body) -> str:
    named = Body(body.kind, {"SchemaName": body.members.get("Name")})
    return named.schema_name("OptionSet", 100).lower()


def listed(body: Body) -> tuple[Option, ...]:
    """The options of an option set.

    Raises:
        Refusal: one is malformed, or two have one value.
    """
    found: list[Option] = []
    for item in body.listed("Options"):
        option = new_option(Body.of("OptionMetadata", item), next_value(found))
        if option.value in {o.value for o in found}:
            raise refused.option_taken()
        found.append(option)
    return tuple(found)


def two(body: Body) -> tuple[Option, ...]:
    """The two options of a yes-or-no column."""
    return tuple(
        new_option(
            Body("OptionMetadata", {"Label": None, **body.part(name, "OptionMetadata").members, "Value": value}),
            0,
            word,
        )
        for name, value, word in (("FalseOption", 0, "No"), ("TrueOption", 1, "Yes"))
    )


def new_option(body: Body, value: int, word: str = "") -> Option:
    """One option; `value` where it names none."""
    body.only(_OPTION_KNOWN)
    shown = body.texts("Label", word)
    return Option(body.whole("Value", value), shown.base, labels=shown.others)


def local_set(kind: Kind, body: Body) -> tuple[Option, ...]:
    """The options of a column's own option set.

    Raises:
        Refusal: it is malformed, or says that it is global.
    """
    if body.members.get("OptionSet") is None:
        return two(Body("BooleanOptionSetMetadata", {})) if kind is Kind.BOOLEAN else ()
    inner = body.part("OptionSet", "OptionSetMetadata")
    inner.only(_KNOWN)
    if inner.flag("IsGlobal"):
        raise refused.bad_options(
            "Only Local option set can be created through the attribute create. IsGlobal flag must be set to 'false'."
        )
    return two(inner) if kind is Kind.BOOLEAN else listed(inner)


def bound_set(tables: Tables, body: Body) -> OptionSet | None:
    """The global option set that a column binds, by its id.

    Raises:
        Refusal: there is none with that id.
    """
    bind = body.text("GlobalOptionSet@odata.bind")
    if not bind:
        return None
    wanted = bind.rpartition("(")[2].rstrip(")").lower()
    for row in Catalogue(tables).option_sets():
        if row["MetadataId"] == wanted:
            return tables.option_sets[str(row["Name"])]
    raise refused.bad_options(f"There is no global option set with the id {wanted[:50]}.")


def next_value(options: Iterable[Option]) -> int:
    """The value of an option that is given none."""
    return max((FIRST_VALUE - 1, *(option.value for option in options))) + 1

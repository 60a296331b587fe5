"""Queries that are well formed and mostly make no sense, for Hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from local.dataverse.conditions.operators import BY_FUNCTION, BY_NAME

FIRST = "88888888-0000-4000-8000-000000000001"
TEXTS = st.sampled_from(
    ["x", "A", "", "O''Hara", "%", "_[a", "[z-a]", "ß", "1", "-1", "2026-01-01", FIRST, "true", "9" * 30]
)
OWN = [
    "name",
    "numberofemployees",
    "creditlimit",
    "createdon",
    "new_tier",
    "accountid",
    "creditonhold",
    "versionnumber",
]
OWN += ["new_openedon", "statecode"]
COLUMNS = st.sampled_from(
    [*OWN, "_parentaccountid_value", "_ownerid_value", "parentaccountid/name", "createdby/fullname"]
)
PLAIN = st.sampled_from([*OWN, "parentaccountid", "ownerid", "foo"])
NUMBERS = st.sampled_from(["1", "-5", "0.5", "1e3", "99999999999999999999", "1e300"])
LITERALS = st.one_of(
    NUMBERS,
    TEXTS.map("'{}'".format),
    st.sampled_from(["null", "true", "false", "2026-01-01", "2026-01-01T00:00:00Z", FIRST, "@p"]),
)
COMPARED = st.tuples(COLUMNS, st.sampled_from(["eq", "ne", "gt", "ge", "lt", "le"]), LITERALS | COLUMNS).map(" ".join)
CALLED = st.builds(
    "{}({},{})".format, st.sampled_from(["contains", "startswith", "endswith"]), COLUMNS, TEXTS.map("'{}'".format)
)
FUNCTIONS = st.builds(
    "Microsoft.Dynamics.CRM.{}(PropertyName='{}'{})".format,
    st.sampled_from(sorted(BY_FUNCTION)),
    COLUMNS,
    st.one_of(
        st.just(""),
        TEXTS.map(",PropertyValue='{}'".format),
        st.lists(TEXTS.map("'{}'".format), max_size=3).map(lambda listed: f",PropertyValues=[{','.join(listed)}]"),
        st.tuples(NUMBERS, NUMBERS).map(lambda pair: ",PropertyValue1={},PropertyValue2={}".format(*pair)),
        st.integers(-1, 10**6).map(",PropertyValue={}".format),
    ),
)
COLLECTIONS = st.sampled_from(["account_parent_account", "contact_customer_accounts"])
FILTERS = st.recursive(
    COMPARED | CALLED | FUNCTIONS,
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        inner.map("not ({})".format),
        st.builds("{} eq {}".format, inner.map("({})".format), st.sampled_from(["true", "false"])),
        st.builds("{}/{}(o:{} or o/{} ne null)".format, COLLECTIONS, st.sampled_from(["any", "all"]), inner, COLUMNS),
    ),
    max_leaves=5,
)
OPTIONS = st.one_of(
    st.lists(st.sampled_from(OWN), min_size=1, max_size=3).map(lambda names: f"$select={','.join(names)}"),
    FILTERS.map("$filter={}".format),
    st.builds("$orderby={} {}".format, COLUMNS, st.sampled_from(["asc", "desc", ""])),
    st.integers(0, 5).map("$top={}".format),
)
NAVIGATIONS = st.sampled_from(["parentaccountid", "createdby", "account_parent_account", "contact_customer_accounts"])
EXPANDS = st.recursive(
    NAVIGATIONS | NAVIGATIONS.map("{}/$ref".format),
    lambda inner: st.builds(
        "{}({})".format,
        NAVIGATIONS,
        st.lists(OPTIONS | inner.map("$expand={}".format), min_size=1, max_size=3, unique_by=lambda o: o[:4]).map(
            ";".join
        ),
    ),
    max_leaves=4,
)
MEASURES = st.lists(
    st.just("$count")
    | st.tuples(COLUMNS, st.sampled_from(["sum", "min", "max", "average", "countdistinct"])).map(" with ".join),
    min_size=1,
    max_size=3,
).map(lambda listed: ",".join(f"{each} as m{number}" for number, each in enumerate(listed)))
GROUPS = st.lists(COLUMNS, min_size=1, max_size=3, unique=True).map(",".join)
APPLIES = st.builds(
    "{}{}".format,
    st.lists(FILTERS.map("filter({})/".format), max_size=1).map("".join),
    st.one_of(
        MEASURES.map("aggregate({})".format),
        GROUPS.map("groupby(({}))".format),
        st.builds("groupby(({}),aggregate({}))".format, GROUPS, MEASURES),
    ),
)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")


CONDITIONS = st.builds(
    "<condition attribute='{}' operator='{}'{}".format,
    PLAIN,
    st.sampled_from(sorted(BY_NAME)),
    st.one_of(
        st.just("/>"),
        TEXTS.map(lambda text: f" value='{escaped(text)}'/>"),
        st.lists(TEXTS, max_size=3).map(
            lambda listed: ">" + "".join(f"<value>{escaped(t)}</value>" for t in listed) + "</condition>"
        ),
        PLAIN.map(" valueof='{}'/>".format),
    ),
)
XML_FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.builds(
        "<filter type='{}'>{}</filter>".format,
        st.sampled_from(["and", "or"]),
        st.lists(inner, max_size=3).map("".join),
    ),
    max_leaves=4,
).map("<filter>{}</filter>".format)
ATTRIBUTES = PLAIN.map("<attribute name='{}'/>".format)
ORDERS = st.builds("<order attribute='{}' descending='{}'/>".format, PLAIN, st.booleans().map(str))
LINKS = st.recursive(
    st.just(""),
    lambda inner: st.builds(
        "<link-entity name='account' from='{}' to='{}' link-type='{}'>{}{}{}</link-entity>".format,
        st.sampled_from(["parentaccountid", "accountid", "name"]),
        st.sampled_from(["parentaccountid", "accountid", "name", "createdon"]),
        st.sampled_from(["inner", "outer", "exists", "in"]),
        ATTRIBUTES | XML_FILTERS | ORDERS,
        XML_FILTERS | st.just(""),
        inner,
    ),
    max_leaves=3,
)
FETCHES = st.builds(
    "<fetch {}><entity name='account'>{}{}{}{}</entity></fetch>".format,
    st.sampled_from(["", "distinct='true'", "top='2'", "count='1' page='2'", "returntotalrecordcount='true'"]),
    st.lists(ATTRIBUTES, max_size=3).map("".join) | st.just("<all-attributes/>"),
    XML_FILTERS | st.just(""),
    ORDERS | st.just(""),
    LINKS,
)
AGGREGATES = st.lists(
    st.one_of(
        st.tuples(PLAIN, st.sampled_from(["count", "countcolumn", "sum", "avg", "min", "max"])).map(
            lambda pair: "name='{}' aggregate='{}'".format(*pair)
        ),
        PLAIN.map("name='{}' groupby='true'".format),
        st.sampled_from(["day", "week", "month", "quarter", "year", "fiscal-period"]).map(
            "name='createdon' groupby='true' dategrouping='{}'".format
        ),
    ),
    min_size=1,
    max_size=3,
).map(lambda listed: "".join(f"<attribute {each} alias='a{number}'/>" for number, each in enumerate(listed)))
AGGREGATED = st.builds(
    "<fetch aggregate='true'><entity name='account'>{}{}{}</entity></fetch>".format,
    AGGREGATES,
    XML_FILTERS | st.just(""),
    st.just("<order alias='a0'/>") | ORDERS | st.just(""),
)
SQL_VALUES = NUMBERS | TEXTS.map("'{}'".format)
SQL_CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(PLAIN, st.sampled_from(["=", "<>", "!=", "<", ">", "<=", ">=", "LIKE"]), SQL_VALUES).map(" ".join),
        PLAIN.map("{} IS NOT NULL".format),
        st.builds("{} NOT IN ({}, {})".format, PLAIN, SQL_VALUES, SQL_VALUES),
        st.builds("{} BETWEEN {} AND {}".format, PLAIN, SQL_VALUES, SQL_VALUES),
        st.builds("{} = {}".format, SQL_VALUES, PLAIN),
    ),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from(["AND", "OR"]), inner) | inner.map("NOT ({})".format)
    ),
    max_leaves=4,
)
SELECTS = st.builds(
    "SELECT {} FROM account{}{}{}".format,
    st.sampled_from(
        ["name", "TOP 2 name, createdon", "DISTINCT statecode", "COUNT(*)", "name, SUM(numberofemployees) AS n"]
    ),
    st.just("") | SQL_CONDITIONS.map(" WHERE {}".format),
    st.sampled_from(["", "", " GROUP BY name", " GROUP BY statecode, name"]),
    st.sampled_from(["", " ORDER BY name DESC", " ORDER BY n", " ORDER BY name OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY"]),
)

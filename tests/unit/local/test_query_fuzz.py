"""Whatever stands in a query, the answer is a page or a refusal, and no row has changed."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.messages import Reply, Request
from local.dataverse.service import Service
from tests.unit.local import query_grammar as grammar

ROOT = "http://localhost/api/data/v9.2/"
FIRST = "88888888-0000-4000-8000-000000000001"
NAMES = ["name", "numberofemployees", "creditlimit", "createdon", "new_tier", "accountid", "_parentaccountid_value"]
NAMES += ["parentaccountid", "primarycontactid", "account_parent_account", "contact_customer_accounts", "creditonhold"]
NAMES += ["parentaccountid/name", "foo", "ownerid", "$count", "*", "@p", "a", "a/name", "t", "f0", "~deleted", "rowid"]
LITERALS = [
    "1",
    "-5",
    "1e400",
    "9" * 40,
    "0.5",
    "null",
    "true",
    "'x'",
    "''",
    "'O''Hara'",
    '"q"',
    "'%_[a'",
    "2026-01-01",
]
LITERALS += [
    "2026-13-45",
    "2026-01-01T00:00:00Z",
    FIRST,
    f"'{FIRST}'",
    "'\x00'",
    "'\ud7ff'",
    "; DROP TABLE account",
    "--",
]
FILTER = ["eq", "ne", "gt", "ge", "and", "or", "not", "(", ")", ",", "=", "[", "]", ":", "contains(", "startswith("]
FILTER += ["/any(", "/all(", "account_parent_account/any(a:a/name eq 'x')", "Microsoft.Dynamics.CRM.In(", "endswith("]
FILTER += ["PropertyName='name'", "PropertyValues=['x','1']", "PropertyValue=7", "Microsoft.Dynamics.CRM.LastXDays("]
FILTER += ["Microsoft.Dynamics.CRM.Under(", "PropertyValue1=1", "PropertyValue2=2", "PropertyName='createdon'"]
EXPAND = ["(", ")", ";", ",", "/$ref", "$select=", "$filter=", "$orderby=", "$top=1", "$expand=", "name", " desc", "/"]
APPLY = [
    "groupby((",
    "))",
    ")",
    "(",
    ",",
    "aggregate(",
    " with ",
    "sum",
    "average",
    "min",
    "countdistinct",
    " as n",
    "/",
]
APPLY += ["filter(", "$count as c", "name eq 'x'"]
XML = ["<fetch>", "</fetch>", "<entity name='account'>", "</entity>", "<attribute name='name'/>", "<all-attributes/>"]
XML += [
    "<filter>",
    "<filter type='or'>",
    "</filter>",
    "<condition attribute='name' operator='eq' value='x'/>",
    "<fetch ",
]
XML += ["aggregate='true'", "distinct='1'", "count='2'", "page='99999999'", "top='0'", ">", "<order attribute='name'/>"]
XML += [
    "<link-entity name='contact' from='parentcustomerid' to='accountid'>",
    "</link-entity>",
    "alias='a'",
    "&#0;",
    "&x;",
]
XML += [
    "<condition attribute='createdon' operator='last-x-days' value='5'/>",
    "<attribute name='name' groupby='true'/>",
]
SQL = [
    "SELECT",
    "TOP 2",
    "DISTINCT",
    "name",
    "a.name",
    "FROM",
    "account",
    "account a",
    "contact c",
    "JOIN",
    "LEFT JOIN",
]
SQL += [
    "ON",
    "a.accountid = c.parentcustomerid",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "(",
    ")",
    "IN",
    "('x', 1)",
    "IS NULL",
    "=",
]
SQL += ["GROUP BY", "ORDER BY", "COUNT(*)", "SUM(numberofemployees)", "AS n", ",", "LIKE '%x'", "BETWEEN 1 AND 2", ";"]
SQL += [
    "OFFSET 1 ROWS",
    "FETCH NEXT 1 ROWS ONLY",
    "'x'",
    "-1",
    "CASE",
    "UNION",
    "WITH",
    "[",
    "]",
    "/*",
    "--",
    "@x",
    "'",
]


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    with LocalDataverse() as server:
        server.insert("account", [{"accountid": FIRST, "name": "A", "numberofemployees": 1}, {"name": "B"}])
        server.insert("contact", [{"lastname": "C", "parentcustomerid_account@odata.bind": f"accounts({FIRST})"}])
        yield server.application.service


def pieces(*words: list[str]) -> st.SearchStrategy[str]:
    """Texts of words that belong to a language, in any order, and some that belong to none."""
    known = st.sampled_from([word for listed in words for word in listed])
    return st.lists(known | st.text(max_size=4), max_size=14).flatmap(
        lambda parts: st.sampled_from(["", " "]).map(lambda gap: gap.join(parts))
    )


def ask(service: Service, query: str, prefer: str = "") -> Reply:
    return service.answer(Request("GET", "accounts", query, {"prefer": prefer}, b"", ROOT))


def stored(service: Service) -> list[object]:
    return [service.world.store.all(f'SELECT * FROM "{table}"') for table in ("account", "contact")]


def holds(service: Service, option: str, text: str, rest: str = "") -> None:
    before = stored(service)
    reply = ask(service, f"{option}={quote(text, safe='')}{rest}", 'odata.include-annotations="*"')
    assert reply.status < 500, (option, text, reply.body)
    assert b"Traceback" not in reply.body
    assert stored(service) == before


fuzzed = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzzed
@given(text=grammar.FILTERS | pieces(NAMES, LITERALS, FILTER))
@example(text="name eq 'x' or " * 1500 + "name eq 'y'")
@example(text="name eq 'x' or name eq 'y' and " * 700 + "name eq 'y'")
@example(text="not " * 3000 + "true")
@example(text="(" * 3000)
@example(text="account_parent_account/any(a:" * 50 + "true" + ")" * 50)
@example(text="/".join(["parentaccountid"] * 40) + "/name eq 'x'")
@example(text="creditlimit eq 1e999999999")
@example(text="numberofemployees gt -9223372036854775809")
def test_any_filter(service: Service, text: str) -> None:
    """`$filter` of any words."""
    holds(service, "$filter", text, "&@p=@p&@a=1")


@fuzzed
@given(text=grammar.EXPANDS | pieces(NAMES, EXPAND, LITERALS))
@example(text="parentaccountid($expand=" * 40 + "createdby" + ")" * 40)
@example(text="account_parent_account($select=name;$expand=account_parent_account($filter=name eq 'x')),createdby")
def test_any_expand(service: Service, text: str) -> None:
    """`$expand` of any words, and the same as `$orderby` and `$select`."""
    for option in ("$expand", "$orderby", "$select"):
        holds(service, option, text)


@fuzzed
@given(text=grammar.APPLIES | pieces(NAMES, APPLY))
@example(text="groupby((createdby/fullname,name),aggregate($count as n,numberofemployees with max as m))")
@example(text="groupby((name),aggregate(numberofemployees with sum as name))")
def test_any_apply(service: Service, text: str) -> None:
    """`$apply` of any words."""
    holds(service, "$apply", text)


@fuzzed
@given(text=grammar.FETCHES | grammar.AGGREGATED | pieces(XML, LITERALS))
@example(text="<fetch><entity name='account'>" + "<filter>" * 500 + "</filter>" * 500 + "</entity></fetch>")
@example(text="<fetch page='999999999' count='5000'><entity name='account'/></fetch>")
@example(text="<a>" * 5000)
def test_any_fetch(service: Service, text: str) -> None:
    """`fetchXml` of any words, bare and inside an entity."""
    holds(service, "fetchXml", text)
    holds(service, "fetchXml", f"<fetch><entity name='account'>{text}</entity></fetch>")


@fuzzed
@given(text=grammar.SELECTS | pieces(SQL))
@example(text="name FROM account WHERE " + "(" * 2000 + "name = 'x'" + ")" * 2000)
@example(text="name FROM account WHERE " + "NOT " * 4000 + "name = 'x'")
@example(text="name FROM account WHERE name = 'x'" + " OR name = 'y'" * 1500)
@example(text="- " * 5000)
@example(text="name FROM account WHERE numberofemployees = " + "9" * 400)
@example(text="name FROM account a " + "JOIN account b ON a.accountid = b.accountid " * 200)
def test_any_sql(service: Service, text: str) -> None:
    """`sql` of any words, bare and behind SELECT."""
    holds(service, "sql", text)
    holds(service, "sql", f"SELECT {text}")


@fuzzed
@given(
    option=st.sampled_from(["$skiptoken", "$deltatoken", "$top", "$count", "@p", "savedQuery", "$skip", "$zzz"]),
    text=st.text(max_size=40) | st.sampled_from(["-1", "1!01/01/2026 00:00:00", "true", '<cookie pagenumber="2" />']),
)
def test_any_other_option(service: Service, option: str, text: str) -> None:
    """Tokens and numbers of any form, and options that the service does not have."""
    holds(service, option, text)

# ruff: noqa: E501
"""Requests made from seeds, right and wrong ones, sent through the stand-in's own ASGI door; and what must hold."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from local.dataverse import LocalDataverse
from local.dataverse.application import Application
from local.dataverse.logic import Operation

ROOT = "/api/data/v9.2/"
HOST = b"127.0.0.1:1"
SETS = ("accounts", "contacts", "new_cities", "new_countries", "new_nobulks", "systemusers", "nothing", "new_readings")
COLUMNS = (
    "name", "accountnumber", "creditlimit", "numberofemployees", "parentaccountid", "_parentaccountid_value", "statecode",
    "statuscode", "createdon", "new_tier", "new_openedon", "primarycontactid", "ownerid", "_ownerid_value", "versionnumber",
    "transactioncurrencyid", "accountid", "lastname", "new_externalkey", "zzz", "@odata.type", "@odata.id", "",
)  # fmt: skip
GOOD = (
    "name",
    "accountnumber",
    "creditlimit",
    "numberofemployees",
    "_parentaccountid_value",
    "statecode",
    "createdon",
    "accountid",
)
VALUES = {
    "name": ("a", "é", "x" * 5000, "", None, 5),
    "accountnumber": ("A1", "a1 ", "B", "A/1", None),
    "creditlimit": (1, 1.255, -1, 1e18, "1", None),
    "numberofemployees": (1, 2**31, -1, 1.5, None),
    "parentaccountid@odata.bind": ("accounts(accountnumber='A1')", "accounts(accountnumber='none')", None, ""),
    "new_openedon": ("2026-01-01", "2026-02-30", "1600-01-01", None),
    "statecode": (0, 1, 2),
    "statuscode": (1, 2, 99),
    "overriddencreatedon": ("2020-01-01T00:00:00Z",),
    "transactioncurrencyid@odata.bind": ("transactioncurrencies(x)",),
}
LITERALS = (
    "1", "-1", "'a'", "''", "'O''Brian'", "null", "true", "2026-01-01", "2026-01-01T00:00:00Z", "1.5", "1e400", "9" * 40,
    "0d000000-0000-4000-8000-0000000000a1", "@p1", "'%'", "'[a-'", "'\\'", "('x')", "[1]", "datetime'2026'", "'\ud83d\ude00'",
)  # fmt: skip
WORDS = (
    "eq", "ne", "gt", "le", "and", "or", "not", "(", ")", "contains(", "startswith(", ",", "any(", "all(", "o:", "o/", "/",
    "Microsoft.Dynamics.CRM.In(PropertyName=", "PropertyValues=", "Microsoft.Dynamics.CRM.LastXDays(", "$it", "=", "in",
)  # fmt: skip
OPTIONS = (
    "$filter", "$select", "$orderby", "$expand", "$top", "$count", "$apply", "$skiptoken", "$deltatoken", "$search",
    "fetchXml", "tag", "@p1", "$skip", "sql", "savedQuery", "",
)  # fmt: skip
HEADERS = {
    "prefer": ("return=representation", 'odata.include-annotations="*"', "odata.maxpagesize=2", "odata.track-changes",
               "odata.maxpagesize=-1", "odata.maxpagesize=x", "odata.continue-on-error", ",,;=", 'a="'),
    "if-match": ("*", 'W/"1"', "null", '"', "x" * 50),
    "if-none-match": ("*", "null", 'W/"1000001"'),
    "content-type": ("application/json", "text/plain", "multipart/mixed", "multipart/mixed; boundary=b", "\xe9"),
    "mscrmcallerid": ("0d000000-0000-4000-8000-0000000000a1", "x", "{}"),
    "callerobjectid": ("0d000000-0000-4000-8000-00000000c1d2", "'"),
    "mscrm.bypassbusinesslogicexecution": ("CustomSync", "CustomSync,CustomAsync", ",x"),
    "mscrm.suppressduplicatedetection": ("false", "x"),
    "cookie": ("ARRAffinity=x", "a" * 300, ";;="),
    "accept-encoding": ("gzip", "identity", "br;q=1"),
    "content-encoding": ("gzip",),
    "mscrm.bypassbusinesslogicexecutionstepids": ("x", "a,b,c,d", ",,"),
    "mscrm.mergelabels": ("true", "x"),
    "mscrm.sessiontoken": ("0:1#5#7=-1", "\x7f"),
    "x-ms-transfer-mode": ("chunked", "x"),
    "x-ms-file-name": ("a.txt", "\xff/.."),
    "content-range": ("bytes 0-1/2", "bytes 9-1/2", "x"),
    "consistency": ("Strong", ""),
}  # fmt: skip
METHODS = ("GET", "GET", "GET", "POST", "POST", "PATCH", "PATCH", "DELETE", "PUT", "HEAD", "OPTIONS", "MERGE", "get")
TAILS = (
    "", "", "", "", "/$count", "/name", "/name/$value", "/primarycontactid/$ref", "/Microsoft.Dynamics.CRM.CreateMultiple",
    "/Microsoft.Dynamics.CRM.UpdateMultiple", "/Microsoft.Dynamics.CRM.UpsertMultiple", "/contact_customer_accounts/$ref",
    "/Microsoft.Dynamics.CRM.DeleteMultiple", "/Microsoft.Dynamics.CRM.new_Do", "/new_Do", "//", "/a/b/c",
)  # fmt: skip
FIRSTS = (
    "$metadata", "$batch", "WhoAmI", "WhoAmI()", "EntityDefinitions", "EntityDefinitions(LogicalName='account')/Attributes",
    "EntityDefinitions(LogicalName='nothing')", "RetrieveTotalRecordCount(EntityNames=['account'])", "new_Echo(T='x')",
    "RetrieveTotalRecordCount(EntityNames=@p1)", "sdkmessagefilters", "workflows(x)/Microsoft.Dynamics.CRM.ExecuteWorkflow",
    "GlobalOptionSetDefinitions", "new_Echo(T=", "", "..", "%", "%2e%2e/x", "BulkDelete", "RelationshipDefinitions",
    "EntityDefinitions(LogicalName='account')/Attributes/Microsoft.Dynamics.CRM.StringAttributeMetadata?$select=MaxLength",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Made:
    """One request."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Answer:
    """What came back."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""


def environment() -> Application:
    """A stand-in with some rows and logic, without a socket; its token is `token`."""
    server = LocalDataverse()
    numbers = [{"name": f"n{i}", "accountnumber": f"A{i}", "creditlimit": i, "new_tier": None} for i in range(5)]
    server.insert("account", numbers)
    echo = {"name": "new_Echo", "kind": "function", "parameters": {"T": "text"}, "does": {"echo": {"X": "T"}}}
    deed = {"name": "new_Do", "bound_to": "account", "does": {"set": {"name": "done"}}}
    server.declare(Operation.of(echo), Operation.of(deed))
    return server.application


def check(application: Application, seed: int, loop: asyncio.Runner) -> None:
    """Sends the request of a seed and checks what must hold.

    Raises:
        AssertionError: it does not; the message holds the seed and the request.
    """
    made = request(random.Random(seed), _ids(application))
    before = state(application)
    told = f"seed {seed}: {made}"
    try:
        answer = loop.run(send(application, made))
    except Exception as broken:
        raise AssertionError(f"{told} raised {broken!r}") from broken
    assert answer.status < 500 or _known(answer, made), f"{told} → {answer.status} {answer.body[:500]!r}"
    assert answer.status >= 200, told
    if answer.status >= 400 and not made.path.startswith(f"{ROOT}$batch"):
        assert state(application) == before, f"{told} → {answer.status}, but rows have changed"
    if answer.body and dict(answer.headers).get(b"content-type", b"").startswith(b"application/json"):
        json.loads(answer.body)


def _known(answer: Answer, made: Made) -> bool:
    """501 is asked for: it says what the stand-in does not have (to HEAD without a body)."""
    return answer.status == 501 and (made.method == "HEAD" or b"has not yet been implemented" in answer.body)


def state(application: Application) -> list[tuple[object, ...]]:
    """Every row there is, those of relationships of many to many too."""
    world = application.service.world
    names = [*world.tables.by_name, *(pair.intersect for pair in world.tables.pairs)]
    return [row for name in names for row in world.store.all(f'SELECT * FROM "{name}"')]


async def send(application: Application, made: Made) -> Answer:
    """One request through the ASGI door, with a living token."""
    token = _token(application)
    headers = {"host": HOST.decode(), "authorization": f"Bearer {token}", **made.headers}
    scope: dict[str, Any] = {
        "type": "http",
        "method": made.method,
        "path": made.path,
        "raw_path": made.path.encode("latin-1", "replace"),
        "query_string": made.query.encode("latin-1", "replace"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items()],
    }
    answer, sent = Answer(), [False]

    async def receive() -> dict[str, Any]:
        sent[0] = True
        return {"type": "http.request", "body": made.body}

    async def put(event: Any) -> None:
        if event["type"] == "http.response.start":
            answer.status, answer.headers = event["status"], tuple(event["headers"])
        else:
            answer.body += event["body"]

    packed = headers.get("accept-encoding", "")
    if "gzip" in packed:
        scope["headers"] = [(n, v) for n, v in scope["headers"] if n != b"accept-encoding"]
    await application(scope, receive, put)
    return answer


def _token(application: Application) -> str:
    """A living token: a new one for each request would only cost time."""
    if not application.identity._tokens:
        identity = LocalDataverse
        form = (
            f"grant_type=client_credentials&client_id={identity.client_id}&client_secret={identity.client_secret}"
            f"&scope=http%3A%2F%2F{HOST.decode()}%2F.default"
        )
        assert application.identity.token(identity.tenant_id, form.encode(), HOST.decode()).status == 200
    return next(iter(application.identity._tokens))


def _ids(application: Application) -> list[str]:
    rows = application.service.world.store.all("SELECT accountid FROM account ORDER BY rowid LIMIT 5")
    return [str(row[0]) for row in rows] or ["0d000000-0000-4000-8000-0000000000ff"]


def request(chance: random.Random, ids: list[str]) -> Made:
    """A request: mostly near a right one, sometimes nonsense."""
    headers = {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.05}
    shape = chance.random()
    if shape < 0.15:
        return _batch(chance, ids, headers)
    name = "accounts" if chance.random() < 0.7 else chance.choice(SETS)
    row = f"{name}({_key(chance, ids)})"
    if shape < 0.45:
        path = name if chance.random() < 0.7 else row
        return Made("GET", _raw(chance, ROOT + path), _query(chance), headers, b"")
    if shape < 0.6:
        message = chance.choice(("CreateMultiple", "UpdateMultiple", "UpsertMultiple", "DeleteMultiple"))
        path = f"{ROOT}{name}/Microsoft.Dynamics.CRM.{message}"
        return Made("POST", path, "", headers, _body(chance, ids, bulk=True))
    if shape < 0.8:
        method, path = chance.choice((("POST", name), ("PATCH", row), ("PATCH", row), ("DELETE", row)))
        query = _query(chance) if chance.random() < 0.2 else ""
        return Made(method, _raw(chance, ROOT + path), query, headers, _body(chance, ids, bulk=False))
    path, bulk = _path(chance, ids)
    return Made(
        chance.choice(METHODS), _raw(chance, ROOT + path), _query(chance), headers, _body(chance, ids, bulk=bulk)
    )


def _path(chance: random.Random, ids: list[str]) -> tuple[str, bool]:
    if chance.random() < 0.15:
        return chance.choice(FIRSTS), False
    name = chance.choice(SETS) if chance.random() < 0.5 else "accounts"
    if chance.random() < 0.5:
        name += f"({_key(chance, ids)})"
    tail = chance.choice(TAILS)
    return name + tail, "Multiple" in tail


def _key(chance: random.Random, ids: list[str]) -> str:
    if chance.random() < 0.7:
        return chance.choice((chance.choice(ids), f"accountnumber='A{chance.randrange(8)}'"))
    column = chance.choice(COLUMNS)
    return chance.choice(
        (
            f"{column}={chance.choice(LITERALS)}",
            f"{column}={chance.choice(LITERALS)},{chance.choice(COLUMNS)}='x'",
            chance.choice(LITERALS),
            _noise(chance),
        )
    )


def _query(chance: random.Random) -> str:
    names = chance.sample(OPTIONS[:6] if chance.random() < 0.7 else OPTIONS, chance.choice((0, 1, 1, 2, 3)))
    pairs = [f"{name}={_raw(chance, _value(chance, name))}" for name in names]
    return ("&" if chance.random() < 0.95 else "&&;").join(pairs)


def _value(chance: random.Random, name: str) -> str:
    if chance.random() < 0.1:
        return _noise(chance)
    if name in ("$select", "$orderby", "$expand") and chance.random() < 0.6:
        columns = chance.sample(GOOD if name != "$expand" else ("primarycontactid", "parentaccountid"), 2)
        return ",".join(columns[: chance.randint(1, 2)])
    if name in ("$select", "$orderby", "$expand"):
        ends = ("", " desc", " asc", "($select=name)", "/name", "($filter=name eq 'a')", "(", ";")
        return ",".join(chance.choice(COLUMNS) + chance.choice(ends) for _ in range(chance.randint(1, 3)))
    if name in ("$top", "$count", "$skip"):
        return chance.choice(("1", "0", "-1", "true", "false", "x", "99999999999999999999"))
    if name == "fetchXml":
        return _fetch(chance)
    if name == "sql":
        ends = ("", " WHERE name = 'a'", " ORDER BY name", "; DROP TABLE account", " JOIN contact", "'")
        return f"SELECT {chance.choice(COLUMNS) or '*'} FROM account{chance.choice(ends)}"
    if name == "$apply":
        given = "groupby((name),aggregate($count as n))", "aggregate(creditlimit with sum as s)", "filter(", "groupby(("
        return chance.choice(given)
    parts = (chance.choice((chance.choice(COLUMNS), chance.choice(LITERALS), chance.choice(WORDS))) for _ in range(9))
    columns = GOOD if chance.random() < 0.8 else COLUMNS
    simple = f"{chance.choice(columns)} {chance.choice(WORDS[:4])} {chance.choice(LITERALS)}"
    if chance.random() < 0.2:
        simple = f"({simple}) or not ({chance.choice(('contains', 'startswith'))}(name,{chance.choice(LITERALS)}))"
    return simple if chance.random() < 0.5 else f"{simple} and {' '.join(parts)}"


def _fetch(chance: random.Random) -> str:
    column, value = chance.choice(COLUMNS), chance.choice(LITERALS).replace("<", "").replace("'", "")
    operator = chance.choice(("eq", "like", "in", "null", "last-x-days", "between", "zzz"))
    text = (
        f'<fetch top="{chance.choice(("1", "x", "-5"))}"><entity name="{chance.choice(("account", "x"))}">'
        f'<attribute name="{column}"/><filter><condition attribute="{column}" operator="{operator}" value="{value}"/>'
        "</filter></entity></fetch>"
    )
    return text if chance.random() < 0.7 else text[: chance.randrange(len(text))]


def _body(chance: random.Random, ids: list[str], *, bulk: bool) -> bytes:
    kind = chance.random()
    if kind < 0.1:
        return chance.choice((b"", b"null", b"[]", b"{", b'"x"', b"\xff\xfe", b"{}", b"1", b"[[[[" * 500, b"\x00"))
    rows = [_row(chance, ids) for _ in range(chance.randint(1, 4) if bulk else 1)]
    if not bulk:
        return json.dumps(rows[0]).encode()
    for row in rows:
        if chance.random() < 0.9:
            row["@odata.type"] = chance.choice(
                ("Microsoft.Dynamics.CRM.account", "Microsoft.Dynamics.CRM.account", "x")
            )
        if chance.random() < 0.5:
            row["@odata.id"] = f"accounts({_key(chance, ids)})"
    return json.dumps({"Targets": chance.choice((rows, rows, rows, rows[0], None, [rows], [1]))}).encode()


def _row(chance: random.Random, ids: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for _ in range(chance.randint(0, 4)):
        if chance.random() < 0.75:
            good = chance.choice(tuple(VALUES))
            row[good] = chance.choice(VALUES[good])
            continue
        name = chance.choice(COLUMNS)
        if chance.random() < 0.2:
            name = f"{name}@odata.bind"
        row[name] = _json(chance, ids)
    return row


def _json(chance: random.Random, ids: list[str], depth: int = 0) -> Any:
    plain = (
        None, True, False, 0, 1, -1, 5.5, 1e308, 2**31, 2**63, 2**70, -(2**63), 1e-320, "a", "", "é", "\x00", "\ud83d\ude00",
        "x" * 5000, "2026-01-01", "2026-13-45T99:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1,9",
        chance.choice(ids), f"accounts({chance.choice(ids)})", "accounts()", f"/accounts({_key(chance, ids)})", "$1", "\udc80",
        "https://x/api/data/v9.2/contacts(1)", _noise(chance),
    )  # fmt: skip
    if depth < 2 and chance.random() < 0.1:
        return chance.choice(([_json(chance, ids, depth + 1)], {chance.choice(COLUMNS): _json(chance, ids, depth + 1)}))
    return chance.choice(plain)


def _batch(chance: random.Random, ids: list[str], headers: dict[str, str]) -> Made:
    parts = []
    for number in range(chance.randint(0, 4)):
        method, path = chance.choice(("GET", "POST", "PATCH", "DELETE")), f"accounts({_key(chance, ids)})"
        if method == "POST":
            path = "accounts"
        if chance.random() < 0.15:
            method, path = chance.choice(("GET", "POST", "PATCH", "DELETE", "X")), _path(chance, ids)[0]
        reference = f"/api/data/v9.2/{path}"
        if chance.random() < 0.1:
            reference = chance.choice((path, "$1", "https://x/api/data/v9.2/" + path, "%%"))
        numbered = f"Content-ID: {number if chance.random() < 0.9 else chance.choice((1, 'x', ''))}\r\n"
        body = _body(chance, ids, bulk="Multiple" in path).decode("latin-1")
        parts.append(
            f"Content-Type: application/http\r\n{numbered}\r\n{method} {_raw(chance, reference)} HTTP/1.1\r\n"
            f"Content-Type: application/json\r\n\r\n{body}"
        )
    inner = "".join(f"--c\r\n{part}\r\n" for part in parts) + "--c--"
    if chance.random() < 0.4:
        parts = [f"Content-Type: multipart/mixed; boundary=c\r\n\r\n{inner}\r\n"]
    text = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    if chance.random() < 0.1:
        text = text.replace("\r\n", "\n") if chance.random() < 0.5 else text[: chance.randrange(len(text))]
    kind = {"content-type": "multipart/mixed; boundary=b" if chance.random() < 0.95 else "text/plain"}
    if chance.random() < 0.5:
        kind["prefer"] = "odata.continue-on-error"
    return Made("POST", f"{ROOT}$batch", "", headers | kind, text.encode("utf-8", "surrogatepass"))


def _raw(chance: random.Random, text: str) -> str:
    """Encoded as clients do, or not at all; always what a server lets through (latin-1)."""
    if chance.random() < 0.5:
        return quote(text.encode("utf-8", "surrogatepass"), safe="/$()',=@:;")
    return text.encode("utf-8", "surrogatepass").decode("latin-1").replace(" ", "%20")


def _noise(chance: random.Random) -> str:
    return "".join(chance.choice("ab'\"(),=$@/%[]{}<>&;:\\ \u00e9\u2028\x01_-.0") for _ in range(chance.randint(0, 20)))

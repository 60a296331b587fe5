"""One table that keeps rows: bulk calls roll back whole, batches go on. Enough of the service to test the writer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.unit.dataverse.service import IDS_IN_QUERY, Say, Seen, refusal

_OPERATION = re.compile(
    r"\r\n\r\n(POST|PATCH|DELETE) /api/data/v9\.2/(\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n(.*?)\r\n--", re.DOTALL
)
Refused = tuple[int, str, str]
Rule = Callable[[dict], Refused | None]


class SmallTable:
    """Rows by id. `rule` looks at a row to be written and may refuse it; `before` may answer instead of the table."""

    def __init__(self, rule: Rule = lambda row: None) -> None:
        self.rows: dict[str, dict] = {}
        self.versions: dict[str, int] = {}
        self.rule = rule
        self.before: Callable[[Seen], Say | None] = lambda seen: None
        self.after: Callable[[Seen], Say | None] = lambda seen: None
        self.bulk_calls: list[int] = []
        self.batches: list[int] = []
        self.lookups = 0
        self.part_headers = ""

    def __call__(self, seen: Seen) -> Say:
        return self.before(seen) or self.answered(seen)

    def answered(self, seen: Seen) -> Say:
        say = self.act(seen)
        return self.after(seen) or say

    def act(self, seen: Seen) -> Say:
        if seen.method == "GET":
            self.lookups += 1
            found = [row for row in IDS_IN_QUERY.findall(seen.query) if row in self.rows]
            return Say(200, {"value": [{"accountid": one, **self.rows[one]} for one in found]})
        if seen.path.endswith("$batch"):
            return self.batch(seen.body.decode())
        return self.bulk(seen.path.partition("?")[0].rpartition(".")[2], json.loads(seen.body)["Targets"])

    def bulk(self, message: str, targets: list[dict]) -> Say:
        self.bulk_calls.append(len(targets))
        rows, versions = dict(self.rows), dict(self.versions)
        for target in targets:
            assert target.pop("@odata.type") == "Microsoft.Dynamics.CRM.account"
            refused = self.put(message == "CreateMultiple", target.pop("accountid"), target)
            if refused:
                self.rows, self.versions = rows, versions
                return refusal(*refused)
        return Say(200, {"Ids": list(self.rows)[-len(targets) :]}) if message == "CreateMultiple" else Say(204)

    def put(self, create: bool, row_id: str, row: dict, etag: str = "*") -> Refused | None:
        if create and row_id in self.rows:
            return 412, "0x80040237", "A record with matching key values already exists."
        if not create and row_id not in self.rows:
            return 404, "0x80040217", f"account With Id = {row_id} Does Not Exist"
        if not create and etag not in ("*", f'W/"{self.versions.get(row_id, 0)}"'):
            return 412, "0x80060882", "The version of the existing record doesn't match"
        refused = self.rule(row)
        if not refused:
            self.rows[row_id] = {**self.rows.get(row_id, {}), **row}
            self.versions[row_id] = self.versions.get(row_id, 0) + 1
        return refused

    def batch(self, body: str) -> Say:
        operations = _OPERATION.findall(body)
        assert len(operations) == body.count("application/http")
        assert "\n" not in body.replace("\r\n", "")
        self.batches.append(len(operations))
        parts = [self.operation(*operation) for operation in operations]
        text = "".join(f"--b\r\nContent-Type: application/http\r\n\r\n{part}\r\n" for part in parts) + "--b--\r\n"
        return Say(200, text.encode(), {"Content-Type": "multipart/mixed; boundary=b", "REQ_ID": "batch-1"})

    def operation(self, method: str, path: str, headers: str, body: str) -> str:
        row_id = (IDS_IN_QUERY.findall(path) or [None])[0]
        etag = (re.findall(r"If-Match: (\S+)", headers) or [None])[0]
        refused: Refused | None
        if method == "POST":
            row = json.loads(body)
            refused = self.put(True, row.pop("accountid"), row)
        elif method == "PATCH":
            assert etag, "a PATCH without If-Match may create a row"
            refused = self.put(False, row_id, json.loads(body), etag)
        else:
            refused = self.delete(row_id, etag or "*")
        if refused is None:
            return "HTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n\r\n"
        status, code, message = refused
        return f"HTTP/1.1 {status} X\r\n{self.part_headers}\r\n" + json.dumps(
            {"error": {"code": code, "message": message}}
        )

    def delete(self, row_id: str, etag: str) -> Refused | None:
        if row_id not in self.rows:
            return 404, "0x80040217", "Does Not Exist"
        if etag not in ("*", f'W/"{self.versions.get(row_id, 0)}"'):
            return 412, "0x80060882", "The version of the existing record doesn't match"
        refused = self.rule(self.rows[row_id])
        if not refused:
            del self.rows[row_id]
        return refused

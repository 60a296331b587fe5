"""Any sequence of writes leaves the rows that a plain model of the rules leaves, and each gets a status that fits.

The model knows accounts with five columns. A write that breaks several rules may be refused by any of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from local.dataverse import LocalDataverse
from local.dataverse.messages import Request
from tests.examples import examples

Values = dict[str, Any]
Rows = dict[str, Values]
IDS = [f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in range(4)]
KEYS = ["K1", "k1 ", "K2", "Ké3", "ke3"]
BIND = "parentaccountid@odata.bind"
EMPTY: Values = {"name": None, "accountnumber": None, "numberofemployees": None, "industrycode": None, "parent": None}


class Broken(Exception):  # noqa: N818 - as the service names its own
    """A write is refused, with one of these statuses."""

    def __init__(self, statuses: set[int]) -> None:
        super().__init__(statuses)
        self.statuses = statuses


class Model:
    """The rules, plainly."""

    def __init__(self) -> None:
        self.rows: Rows = {}

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All or nothing."""
        before = {row_id: dict(row) for row_id, row in self.rows.items()}
        try:
            yield
        except Broken:
            self.rows = before
            raise

    def by_key(self, key: str) -> str | None:
        return next(
            (i for i, r in self.rows.items() if r["accountnumber"] and fold(r["accountnumber"]) == fold(key)), None
        )

    def problems(self, values: Values, row_id: str) -> set[int]:
        found = set()
        if len(values.get("name") or "") > 160 or values.get("industrycode") == 99:
            found.add(400)
        number = values.get("numberofemployees")
        if isinstance(number, str) or (number or 0) < 0:
            found.add(400)
        if values.get(BIND) and values[BIND] not in self.rows:
            found.add(404)
        return found

    def store(self, row_id: str, values: Values) -> None:
        key = values.get("accountnumber")
        holder = self.by_key(key) if key else None
        if holder not in (None, row_id):
            raise Broken({412})
        row = self.rows.setdefault(row_id, dict(EMPTY))
        row.update({n: v for n, v in values.items() if n in EMPTY})
        if BIND in values:
            row["parent"] = values[BIND]

    def create(self, listed: list[tuple[str, Values]]) -> None:
        found: set[int] = set()
        for row_id, values in listed:
            found |= self.problems(values, row_id)
        with self.whole():
            for row_id, values in listed:
                found |= {412} if row_id in self.rows else set()
                try:
                    self.store(row_id, values)
                except Broken as broken:
                    found |= broken.statuses
            if found:
                raise Broken(found)

    def update(self, listed: list[tuple[str, Values]]) -> None:
        found: set[int] = set()
        for row_id, values in listed:
            found |= self.problems(values, row_id) | (set() if row_id in self.rows else {404})
        with self.whole():
            for row_id, values in listed:
                try:
                    self.store(row_id, values)
                except Broken as broken:
                    found |= broken.statuses
            if found:
                raise Broken(found)

    def delete(self, row_id: str) -> None:
        if row_id not in self.rows:
            raise Broken({404})
        del self.rows[row_id]
        for row in self.rows.values():
            if row["parent"] == row_id:
                row["parent"] = None

    # one method per kind of operation

    def do(self, operation: Values) -> None:
        getattr(self, "do_" + operation["kind"])(operation)

    def do_post(self, operation: Values) -> None:
        self.create([(operation["id"], operation["values"])])

    def do_patch(self, operation: Values) -> None:
        row_id, condition = operation["id"], operation["condition"]
        key, values = operation["key"], dict(operation["values"])
        if key is not None:
            row_id = self.by_key(key)
        if row_id in self.rows:
            if condition in ("none", "stale"):
                raise Broken({412})
            if key is not None:
                values.pop("accountnumber", None)
            self.update([(row_id, values)])
        elif condition in ("present", "stale"):
            raise Broken({404})
        else:
            if key is not None:
                values.setdefault("accountnumber", key)
            self.create([(operation["id"] if key is None else operation["fresh"], values)])

    def do_delete(self, operation: Values) -> None:
        self.delete(operation["id"])

    def do_bulk_create(self, operation: Values) -> None:
        self.create([(t["id"], t["values"]) for t in operation["targets"]])

    def do_bulk_update(self, operation: Values) -> None:
        first: dict[str, Values] = {}
        for target in operation["targets"]:
            first.setdefault(target["id"], target["values"])
        self.update(list(first.items()))

    def do_bulk_upsert(self, operation: Values) -> None:
        found: set[int] = set()
        updates, creates, seen = [], [], set()
        for target in operation["targets"]:
            key, values = target["key"], dict(target["values"])
            row_id = target["id"] if key is None else self.by_key(key)
            mark = row_id or fold(key)
            found |= {412} if mark in seen else set()
            seen.add(mark)
            if row_id in self.rows:
                if key is not None:
                    values.pop("accountnumber", None)
                updates.append((row_id, values))
            elif key is not None and "accountnumber" in values:
                found.add(400)
            else:
                creates.append(
                    (target["fresh"] if row_id is None else row_id, values | ({"accountnumber": key} if key else {}))
                )
        with self.whole():
            for step, listed in ((self.update, updates), (self.create, creates)):
                try:
                    step(listed)
                except Broken as broken:
                    found |= broken.statuses
            if found:
                raise Broken(found)

    def batch(self, operations: list[Values], *, change_set: bool, go_on: bool) -> list[set[int]]:
        """What each part may answer; empty for success. A failed change set has one answer."""
        if change_set:
            try:
                with self.whole():
                    for operation in operations:
                        self.do(operation)
            except Broken as broken:
                return [broken.statuses]
            return [set() for _ in operations]
        answers: list[set[int]] = []
        for operation in operations:
            try:
                self.do(operation)
                answers.append(set())
            except Broken as broken:
                answers.append(broken.statuses)
                if not go_on:
                    break
        return answers


def fold(text: str) -> str:
    return text.rstrip(" ").lower().replace("é", "e")


class Asking:
    """The same operations as requests."""

    def __init__(self, server: LocalDataverse) -> None:
        self._service = server.application.service

    def do(self, operation: Values) -> int:
        method, path, headers, body = request_of(operation)
        return self._send(method, path, headers, body).status

    def batch(self, operations: list[Values], *, change_set: bool, go_on: bool) -> tuple[int, list[int]]:
        parts = []
        for number, operation in enumerate(operations):
            method, path, headers, body = request_of(operation)
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            head = f"Content-Type: application/http\r\nContent-ID: {number}\r\n\r\n"
            parts.append(
                f"{head}{method} {path} HTTP/1.1\r\n{lines}\r\n{json.dumps(body) if body is not None else ''}\r\n"
            )
        inner = "".join(f"--c\r\n{part}" for part in parts) + "--c--\r\n"
        text = f"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n{inner}--b--\r\n"
        if not change_set:
            text = "".join(f"--b\r\n{part}" for part in parts) + "--b--\r\n"
        headers = {"content-type": "multipart/mixed; boundary=b", "prefer": "odata.continue-on-error" if go_on else ""}
        reply = self._service.answer(Request("POST", "$batch", "", headers, text.encode(), "http://local/"))
        return reply.status, [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+)", reply.body)]

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: Values | None) -> Any:
        sent = b"" if body is None else json.dumps(body).encode()
        lowered = {name.lower(): value for name, value in headers.items()}
        return self._service.answer(Request(method, path, "", lowered, sent, "http://local/"))


def request_of(operation: Values) -> tuple[str, str, dict[str, str], Values | None]:
    kind, row = operation["kind"], f"accounts({operation.get('id')})"
    if kind == "post":
        return "POST", "accounts", {}, body_of(operation["values"]) | {"accountid": operation["id"]}
    if kind == "delete":
        return "DELETE", row, {}, None
    if kind == "patch":
        conditions = {"present": {"If-Match": "*"}, "stale": {"If-Match": 'W/"1"'}, "none": {"If-None-Match": "*"}}
        key, body = operation["key"], body_of(operation["values"])
        if key is not None:
            row, body = f"accounts(accountnumber='{key.replace(' ', '%20')}')", body | {"accountid": operation["fresh"]}
        return "PATCH", row.replace("é", "%C3%A9"), conditions.get(operation["condition"], {}), body
    targets = [target_of(kind, target) for target in operation["targets"]]
    message = {"bulk_create": "CreateMultiple", "bulk_update": "UpdateMultiple", "bulk_upsert": "UpsertMultiple"}[kind]
    return "POST", f"accounts/Microsoft.Dynamics.CRM.{message}", {}, {"Targets": targets}


def target_of(kind: str, target: Values) -> Values:
    body = {"@odata.type": "Microsoft.Dynamics.CRM.account", **body_of(target["values"])}
    if kind == "bulk_upsert" and target["key"] is not None:
        return body | {"@odata.id": f"accounts(accountnumber='{target['key']}')"}
    return body | {"accountid": target["id"]}


def body_of(values: Values) -> Values:
    return {n: f"accounts({v})" if n == BIND and v else v for n, v in values.items()}


good = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from([None, "A", "B"]),
        "accountnumber": st.sampled_from([None, *KEYS]),
        "numberofemployees": st.integers(0, 9),
        "industrycode": st.sampled_from([None, 1, 2, 3]),
        BIND: st.sampled_from([None, *IDS[:2]]),
    },
)
bad = st.sampled_from(
    [{"name": "x" * 161}, {"numberofemployees": -1}, {"numberofemployees": "x"}, {"industrycode": 99}, {BIND: IDS[3]}]
)
values = st.integers(0, 9).flatmap(lambda n: good if n else bad)
ids = st.sampled_from(IDS)
posts = st.fixed_dictionaries({"kind": st.just("post"), "id": ids, "values": values})
patches = st.fixed_dictionaries(
    {
        "kind": st.just("patch"),
        "id": ids,
        "key": st.sampled_from([None, None, *KEYS]),
        "values": values,
        "condition": st.sampled_from(["", "", "", "present", "stale", "none"]),
    }
)
deletes = st.fixed_dictionaries({"kind": st.just("delete"), "id": ids})
target = st.fixed_dictionaries({"id": ids, "key": st.sampled_from([None, None, *KEYS]), "values": values})
bulks = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["bulk_create", "bulk_update", "bulk_upsert"]),
        "targets": st.lists(target, min_size=1, max_size=4),
    }
)
singles = st.one_of(posts, patches, deletes, bulks)
batches = st.fixed_dictionaries(
    {
        "kind": st.just("batch"),
        "operations": st.lists(singles, min_size=1, max_size=4),
        "change_set": st.booleans(),
        "go_on": st.booleans(),
    }
)


def with_fresh_ids(operations: list[Values]) -> list[Values]:
    """Names the ids that creates by key will have: the service would make them up."""
    made = iter(range(10_000))
    for operation in operations:
        for one in operation.get("operations", [operation]):
            for place in one.get("targets", [one]):
                place["fresh"] = f"bbbbbbbb-0000-4000-8000-{next(made):012d}"
    return operations


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.one_of(singles, batches), min_size=4, max_size=12))
def test_any_sequence_of_writes_leaves_what_the_rules_leave(operations: list[Values]) -> None:
    """After every operation: a status that fits, and the same rows."""
    server = LocalDataverse()
    try:
        model, asking = Model(), Asking(server)
        first = {IDS[0]: {"accountnumber": "K1"}, IDS[1]: {"accountnumber": "K2", BIND: IDS[0]}}
        for row_id, values in first.items():
            check_single(model, asking, {"kind": "post", "id": row_id, "values": values})
        for operation in with_fresh_ids(operations):
            if operation["kind"] == "batch":
                check_batch(model, asking, operation)
            else:
                check_single(model, asking, operation)
            assert sorted(map(comparable, present(server))) == sorted(map(comparable, expected(model))), operation
    finally:
        server.stop()


def check_single(model: Model, asking: Asking, operation: Values) -> None:
    status = asking.do(operation)
    try:
        model.do(operation)
    except Broken as broken:
        assert status in broken.statuses, operation
    else:
        assert status in (200, 204), operation


def check_batch(model: Model, asking: Asking, operation: Values) -> None:
    options = {"change_set": operation["change_set"], "go_on": operation["go_on"]}
    outer, statuses = asking.batch(operation["operations"], **options)
    wanted = model.batch(operation["operations"], **options)
    assert len(statuses) == len(wanted), operation
    for status, allowed in zip(statuses, wanted, strict=True):
        assert status in (allowed or {200, 204}), operation
    failed = [status for status in statuses if status >= 400]
    assert outer == (failed[0] if failed and not operation["go_on"] else 200)


def present(server: LocalDataverse) -> Iterator[tuple[str, Values]]:
    for row in server.rows("account"):
        found = {name: row[name] for name in EMPTY if name != "parent"}
        yield str(row["accountid"]), found | {"parent": row["_parentaccountid_value"]}


def expected(model: Model) -> Iterator[tuple[str, Values]]:
    yield from model.rows.items()


def comparable(row: tuple[str, Values]) -> str:
    """A row as text; ids that the service made up are not compared."""
    row_id, found = row
    return json.dumps([row_id if row_id in IDS else "made up", found], sort_keys=True)

"""Webhooks: what is posted, when, with which headers, and what becomes of it when the receiver is in trouble."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
import requests

from local.dataverse import LocalDataverse, contexts
from local.dataverse.documents import DocumentError
from local.dataverse.webhooks import Webhook


@dataclass
class Receiver:
    """What came in: path, headers, body; `answers` are the statuses of the next posts (200 when there is none)."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], Any, bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((self.path, dict(self.headers), json.loads(body), body))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def attributes(entity: dict[str, Any]) -> dict[str, Any]:
    return {pair["key"]: pair["value"] for pair in entity["Attributes"]}


def test_a_create_is_told_in_the_services_form(
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Key/value arrays, typed values, the id in the output, headers and authentication, `tag` as shared variable."""
    (parent,) = local_dataverse.insert("account", [{"name": "parent"}])
    local_dataverse.register(
        Webhook(url=receiver.url, table="account", image=True, key="k&y", headers={"x-mine": "1"}, query={"q": "2"})
    )
    body = {"name": "A", "creditlimit": 5, "parentaccountid@odata.bind": f"accounts({parent})"}
    reply = caller.post(f"{local_dataverse.url}accounts?tag=sync-7", json=body)
    assert reply.status_code == 204, reply.text
    local_dataverse.settle()

    ((path, headers, context, raw),) = receiver.posts
    assert path == "/hook?q=2&code=k%26y"
    names = ("entity-name", "request-name")
    assert [headers[f"x-ms-dynamics-{name}"] for name in names] == ["account", "Create"]
    assert (headers["x-mine"], "x-ms-dynamics-msg-size-exceeded" in headers) == ("1", False)
    row_id = local_dataverse.rows("account")[1]["accountid"]
    assert (context["MessageName"], context["PrimaryEntityId"], context["Stage"], context["Mode"]) == (
        "Create", row_id, 40, 1,
    )  # fmt: skip
    assert context["OutputParameters"] == [{"key": "id", "value": row_id}]
    assert context["SharedVariables"] == [{"key": "tag", "value": "sync-7"}]
    assert (context["Depth"], context["InitiatingUserId"]) == (1, "0d000000-0000-4000-8000-0000000000a1")
    target = context["InputParameters"][0]["value"]
    assert target["__type"] == "Entity:http://schemas.microsoft.com/xrm/2011/Contracts"
    told = attributes(target)
    assert {"name", "parentaccountid", "accountid", "modifiedon", "modifiedby"} <= set(told)
    assert (told["parentaccountid"]["Id"], told["parentaccountid"]["LogicalName"]) == (parent, "account")
    assert told["creditlimit"]["Value"] == 5
    assert told["modifiedon"].startswith("/Date(")
    assert b'"\\/Date(' in raw
    assert "createdon" in attributes(context["PostEntityImages"][0]["value"])
    assert "createdon" not in told


def test_an_impersonated_write_tells_both_users(
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Who asked is the initiating user, as whom it was done is the user."""
    (user,) = local_dataverse.insert("systemuser", [{"fullname": "Ann"}])
    local_dataverse.register(Webhook(url=receiver.url, table="account"))
    caller.post(f"{local_dataverse.url}accounts", json={"name": "a"}, headers={"MSCRMCallerID": user})
    local_dataverse.settle()
    context = receiver.posts[0][2]
    assert (context["InitiatingUserId"], context["UserId"]) == ("0d000000-0000-4000-8000-0000000000a1", user)


def test_updates_are_told_by_their_columns_and_deletes_as_references(
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """Only an update that brings the column; the row as it was; each row of a bulk call for itself."""
    ids = local_dataverse.insert("account", [{"name": "a"}, {"name": "b"}])
    local_dataverse.register(Webhook(url=receiver.url, table="account", columns=("name",), pre_image=True))
    targets = [{"@odata.type": "Microsoft.Dynamics.CRM.account", "accountid": row_id, "name": "new"} for row_id in ids]
    caller.patch(f"{local_dataverse.url}accounts({ids[0]})", json={"telephone1": "1"})
    caller.post(f"{local_dataverse.url}accounts/Microsoft.Dynamics.CRM.UpdateMultiple", json={"Targets": targets})
    caller.delete(f"{local_dataverse.url}accounts({ids[0]})")
    local_dataverse.settle()
    contexts = [context for _, _, context, _ in receiver.posts]
    updates = [context for context in contexts if context["MessageName"] == "Update"]
    assert sorted(context["PrimaryEntityId"] for context in updates) == sorted(ids)
    assert {attributes(c["PreEntityImages"][0]["value"])["name"] for c in updates} == {"a", "b"}
    (delete,) = [context for context in contexts if context["MessageName"] == "Delete"]
    target = delete["InputParameters"][0]["value"]
    assert (target["__type"].partition(":")[0], target["Id"]) == ("EntityReference", ids[0])


def test_a_large_one_is_cut(
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the limit four members are left out, and a header says so."""
    monkeypatch.setattr(contexts, "LARGEST", 3000)
    local_dataverse.register(Webhook(url=receiver.url, table="account"))
    for size in (10, 1990):
        caller.post(f"{local_dataverse.url}accounts", json={"description": "x" * size})
        local_dataverse.settle()
    whole, cut = receiver.posts
    members = {"ParentContext", "InputParameters", "PreEntityImages", "PostEntityImages"}
    assert members <= set(whole[2])
    assert not members & set(cut[2])
    assert cut[1]["x-ms-dynamics-msg-size-exceeded"]
    assert cut[2]["PrimaryEntityId"] == local_dataverse.rows("account")[1]["accountid"]
    assert [delivery.cut for delivery in local_dataverse.deliveries] == [False, True]


@pytest.mark.parametrize(
    ("answers", "attempts", "taken"),
    [
        ([503], 2, True),
        ([502, 504], 2, False),
        ([504], 2, True),
        ([500], 1, False),
        ([404], 1, False),
        ([202], 1, True),
    ],
)
def test_only_three_statuses_are_tried_again_and_once(
    answers: list[int], attempts: int, taken: bool,
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session,
) -> None:  # fmt: skip
    """502, 503 and 504 get one more post; the row stays, whatever becomes of it."""
    receiver.answers = answers
    local_dataverse.register(Webhook(url=receiver.url, table="account"))
    assert caller.post(f"{local_dataverse.url}accounts", json={"name": "a"}).status_code == 204
    local_dataverse.settle()
    (delivery,) = local_dataverse.deliveries
    assert (delivery.attempts, delivery.taken, len(receiver.posts)) == (attempts, taken, attempts)
    assert len(local_dataverse.rows("account")) == 1


def test_a_synchronous_one_sinks_the_write(
    receiver: Receiver, local_dataverse: LocalDataverse, caller: requests.Session
) -> None:
    """The transaction fails with the post, and succeeds with it."""
    receiver.answers = [400, 200]
    local_dataverse.register(Webhook(url=receiver.url, table="account", mode="sync"))
    assert [caller.post(f"{local_dataverse.url}accounts", json={"name": n}).status_code for n in "ab"] == [400, 204]
    assert [row["name"] for row in local_dataverse.rows("account")] == ["b"]
    assert receiver.posts[0][2]["Mode"] == 0


def test_one_that_cannot_be_is_refused(local_dataverse: LocalDataverse) -> None:
    """A table that is not there, an address that is none, a member that is unknown; no secret is shown."""
    with pytest.raises(DocumentError, match="nothing"):
        local_dataverse.register(Webhook(url="http://x", table="nothing"))
    for wrong in ({"url": "ftp://x", "table": "account"}, {"url": "http://x", "table": "account", "secret": 1}):
        with pytest.raises(DocumentError):
            Webhook.of(wrong)
    assert "hidden" not in repr(Webhook(url="http://x", table="account", key="hidden"))

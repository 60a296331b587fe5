"""The bench at a tiny size, without servers: data, pages, the plain way, the sink and the log."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from bench import measure_engine
from bench.engine import bounds, generate, layout, peer, recording, servers, sink
from bench.engine.layout import CHANGED, UNCHANGED, DataSet

ROWS = 11_000
SELECT = ",".join(generate.MEMBERS)
FIRST_PAGE = f"/api/data/v9.2/accounts?$select={SELECT}&$orderby=accountid"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataSet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "WORK", tmp_path_factory.mktemp("bench"))
        patch.setattr(recording, "first_page", lambda: FIRST_PAGE)
        made = DataSet(ROWS)
        generate.make(made)
        yield made


def pages(data: DataSet, name: str) -> list[dict[str, Any]]:
    files = sorted(data.pages(name).iterdir(), key=lambda path: int(path.name.split(".")[0]))
    return [json.loads(gzip.decompress(path.read_bytes())) for path in files]


def expected(data: DataSet) -> dict[str, int]:
    counts = json.loads(data.manifest.read_text())["counts"]
    return {"create": counts["new"], "update": counts["changed"], "deactivate": counts["dropped"]}


def test_pages_are_linked_to_the_last_and_ordered_by_id(data: DataSet) -> None:
    """Every page but the last names the next, on its own server; the ids grow over all pages."""
    found = pages(data, CHANGED)
    assert [len(page["value"]) for page in found] == [5000, 5000, 1000]
    links = [page.get("@odata.nextLink") for page in found]
    assert all(link.startswith(layout.origin(CHANGED) + FIRST_PAGE) for link in links[:-1])
    assert links[-1] is None
    ids = [row["accountid"] for page in found for row in page["value"]]
    assert ids == sorted(set(ids))


def test_a_row_has_what_was_asked_and_a_version(data: DataSet) -> None:
    """A row holds the selected properties and its ETag, nothing else."""
    row = pages(data, CHANGED)[0]["value"][0]
    assert set(row) == {"@odata.etag", *generate.MEMBERS}


def test_the_plain_way_finds_the_changes_that_were_made(data: DataSet) -> None:
    """The data holds the changes it claims, and the peer finds exactly those: the same work as the product's."""
    names, records = peer.source_records(str(data.source("parquet")))
    rows, rejected = peer.wanted_rows(names, records)
    changes = list(peer.planned(rows, peer.destination_rows(iter(pages(data, CHANGED)))))
    found = {action: sum(change["action"] == action for change in changes) for action in peer.MESSAGES}
    assert (found, rejected) == (expected(data), 0)
    assert found["create"] == found["deactivate"] == ROWS // 100


def test_nothing_has_changed_in_the_other_destination(data: DataSet) -> None:
    """The second destination equals the source."""
    rows, _ = peer.wanted_rows(*peer.source_records(str(data.source("parquet"))))
    assert list(peer.planned(rows, peer.destination_rows(iter(pages(data, UNCHANGED))))) == []


def test_a_stored_plan_becomes_bodies_of_one_message_each(data: DataSet, tmp_path: Path) -> None:
    """Bodies hold at most a thousand rows, and creates never stand beside updates."""
    changes = [{"action": "create", "key": str(n), "after": {"accountid": str(n)}} for n in range(1001)]
    changes.append({"action": "update", "key": "x", "after": {"accountid": "x"}})
    counts = peer.store(iter(changes), tmp_path / "plan.jsonl")
    sizes = [(message, len(json.loads(body)["Targets"])) for message, body in peer.bodies(tmp_path / "plan.jsonl")]
    assert sizes == [("CreateMultiple", 1000), ("CreateMultiple", 1), ("UpdateMultiple", 1)]
    assert counts == {"create": 1001, "update": 1, "deactivate": 0}


def test_an_unknown_property_is_not_made_up() -> None:
    """When the client begins to ask for more, the bench stops and says so."""
    with pytest.raises(SystemExit, match="new_other"):
        generate.first_page_properties("/accounts?$select=accountid,new_other&$orderby=accountid")


def test_the_sink_answers_with_the_ids_that_were_sent() -> None:
    """A create's answer names its rows, as the service does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), sink.Sink)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        reply = requests.post(url, json={"Targets": [{"accountid": "a"}, {"accountid": "b"}]}, timeout=5)
        assert reply.json() == {"Ids": ["a", "b"]}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_log_counts_reads_writes_and_refusals() -> None:
    """Writes are counted by message; the token is no write; what is not 2xx is refused."""
    lines = [
        "18543 GET 200 100 5000 /_pages/1.json",
        "18543 POST 200 300 900 /tenant/oauth2/v2.0/token",
        "18543 POST 204 9000 200 /api/data/v9.2/accounts/Microsoft.Dynamics.CRM.UpdateMultiple",
        "18543 GET 404 100 50 /x",
    ]
    found = servers._counted([line.split(" ", 5) for line in lines])
    assert (found.reads, dict(found.writes), found.refused, found.sent_bytes) == (2, {"UpdateMultiple": 1}, 1, 9500)


def test_without_a_control_group_the_command_is_left_as_it_is(tmp_path: Path) -> None:
    """Where the kernel cannot keep a bound, the report says that a watcher does."""
    found = bounds.Bounds(100, 100, tmp_path)
    assert found.command(["true"]) == ["true"]
    assert "watcher" in found.by


def test_what_is_measured_keeps_its_compiled_modules() -> None:
    """The measured programs run as installed ones do, whatever the shell that measures says about compiled modules."""
    assert measure_engine.compiled({"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1"}) == {"PATH": "/bin"}

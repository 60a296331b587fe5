"""Files of Microsoft's client, in file columns: whole, in parts, over one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests
from azure.identity import ClientSecretCredential
from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.core.errors import HttpError

from local.dataverse import LocalDataverse
from tests.contract.microsoft.operations import passes


@pytest.fixture
def fetch(server: LocalDataverse, credential: ClientSecretCredential) -> Any:
    """Reads or deletes the file of a row."""
    token = credential.get_token(f"{server.authority}.default").token

    def send(verb: str, row: str, headers: dict[str, str] | None = None, data: bytes = b"") -> requests.Response:
        url = f"{server.url}accounts({row})/new_document"
        return requests.request(
            verb, url, data=data, headers={"Authorization": f"Bearer {token}"} | (headers or {}), timeout=10
        )

    return send


@passes("files.upload")
def test_a_file_is_sent_whole_and_in_parts(client: DataverseClient, fetch: Any, tmp_path: Path) -> None:
    """The client makes the column; what was sent is what is read; deleted, it is gone."""
    row = client.records.create("account", {"name": "Contoso"})
    small, large = tmp_path / "a b.txt", tmp_path / "large.bin"
    small.write_bytes(b"hello")
    large.write_bytes(bytes(range(256)) * 20_000)
    client.files.upload("account", row, "new_Document", str(small))
    reply = fetch("GET", row)
    assert (reply.content, reply.headers["x-ms-file-name"]) == (b"hello", "a%20b.txt")
    client.files.upload("account", row, "new_Document", str(large), mode="chunk", if_none_match=False)
    assert fetch("GET", row).content == large.read_bytes()
    found = client.records.retrieve("account", row, select=["new_document", "new_document_name"])
    assert found is not None
    assert found["new_document_name"] == "large.bin"
    assert fetch("DELETE", row).status_code == 204
    assert fetch("GET", row).status_code == 404


def test_what_is_no_file_is_refused(client: DataverseClient, fetch: Any, tmp_path: Path) -> None:
    """Too large, without a name, out of order, for a row that is not there: nothing has changed."""
    client.tables.add_columns("account", {"new_Document": "file"})
    row = client.records.create("account", {"name": "Contoso"})
    assert fetch("PATCH", row, data=b"x").status_code == 400
    start = fetch("PATCH", row, {"x-ms-transfer-mode": "chunked", "x-ms-file-name": "a"})
    token = start.headers["Location"].partition("?")[2]
    assert fetch("PATCH", f"{row})/new_document?{token}#", {"Content-Range": "bytes 5-5/9"}, b"x").status_code == 400
    assert fetch("POST", row, data=b"x").status_code == 405
    assert fetch("GET", row).status_code == 404
    large = tmp_path / "large.bin"
    large.write_bytes(b"x" * (32 * 1024 * 1024 + 1))
    with pytest.raises(HttpError) as refused:
        client.files.upload("account", row, "new_Document", str(large))
    assert refused.value.status_code == 413
    with pytest.raises(HttpError) as refused:
        client.files.upload("account", "0d000000-0000-4000-8000-00000000dead", "new_Document", str(large))
    assert refused.value.status_code == 404
    assert fetch("GET", row).status_code == 404

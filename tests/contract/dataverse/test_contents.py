"""Images and files of rows: in a body, by their own address, and only for the version that was meant."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from local.dataverse import LocalDataverse

TABLES = """
built_in: true
tables:
  account:
    columns:
      entityimage: { schema: EntityImage, type: image, max: 1 }
      new_second: { type: image }
      new_document: { type: file }
"""
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
TEXT = b64encode(PIXEL).decode()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalDataverse]:
    (tmp_path / "tables.yaml").write_text(TABLES, encoding="utf-8")
    with LocalDataverse(tmp_path / "tables.yaml") as running:
        yield running


@pytest.fixture
def session(server: LocalDataverse) -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.headers["Authorization"] = f"Bearer {server.token()}"
        yield found


@pytest.fixture
def row(server: LocalDataverse) -> str:
    (row_id,) = server.insert("account", [{"name": "Contoso"}])
    return f"{server.url}accounts({row_id})"


def test_an_image_in_a_body(server: LocalDataverse, session: requests.Session) -> None:
    """The first image column is set on create, any on update; id, timestamp and address come and go with it."""
    made = session.post(
        f"{server.url}accounts",
        json={"name": "A", "entityimage": TEXT, "new_second": TEXT},
        headers={"Prefer": "return=representation"},
    ).json()
    assert (made["entityimage"], made["new_second"]) == (TEXT, None)
    assert made["entityimageid"]
    assert made["entityimage_timestamp"] > 6 * 10**17
    assert f"Id={made['accountid']}&Attribute=entityimage&Entity=account" in made["entityimage_url"]
    row = f"{server.url}accounts({made['accountid']})"
    urlsafe = b64encode(PIXEL, altchars=b"-_").decode()
    assert session.patch(row, json={"new_second": urlsafe, "entityimage": None}).status_code == 204
    changed = session.get(row).json()
    assert (changed["new_second"], changed["entityimage"]) == (TEXT, None)
    assert changed["entityimageid"] is changed["entityimage_timestamp"] is changed["entityimage_url"] is None
    listed = session.get(f"{server.url}accounts?$select=new_second").json()["value"]
    assert [row["new_second"] for row in listed] == [TEXT]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("no base64!", "0x80048d19"),
        ("abc", "0x80048d19"),
        (5, "0x80048d19"),
        (b64encode(bytes(1025)).decode(), "0x80040203"),
    ],
)
def test_images_that_are_none(value: object, code: str, session: requests.Session, row: str) -> None:
    """Refused, and the row is as before."""
    reply = session.patch(row, json={"entityimage": value})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, code)
    assert session.get(row).json()["entityimage"] is None


def test_an_image_by_its_address(server: LocalDataverse, session: requests.Session, row: str) -> None:
    """Sent as bytes or as a value, read as bytes or as a value, deleted."""
    binary = {"Content-Type": "application/octet-stream", "x-ms-file-name": "a.png"}
    assert session.get(f"{row}/entityimage").status_code == 204
    assert session.patch(f"{row}/entityimage", data=PIXEL, headers=binary).status_code == 204
    assert session.get(f"{row}/entityimage").json()["value"] == TEXT
    plain = session.get(f"{row}/entityimage/$value?size=full")
    assert (plain.content, plain.headers["content-type"]) == (PIXEL, "application/octet-stream")
    assert session.put(f"{row}/new_second", json={"value": TEXT}).status_code == 204
    assert session.delete(f"{row}/entityimage").status_code == 204
    assert (server.rows("account")[0]["entityimage"], server.rows("account")[0]["new_second"]) == (None, TEXT)
    assert session.put(f"{row}/new_second", json={"valu": TEXT}).status_code == 400
    assert session.post(f"{row}/new_second", json={"value": TEXT}).status_code == 405
    assert session.get(f"{row}/new_second/other").status_code == 404


@pytest.mark.parametrize("column", ["new_document", "entityimage"])
def test_contents_of_another_version(column: str, session: requests.Session, row: str) -> None:
    """`If-Match` with an old version refuses and changes nothing; with the present one it writes."""
    headers = {"Content-Type": "application/octet-stream", "x-ms-file-name": "a.bin"}
    old = session.get(row).json()["@odata.etag"]
    assert session.patch(f"{row}/{column}", data=b"1", headers=headers | {"If-Match": old}).status_code == 204
    for send in (
        lambda: session.patch(f"{row}/{column}", data=b"2", headers=headers | {"If-Match": old}),
        lambda: session.delete(f"{row}/{column}", headers={"If-Match": old}),
    ):
        refused = send()
        assert (refused.status_code, refused.json()["error"]["code"]) == (412, "0x80060882")
    assert session.get(f"{row}/{column}/$value").content == b"1"
    present = session.get(row).json()["@odata.etag"]
    assert session.delete(f"{row}/{column}", headers={"If-Match": present}).status_code == 204


def test_the_first_image_column_is_the_primary_one(server: LocalDataverse, session: requests.Session) -> None:
    """As its definition says, also of one that is made through the API."""
    cast = "Microsoft.Dynamics.CRM.ImageAttributeMetadata"
    url = f"{server.url}EntityDefinitions(LogicalName='account')/Attributes/{cast}?$select=LogicalName,IsPrimaryImage"
    found = {row["LogicalName"]: row["IsPrimaryImage"] for row in session.get(url).json()["value"]}
    assert found == {"entityimage": True, "new_second": False}
    label = {"LocalizedLabels": [{"Label": "Photo", "LanguageCode": 1033}]}
    body = {"@odata.type": cast, "SchemaName": "new_Photo", "DisplayName": label}
    made = session.post(f"{server.url}EntityDefinitions(LogicalName='contact')/Attributes", json=body)
    assert made.status_code == 204
    contact = {"lastname": "A", "new_photo": TEXT}
    assert session.post(f"{server.url}contacts", json=contact).status_code == 204
    assert server.rows("contact")[0]["new_photo"] == TEXT

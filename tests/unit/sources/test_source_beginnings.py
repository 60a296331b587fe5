"""A look at the columns of a large file in storage fetches its beginning or its footer, and never the whole."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
from azure.storage.blob import ContainerClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import SourceError
from shared.ports import Source
from shared.secrets import EnvironmentSecrets
from shared.sources import Remote, Storage, beginnings, open_source
from shared.sources.beginnings import RangedFile, beginning
from tests.azurite import Account
from tests.unit.sources.counting import counted

MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)
NOISE = random.Random(7)
RECORDS = [(f"{number}", NOISE.randbytes(150).hex()) for number in range(40_000)]
"""About 12 MB, and 6 MB packed."""


def delimited(encoding: str = "utf-8") -> bytes:
    return "".join(f"{no},{name}\n" for no, name in [("no", "näme"), *RECORDS]).encode(encoding)


def objects(between: str) -> str:
    return between.join(json.dumps({"no": no, "näme": name}, ensure_ascii=False) for no, name in RECORDS)


def listed() -> bytes:
    return f"[{objects(', ')}]".encode()


def zipped(content: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.csv", b"x\n")
        archive.writestr("a.csv", content)
    return whole.getvalue()


def parquet() -> bytes:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (no VARCHAR, näme VARCHAR)").fetchall()
        with connection.appender("t") as appender:
            appender.append_rows(RECORDS)
        path = Path(os.environ.get("TMPDIR", "/tmp")) / f"beginnings-{os.getpid()}.parquet"
        try:
            connection.execute(f"COPY t TO '{path}' (FORMAT parquet, COMPRESSION uncompressed)").fetchall()
            return path.read_bytes()
        finally:
            path.unlink()


KINDS: dict[str, tuple[Callable[[], bytes], dict[str, object]]] = {
    "delimited": (delimited, {"type": "delimited"}),
    "utf-16": (lambda: delimited("utf-16"), {"type": "delimited", "encoding": "utf-16"}),
    "gzip": (lambda: gzip.compress(delimited(), 1), {"type": "delimited"}),
    "zip": (lambda: zipped(delimited()), {"type": "delimited"}),
    "json lines": (lambda: objects("\n").encode(), {"type": "json", "format": "lines"}),
    "json": (listed, {"type": "json"}),
    "parquet": (parquet, {"type": "parquet"}),
    "fixed width": (lambda: b"12345678\n" * 400_000, {"type": "fixed_width"}),
}


def in_storage(account: Account, port: int, path: str, folder: Path, settings: dict[str, object]) -> Source:
    where = urlsplit(account.url)
    url = f"http://127.0.0.1:{port}{where.path}"
    widths: dict[str, object] = {"width": 4} if settings["type"] == "fixed_width" else {}
    schema = [{"name": "no", **widths}, {"name": "näme", **widths}]
    return open_source(
        MODEL.validate_python({"path": f"blob://{path}", "schema": schema, "sas": {"secret": "sas"}, **settings}),
        variables={},
        base=folder,
        allows_path=lambda _: False,
        secrets=EnvironmentSecrets({"DYNSYNC_SECRET_SAS": account.sas("looks")}),
        spool=folder,
        remote=Remote(lambda _: True, Storage(url, retries=0)),
    )


@pytest.fixture(scope="module")
def container(storage: Account) -> str:
    with ContainerClient(storage.url, "looks", credential=storage.key) as made:
        made.create_container()
        for name, (content, _) in KINDS.items():
            made.upload_blob(name, content())
        made.upload_blob("torn.csv", b"no,n\xe4me\n" + b"1,x\n" * 600_000)
    return "looks"


@pytest.mark.needs("azurite")
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_look_fetches_no_more_than_it_needs(storage: Account, container: str, tmp_path: Path, kind: str) -> None:
    """Of megabytes, one: whatever the kind, packed or not. Nothing is left behind."""
    size = len(KINDS[kind][0]())
    assert size > 3 << 20
    with counted(urlsplit(storage.url).port or 0) as way:
        types = in_storage(storage, way.port, f"{container}/{kind}", tmp_path, KINDS[kind][1]).column_types()
    assert list(types) == ["no", "näme"]
    assert 0 < way.received < (400 << 10 if kind == "parquet" else 1400 << 10)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("azurite")
def test_what_the_beginning_does_not_tell_is_looked_up_in_the_whole(
    storage: Account, container: str, tmp_path: Path
) -> None:
    """A wrong encoding is told with its line, as when the file is read."""
    with pytest.raises(SourceError, match=r"torn\.csv, line 1: bytes that are not utf-8") as caught:
        in_storage(
            storage, urlsplit(storage.url).port or 0, f"{container}/torn.csv", tmp_path, {"type": "delimited"}
        ).column_types()
    assert str(tmp_path) not in str(caught.value)


@given(content=st.binary(max_size=60), reads=st.lists(st.tuples(st.integers(-9, 70), st.integers(0, 70)), max_size=8))
def test_ranges_are_the_file(content: bytes, reads: list[tuple[int, int]]) -> None:
    """Law: reading by ranges gives what reading the file gives, wherever it begins."""
    asked = RangedFile(len(content), lambda start, length: content[start : start + length]).buffered()
    plain = io.BytesIO(content)
    for place, length in reads:
        for file in (asked, plain):
            file.seek(max(place, 0)) if place >= 0 else file.seek(max(place, -len(content)), io.SEEK_END)
        assert asked.read(length) == plain.read(length)
        assert asked.tell() == plain.tell()


@given(
    text=st.text(st.sampled_from("aé東🌍\n\r,"), min_size=4, max_size=40),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "windows-1252"]),
    most=st.integers(1, 90),
)
def test_a_beginning_is_text(tmp_path_factory: pytest.TempPathFactory, text: str, encoding: str, most: int) -> None:
    """Law: what is kept decodes, begins as the text does, and ends with a line's end where there is one."""
    text = text.encode(encoding, "replace").decode(encoding) if encoding == "windows-1252" else text
    target = tmp_path_factory.getbasetemp() / "part"
    if not beginning(io.BytesIO(text.encode(encoding)), target, encoding=encoding, most_bytes=most):
        return
    content = target.read_bytes()
    if encoding == "utf-16" and b"\n\0" not in content:
        return  # one line: the half of a sign at its end makes the reader ask for more
    kept = content.decode(encoding)
    assert text.startswith(kept)
    assert "\n" not in kept or kept[-1] in "\r\n"


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"PAR1" + b"\xff" * 8 + b"PAR1", b"PK\x03\x04 torn", b"\x1f\x8b torn"]
)
def test_what_is_damaged_is_read_as_a_whole(tmp_path: Path, content: bytes) -> None:
    """The reader of the whole file says what is wrong with it."""
    part = tmp_path / "part"
    assert not beginnings.beginning(io.BytesIO(content), part, encoding="utf-8", most_bytes=100)

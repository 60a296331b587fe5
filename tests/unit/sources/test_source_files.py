"""Several files are one source: in order, each once, whole, and none of them able to fill the machine."""

from __future__ import annotations

import gzip
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pytest
from azure.storage.blob import ContainerClient
from pydantic import TypeAdapter

from shared.definitions.source import FileSource
from shared.definitions.source import Source as Definition
from shared.errors import AuthenticationError, NotAllowedError, NotBuiltError, SourceError
from shared.ports import Source
from shared.secrets import EnvironmentSecrets
from shared.sources import Remote, Storage, blob, open_source, text_file
from shared.sources.blob import BlobFiles, place
from shared.sources.patterns import NamePattern, bound
from shared.sources.places import locate
from shared.variables import Piece
from tests.azurite import Account
from tests.postgres import free_port
from tests.unit.sources.sink import FileSink

MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)
Open = Callable[..., Source]


def zipped(**members: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return whole.getvalue()


def definition(path: str, **settings: object) -> FileSource:
    written = {"type": "delimited", "path": path, "schema": [{"name": "no"}, {"name": "name"}], **settings}
    found = MODEL.validate_python(written)
    assert isinstance(found, FileSource)
    return found


def opened(folder: Path, path: str, remote: Remote | None = None, **settings: object) -> Source:
    return open_source(
        definition(path, **settings),
        variables={"day": "2026-01-*", "region": "x y"},
        base=folder,
        allows_path=lambda found: found.is_relative_to(folder.resolve()),
        secrets=EnvironmentSecrets({}),
        spool=folder,
        remote=remote,
    )


def numbers(sink: FileSink) -> list[tuple[object, ...]]:
    return [row[:2] for row in sink.rows()]


def test_a_web_address_is_no_local_file(tmp_path: Path) -> None:
    """Where a variable leads onto the web, the job says that this is not read, and not what the address holds."""
    with pytest.raises(NotBuiltError, match="no container") as caught:
        opened(tmp_path, "https://files.example.com/a.csv?sig=hunter2")
    assert "hunter2" not in str(caught.value)


# ---- names


def test_a_pattern_is_the_definitions_own() -> None:
    """A wildcard in a variable's value is a letter; a wildcard stops at a folder, a double one does not."""
    pattern = bound("in/@day-*.csv", {"day": "2026-*"})
    assert (pattern.wild, pattern.prefix) == (True, "in/2026-*-")
    assert pattern.matches("in/2026-*-a.csv")
    assert not pattern.matches("in/2026-01-a.csv")
    assert not pattern.matches("in/2026-*-a/b.csv")
    assert NamePattern((Piece("in/**.csv"),)).matches("in/a/b.csv")
    assert bound("a?.csv", {}).matches("ab.csv")
    assert not bound("@day", {"day": "*"}).wild
    with pytest.raises(SourceError, match="@day, which has no value"):
        bound("@day", {})


# ---- local files


def test_files_are_read_in_the_order_of_their_names(tmp_path: Path, sink: FileSink) -> None:
    """Records and malformed rows are numbered through; columns go by name in each file; one of them may be packed."""
    (tmp_path / "b.csv").write_text("name,no\nB,2\ntorn\nC,3\n")
    (tmp_path / "c.csv").write_bytes(gzip.compress(b"no,spare,name\n4,-,D\n"))
    (tmp_path / "a.csv").write_text("no,name\n1,A\n")
    (tmp_path / "other.txt").write_text("x")
    staged = opened(tmp_path, "?.csv").stage(sink)
    assert (staged.records, [one.row for one in staged.malformed]) == (4, [3])
    assert staged.malformed[0].reason.startswith(str(tmp_path / "b.csv"))
    assert sink.rows() == [(1, "1", "A"), (2, "2", "B"), (4, "3", "C"), (5, "4", "D")]
    assert [Path(file.name).name for file in staged.files] == ["a.csv", "b.csv", "c.csv"]
    assert sink.query("SELECT count(*) FROM duckdb_tables() WHERE table_name LIKE 'file_part%'") == [(0,)]


@pytest.mark.parametrize("kind", ["delimited", "fixed_width", "excel", "json", "parquet"])
def test_every_kind_says_which_file_must_not_change(tmp_path: Path, kind: str) -> None:
    """A job looks at these before and after it reads, also where the rows do not come through its database."""
    path = tmp_path / "one.x"
    path.write_text("x")
    schema = [{"name": "no", "width": 1} if kind == "fixed_width" else {"name": "no"}]
    assert opened(tmp_path, "one.x", type=kind, schema=schema).files == (path.resolve(),)


def test_an_empty_file_may_stand_among_others(tmp_path: Path, sink: FileSink) -> None:
    """Whichever comes first; and whether its rows are plain or one is set aside, a file fits the ones before it."""
    texts = ["[]", '[{"no": "1", "name": "x"}]', '{"no": 2}\n{"no":\n{"no": "a\\n", "name": null}\n', "[]"]
    for name, text in enumerate(texts):
        (tmp_path / f"{name}.x").write_text(text)
    staged = opened(tmp_path, "*.x", type="json").stage(sink)
    assert (staged.records, [one.row for one in staged.malformed]) == (3, [3])
    rows = [(1, "1", "x", False, False), (2, "2", None, False, True), (4, "a\n", None, False, False)]
    assert sink.rows() == rows


@pytest.mark.parametrize("kind", ["json", "parquet", "fixed_width"])
def test_every_kind_may_come_in_several_files(tmp_path: Path, sink: FileSink, kind: str) -> None:
    """However its records reach the table."""
    for name in "ab":
        record = {"no": name, "name": f"the {name}"}
        if kind == "parquet":
            values = ", ".join(f"'{value}' AS {key}" for key, value in record.items())
            duckdb.execute(f"COPY (SELECT {values}) TO '{tmp_path / name}.x' (FORMAT parquet)").fetchall()
        else:
            text = json.dumps([record]) if kind == "json" else f"{name}the {name}\n"
            (tmp_path / f"{name}.x").write_text(text)
    schema = [{"name": "no", "width": 1}, {"name": "name", "width": 5}]
    if kind != "fixed_width":
        schema = [{"name": column["name"]} for column in schema]
    assert opened(tmp_path, "*.x", type=kind, schema=schema).stage(sink).records == 2
    assert [row[:3] for row in sink.rows()] == [(1, "a", "the a"), (2, "b", "the b")]


def test_files_that_were_read_are_left_out(tmp_path: Path, sink: FileSink) -> None:
    """By name and version; when there is no new one the table is empty, and has its columns."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(f"no,name\n{name},x\n")
    before = opened(tmp_path, "*.csv").stage(FileSink(tmp_path / "first.duckdb")).files
    (tmp_path / "b.csv").write_text("no,name\nlonger,x\n")
    staged = opened(tmp_path, "*.csv", Remote(read_before=frozenset(before))).stage(sink)
    assert (staged.records, [Path(file.name).name for file in staged.files]) == (1, ["b.csv"])
    assert numbers(sink) == [(1, "longer")]
    everything = frozenset([*before, *staged.files])
    none = FileSink(tmp_path / "none.duckdb")
    assert opened(tmp_path, "*.csv", Remote(read_before=everything)).stage(none).records == 0
    assert list(none.columns()) == ["row_no", "no", "name"]


def test_a_schema_that_changes_between_files_stops_the_read(tmp_path: Path, sink: FileSink) -> None:
    """A column that is gone, and a type that changed; both files are named."""
    (tmp_path / "a.csv").write_text("no,name\n1,A\n")
    (tmp_path / "b.csv").write_text("no,nam\n2,B\n")
    with pytest.raises(SourceError, match=r"b\.csv has no column 'name' \(did you mean 'nam'\?\)"):
        opened(tmp_path, "*.csv").stage(sink)
    for name, value in (("a", "1"), ("b", "'x'")):
        query = f"COPY (SELECT {value} AS no, 'n' AS name) TO '{tmp_path / name}.parquet' (FORMAT parquet)"
        duckdb.execute(query).fetchall()
    with pytest.raises(SourceError, match=r"b\.parquet: the column 'no' is VARCHAR, in .*a\.parquet it is INTEGER"):
        opened(tmp_path, "*.parquet", type="parquet").stage(FileSink(tmp_path / "x.duckdb"))


def test_a_file_that_changes_while_it_is_read_stops_the_job(tmp_path: Path) -> None:
    """Also when what is there afterwards could be read."""
    path = tmp_path / "a.csv"
    path.write_text("no,name\n1,A\n")

    class Writer(FileSink):
        def fill(self, query: str, parameters: object = None) -> int:
            count = super().fill(query)
            path.write_text("no,name\n1,A\n2,B\n")
            os.utime(path, ns=(1, 1))
            return count

        def fill_in_order(self, query: str, *, never: Sequence[str] = ()) -> int:
            return self.fill(f"SELECT row_number() OVER () AS row_no, * FROM ({query})")

    with pytest.raises(SourceError, match=r"a\.csv changed while it was read"):
        opened(tmp_path, "*.csv").stage(Writer(tmp_path / "w.duckdb"))


def test_a_pattern_without_files_and_one_out_of_reach(tmp_path: Path) -> None:
    """Each says what lies there; a link out of the reach is refused though its name matches."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.txt").write_text("x")
    with pytest.raises(SourceError, match=r"matches '\*\.csv'; it holds 1 in all"):
        opened(tmp_path, "in/*.csv")
    with pytest.raises(SourceError, match="wildcard in its folder"):
        opened(tmp_path, "i*/x.csv")
    with pytest.raises(SourceError, match="cannot be listed"):
        opened(tmp_path, "none/*.csv")
    with pytest.raises(NotAllowedError, match="outside the folders"):
        opened(tmp_path, "/etc/host*")


# ---- packed files


def test_a_zip_stands_for_its_files(tmp_path: Path, sink: FileSink) -> None:
    """In the order of their names, without what systems add; errors name the file within."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("b/2.csv", "no,name\n2,B\n")
        archive.writestr("a.csv", "no,name\n1,A\n")
        archive.writestr("__MACOSX/a.csv", "junk")
        archive.writestr("b/.hidden", "junk")
    assert opened(tmp_path, "x.zip").stage(sink).records == 2
    assert numbers(sink) == [(1, "1"), (2, "2")]
    assert list(opened(tmp_path, "x.zip").column_types()) == ["no", "name"]
    (tmp_path / "y.zip").write_bytes(zipped(**{"a.csv": b"no\n1\n"}))
    with pytest.raises(SourceError, match=r"y\.zip/a\.csv has no column 'name'"):
        opened(tmp_path, "y.zip").stage(FileSink(tmp_path / "y.duckdb"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(**{"a.csv": b"no,name\n1,A\n"})[:-30], "damaged archive"),
        (zipped(), "without a file"),
        (zipped(**{"a.csv": b"no,name\n" + os.urandom(2000)}).replace(b"no", b"on", 1), "damaged|bytes that are not"),
    ],
    ids=["torn", "empty", "flipped"],
)
def test_a_damaged_archive_says_so(tmp_path: Path, sink: FileSink, content: bytes, words: str) -> None:
    """Nothing is taken from it."""
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(SourceError, match=words):
        opened(tmp_path, "x.zip").stage(sink)


@pytest.mark.parametrize("packed", ["zip", "gzip"])
def test_a_bomb_is_not_unpacked(tmp_path: Path, sink: FileSink, monkeypatch: pytest.MonkeyPatch, packed: str) -> None:
    """What grows beyond any honest file is refused as it grows: no more than the limit is ever on the disk."""
    monkeypatch.setattr(text_file, "_ANY_GROWTH_BYTES", 4 << 20)
    blanks = b"no,name\n" + b" " * (24 << 20)
    (tmp_path / "x").write_bytes(zipped(**{"a.csv": blanks}) if packed == "zip" else gzip.compress(blanks))
    assert (tmp_path / "x").stat().st_size < 100_000
    with pytest.raises(SourceError, match=r"unpacks to more than [456] MB, over 250 times its size"):
        opened(tmp_path, "x").stage(sink)
    assert list(tmp_path.glob("dynsync-*")) == []


# ---- files in storage


@pytest.fixture
def container(storage: Account, request: pytest.FixtureRequest) -> Iterator[ContainerClient]:
    name = f"c{abs(hash(request.node.nodeid)):x}"
    with ContainerClient(storage.url, name, credential=storage.key) as made:
        made.create_container()
        yield made


def in_storage(
    account: Account,
    container: ContainerClient,
    path: str,
    folder: Path,
    *,
    token: str | None = None,
    **settings: object,
) -> Source:
    name = str(container.container_name)
    remote = Remote(lambda url: url.startswith(f"blob://{name}/"), Storage(account.url, retries=0))
    token = account.sas(name) if token is None else token
    settings = {"sas": {"secret": "erp--sas"}, **settings}
    source = MODEL.validate_python(
        {"type": "delimited", "path": f"blob://{name}/{path}", "schema": [{"name": "no"}], **settings}
    )
    return open_source(
        source,
        variables={"region": "x y"},
        base=folder,
        allows_path=lambda _: False,
        secrets=EnvironmentSecrets({"DYNSYNC_SECRET_ERP__SAS": token}),
        spool=folder,
        remote=remote,
    )


@pytest.mark.needs("azurite")
def test_blobs_by_pattern_and_by_name(
    storage: Account, container: ContainerClient, tmp_path: Path, sink: FileSink
) -> None:
    """In order, packed or not, folders of a Data Lake left out; known by address and ETag."""
    container.upload_blob("in/b.csv", b"no\n2\n")
    container.upload_blob("in/a.csv", gzip.compress(b"no\n1\n"))
    container.upload_blob("in/c.csv", zipped(**{"c.csv": b"no\n3\n"}))
    container.upload_blob("in/d.csv", b"", metadata={"hdi_isfolder": "true"})
    container.upload_blob("in/deeper/e.csv", b"no\n5\n")
    container.upload_blob("x y.csv", b"no\n9\n")
    source = in_storage(storage, container, "in/*.csv", tmp_path)
    staged = source.stage(sink)
    assert numbers(sink) == [(1, "1"), (2, "2"), (3, "3")]
    assert [file.name.rpartition("/")[2] for file in staged.files] == ["a.csv", "b.csv", "c.csv"]
    assert all(file.version and file.name.startswith(storage.url) for file in staged.files)
    assert list(source.column_types()) == ["no"]
    one = FileSink(tmp_path / "one.duckdb")
    assert in_storage(storage, container, "@region.csv", tmp_path).stage(one).records == 1
    assert list(tmp_path.glob("dynsync-*")) == []


@pytest.mark.needs("azurite")
def test_every_kind_of_file_may_lie_in_storage(
    storage: Account, container: ContainerClient, tmp_path: Path, sink: FileSink
) -> None:
    """Parquet as well as text."""
    duckdb.execute(f"COPY (SELECT 7 AS no) TO '{tmp_path}/x.parquet' (FORMAT parquet)").fetchall()
    container.upload_blob("x.parquet", (tmp_path / "x.parquet").read_bytes())
    assert in_storage(storage, container, "x.parquet", tmp_path, type="parquet").stage(sink).records == 1


@pytest.mark.needs("azurite")
def test_a_blob_that_changes_after_it_was_listed_stops_the_job(
    storage: Account, container: ContainerClient, tmp_path: Path
) -> None:
    """The new content is not taken for the old one's."""
    container.upload_blob("a.csv", b"no\n1\n")
    where = place(bound(f"blob://{container.container_name}/a.csv", {}), Storage(storage.url))
    files = BlobFiles(where, Storage(storage.url, retries=0), lambda: storage.sas(str(container.container_name)))
    (listed,) = files.list()
    container.upload_blob("a.csv", b"no\n2\n", overwrite=True)
    with pytest.raises(SourceError, match="changed while it was read"), files.local(listed, tmp_path):
        pass


@pytest.mark.needs("azurite")
def test_storage_that_refuses_says_why(storage: Account, container: ContainerClient, tmp_path: Path) -> None:
    """A missing file or container, a token that has run out or is none; the token is never shown."""
    name = str(container.container_name)
    sink = FileSink(tmp_path / "x.duckdb")
    with pytest.raises(SourceError, match=r"a\.csv does not exist"):
        in_storage(storage, container, "a.csv", tmp_path).stage(sink)
    with pytest.raises(SourceError, match=r"no file matches .*\*\.csv"):
        in_storage(storage, container, "*.csv", tmp_path).stage(sink)
    for token in (storage.sas(name, hours=-1), storage.sas(name, "w"), "sv=2024-11-04&sig=guessed"):
        with pytest.raises(AuthenticationError, match="the SAS token may not read there") as caught:
            in_storage(storage, container, "*.csv", tmp_path, token=token).stage(sink)
        assert "sig=" not in str(caught.value)


def test_no_network_says_so(tmp_path: Path) -> None:
    """Without the address that was asked for, which holds the token."""
    nowhere = Storage(f"http://127.0.0.1:{free_port()}/devstore", retries=0)
    files = BlobFiles(place(bound("blob://incoming/a.csv", {}), nowhere), nowhere, lambda: "sv=1&sig=hush")
    with pytest.raises(SourceError, match="cannot be reached") as caught:
        files.list()
    assert "hush" not in str(caught.value)


def test_a_file_too_large_for_the_disk_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two gigabytes are refused by their announced size, before the first byte is written."""
    files = BlobFiles(place(bound("blob://incoming/a.csv", {}), Storage("https://x.example")), Storage())
    usage = type("Usage", (), {"free": 500 << 20})
    monkeypatch.setattr(blob.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(SourceError, match=r"has 2,048 MB, the temporary disk has room for 436 MB"):
        files._check_room("a.csv", 2 << 30, tmp_path)


def test_addresses_lead_to_account_container_and_name() -> None:
    """Percent signs are decoded, a variable's value is not a part of the address; a token in it is refused unseen."""
    path = bound("https://acct.blob.core.windows.net/in/a%20b/@name", {"name": blob.encoded("x/ü?.csv")})
    found = place(path, Storage())
    assert (found.account_url, found.container, found.names.text) == (
        "https://acct.blob.core.windows.net", "in", "a b/x/ü?.csv",
    )  # fmt: skip
    assert not found.names.wild
    with pytest.raises(SourceError, match="under `sas`") as caught:
        place(bound("https://acct.blob.core.windows.net/in/a.csv?sig=hush", {}), Storage())
    assert "hush" not in str(caught.value)
    with pytest.raises(SourceError, match="DYNSYNC_SOURCE_STORAGE"):
        place(bound("blob://in/a.csv", {}), Storage())
    with pytest.raises(SourceError, match="names no file"):
        place(bound("blob://in", {}), Storage("https://x.example"))


def test_a_container_outside_the_reach_is_refused(tmp_path: Path) -> None:
    """Before anything is asked for."""
    with pytest.raises(NotAllowedError, match="outside the containers"):
        opened(tmp_path, "blob://secrets/a.csv")


def test_the_identity_for_sources_is_the_one_that_is_set() -> None:
    """A managed identity by its client id, or the machine's own."""
    where = place(bound("blob://in/a.csv", {}), Storage("https://x.example"))
    own = BlobFiles(where, Storage(identity="11111111-2222-3333-4444-555555555555"))._credential()
    assert type(own).__name__ == "ManagedIdentityCredential"
    own.close()
    default = BlobFiles(where, Storage())._credential()
    assert type(default).__name__ == "DefaultAzureCredential"
    default.close()


def test_a_folder_in_a_files_place_shows_what_it_holds(tmp_path: Path) -> None:
    """No talk of similar names beside it: the names within are what can be meant."""
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(SourceError, match=r"in is a folder, not a file; it holds no file"):
        locate("in", base=tmp_path, allows_path=lambda path: True)
    for name in "abcdef":
        (folder / name).touch()
    with pytest.raises(SourceError, match=r"is a folder, not a file; name one of its files: a, b, c, d, e, …"):
        locate("in", base=tmp_path, allows_path=lambda path: True)

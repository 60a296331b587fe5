"""A secret that was rotated while its old value was remembered costs one more opening, and no job."""

from __future__ import annotations

import logging
from pathlib import Path

import psycopg
import pytest
from azure.storage.blob import ContainerClient
from psycopg import sql
from pydantic import TypeAdapter

from shared.definitions.source import Source as Definition
from shared.errors import AuthenticationError
from shared.ports import Secrets, Source
from shared.sources import Remote, Storage, open_source
from shared.wiring.rotation import RenewedSource
from tests.azurite import Account
from tests.postgres import Server
from tests.unit.sources.sink import FileSink

MODEL: TypeAdapter[Definition] = TypeAdapter(Definition)


class Vault:
    """A home of one secret that remembers what it gave, as Key Vault's does for some minutes."""

    def __init__(self, value: str) -> None:
        self.value = self.kept = value
        self.asked = self.given = 0

    def get(self, name: str) -> str:
        self.given += 1
        return self.kept

    def renew(self, name: str) -> str:
        self.asked += 1
        self.kept = self.value
        return self.kept


def opened(vault: Vault, folder: Path, storage: Storage | None = None, **settings: object) -> Source:
    def once(secrets: Secrets) -> Source:
        return open_source(
            MODEL.validate_python({"schema": [{"name": "no"}], **settings}),
            variables={},
            base=folder,
            allows_path=lambda _: False,
            secrets=secrets,
            spool=folder,
            remote=Remote(lambda _: True, storage or Storage()),
        )

    return RenewedSource(vault, once)


def table(vault: Vault, folder: Path) -> Source:
    settings = {"type": "sql", "dialect": "postgresql", "connection": {"secret": "erp"}}
    return opened(vault, folder, query="SELECT 7::text AS no", **settings)


@pytest.mark.needs("postgresql")
def test_a_password_that_was_changed_is_read_again(
    postgresql: Server, tmp_path: Path, sink: FileSink, caplog: pytest.LogCaptureFixture
) -> None:
    """The job goes on with the new one; what is logged is the secret's name alone; a source knows it from then on."""
    with psycopg.connect(postgresql.conninfo(), autocommit=True) as keeper:
        keeper.execute("CREATE ROLE rotated LOGIN PASSWORD 'spring'")
        vault = Vault(postgresql.conninfo(user="rotated", password="spring"))
        source = table(vault, tmp_path)
        assert dict(source.column_types()) == {"no": "VARCHAR"}
        keeper.execute(sql.SQL("ALTER ROLE rotated PASSWORD {}").format("summer"))
        vault.value = postgresql.conninfo(user="rotated", password="summer")
        with caplog.at_level(logging.INFO):
            assert source.stage(sink).records == 1
            assert list(source.column_types()) == ["no"]
    assert vault.asked == 1
    assert "credentials.renewed secrets=erp" in caplog.text
    assert "summer" not in caplog.text


@pytest.mark.needs("postgresql")
def test_nothing_is_tried_twice_with_the_same_secret(postgresql: Server, tmp_path: Path, sink: FileSink) -> None:
    """The home is asked once; a secret that is still the same, or refused again, is an error that says so."""
    vault = Vault(postgresql.conninfo(user="nobody", password="spring"))
    with pytest.raises(AuthenticationError, match="refused the login"):
        table(vault, tmp_path).stage(sink)
    assert (vault.given, vault.asked) == (1, 1)
    vault.value = postgresql.conninfo(user="nobody", password="summer")
    with pytest.raises(AuthenticationError, match="refused the login"):
        table(vault, tmp_path).stage(sink)
    assert (vault.given, vault.asked) == (3, 2)


@pytest.mark.needs("azurite")
def test_a_token_that_ran_out_is_read_again(storage: Account, tmp_path: Path, sink: FileSink) -> None:
    """For listing, reading and looking at the columns."""
    with ContainerClient(storage.url, "rotated", credential=storage.key) as container:
        container.create_container()
        container.upload_blob("a.csv", b"no\n1\n")
    for ask in ("stage", "column_types"):
        vault = Vault(storage.sas("rotated", hours=-1))
        source = opened(
            vault,
            tmp_path,
            Storage(storage.url, retries=0),
            type="delimited",
            path="blob://rotated/*.csv",
            sas={"secret": "sas"},
        )
        vault.value = storage.sas("rotated")
        assert (source.stage(sink).records == 1) if ask == "stage" else (list(source.column_types()) == ["no"])
        assert vault.asked == 1

"""Secrets that change while the app runs: every path that uses one reads it again once, and stays within the reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shared.definitions.catalogue import Catalogue
from shared.definitions.reach import Reach, load_local_reach
from shared.definitions.sync import SyncDefinition
from shared.engine.surroundings import Start
from shared.errors import AuthenticationError, NotAllowedError
from shared.ports import Secrets
from shared.secrets import EnvironmentSecrets
from shared.values.jobs import Job, JobState
from shared.values.looks import SourceSample
from shared.values.steps import Ended, Said
from shared.wiring import app as app_module
from shared.wiring import checking
from shared.wiring.app import LocalApp
from shared.wiring.checking import Sources
from shared.wiring.connections import Connector
from shared.wiring.rotation import HandedOut, Reached, once_more
from shared.wiring.steps import step_taker
from tests.e2e.hook import listening

SYNC = """
name: erp
source:
  type: sql
  dialect: postgresql
  table: customers
  connection: {{ secret: {secret} }}
  schema: [{{ name: no, type: text }}]
destination:
  type: dynamics
  entity: account
  id_column: accountid
  service_url: http://127.0.0.1:1/
  client_id: {{ secret: erp--client-id }}
  client_secret: {{ secret: erp--client-secret }}
mappings: [{{ source: no, target: accountnumber }}]
behaviour: {{ strategy: delta, key: [accountnumber], new: insert, changed: update }}
post_sync: [{{ name: tell, when: always, http: {{ url: "{hook}", secret: erp--token }} }}]
"""


@dataclass
class Vault:
    """A home whose values are remembered until somebody asks for a new one."""

    remembered: dict[str, str] = field(default_factory=lambda: {"erp--source": "old", "erp--token": "old"})
    now: dict[str, str] = field(default_factory=lambda: {"erp--source": "new", "erp--token": "new"})
    asked: list[str] = field(default_factory=list)

    def get(self, name: str) -> str:
        if name not in self.remembered:
            raise AuthenticationError(f"secret {name!r} was not found")
        return self.remembered[name]

    def renew(self, name: str) -> str:
        self.asked.append(name)
        self.remembered[name] = self.now[name]
        return self.get(name)


@dataclass
class Database:
    """A source that lets one password in."""

    password: str
    accepted: str
    files: tuple[Path, ...] = ()

    def column_types(self) -> Mapping[str, str]:
        if self.password != self.accepted:
            raise AuthenticationError("refused the login")
        return {"no": "VARCHAR"}

    def stage(self, _: Any) -> Any:
        return self.column_types()


def definition(folder: Path, *, secret: str = "erp--source", hook: str = "http://127.0.0.1:1/") -> SyncDefinition:
    syncs = folder / "syncs"
    syncs.mkdir(exist_ok=True)
    (syncs / "erp.yaml").write_text(SYNC.format(secret=secret, hook=hook))
    reach = load_local_reach(syncs)
    catalogue = Catalogue(syncs, reach, local=True)
    return catalogue.get("erp")


def sources(folder: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, *, accepted: str = "new") -> Sources:
    """Sources whose database is `Database`, with the secret that the definition names."""

    def opened(_: Any, *, secrets: Secrets, **__: Any) -> Database:
        return Database(secrets.get("erp--source"), accepted)

    monkeypatch.setattr(checking, "open_source", opened)
    definition(folder)
    reach = load_local_reach(folder / "syncs")
    return Sources(None, vault, reach, None, folder, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("use", [lambda source: source.column_types(), lambda source: source.stage(None)])
def test_a_source_reads_a_refused_password_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, use: Callable[[Any], Any]
) -> None:
    """A job that begins after a rotation, and a look at the source's columns, go on without a restart."""
    vault = Vault()
    source = sources(tmp_path, vault, monkeypatch).open(definition(tmp_path), Start({}, "nia"), tmp_path)
    assert use(source) == {"no": "VARCHAR"}
    assert use(source) == {"no": "VARCHAR"}
    assert vault.asked == ["erp--source"]


@pytest.mark.parametrize(("now", "asked"), [("old", 1), ("other", 1)])
def test_a_password_that_stays_wrong_is_refused_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str, asked: int
) -> None:
    """The database is not asked again with the same password, which might lock the account; nor a third time."""
    vault = Vault(now={"erp--source": now})
    source = sources(tmp_path, vault, monkeypatch).open(definition(tmp_path), Start({}, "nia"), tmp_path)
    with pytest.raises(AuthenticationError, match="refused the login"):
        source.column_types()
    assert len(vault.asked) == asked


def local_app(folder: Path, monkeypatch: pytest.MonkeyPatch, vault: Vault) -> LocalApp:
    definition(folder)
    monkeypatch.setattr(app_module, "open_secrets", lambda *_, **__: vault)
    return LocalApp(state=folder / "state", syncs=folder / "syncs", environ={})


def test_a_first_look_uses_the_same_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the reach of the sync that is being written, and with a second chance."""
    vault, used = Vault(), list[str]()

    def sample(_: Any, *, secrets: Secrets, **__: Any) -> SourceSample:
        used.append(secrets.get("erp--source"))
        if used[-1] != "new":
            raise AuthenticationError("refused the login")
        return SourceSample({"no": "VARCHAR"}, (), None)

    monkeypatch.setattr(app_module, "sample_table", sample)
    app = local_app(tmp_path, monkeypatch, vault)
    where = {"type": "sql", "dialect": "postgresql", "table": "customers", "connection": {"secret": "erp--source"}}
    assert app.sample("erp", where).columns == {"no": "VARCHAR"}
    assert used == ["old", "new"]
    with pytest.raises(NotAllowedError, match="'other' may not name the secret 'erp--source'"):
        app.sample("other", where)
    assert used == ["old", "new"]


def test_a_first_look_at_a_table_stays_within_the_sync_s_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the sync's name that counts, and not what the secret's own name begins with."""
    app = local_app(tmp_path, monkeypatch, Vault())
    destination = {
        "type": "dynamics", "entity": "account", "service_url": "http://127.0.0.1:1/",
        "authority": "http://127.0.0.1:1", "client_id": {"secret": "erp--client-id"},
        "client_secret": {"secret": "erp--client-secret"},
    }  # fmt: skip
    with pytest.raises(NotAllowedError, match="'other' may not name the secret 'erp--client-id'"):
        app.table("other", destination)
    with pytest.raises(AuthenticationError, match="'erp--client-id' was not found"):
        app.table("erp", destination)


def test_a_secret_out_of_reach_is_not_read_anew_either() -> None:
    """Whoever asks, and however: the home is not asked."""
    vault = Vault()
    for ask in (Reached(vault, Reach(), "other").get, Reached(vault, Reach(), "other").renew):
        with pytest.raises(NotAllowedError, match="may not name the secret 'erp--source'"):
            ask("erp--source")
    assert vault.asked == []


def test_a_step_calls_again_with_the_new_token(tmp_path: Path) -> None:
    """A receiver that answers 401 or 403 has not taken the call; other refusals are not repeated."""
    vault = Vault()
    with listening() as hook:
        found = definition(tmp_path, hook=hook.url)
        connector = Connector(vault, load_local_reach(tmp_path / "syncs"), local=True)
        taker = step_taker(connector, base=tmp_path, identity=None, queue=lambda *_: pytest.fail("queued"))
        job = Job("j", "erp", JobState.SUCCEEDED, "nia", datetime(2026, 1, 1, tzinfo=UTC))
        ended = Ended(job, {}, lambda _: iter(()))
        for refusal in (401, 403):
            vault.remembered["erp--token"] = "old"
            hook.calls.clear()
            hook.answers = [refusal, 204]
            assert taker.take(found, found.post_sync[0], ended) == Said("status 204")
            assert [headers["Authorization"] for *_, headers, _ in hook.calls] == ["Bearer old", "Bearer new"]
        hook.calls.clear()
        hook.answers = [401, 204]
        with pytest.raises(AuthenticationError, match="refused the call's signature or token"):
            taker.take(found, found.post_sync[0], ended)
        assert len(hook.calls) == 1


def test_a_missing_secret_is_asked_for_once() -> None:
    """Nothing was given, so nothing can have changed."""
    vault = Vault(remembered={})
    with pytest.raises(AuthenticationError, match="was not found"):
        once_more(vault, lambda secrets: secrets.get("erp--source"))
    assert vault.asked == []


def test_values_are_not_shown() -> None:
    """Not even those that were handed out."""
    handed = HandedOut(EnvironmentSecrets({"DYNSYNC_SECRET_ERP__SOURCE": "marked"}))
    assert handed.get("erp--source") == "marked"
    assert "marked" not in repr(handed)

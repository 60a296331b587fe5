from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.definitions.catalogue import Catalogue, definition_hash
from shared.definitions.loading import parse_sync
from shared.definitions.reach import Reach
from shared.errors import DefinitionError, NotFoundError
from tests.unit.definitions.test_cases import BASE


def text(name: str) -> str:
    return BASE.replace("name: base\n", f"name: {name}\n").replace("base--", f"{name}--")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "accounts.yaml").write_text(text("accounts"), encoding="utf-8")
    (tmp_path / "contacts.yaml").write_text(text("contacts"), encoding="utf-8")
    (tmp_path / "reach.yaml").write_text("# nothing\n")
    (tmp_path / "sync.schema.json").write_text("{}")
    return tmp_path


def test_the_folder_is_the_catalogue(folder: Path) -> None:
    """Every definition by name; the reach file and the schema are none."""
    catalogue = Catalogue(folder, Reach())
    assert catalogue.names() == ["accounts", "contacts"]
    assert catalogue.get("contacts").name == "contacts"
    assert catalogue.broken() == {}


def test_a_broken_file_takes_out_only_itself(folder: Path) -> None:
    """The others run on; the broken one says why, also when it only contradicts itself."""
    (folder / "broken.yaml").write_text("name: [", encoding="utf-8")
    (folder / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    (folder / "short.yml").write_text(text("short"), encoding="utf-8")
    (folder / "odd.yaml").write_text(text("odd").replace("key: [accountnumber]", "key: [nothing]"), encoding="utf-8")
    catalogue = Catalogue(folder, Reach())
    assert catalogue.names() == ["accounts", "contacts"]
    broken = catalogue.broken()
    assert list(broken) == ["broken", "latin", "odd", "short"]
    assert "UTF-8" in str(broken["latin"])
    assert ".yaml" in str(broken["short"])
    assert "'nothing' is not mapped" in str(broken["odd"])
    with pytest.raises(DefinitionError, match="not YAML"):
        catalogue.get("broken")


def test_contradictions_have_their_line(folder: Path) -> None:
    """What is wrong between the parts of a file is told with its line too, a secret's value for its name included."""
    content = text("odd").replace("{ secret: odd--client-secret }", "{ secret: hunter2 }")
    (folder / "odd.yaml").write_text(content, encoding="utf-8")
    line = content[: content.index("hunter2")].count("\n") + 1
    problem, *unbuilt = Catalogue(folder, Reach()).broken()["odd"].problems
    assert not unbuilt
    assert problem.path == "destination.client_secret"
    assert "may not name that secret" in problem.found
    assert problem.found.endswith(f"(line {line})")
    assert "hunter2" not in str(problem)


def test_an_unknown_name_brings_the_nearest(folder: Path) -> None:
    """A slip of the pen is answered with what was meant."""
    catalogue = Catalogue(folder, Reach())
    with pytest.raises(NotFoundError, match="did you mean accounts"):
        catalogue.get("acounts")
    with pytest.raises(NotFoundError, match="there are: accounts, contacts"):
        catalogue.get("../../etc/passwd")
    for file in folder.glob("*.yaml"):
        file.unlink()
    with pytest.raises(NotFoundError, match="none is there yet; `dynsync init` writes one"):
        catalogue.get("accounts")


def test_a_changed_file_is_read_again(folder: Path) -> None:
    """A new definition takes effect without a restart, and so does its removal."""
    catalogue = Catalogue(folder, Reach())
    assert catalogue.get("accounts").version == "1.0.0"
    file = folder / "accounts.yaml"
    file.write_text(text("accounts").replace("version: 1.0.0", "version: 1.1.0"), encoding="utf-8")
    os.utime(file, ns=(1, 1))
    assert catalogue.get("accounts").version == "1.1.0"
    file.unlink()
    assert catalogue.names() == ["contacts"]


def test_reach_decides_and_loopback_is_for_developers(folder: Path) -> None:
    """A definition that points at this machine is sound locally and broken in the cloud."""
    local = text("here").replace("https://org.api.crm4.dynamics.com", "http://127.0.0.1:8080")
    (folder / "here.yaml").write_text(local, encoding="utf-8")
    assert "here" in Catalogue(folder, Reach(), local=True).names()
    assert "here" in Catalogue(folder, Reach()).broken()


def test_a_missing_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    """Nothing is configured yet: that is no error."""
    assert Catalogue(tmp_path / "none", Reach()).names() == []


def test_the_hash_is_of_the_meaning() -> None:
    """Comments, order and spelled-out defaults change nothing; a value does."""
    plain = definition_hash(parse_sync(BASE, name="base"))
    assert definition_hash(parse_sync("# hello\n" + BASE, name="base")) == plain
    assert definition_hash(parse_sync(BASE + "description: ''\n", name="base")) == plain
    assert definition_hash(parse_sync(BASE.replace("removals: 5%", "removals: 0.05"), name="base")) == plain
    assert definition_hash(parse_sync(BASE.replace("removals: 5%", "removals: 6%"), name="base")) != plain
    assert len(plain) == 64


def test_relative_paths_begin_above_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a definition means does not depend on where a command was started."""
    monkeypatch.chdir("/")
    (folder / "inbox.yaml").write_text(text("inbox").replace('"@extract"', f"{folder.name}/in/a.csv"), encoding="utf-8")
    assert "inbox" in Catalogue(folder, Reach(folders=(str(folder / "in"),))).names()
    assert "inbox" in Catalogue(folder, Reach(folders=("/in",))).broken()

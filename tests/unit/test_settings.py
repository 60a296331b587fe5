from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.errors import RefuseError
from shared.wiring.settings import Settings

ROOT = Path(__file__).parent.parent.parent


def test_every_setting_is_in_the_documents_and_none_else() -> None:
    """docs/local.md lists exactly the settings that wiring reads."""
    read = set(re.findall(r'"(DYNSYNC_[A-Za-z_]+)"', (ROOT / "shared/wiring/settings.py").read_text("utf-8")))
    told = set(re.findall(r"^\| `(DYNSYNC_[A-Za-z_]+)`", (ROOT / "docs/local.md").read_text("utf-8"), re.MULTILINE))
    assert read == told


def test_nothing_needs_to_be_set() -> None:
    """Without settings the defaults hold, as the documents say."""
    assert Settings.from_environment({}) == Settings(memory_mb=256, threads=2, disk_mb=20_000, ca_file=None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DYNSYNC_MEMORY_MB", "lots"), ("DYNSYNC_MEMORY_MB", "8"), ("DYNSYNC_THREADS", "0"), ("DYNSYNC_CA_FILE", "/no"),
        ("DYNSYNC_RETENTION_DAYS", "36501"), ("DYNSYNC_RETENTION_DAYS", "9" * 11), ("DYNSYNC_THREADS", "9" * 5000),
        ("DYNSYNC_MAX_SLICE_S", "9" * 20), ("DYNSYNC_CA_FILE", "x" * 5000), ("DYNSYNC_DEVELOPER", "yes"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(name: str, value: str) -> None:
    """The message names the setting, what was found and what is allowed; nothing is so wrong that it breaks."""
    with pytest.raises(RefuseError, match=name) as refused:
        Settings.from_environment({name: value})
    assert value[:40] in str(refused.value)


@pytest.mark.parametrize("value", ["storage", "http://acct.blob.core.windows.net", "https://user@host/"])
def test_the_storage_of_sources_is_an_address(value: str) -> None:
    """Over TLS, but on this machine itself."""
    with pytest.raises(RefuseError, match="DYNSYNC_SOURCE_STORAGE"):
        Settings.from_environment({"DYNSYNC_SOURCE_STORAGE": value})
    for good in ("https://acct.blob.core.windows.net/", "http://127.0.0.1:10000/devstore"):
        assert Settings.from_environment({"DYNSYNC_SOURCE_STORAGE": good}).source_storage == good.rstrip("/")


@pytest.mark.parametrize(
    "value",
    [
        "my-vault",
        "http://my-vault.vault.azure.net",
        "https://my-vault.vault.azure.net.evil.example",
        "https://evil.example",
        "https://my-vault.vault.azure.net/secrets/a",
        "https://user@my-vault.vault.azure.net",
        "http://127.0.0.1:8200",
    ],
)
def test_the_vault_is_an_address_of_a_key_vault(value: str) -> None:
    """Over TLS, in a known cloud or on this machine; nothing else is handed the app's identity."""
    with pytest.raises(RefuseError, match="DYNSYNC_KEY_VAULT_URL"):
        Settings.from_environment({"DYNSYNC_KEY_VAULT_URL": value})
    for good in ("https://my-vault.vault.azure.net/", "https://v.vault.usgovcloudapi.net", "https://127.0.0.1:8200"):
        assert Settings.from_environment({"DYNSYNC_KEY_VAULT_URL": good}).key_vault_url == good.rstrip("/")


@pytest.mark.parametrize("value", ["contoso.com", "http://contoso.com", "https://contoso.com/app", "https://a@b"])
def test_the_app_s_own_address(value: str) -> None:
    """A host over TLS, or this machine; without one, where the platform has the app."""
    with pytest.raises(RefuseError, match="DYNSYNC_APP_URL"):
        Settings.from_environment({"DYNSYNC_APP_URL": value})
    platform = {"WEBSITE_HOSTNAME": "contoso.azurewebsites.net"}
    assert Settings.from_environment(platform).app_url == "https://contoso.azurewebsites.net"
    own = Settings.from_environment(platform | {"DYNSYNC_APP_URL": "https://sync.contoso.com/"})
    assert own.app_url == "https://sync.contoso.com"

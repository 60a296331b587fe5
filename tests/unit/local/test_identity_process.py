"""`python -m local.identity`: says where it is, serves what its file holds, and ends when asked."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from local.dataverse.documents import DocumentError
from local.identity import LocalIdentity, settings
from shared.secrets import KeyVaultSecrets

ROOT = Path(__file__).parents[3]
FILE = """
applications:
  - { client_id: 1d000000-0000-4000-8000-00000000c1d9, client_secret: hidden, role: Key Vault Secrets User }
resources: ["http://127.0.0.1:8765"]
secrets:
  my-sync--a: { value: marked }
  my-sync--b: { value: marked, enabled: false }
"""


def test_the_process_serves_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines it prints are all that the product needs; values are not among them."""
    (tmp_path / "azure.yaml").write_text(FILE, encoding="utf-8")
    words = ["--folder", str(tmp_path), "--settings", str(tmp_path / "azure.yaml")]
    with subprocess.Popen(
        [sys.executable, "-m", "local.identity", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(6)]
        exported = dict(line.removeprefix("export ").split("=", 1) for line in said if line.startswith("export "))
        for name, value in exported.items():
            monkeypatch.setenv(name, value)
        vault = KeyVaultSecrets(
            exported["DYNSYNC_KEY_VAULT_URL"], clock=lambda: datetime.now(UTC), verify=exported["DYNSYNC_CA_FILE"]
        )
        assert vault.get("my-sync--a") == "marked"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert "marked" not in "".join(said)


@pytest.mark.parametrize(
    "text",
    [
        "secrets: { a_b: { value: marked } }",
        "secrets: { a: { value: '' } }",
        "secrets: { a: marked }",
        "applications: [{ client_id: x }]",
        "applications: [{ client_id: 1d000000-0000-4000-8000-00000000c1d9, role: king }]",
        "applications: [{ client_id: 1d000000-0000-4000-8000-00000000c1d9, certificates: [none.pem] }]",
        "marked",
        ": [",
    ],
)
def test_a_wrong_file_is_refused_whole(tmp_path: Path, text: str) -> None:
    """By its place in the file; a value is not shown."""
    path = tmp_path / "azure.yaml"
    path.write_text(text, encoding="utf-8")
    with LocalIdentity() as identity, pytest.raises(DocumentError) as caught:
        settings.apply(settings.read(path), identity, tmp_path)
    assert "marked" not in str(caught.value)

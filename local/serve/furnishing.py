"""What stands in the local cloud's folder: example syncs with their files, and the settings of every part.

Files of the user's own are left as they are; what only leads to the parts is written anew at every start.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.identity.server import TENANT_ID
from local.serve.places import HOST, Ports, ServeError
from local.servicebus.tokens import KEY, KEY_NAME

APP_ID = "1d000000-0000-4000-8000-0000000000ae"
APP_SECRET = "local-development-only"  # noqa: S105 - opens nothing but these stand-ins
ACCOUNT = "localcloud"
STATE_SECRET = "dynsync--storage"  # noqa: S105 - a name
SYNCS = ("customers", "prospects", "signups")
_EXAMPLES = Path(__file__).parent / "examples"
_WRITTEN_FOR = ("http://127.0.0.1:7072", "https://127.0.0.1:7074")
"""Dataverse and Entra in the example definitions."""


@dataclass(frozen=True, slots=True)
class Furnished:
    """The folder, ready. `storage` is the storage's connection string; empty without one."""

    folder: Path
    ports: Ports
    storage_key: str
    storage: str

    @property
    def dataverse(self) -> str:
        """Dataverse's address."""
        return f"http://{HOST}:{self.ports.dataverse}"

    @property
    def entra(self) -> str:
        """Entra's address."""
        return f"https://{HOST}:{self.ports.entra}"

    @property
    def bus(self) -> str:
        """The Service Bus's connection string."""
        signed = f"SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}"
        return f"Endpoint=sb://localhost:{self.ports.bus};{signed};UseDevelopmentEmulator=true;"

    @property
    def logs(self) -> Path:
        """Where every part's log is."""
        return self.folder / "logs"

    @property
    def temporary(self) -> Path:
        """For temporary files of all parts; removed at the end."""
        return self.folder / "tmp"

    def app_settings(self, identity: Mapping[str, str], *, for_tools: bool = False) -> dict[str, str]:
        """The app's settings; `identity` is what the managed identity endpoint asks for.

        `for_tools`: the Core Tools are to run the app, which do not tell it who calls.
        """
        state = (
            {"DYNSYNC_STATE_SECRET": STATE_SECRET} if self.storage else {"DYNSYNC_STATE": str(self.folder / "state")}
        )
        return {
            "FUNCTIONS_WORKER_RUNTIME": "python",
            "AzureWebJobsStorage": self.storage or "UseDevelopmentStorage=true",
            "DYNSYNC_BUS": self.bus,
            "DYNSYNC_SYNCS": str(self.folder / "syncs"),
            "DYNSYNC_DEVELOPER": "unchecked" if for_tools else "true",
            "DYNSYNC_KEY_SYNCS": "*",
            **state,
            **identity,
        }


def furnish(folder: Path, ports: Ports, *, with_storage: bool) -> Furnished:
    """Put everything into the folder.

    Raises:
        ServeError: it belongs to other ports, or cannot be written.
    """
    try:
        shutil.rmtree(folder / "tmp", ignore_errors=True)  # of a cloud that was killed; the folder is ours alone now
        for name in ("syncs", "logs", "tmp"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        _claim(folder, ports)
        key = _storage_key(folder)
        storage = _connection(ports, key) if with_storage else ""
        furnished = Furnished(folder, ports, key, storage)
        _examples(furnished)
        _settings(furnished)
    except OSError as error:
        raise ServeError(f"{error.filename} cannot be written: {error.strerror}") from None
    return furnished


def write_settings(furnished: Furnished, settings: Mapping[str, str]) -> Path:
    """The app's settings as a file that the host, and the Core Tools, read."""
    path = furnished.folder / "local.settings.json"
    host = {"LocalHttpPort": furnished.ports.app, "LocalHttpAddress": HOST}
    document = {"IsEncrypted": False, "Values": settings, "Host": host}
    _write(path, json.dumps(document, indent=2) + "\n")
    return path


def _claim(folder: Path, ports: Ports) -> None:
    """The definitions in the folder lead to ports; later starts have to take the same."""
    mark = folder / "first-port"
    found = mark.read_text("utf-8").strip() if mark.exists() else str(ports.app)
    if found != str(ports.app):
        raise ServeError(
            f"the files in {folder} were written for the ports from {found} on; start with `make serve PORT={found}`, "
            "or give another folder with FOLDER=…"
        )
    _write(mark, f"{ports.app}\n")


def _storage_key(folder: Path) -> str:
    path = folder / "storage.key"
    if not path.exists():
        _write(path, base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text("utf-8").strip()


def _connection(ports: Ports, key: str) -> str:
    ends = {"BlobEndpoint": ports.blobs, "QueueEndpoint": ports.queues, "TableEndpoint": ports.tables}
    told = "".join(f"{name}=http://{HOST}:{port}/{ACCOUNT};" for name, port in ends.items())
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={key};{told}"


def _examples(furnished: Furnished) -> None:
    for source in sorted(_EXAMPLES.iterdir()):
        target = furnished.folder / ("" if source.suffix == ".csv" else "syncs") / source.name
        if target.exists():
            continue
        text = source.read_text("utf-8")
        for written, here in zip(_WRITTEN_FOR, (furnished.dataverse, furnished.entra), strict=True):
            text = text.replace(written, here)
        target.write_text(text, "utf-8")


def _settings(furnished: Furnished) -> None:
    """Who may sign in to Dataverse, and what the vault holds."""
    application = {"client_id": APP_ID, "client_secret": APP_SECRET}
    _write(
        furnished.folder / "dataverse.yaml", json.dumps({"applications": [{**application, "name": "Dynamics Sync"}]})
    )
    values = {"tenant-id": TENANT_ID, "client-id": APP_ID, "client-secret": APP_SECRET}
    kept = {f"{sync}--{name}": {"value": value} for sync in SYNCS for name, value in values.items()}
    if furnished.storage:
        kept[STATE_SECRET] = {"value": furnished.storage}
    document = {"applications": [application], "resources": [furnished.dataverse], "secrets": kept}
    _write(furnished.folder / "identity.yaml", json.dumps(document))


def _write(path: Path, text: str) -> None:
    """A file for this user alone, whole or not at all."""
    made = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    made.replace(path)

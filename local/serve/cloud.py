"""Starts every part in its order, waits for each, and ends them the other way round."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from local.children import Child, ChildError, python, python_path
from local.serve.furnishing import ACCOUNT, Furnished, write_settings
from local.serve.places import HOST, ROOT, ServeError

AZURITE = ROOT / "tools" / "node" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
GRACE_S = 30.0
_OTHERS = re.compile(r"(?:DYNSYNC|AZURE|IDENTITY|MSI|WEBSITE)_?[A-Z0-9_]*|CONTAINER_NAME")
"""Settings of a shell that would lead the app elsewhere, or let it believe that it runs in Azure."""
_PLAIN_SECRET = re.compile(r"(?:AccountKey|SharedAccessKey)=[^;]*")


def has_storage() -> bool:
    """Whether Azurite, and node to run it, are there."""
    return AZURITE.exists() and shutil.which("node") is not None


class Cloud:
    """The running parts. `listener` is told what the app's host says; everything is in a log for each part.

    Use it as a context manager; what was started ends with it.
    """

    def __init__(self, furnished: Furnished, *, listener: Callable[[str], None]) -> None:
        self._at, self._listener = furnished, listener
        self._children: list[Child] = []
        self._identity: dict[str, str] = {}
        self._ending = threading.Event()

    def start(self, *, with_host: bool = True) -> None:
        """Start what the app needs, then the app.

        Raises:
            ServeError: a part does not start; with what it said.
        """
        try:
            if self._at.storage:
                self._start_storage()
            self._start_identity()
            self._start_dataverse()
            self._start_bus()
            settings = write_settings(self._at, self._at.app_settings(self._identity, for_tools=not with_host))
            if with_host:
                self._start_host(settings)
        except ChildError as error:
            raise ServeError(f"{error}\n(the whole of it: {self._at.logs})") from None

    def stopped(self) -> Child | None:
        """A part that has ended by itself."""
        return next((child for child in self._children if child.ended is not None), None)

    def end(self) -> None:
        """End every part, the app first."""
        self._ending.set()
        while self._children:
            child = self._children.pop()
            child.end(GRACE_S + 5 if child.name == "host" else 10)
        shutil.rmtree(self._at.temporary, ignore_errors=True)

    # ---- the parts

    def _start_storage(self) -> None:
        ports = self._at.ports
        (self._at.folder / "storage").mkdir(exist_ok=True, mode=0o700)
        words: list[str | Path] = ["node", AZURITE, "--skipApiVersionCheck", "--disableTelemetry"]
        words += ["--location", "storage"]
        for kind, port in (("blob", ports.blobs), ("queue", ports.queues), ("table", ports.tables)):
            words += [f"--{kind}Host", HOST, f"--{kind}Port", str(port)]
        key = f"{ACCOUNT}:{self._at.storage_key}"
        self._run("storage", words, {"AZURITE_ACCOUNTS": key}).said("successfully listening", times=3)

    def _start_identity(self) -> None:
        at = self._at
        words = ["--port", str(at.ports.entra), "--folder", ".", "--settings", "identity.yaml"]
        child = self._run("identity", python("local.identity", *words))
        child.said("export DYNSYNC_CA_FILE=")
        told = (re.fullmatch(r"export ([A-Z_]+)=(.*)", line) for line in child.lines)
        self._identity = {found[1]: found[2] for found in told if found}
        self._identity["DYNSYNC_CA_FILE"] = str(at.folder / "authority.pem")

    def _start_dataverse(self) -> None:
        at = self._at
        words = ["--port", str(at.ports.dataverse), "--file", "dataverse.db", "--settings", "dataverse.yaml"]
        words += ["--authority", at.entra, "--ca-file", "authority.pem"]
        self._run("dataverse", python("local.dataverse", *words)).said("listens at")

    def _start_bus(self) -> None:
        words = ["--port", str(self._at.ports.bus), "--file", "bus.db"]
        self._run("bus", python("local.servicebus", *words)).said("listens at")

    def _start_host(self, settings: Path) -> None:
        at = self._at
        words: list[str | Path] = [ROOT, "--port", str(at.ports.app), "--settings", settings]
        words += ["--kept", at.folder / "host", "--grace-s", f"{GRACE_S:g}"]
        self._run("host", python("local.host", *words)).said("Local Functions host listens at")

    def _run(self, name: str, command: Sequence[str | Path], environ: Mapping[str, str] | None = None) -> Child:
        log = (self._at.logs / f"{name}.log").open("w", encoding="utf-8", buffering=1)

        def note(line: str) -> None:
            if log.closed:
                return
            log.write(_PLAIN_SECRET.sub("…", line) + "\n")
            if name == "host" and not self._ending.is_set():
                self._listener(line)

        clean = {key: "" for key in os.environ if _OTHERS.fullmatch(key)}
        given = {**clean, **python_path(), "TMPDIR": str(self._at.temporary), **(environ or {})}
        guarded = python("local.serve.guarded", str(os.getpid()), *command)
        child = Child(name, guarded, folder=self._at.folder, environ=given, listener=note)
        self._children.append(child)
        return child

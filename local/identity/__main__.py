"""`python -m local.identity`: runs the stand-ins until they are told to stop."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from local.dataverse.documents import DocumentError
from local.identity import settings
from local.identity.server import LocalIdentity


def main() -> int:
    """Starts Entra, the managed identity endpoint and Key Vault, says where they are, and waits for SIGTERM."""
    given = _arguments()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        given.folder.mkdir(parents=True, exist_ok=True)
        first = given.port
        ports = (first, first + 1, first + 2) if first else (0, 0, 0)
        running = LocalIdentity(folder=given.folder, ports=ports)
        running.directory.add_resources(given.resource)
        if given.settings:
            settings.apply(settings.read(given.settings), running, given.settings.parent)
    except (DocumentError, OSError, OverflowError) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    with running:
        sys.stdout.write(_said(running))
        sys.stdout.flush()
        ended.wait()
    return 0


def _said(running: LocalIdentity) -> str:
    """Lines for a shell: addresses in comments, settings to export."""
    lines = [
        f"# Entra: {running.authority}, tenant {running.tenant_id}",
        f"# an operator's application: {running.client_id}, secret {running.client_secret}",
        *(f"export {name}={value}" for name, value in running.environment.items()),
    ]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.identity", description=main.__doc__)
    parser.add_argument(
        "--port", type=int, default=0, help="Entra's port; the vault has the next, the identity the third"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path(".dynsync"), help="where the authority's certificate is put"
    )
    parser.add_argument("--settings", type=Path, help="YAML file of applications, resources and secrets")
    parser.add_argument(
        "--resource", action="append", default=[], help="address of a service that tokens are asked for"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

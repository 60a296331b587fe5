"""The stand-in as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from local.servicebus.store import Store

COMMAND = [sys.executable, "-m", "local.servicebus"]


def test_it_says_where_it_is_and_ends_when_told(tmp_path: Path) -> None:
    """Address and connection string are printed; after SIGTERM it ends clean and the file is free."""
    file = tmp_path / "bus.db"
    with subprocess.Popen(
        [*COMMAND, "--file", str(file), "--key", "mine"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        where, how = server.stdout.readline(), server.stdout.readline()
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert where.startswith("Local Service Bus listens at localhost:")
    assert "SharedAccessKey=mine;UseDevelopmentEmulator=true" in how
    Store(file).close()


def test_a_wrong_file_of_queues_is_told(tmp_path: Path) -> None:
    """Nothing starts; the place in the file is named."""
    (tmp_path / "q.yaml").write_text("queues: { a: { lock: 1 } }")
    ended = subprocess.run(
        [*COMMAND, "--queues", str(tmp_path / "q.yaml")], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "queues.a.lock" in ended.stderr

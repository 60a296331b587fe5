"""Programs of ours as child processes: what they say is kept and may be waited for, and they end with us.

Each stands in a process group of its own, so that Ctrl-C in a terminal reaches the parent alone, which ends its
children in order.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[1]
WAIT_S = 60.0


class ChildError(Exception):
    """A child did not say what was waited for; the message ends with what it said instead."""


class Child:
    """A running program. `listener` is told every line, from a thread of its own."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        listener: Callable[[str], None] | None = None,
    ) -> None:
        self.name, self._lines, self._changed = name, list[str](), threading.Condition()
        self._closed, self._listener = False, listener
        self._process = subprocess.Popen(  # noqa: S603 - our own programs
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(environ or {}), "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        self._reader = threading.Thread(target=self._read, name=f"read-{name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Its process's number."""
        return self._process.pid

    @property
    def lines(self) -> list[str]:
        """All that it said so far."""
        with self._changed:
            return list(self._lines)

    @property
    def ended(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def said(self, pattern: str, *, times: int = 1, timeout_s: float = WAIT_S) -> re.Match[str]:
        """Wait until lines of it match, so many; the last of those.

        Raises:
            ChildError: it ended, or the time was over, before.
        """
        wanted = re.compile(pattern)

        def found() -> list[re.Match[str]]:
            return [match for line in self._lines if (match := wanted.search(line))]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times or self._closed, timeout=timeout_s)
            matches = found()
            if len(matches) < times:
                what = "ended" if self._closed else f"did not answer within {timeout_s:g} s"
                tail = "\n".join(f"  {line}" for line in self._lines[-40:])
                raise ChildError(f"{self.name} {what}. It said:\n{tail}")
            return matches[times - 1]

    def end(self, grace_s: float = 10.0) -> int:
        """Ask it to end, and force it when it does not; its exit code."""
        if self.ended is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self.kill()
        return self._finished()

    def kill(self) -> int:
        """End it and what it started at once, as the loss of power would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._finished()

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, timeout_s: float = WAIT_S) -> int:
        """Wait for its end; its exit code. Raises `subprocess.TimeoutExpired`."""
        self._process.wait(timeout_s)
        return self._finished()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def _finished(self) -> int:
        code = self._process.wait()
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        return code

    def _read(self) -> None:
        for line in self._process.stdout or ():
            text = line.rstrip("\n")
            with self._changed:
                self._lines.append(text)
                self._changed.notify_all()
            if self._listener is not None:
                self._listener(text)
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def python(module: str, *words: str | Path) -> list[str | Path]:
    """The command that runs a module of ours, from any folder; `environ` has to carry `python_path`."""
    return [sys.executable, "-P", "-m", module, *words]


def python_path() -> dict[str, str]:
    """The setting by which a child finds our modules."""
    beside = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{beside}" if beside else str(ROOT)}

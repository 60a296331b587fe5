"""`python -m local.serve.guarded PARENT COMMAND …`: a program that ends with the process that started it.

Where the system can do that by itself (Linux), this process asks for it and then becomes the program: whatever ends the
parent, and whatever the program is doing, it is gone at once, with its ports. Elsewhere the program is started, and the
parent is looked for.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

_LOOK_EVERY_S = 0.5
_PR_SET_PDEATHSIG = 1
"""It outlasts exec, and comes when the thread ends that started us. Source: Linux manual, prctl(2)."""


def main() -> int:
    """The program's exit code; SIGTERM is passed on."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux" and _is_bound():
        if os.getppid() != parent:
            return 1  # it ended before the system was asked
        os.execvp(command[0], command)  # noqa: S606 - what the local cloud names
    return _watch(parent, command)


def _is_bound() -> bool:
    """Whether the system ends this process from now on when its parent ends."""
    return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)


def _watch(parent: int, command: Sequence[str]) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with subprocess.Popen(command) as child:  # noqa: S603 - what the local cloud names
        while child.poll() is None and not ended.wait(_LOOK_EVERY_S) and os.getppid() == parent:
            pass
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
        return child.wait()


if __name__ == "__main__":
    sys.exit(main())

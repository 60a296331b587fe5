"""`python -m local.serve.guarded COMMAND …`: runs a program that is not ours, and ends it when our parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

_LOOK_EVERY_S = 0.5


def main() -> int:
    """The program's exit code; SIGTERM is passed on."""
    parent, ended = os.getppid(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with subprocess.Popen(sys.argv[1:]) as child:  # noqa: S603 - what the local cloud names
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

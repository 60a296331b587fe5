"""Which leases of a local store a living process of this machine holds, told by locks that end with their process.

A lease by itself says only until when its holder meant to live. The lock on a file beside the store is freed by the
operating system the moment its process is gone, however it went; so after a crash nobody has to wait. Where there are
no such locks (another machine, another system), the lease's time decides alone.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_guard = threading.Lock()
_held: dict[str, int] = {}
"""Descriptors of the locks of this process; they belong to it, not to one store object."""


class Claims:
    """The locks of one store's syncs, as files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, sync: str, holder: str | None) -> bool:
        """Lock the sync for this process; true when that proves that `holder`, who had it last, is gone."""
        path = self._path(sync)
        with _guard:
            if path in _held or fcntl is None:
                return False
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # a living process has it, or this file system knows no locks
                os.close(descriptor)
                return False
            _held[path] = descriptor
        return holder is not None and holder.partition(":")[0] == machine() != ""

    def is_gone(self, sync: str, holder: str | None) -> bool:
        """Whether `holder` is known to have ended; the lock is left as it was."""
        with _guard:
            mine = self._path(sync) in _held
        gone = self.take(sync, holder)
        if not mine:
            self.release(sync)
        return gone

    def release(self, sync: str) -> None:
        """Free the sync's lock, if this process has it."""
        with _guard:
            descriptor = _held.pop(self._path(sync), None)
            if descriptor is not None:
                os.close(descriptor)

    def _path(self, sync: str) -> str:
        return str(self._folder.resolve() / f"{hashlib.sha256(sync.encode()).hexdigest()[:32]}.lock")


def machine() -> str:
    """A mark of this machine since it was started; empty when it has none."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""

"""Bounds that the kernel keeps: a control group for memory, a file system of the given size for temporary files.

Where this user may not make them, a watcher ends the run when it sees a bound broken, and the report says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.engine.layout import WORK

MB = 1024 * 1024
_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_NAME = "dynsync-bench"


@dataclass(slots=True)
class Bounds:
    """The bounds of one run, and what was seen of it. `by` tells who keeps them."""

    memory_mb: int | None
    disk_mb: int | None
    temporary: Path
    group: Path | None = None
    mounted: bool = False
    peak_disk_mb: float = 0.0
    peak_rss_mb: float = 0.0
    ended: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    @property
    def by(self) -> str:
        """Who keeps the bounds."""
        memory = "a control group" if self.group else "a watcher (20 ms)"
        disk = "the size of a file system" if self.mounted else "a watcher (20 ms)"
        return f"memory by {memory}, temporary disk by {disk}"

    @property
    def group_peak_mb(self) -> float | None:
        """The control group's own peak, page cache included; at most its limit."""
        if self.group is None:
            return None
        for name in ("memory.max_usage_in_bytes", "memory.peak"):
            if (self.group / name).exists():
                return int((self.group / name).read_text()) / MB
        return None

    def command(self, arguments: list[str]) -> list[str]:
        """The command that runs inside the bounds."""
        if self.group is None:
            return arguments
        return ["sh", "-c", f'echo $$ > {self.group}/cgroup.procs && exec "$@"', "sh", *arguments]

    def watch(self, process: subprocess.Popen[bytes]) -> threading.Thread:
        """Note the peaks until the process ends, and end it where only a watcher keeps a bound."""
        thread = threading.Thread(target=self._watch, args=(process,), daemon=True)
        thread.start()
        return thread

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        while process.poll() is None:
            self.peak_disk_mb = max(self.peak_disk_mb, self._disk_mb())
            self.peak_rss_mb = max(self.peak_rss_mb, _rss_mb(process.pid))
            over_memory = not self.group and self.memory_mb and self.peak_rss_mb > self.memory_mb
            over_disk = not self.mounted and self.disk_mb and self.peak_disk_mb > self.disk_mb
            if over_memory or over_disk:
                self.ended = "memory" if over_memory else "temporary disk"
                process.kill()
                return
            time.sleep(0.1 if self.group and self.mounted else 0.02)

    def _disk_mb(self) -> float:
        if self.mounted:
            found = os.statvfs(self.temporary)
            return (found.f_blocks - found.f_bfree) * found.f_frsize / MB
        total = 0
        for path in self.temporary.rglob("*"):
            try:
                total += path.stat().st_blocks * 512
            except FileNotFoundError:
                continue
        return total / MB


def _rss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@contextmanager
def bounded(memory_mb: int | None, disk_mb: int | None) -> Iterator[Bounds]:
    """Bounds for one run; None: none."""
    temporary = WORK / "temporary"
    temporary.mkdir(parents=True, exist_ok=True)
    if temporary.is_mount():  # left by a measurement that was killed
        subprocess.run(["umount", str(temporary)], check=True)
    bounds = Bounds(memory_mb, disk_mb, temporary)
    bounds.group = _group(memory_mb) if memory_mb else None
    bounds.mounted = _mount(temporary, disk_mb) if disk_mb else False
    try:
        yield bounds
    finally:
        if bounds.mounted:
            subprocess.run(["umount", str(temporary)], check=True)
            _image().unlink()
        shutil.rmtree(temporary, ignore_errors=True)
        if bounds.group:
            bounds.group.rmdir()


def _group(memory_mb: int) -> Path | None:
    """A fresh control group with this limit and no swap, or None."""
    limits = {"memory.limit_in_bytes": memory_mb * MB, "memory.max": memory_mb * MB}
    for root in (_V1, _V2):
        group = root / _NAME
        try:
            group.mkdir(exist_ok=True)
            name = next(name for name in limits if (group / name).exists())
            (group / name).write_text(str(limits[name]))
        except StopIteration:
            group.rmdir()
        except OSError:
            continue
        else:
            return group
    return None


def _image() -> Path:
    return WORK / "temporary.img"


def _mount(folder: Path, disk_mb: int) -> bool:
    """A file system of this size at `folder`; False where that is not allowed."""
    image = _image()
    with image.open("wb") as file:
        file.truncate(disk_mb * MB)
    made = subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-N", "4096", "-O", "^has_journal", str(image)], check=False)
    mounted = (
        made.returncode == 0
        and not subprocess.run(
            ["mount", "-o", "loop", str(image), str(folder)], check=False, capture_output=True
        ).returncode
    )
    if not mounted:
        image.unlink()
    return mounted

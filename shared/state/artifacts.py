"""The files of a job in a local folder: `<folder>/<job>/<name>`, each whole or not there."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from shared.errors import NotFoundError, StateError
from shared.state.names import NAME, checked


class Artifacts:
    """Files by job and name. A file is put under its name by one rename, after it is safely on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def staged(self, job_id: str, name: str, path: Path) -> Iterator[Callable[[], None]]:
        """Make the file at `path` ready, on the disk and beside its place; gives what puts it under its name.

        Called, that takes the place of an older one, and `path` is consumed; else the older one, and `path`, stay.

        Raises:
            StateError: the file cannot be kept; the older one, and `path`, are still there.
        """
        target = self._target(job_id, name)
        with _worded(f"{name!r} of job {job_id}"):
            if not stat.S_ISREG(path.lstat().st_mode):
                raise StateError(f"{path} is not a plain file; only files can be kept with a job")
            target.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # plans and rejects hold field values
            target.parent.mkdir(exist_ok=True, mode=0o700)
            if _same_disk(path, target.parent):
                _sync(path)
                yield lambda: _rename(path, target)
            else:
                with _copied(path, target.parent) as beside:
                    yield lambda: _rename(beside, target)
                path.unlink()

    @contextlib.contextmanager
    def copied(self, job_id: str, files: Mapping[str, Path]) -> Iterator[Callable[[], None]]:
        """Make copies of files ready beside their places; gives what puts them all under their names.

        Raises:
            StateError: a file cannot be read or kept.
        """
        targets = {self._target(job_id, name): path for name, path in files.items()}
        with _worded(f"the files of job {job_id}"), contextlib.ExitStack() as stack:
            for target in targets:
                target.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                target.parent.mkdir(exist_ok=True, mode=0o700)
            copies = {target: stack.enter_context(_copied(path, target.parent)) for target, path in targets.items()}

            def into_place() -> None:
                for target, copy in copies.items():
                    _rename(copy, target)

            yield into_place

    def remove(self, job_id: str) -> None:
        """Remove all files of a job."""
        folder = self._folder / checked(job_id, "job id")
        with _worded(f"the files of job {job_id}"):
            if folder.is_dir():
                shutil.rmtree(folder)

    def drop(self, job_id: str, name: str) -> None:
        """Remove one file, if it is there."""
        with _worded(f"{name!r} of job {job_id}"):
            self._target(job_id, name).unlink(missing_ok=True)

    def path(self, job_id: str, name: str) -> Path:
        """Where the file is. Raises `NotFoundError`."""
        target = self._target(job_id, name)
        if not target.is_file():
            kept = ", ".join(self.names(job_id)) or "nothing"
            raise NotFoundError(f"job {job_id} keeps no {name!r}; it keeps {kept}")
        return target

    def names(self, job_id: str) -> list[str]:
        """The files kept for the job, sorted; none for a job that keeps nothing."""
        folder = self._folder / checked(job_id, "job id")
        with _worded(f"the files of job {job_id}"):
            if not folder.is_dir():
                return []
            return sorted(entry.name for entry in folder.iterdir() if NAME.fullmatch(entry.name))

    def _target(self, job_id: str, name: str) -> Path:
        return self._folder / checked(job_id, "job id") / checked(name, "file name")


def _same_disk(path: Path, folder: Path) -> bool:
    return path.stat().st_dev == folder.stat().st_dev


def _rename(path: Path, target: Path) -> None:
    os.replace(path, target)  # noqa: PTH105 - the one system call this promise rests on, under its own name
    _sync(target.parent)


@contextlib.contextmanager
def _copied(path: Path, folder: Path) -> Iterator[Path]:
    """From another disk: a copy beside the target, gone at the end unless it was renamed."""
    number, name = tempfile.mkstemp(prefix=".", dir=folder)
    os.close(number)
    beside = Path(name)
    try:
        shutil.copyfile(path, beside)
        _sync(beside)
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the file or folder is on the disk. (Windows cannot open a folder; its rename is journalled.)"""
    if os.name == "nt" and path.is_dir():
        return
    number = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def _worded(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(f"{what} cannot be kept ({error}); check the state folder, its rights and the disk") from error

"""Rejects that are still open: nothing has become of their record since."""

from __future__ import annotations

from dataclasses import dataclass

from shared.values.records import Reject


def _plain(key: str | None) -> str | None:
    return None if key is None else key.rstrip().casefold()


@dataclass(frozen=True, slots=True)
class Case:
    """One open reject. `job` set it aside; `kept`: its record is kept, so it can be replayed."""

    job: str
    reject: Reject
    kept: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """Which open rejects are meant: of one job, of one cause (`Invalid Format` or `Invalid Format/column`), of keys."""

    job: str | None = None
    cause: str | None = None
    keys: tuple[str, ...] = ()

    @property
    def any(self) -> bool:
        """Whether anything is chosen beside the job."""
        return self.cause is not None or bool(self.keys)

    def fits(self, case: Case) -> bool:
        """Whether a case is meant; of its key's text, case and blanks at its end do not count."""
        meant = not self.keys or _plain(case.reject.key) in map(_plain, self.keys)
        return meant and self.suits(case)

    def suits(self, case: Case) -> bool:
        """Whether a case is meant, its key aside: for those that were found by their keys, as the server compares."""
        reject = case.reject
        causes = {reject.type.value.casefold(), f"{reject.type.value}/{reject.column or ''}".casefold()}
        return self.job in (None, case.job) and (self.cause is None or self.cause.casefold() in causes)

    def __str__(self) -> str:
        words = [f"of job {self.job}"] if self.job else []
        words += [f"with cause {self.cause!r}"] if self.cause else []
        words += [f"with key {', '.join(self.keys)}"] if self.keys else []
        return " ".join(words)


ANY = Choice()
"""Every open reject."""

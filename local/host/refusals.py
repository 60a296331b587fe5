"""What the host cannot do, and what a function could not."""

from __future__ import annotations


class HostError(Exception):
    """The host cannot start: a file, a setting or the app is wrong. The message says which, and what to do."""


class InvocationError(Exception):
    """A function ended with an error. `trace` is its stack, as the engine tells it."""

    def __init__(self, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.trace = trace


class OverdueError(InvocationError):
    """A function ran longer than `functionTimeout`."""

"""A check whose inputs are broken keeps silent: what is broken is told already, and nothing is guessed from it."""

from __future__ import annotations

from collections.abc import Iterable

from shared.definitions.part import BrokenSettingError
from shared.values.problems import Problem


def heard(problems: Iterable[Problem]) -> list[Problem]:
    """What a check finds, up to the first broken setting that it asks for."""
    found: list[Problem] = []
    try:
        for problem in problems:
            found.append(problem)
    except BrokenSettingError:
        pass
    return found


class AnyName(dict[str, str]):
    """Names of which one or more could not be read: every name may be one of them."""

    def __contains__(self, _name: object) -> bool:
        return True

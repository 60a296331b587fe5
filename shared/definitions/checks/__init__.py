"""Checks across the parts of a definition that need no metadata; all problems are collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from shared.definitions.checks import behaviour, columns, expressions, outside, variables
from shared.definitions.checks.columns import condition_columns, source_kinds
from shared.definitions.reach import Reach
from shared.definitions.sync import SyncDefinition
from shared.values.problems import Problem

__all__ = ["check_definition", "condition_columns", "source_kinds"]

_CHECKS: tuple[Callable[[SyncDefinition], list[Problem]], ...] = (
    variables.check,
    columns.check,
    expressions.check,
    behaviour.check,
)


def check_definition(
    definition: SyncDefinition,
    reach: Reach,
    *,
    local: bool = False,
    base: Path | None = None,
    meant: Sequence[str] = (),
) -> list[Problem]:
    """All problems of a definition that can be told without its source and without Dataverse's metadata.

    Of a broken one (`shared.definitions.salvage`): those that can be told from what is whole of it.
    `local`: the app runs on a developer's machine, where loopback addresses are within reach.
    `base` is the folder where relative paths begin; without it, the present one. `meant`: what the sync may be called
    where its name is broken.
    """
    found = [problem for check in _CHECKS for problem in check(definition)]
    return found + outside.check(definition, reach, local=local, base=base or Path(), meant=meant)

"""Takes a job's changes back: the reverse plan from its stored plan and outcomes, row by row as the rows stand now."""

from shared.engine.undoing.making import UndoMaking

__all__ = ["UndoMaking"]

"""Takes a job's changes back: the reverse plan from its stored plan and outcomes, row by row as the rows stand now."""

from shared.engine.undoing.ending import guard, note_undone, refuse_undo
from shared.engine.undoing.making import UndoMaking

__all__ = ["UndoMaking", "guard", "note_undone", "refuse_undo"]

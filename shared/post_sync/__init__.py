"""Steps after a job, each kind in a module of its own."""

from shared.post_sync.taking import Taker, Ways

__all__ = ["Taker", "Ways"]

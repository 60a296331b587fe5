"""The local store: SQLite for jobs, leases and outcomes; a folder for each job's files.

One class for each part of the seam (`shared/ports/jobs.py`), all over one database. What writes asks for the right to
write first, in the transaction that it writes in.
"""

from shared.state.local.state import LocalState

__all__ = ["LocalState"]

"""Open rejects: their records are kept, until a later job has read the same key.

A finished job keeps the list of all open rejects of its sync (`cases.parquet`), made of the list of the finished job
before it; so it is written under the lease, whole or not at all, as all files of a job are.
"""

from shared.engine.cases.ledger import open_cases
from shared.engine.cases.noting import note_records
from shared.engine.cases.settling import settled

__all__ = ["note_records", "open_cases", "settled"]

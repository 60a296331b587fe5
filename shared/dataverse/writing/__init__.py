"""Writes rows: bulk messages where the table has them, batches elsewhere; one outcome per row."""

from shared.dataverse.writing.options import WriteOptions, write_options
from shared.dataverse.writing.run import ID_TAKEN
from shared.dataverse.writing.writer import Writer

__all__ = ["ID_TAKEN", "WriteOptions", "Writer", "write_options"]

"""Writes rows: bulk messages where the table has them, batches elsewhere; one outcome per row."""

from shared.dataverse.writing.options import WriteOptions, write_options
from shared.dataverse.writing.run import FOUND, ID_TAKEN
from shared.dataverse.writing.writer import Writer

__all__ = ["FOUND", "ID_TAKEN", "WriteOptions", "Writer", "write_options"]

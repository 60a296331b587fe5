"""Reads what a table is: columns, choices, lookups, keys, bulk messages."""

from shared.dataverse.metadata.catalogue import Catalogue, TableName
from shared.dataverse.metadata.table import TableReading

__all__ = ["Catalogue", "TableName", "TableReading"]

"""Which of the client's public operations there are, and which of them the tests of this folder show to pass."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

from PowerPlatform.Dataverse.client import DataverseClient
from PowerPlatform.Dataverse.models.fetchxml_query import FetchXmlQuery
from PowerPlatform.Dataverse.models.query_builder import QueryBuilder
from PowerPlatform.Dataverse.operations import batch
from PowerPlatform.Dataverse.operations.dataframe import DataFrameOperations
from PowerPlatform.Dataverse.operations.files import FileOperations
from PowerPlatform.Dataverse.operations.query import QueryOperations
from PowerPlatform.Dataverse.operations.records import RecordOperations
from PowerPlatform.Dataverse.operations.tables import TableOperations

_PARTS = {
    "client": DataverseClient,
    "records": RecordOperations,
    "query": QueryOperations,
    "query.builder()": QueryBuilder,
    "query.fetchxml()": FetchXmlQuery,
    "tables": TableOperations,
    "files": FileOperations,
    "dataframe": DataFrameOperations,
    "batch": batch.BatchOperations,
    "batch.new()": batch.BatchRequest,
    "batch.new().records": batch.BatchRecordOperations,
    "batch.new().tables": batch.BatchTableOperations,
    "batch.new().query": batch.BatchQueryOperations,
    "batch.new().dataframe": batch.BatchDataFrameOperations,
    "batch.new().changeset()": batch.ChangeSetRecordOperations,
}


def passes[Test: Callable[..., object]](*names: str) -> Callable[[Test], Test]:
    """Says that a test shows these operations of the client to pass."""

    def marked(test: Test) -> Test:
        assert names
        return test

    return marked


def public() -> set[str]:
    """Every public operation of the client: `part.method`."""
    return {
        f"{part}.{name}"
        for part, kind in _PARTS.items()
        for name, _ in inspect.getmembers(kind, callable)
        if not name.startswith("_")
    }


def shown() -> set[str]:
    """The operations that the tests of this folder are marked with."""
    found: set[str] = set()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "passes":
                found |= {str(ast.literal_eval(argument)) for argument in node.args}
    return found

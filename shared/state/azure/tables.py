"""One table: rows by key, ranges of rows, and transactions within one partition; errors in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from shared.errors import AuthenticationError, StateError
from shared.state.azure.keys import after

if TYPE_CHECKING:
    from azure.data.tables import TableClient

Row = Mapping[str, Any]
Operation = tuple[str, dict[str, Any], dict[str, Any]]
MOST_OPERATIONS = 99
"""Of one transaction, beside the fence."""
TRIES = 3
"""Of a transaction whose answer was lost: a line that the other side has closed says nothing of the next one."""
_MOVED = {404, 409, 412}


class MovedRowError(Exception):
    """A row of the transaction is not as it was read: read again, then decide again."""


class FenceGoneError(Exception):
    """The fence is not there: the lease is another's."""


class Rows:
    """The rows of one table. Thread-safe.

    Raises:
        StateError: from every method, when the storage does not answer or refuses.
        AuthenticationError: the identity may not do that.
    """

    def __init__(self, client: TableClient) -> None:
        self._client = client

    def create_table(self) -> None:
        """Make the table unless it is there."""
        from azure.core.exceptions import ResourceExistsError

        with worded():
            try:
                self._client.create_table()
            except ResourceExistsError:
                return

    def get(self, partition: str, key: str) -> tuple[Row, str] | None:
        """One row and its version; None when it is not there."""
        from azure.core.exceptions import ResourceNotFoundError

        with worded():
            try:
                entity = self._client.get_entity(partition, key)
            except ResourceNotFoundError:
                return None
            return entity, str(entity.metadata["etag"])

    def range(
        self,
        partition: str,
        *,
        first: str,
        last: str,
        states: Sequence[str] = (),
        columns: Sequence[str] = (),
        page: int = 1000,
    ) -> Iterator[Row]:
        """Rows with `first` <= key < `last`, by key; in some states; of all columns, or of these, which may be None.

        Pages are fetched as they are asked for.
        """
        query = "PartitionKey eq @partition and RowKey ge @first and RowKey lt @last"
        parameters = {"partition": partition, "first": first, "last": last}
        if states:
            query += f" and ( {' or '.join(f'state eq @state{number}' for number in range(len(states)))} )"
            parameters |= {f"state{number}": state for number, state in enumerate(states)}
        with worded():
            yield from self._client.query_entities(
                query,
                parameters=parameters,
                results_per_page=max(1, min(page, 1000)),
                select=list(columns) or None,
            )

    def beginning(self, partition: str, prefix: str, *, columns: Sequence[str] = ()) -> Iterator[Row]:
        """Rows whose key begins so, by key; of all columns, or of these."""
        return self.range(partition, first=prefix, last=after(prefix), columns=columns)

    def partitions(self, prefix: str) -> Iterator[str]:
        """The partitions whose name begins so, in order: one request for each, however many rows it holds."""
        query, end = "PartitionKey gt @last and PartitionKey lt @end", after(prefix)
        found: str | None = prefix
        while found is not None:
            with worded():
                rows = self._client.query_entities(
                    query, parameters={"last": found, "end": end}, results_per_page=1, select=["PartitionKey"]
                )
                found = next((str(row["PartitionKey"]) for row in rows), None)
            if found is not None:
                yield found

    def put(self, row: Row) -> None:
        """Insert or replace one row, whatever stands there."""
        with worded():
            self._client.upsert_entity(dict(row), mode="replace")  # type: ignore[arg-type]

    def delete(self, partition: str, key: str) -> None:
        """Delete one row, if it is there."""
        with worded():
            self._client.delete_entity(partition, key)

    def commit(
        self, partition: str, operations: Sequence[Operation], *, fence: str | None = None, again: bool = False
    ) -> list[str]:
        """All operations or none; with a fence, only while it is there. Gives the rows' new versions ("" of one gone).

        `again`: where no answer comes to what was sent, it is sent again, for whoever asks so can tell their own write
        from another's. (The SDK sends no POST again.)

        Raises:
            FenceGoneError: it is not.
            MovedRowError: a row is not as it was read.
        """
        from azure.data.tables import TableTransactionError

        fenced = [("update", {"PartitionKey": partition, "RowKey": fence}, {"mode": "merge"})] if fence else []
        with worded():
            try:
                done = self._sent([*fenced, *operations], tries=TRIES if again else 1)
            except TableTransactionError as error:
                if fence and error.index == 0 and error.status_code == 404:
                    raise FenceGoneError from error
                if error.status_code in _MOVED and getattr(error, "error_code", None) != "TableNotFound":
                    raise MovedRowError from error
                raise
            return [str(one.get("etag") or "") for one in done[len(fenced) :]]

    def _sent(self, operations: list[Operation], *, tries: int) -> list[Mapping[str, Any]]:
        from azure.core.exceptions import ServiceResponseError

        for _ in range(tries - 1):
            with suppress(ServiceResponseError):
                return self._client.submit_transaction(operations)
        return self._client.submit_transaction(operations)


def create(row: Row) -> Operation:
    """Insert a row that must not be there."""
    return ("create", dict(row), {})


def put(row: Row) -> Operation:
    """Insert or replace a row."""
    return ("upsert", dict(row), {"mode": "replace"})


def replace_at(row: Row, etag: str) -> Operation:
    """Replace a row that must be in this version."""
    from azure.core import MatchConditions

    return (
        "update",
        dict(row),
        {"mode": "replace", "etag": etag, "match_condition": MatchConditions.IfNotModified},
    )


def remove(partition: str, key: str) -> Operation:
    """Delete a row that must be there."""
    return ("delete", {"PartitionKey": partition, "RowKey": key}, {})


@contextmanager
def worded() -> Iterator[None]:
    """Errors of Azure as ours. Their own texts may hold addresses with tokens, so only the kind and code are told."""
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    try:
        yield
    except ClientAuthenticationError as error:
        raise _refused(type(error).__name__) from None
    except HttpResponseError as error:
        code = str(getattr(error, "error_code", None) or type(error).__name__)
        if error.status_code in (401, 403):
            raise _refused(code) from None
        raise StateError(
            f"the job store in Azure refused a request (status {error.status_code}, {code}); look at the account"
        ) from None
    except AzureError as error:
        raise StateError(
            f"the job store in Azure did not answer ({type(error).__name__}); check its address, its network rules and "
            "this machine's network, then try again"
        ) from None


def _refused(code: str) -> AuthenticationError:
    return AuthenticationError(
        f"the job store in Azure refused the sign-in ({code}); the app's identity needs the roles Storage Table Data "
        "Contributor and Storage Blob Data Contributor on the account"
    )

"""The sources: one model per kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from shared.definitions.connection import DataverseConnection
from shared.definitions.part import (
    AnyText,
    ColumnName,
    Count,
    Flag,
    Overlap,
    Part,
    SecretRef,
    Text,
    TimeZone,
    choose,
    choose_type,
    parse_duration,
)
from shared.definitions.schema_column import SchemaColumn
from shared.variables import template_pieces

PathKind = Literal["local", "https", "blob"]


def path_kind(path: str) -> PathKind:
    """Where a path leads by its beginning; `http://` counts as https. A variable at its beginning is local."""
    lower = path.lstrip().lower()
    if lower.startswith(("http://", "https://")):
        return "https"
    return "blob" if lower.startswith("blob:") else "local"


Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "latin-1", "ascii", "windows-1252"]
FilePath = Annotated[Text, Field(max_length=2000)]
Rows = Annotated[Count, Field(ge=0, le=1_000_000)]


class Watermark(Part):
    """Read only what is newer than the last job that was confirmed."""

    column: ColumnName = Field(description="The source column that grows with every change (a date or a number).")
    overlap: Overlap = Field(
        default=parse_duration("0s"),
        json_schema_extra={"default": "0s"},
        description="How far before the watermark reading begins, for late entries: 30s, 5m, 2h, 1d; of a column of "
        "numbers a whole number, such as 1000.",
    )


class SourceBase(Part):
    """What every source has."""

    columns: Annotated[tuple[SchemaColumn, ...], Field(min_length=1, max_length=2000)] = Field(
        alias="schema", description="The source's columns, in the source's order; calculated ones last."
    )
    filter: Annotated[Text, Field(max_length=10_000)] | None = Field(
        default=None,
        description="Which records count. Files: a SQL expression over the columns; a database: its own SQL; "
        "Dataverse: OData. @variables are bound, never pasted.",
    )
    watermark: Watermark | None = Field(default=None, description="Read only what is newer.")
    time_zone: TimeZone = Field(default="UTC", description="IANA time zone of dates without a zone.")

    def column(self, label: str) -> SchemaColumn | None:
        """The column that the definition knows as `label`."""
        return next((column for column in self.columns if column.label == label), None)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all columns, as the rest of the definition knows them."""
        return tuple(column.label for column in self.columns)


class FileSource(SourceBase):
    """What every file has."""

    path: FilePath = Field(
        description="The file: a local path (relative ones begin at the folder above syncs/), https://…, "
        "or blob://container/name. May hold @variables; @@ is an at sign. * and ? in the name: several files, by name."
    )
    sas: SecretRef | None = Field(
        default=None,
        description="Secret that holds a SAS token for the container, with read and list; left out: the app signs in "
        "with its identity for sources.",
    )
    processed: Literal["skip", "again"] | None = Field(
        default=None,
        description="Files that a finished job of this sync has read, known by name and ETag: skip leaves them out "
        "(strategy delta only); again reads them. Left out: skip for several files with strategy delta, else again.",
    )

    @property
    def several(self) -> bool:
        """Whether the path is a pattern; a variable's value never makes it one."""
        return any(not piece.variable and set("*?") & set(piece.text) for piece in template_pieces(self.path))


def parse_delimiter(value: object) -> object:
    r"""One character from `,`, `\t` or `U+0009`."""
    if value == r"\t":
        return "\t"
    if isinstance(value, str) and value[:2] in ("U+", "u+") and len(value) > 2:
        try:
            return chr(int(value[2:], 16))
        except (ValueError, OverflowError):
            raise ValueError("is not a character; write one such as U+0009") from None
    return value


def _one_sign(value: str) -> str:
    if len(value) != 1 or value in "\r\n\0" or 0xD800 <= ord(value) <= 0xDFFF:
        raise ValueError(
            r"is not one character (nor a line break); write the sign itself, such as ',' or '|', or \t, or U+0009"
        )
    return value


Sign = Annotated[str, Field(strict=True), BeforeValidator(parse_delimiter), AfterValidator(_one_sign)]


class DelimitedSource(FileSource):
    """A text file whose fields are separated by a character (CSV)."""

    type: Literal["delimited"] = Field(description="A delimited text file.")
    delimiter: Sign = Field(default=",", description=r"The separator: one character, \t, or a code such as U+0009.")
    quote: Sign | None = Field(default='"', description="The text qualifier: one character; null: none.")
    escape: Sign | None = Field(
        default=None, description="The character before a qualifier inside a text; null: the qualifier is doubled."
    )
    encoding: Encoding = Field(default="utf-8", description="The file's encoding.")
    header: Flag = Field(
        default=True, description="The first line after the skipped ones names the columns. false: columns by order."
    )
    skip_rows: Rows = Field(default=0, description="Lines to skip at the top, before the header.")

    @model_validator(mode="after")
    def _escaped_quote(self) -> Self:
        if self.escape is not None and self.quote is None:
            raise ValueError("has an escape but no quote to stand before; remove escape, or state the quote")
        return self


class FixedWidthSource(FileSource):
    """A text file whose fields have fixed widths; each column states its width."""

    type: Literal["fixed_width"] = Field(description="A fixed-width text file.")
    encoding: Encoding = Field(default="utf-8", description="The file's encoding.")
    skip_rows: Rows = Field(default=0, description="Lines to skip at the top.")
    skip_footer_rows: Rows = Field(default=0, description="Lines to skip at the end; empty lines do not count.")
    short_lines: Literal["reject", "blank"] = Field(
        default="reject",
        description="A line that ends before the last column: reject sets it aside; blank takes what is missing for "
        "blanks (for files whose trailing blanks were cut).",
    )

    @model_validator(mode="after")
    def _every_width(self) -> Self:
        without = [column.name for column in self.columns if not column.calculated and column.width is None]
        if without:
            raise ValueError(f"has columns without a width ({', '.join(without[:5])}); state the width of each")
        return self


class ExcelSource(FileSource):
    """A sheet of an Excel workbook."""

    type: Literal["excel"] = Field(description="An Excel workbook.")
    sheet: Annotated[Text, Field(max_length=31)] | None = Field(
        default=None, description="The sheet's name; when left out, the first sheet."
    )
    header: Flag = Field(default=True, description="The first row after the skipped ones names the columns.")
    skip_rows: Rows = Field(default=0, description="Rows to skip at the top, before the header.")
    skip_footer_rows: Rows = Field(default=0, description="Rows to skip at the end; empty rows do not count.")


DottedPath = Annotated[Text, Field(max_length=500)]


class JsonSource(FileSource):
    """A JSON file: a list of objects, or one object a line."""

    type: Literal["json"] = Field(description="A JSON file.")
    format: Literal["array", "lines", "auto"] = Field(
        default="auto", description="array: one document; lines: one object a line; auto: found out."
    )
    records: DottedPath | None = Field(
        default=None, description="Dotted path from the document's root to the list of records: result.items."
    )


class ParquetSource(FileSource):
    """A Parquet file."""

    type: Literal["parquet"] = Field(description="A Parquet file.")


class SqlSource(SourceBase):
    """A table or a query of a database."""

    type: Literal["sql"] = Field(description="A SQL database.")
    dialect: Literal["sqlite", "postgresql", "sqlserver"] = Field(description="The kind of database.")
    connection: SecretRef | None = Field(default=None, description="Secret that holds the connection string.")
    path: FilePath | None = Field(default=None, description="The database file; sqlite only, instead of connection.")
    table: Annotated[Text, Field(max_length=300)] | None = Field(
        default=None, description="The table to read (schema.table), or else a query."
    )
    query: Text | None = Field(default=None, description="The query to read; @variables are bound as parameters.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("needs exactly one of table and query; keep one")
        if (self.connection is None) == (self.path is None):
            raise ValueError("needs exactly one of connection and (sqlite only) path; keep one")
        if self.path is not None and self.dialect != "sqlite":
            raise ValueError(f"has a path, which is for sqlite only; a {self.dialect} source needs a connection")
        if self.query is not None and self.filter is not None:
            raise ValueError("has a query and a filter; write the condition into the query")
        return self


HeaderValue = Annotated[
    Annotated[AnyText, Tag("<text>")] | Annotated[SecretRef, Tag("<secret>")],
    choose(word="<text>", secret="<secret>"),  # noqa: S106 - a tag, not a password
]
HeaderName = Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9-]{1,100}$")]
Url = Annotated[Text, Field(max_length=2000, pattern=r"^https?://[^\s]+$")]


class NextLink(Part):
    """Pages that name the address of the next one."""

    next: DottedPath = Field(
        description="Dotted path in the answer to the next page's address; absent or null: the last."
    )


class Offset(Part):
    """Pages asked for by position."""

    offset: Annotated[Text, Field(max_length=100)] = Field(description="The query parameter for the position.")
    limit: Annotated[Text, Field(max_length=100)] = Field(description="The query parameter for the page's size.")
    size: Annotated[Count, Field(ge=1, le=100_000)] = Field(default=1000, description="Records a page.")
    first: Annotated[Count, Field(ge=0)] = Field(default=0, description="The first position.")
    by: Literal["record", "page"] = Field(default="record", description="What the position counts.")


Pagination = Annotated[
    Annotated[NextLink, Tag("<next>")] | Annotated[Offset, Tag("<offset>")],
    choose(next="<next>", offset="<offset>"),
]


class RestSource(SourceBase):
    """A JSON service over HTTP. It does not run yet: `check` and `run` refuse it."""

    type: Literal["rest"] = Field(description="A JSON service over HTTP.")
    url: Url = Field(description="The address; @variables are encoded. Its host must be within the operator's reach.")
    method: Literal["GET", "POST"] = Field(default="GET", description="The HTTP method.")
    headers: Mapping[HeaderName, HeaderValue] = Field(
        default_factory=dict, description="Request headers: a text, or { secret: <name> }."
    )
    bearer: SecretRef | None = Field(default=None, description="Secret that is sent as a bearer token.")
    body: AnyText | None = Field(default=None, description="The request's body, JSON with @variables.")
    records: DottedPath | None = Field(default=None, description="Dotted path to the list of records in the answer.")
    pagination: Pagination | None = Field(
        default=None, description="How to get the next page: { next: <path> } or { offset: …, limit: … }."
    )
    timeout_s: Annotated[Count, Field(ge=1, le=300)] = Field(
        default=100, description="Longest wait for one answer, in seconds (1 to 300)."
    )
    attempts: Annotated[Count, Field(ge=1, le=10)] = Field(
        default=5, description="How often a request is tried when the service is busy (1 to 10)."
    )


class DataverseSource(DataverseConnection, SourceBase):
    """A table of a Dataverse environment as the source; its filter is an OData $filter.

    It does not run yet: `check` and `run` refuse it.
    """

    type: Literal["dataverse"] = Field(description="A Dataverse table.")


SOURCES: Mapping[str, type[SourceBase]] = {
    "delimited": DelimitedSource,
    "fixed_width": FixedWidthSource,
    "excel": ExcelSource,
    "json": JsonSource,
    "parquet": ParquetSource,
    "sql": SqlSource,
    "rest": RestSource,
    "dataverse": DataverseSource,
}
"""Every kind of source and its model."""

Source = Annotated[
    Annotated[DelimitedSource, Tag("<delimited>")]
    | Annotated[FixedWidthSource, Tag("<fixed_width>")]
    | Annotated[ExcelSource, Tag("<excel>")]
    | Annotated[JsonSource, Tag("<json>")]
    | Annotated[ParquetSource, Tag("<parquet>")]
    | Annotated[SqlSource, Tag("<sql>")]
    | Annotated[RestSource, Tag("<rest>")]
    | Annotated[DataverseSource, Tag("<dataverse>")],
    Discriminator(choose_type({kind: f"<{kind}>" for kind in SOURCES})),
]

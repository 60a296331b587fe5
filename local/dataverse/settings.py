"""How an environment behaves, from YAML: limits, faults, actions, workflows, webhooks, applications.

These members stand in the table-definition file beside `tables`, or in a file of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.dataverse import definitions, documents
from local.dataverse.definitions import TableFileError, UnreadableError
from local.dataverse.documents import STRICT, DocumentError
from local.dataverse.faults import Fault
from local.dataverse.limits import Limits
from local.dataverse.logic import Operation, Workflow
from local.dataverse.tables import Tables
from local.dataverse.webhooks import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One application that may sign in: its user is made when there is none, unless it is no `member`."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    client_id: Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    client_secret: Annotated[str, Field(min_length=1, repr=False)]
    name: str = "Application"
    member: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The behaviour of one environment."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    limits: Limits | None = None
    faults: tuple[Fault, ...] = ()
    actions: tuple[Operation, ...] = ()
    workflows: tuple[Workflow, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    applications: tuple[Registration, ...] = ()
    language: Annotated[int, Field(ge=1025, le=65535)] | None = None
    """The environment's base language (an LCID): what `organizations` tells, and how text is compared."""

    @classmethod
    def of(cls, document: object) -> Settings:
        """Settings from JSON or YAML.

        Raises:
            DocumentError: a member is unknown or wrong.
        """
        return documents.read(cls, document, "settings")

    def __add__(self, other: Settings) -> Settings:
        """Both; the other's limits and language count where it has some."""
        return Settings(
            limits=other.limits or self.limits,
            faults=self.faults + other.faults,
            actions=self.actions + other.actions,
            workflows=self.workflows + other.workflows,
            webhooks=self.webhooks + other.webhooks,
            applications=self.applications + other.applications,
            language=other.language or self.language,
        )


MEMBERS = frozenset(field.name for field in fields(Settings))


def read(path: Path, *, beside_tables: bool = False) -> Settings:
    """The settings of a file; `beside_tables` leaves the file's other members to others.

    Raises:
        DocumentError: it cannot be read, or a part of it is not as described.
    """
    try:
        document: Any = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as cause:
        raise DocumentError(f"{path}: cannot be read as YAML: {cause}") from cause
    if not isinstance(document, Mapping):
        raise DocumentError(f"{path}: needs members, at least one of {', '.join(sorted(MEMBERS))}")
    given = {name: value for name, value in document.items() if name in MEMBERS or not beside_tables}
    return documents.read(Settings, given, str(path))


def of_table_file(path: Path | None) -> tuple[Tables, Settings]:
    """Both halves of a table-definition file; the built-in tables and no settings without one.

    Raises:
        TableFileError: parts of it are not as described; it names all of them, of both halves.
    """
    problems: list[str] = []
    tables, found = Tables.of(()), Settings()
    try:
        tables = definitions.read(path)
    except UnreadableError:
        raise
    except TableFileError as wrong:
        problems += wrong.problems
    try:
        found = read(path, beside_tables=True) if path else found
    except DocumentError as wrong:
        problems += wrong.problems
    if problems:
        raise TableFileError(problems)
    return tables, found

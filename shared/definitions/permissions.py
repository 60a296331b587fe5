"""Who may do what with one sync."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.definitions.part import Part, Text, distinct

Groups = Annotated[tuple[Annotated[Text, Field(max_length=200)], ...], Field(max_length=100), AfterValidator(distinct)]


class Permissions(Part):
    """Entra groups or app roles, by name. Holders of the app-wide administrator role may do everything."""

    admin: Groups = Field(default=(), description="May change secrets, URLs and permissions; implies the other three.")
    write: Groups = Field(default=(), description="May change the definition.")
    execute: Groups = Field(default=(), description="May start, approve, cancel and undo jobs.")
    read: Groups = Field(
        default=(), description="May see the sync, its jobs, plans and rejects, field values included."
    )

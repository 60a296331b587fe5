"""Checks of what JSON carries as base64: images."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence

from local.dataverse.refusals import Refusal, bad_literal
from local.dataverse.tables import Column
from local.dataverse.values.check import Check, null


def image(table: str, column: Column) -> Check:
    """The check of an image column; kept in the usual alphabet of base64, whichever it came in."""
    most_kb = column.max_size_kb or 0

    def one(value: object) -> object:
        if value is None or value == "":
            return null(table, column)
        if not isinstance(value, str):
            raise bad_literal(table, value, "Edm.Binary")
        try:
            content = b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
        except (binascii.Error, ValueError):
            raise bad_literal(table, value[:40], "Edm.Binary") from None
        if len(content) > most_kb * 1024:
            raise Refusal(400, "0x80040203", f"The image is larger than the {most_kb} KB of {column.name}.")
        return b64encode(content).decode()

    def quick(values: Sequence[object]) -> list[object] | None:
        return None if any(value is not None for value in values) or column.required == "SystemRequired" else [*values]

    return Check(one, quick)

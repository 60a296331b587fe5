"""Texts of any length in a row: packed, in parts of a property each; the longest in a blob."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

from shared.errors import StateError
from shared.state.azure.blobs import Blobs

_PART_BYTES = 60_000
_MOST_BYTES = 600_000
"""Of all parts of a row, which holds 1 MiB, in a transaction of at most 4 MiB."""


def packed(text: str, folder: str, blobs: Blobs) -> dict[str, Any]:
    """The properties that carry a text; what is too long for a row is stored in a blob of the folder first."""
    content = zlib.compress(text.encode("utf-8", "surrogatepass"), 1)
    if len(content) > _MOST_BYTES:
        blob = f"{folder}/texts/{hashlib.sha256(content).hexdigest()}"
        blobs.write(blob, content)
        return {"blob": blob}
    starts = range(0, len(content), _PART_BYTES)
    return {f"part{number}": content[start : start + _PART_BYTES] for number, start in enumerate(starts)}


def unpacked(row: Mapping[str, Any], blobs: Blobs) -> str:
    """The text that `packed` took apart. Raises `StateError`."""
    content = blobs.read(row["blob"]) if "blob" in row else b"".join(_parts(row))
    try:
        return zlib.decompress(content).decode("utf-8", "surrogatepass")
    except (zlib.error, ValueError) as error:
        raise StateError(f"a row of the job store is damaged ({error}); restore a copy of the table") from error


def _parts(row: Mapping[str, Any]) -> list[bytes]:
    return [row[f"part{number}"] for number in range(len(row)) if f"part{number}" in row]

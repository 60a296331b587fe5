"""Style, scripts and pictures of the pages: files of the package, for anybody, kept by browsers until they change."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from shared.errors import NotFoundError
from shared.permissions import Operation
from shared.web.call import Answer
from shared.web.routing import Call, Route

FOLDER = Path(__file__).parent / "assets"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
"""The address has the content's own digest, so what stands there never changes."""
BRIEFLY = "public, max-age=300"


class AssetQuery(BaseModel):
    """Which version of a file; another one than the present gets the present one, too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: str = Field(default="", max_length=100)


def address(name: str) -> str:
    """Where a page finds a file: `/assets/app.css?v=…`. Raises `KeyError` when there is none."""
    return f"/assets/{name}?v={_files()[name][1]}"


def asset(call: Call) -> Answer:
    """One file."""
    found = _files().get(call.path["name"])
    if found is None:
        raise NotFoundError(f"there is no file {call.path['name'][:80]!r} here")
    content, digest = found
    kept = FOREVER if call.query.v == digest else BRIEFLY
    kind = KINDS[Path(call.path["name"]).suffix]
    return Answer(200, content, kind, {"Cache-Control": kept})


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Every file by its name, with its digest. They are few and small."""
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix in KINDS}
    return {name: (content, hashlib.sha256(content).hexdigest()[:16]) for name, content in found.items()}


ROUTES = [
    Route(
        method="GET", path="/assets/{name}", operation=Operation.SEE_ASSETS, does=asset, gives=str, page=True,
        query=AssetQuery, summary="A file that the pages are made with.",
    )
]  # fmt: skip

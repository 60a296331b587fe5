"""The pages of definitions: the editor with its form, differences, revisions, and a new sync."""

from __future__ import annotations

from shared.web.pages.definition import editor, fresh, history
from shared.web.routing import Route

ROUTES: tuple[Route, ...] = (*editor.ROUTES, *history.ROUTES, *fresh.ROUTES)
"""Every page and form of them."""

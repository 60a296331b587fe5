"""The page for people: tables, rows, recent requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.dataverse.messages import Reply, Request

if TYPE_CHECKING:
    from local.dataverse.application import Application


def answer(application: Application, request: Request) -> Reply:
    """The page at a path."""
    return Reply(200, b"<!doctype html><title>Local Dataverse</title>", content_type="text/html; charset=utf-8")

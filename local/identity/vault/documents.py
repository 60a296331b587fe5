"""Secrets as Key Vault's JSON tells them, and the attributes that a caller sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from local.identity.vault.store import Deleted, Vault, VaultError, Version


def bundle(version: Version, base: str, vault: Vault, *, value: bool = False, whole_id: bool = True) -> dict[str, Any]:
    """One version; its value only when asked for. `whole_id`: the id names the version."""
    document: dict[str, Any] = {
        "id": f"{base}/secrets/{version.name}" + (f"/{version.id}" if whole_id else ""),
        "attributes": _attributes(version, vault),
        "tags": dict(version.tags),
    }
    if value:
        document["value"] = version.value
    if version.content_type is not None:
        document["contentType"] = version.content_type
    return document


def deleted_bundle(deleted: Deleted, base: str, vault: Vault) -> dict[str, Any]:
    """A deleted secret, without its value."""
    newest = deleted.versions[-1]
    return {
        **bundle(newest, base, vault),
        "recoveryId": f"{base}/deletedsecrets/{newest.name}",
        "deletedDate": int(deleted.deleted_at.timestamp()),
        "scheduledPurgeDate": int(deleted.purged_at.timestamp()),
    }


def _attributes(version: Version, vault: Vault) -> dict[str, Any]:
    found: dict[str, Any] = {
        "enabled": version.enabled,
        "created": int(version.created_at.timestamp()),
        "updated": int(version.updated_at.timestamp()),
        "recoveryLevel": "Recoverable" if vault.purge_protection else "Recoverable+Purgeable",
        "recoverableDays": vault.retention.days,
    }
    for name, moment in (("nbf", version.not_before), ("exp", version.expires_at)):
        if moment is not None:
            found[name] = int(moment.timestamp())
    return found


def properties(body: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that a body states, by the store's names; raises `VaultError` for what is none."""
    attributes = body.get("attributes") or {}
    tags = body.get("tags") or {}
    if not isinstance(attributes, dict) or not isinstance(tags, dict):
        raise VaultError(400, "BadParameter", "Property attributes or tags is no object")
    found: dict[str, Any] = {}
    if attributes.get("enabled") is not None:
        found["enabled"] = bool(attributes["enabled"])
    for theirs, ours in (("nbf", "not_before"), ("exp", "expires_at")):
        if attributes.get(theirs) is not None:
            found[ours] = _moment(attributes[theirs])
    if body.get("contentType") is not None:
        found["content_type"] = str(body["contentType"])
    if "tags" in body:
        found["tags"] = {str(name): str(value) for name, value in tags.items()}
    return found


def _moment(seconds: object) -> datetime:
    if not isinstance(seconds, int):
        raise VaultError(400, "BadParameter", "A time is no number of seconds")
    return datetime.fromtimestamp(seconds, UTC)

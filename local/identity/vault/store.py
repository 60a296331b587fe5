"""The vault's contents: secrets with their versions, the deleted ones, and the rules of both.

Source: Microsoft Learn, "About Azure Key Vault secrets" and "Azure Key Vault soft-delete overview".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from threading import RLock

_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
LARGEST_BYTES = 25_600


class VaultError(Exception):
    """A refusal: status, code, text and the inner code that tells more."""

    def __init__(self, status: int, code: str, text: str, inner: str = "") -> None:
        super().__init__(text)
        self.status, self.code, self.text, self.inner = status, code, text, inner


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a secret."""

    name: str
    value: str = field(repr=False)
    id: str
    created_at: datetime
    updated_at: datetime
    content_type: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True
    not_before: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """A deleted secret: its versions, and when it is gone for good."""

    versions: tuple[Version, ...]
    deleted_at: datetime
    purged_at: datetime


class Vault:
    """One vault. Names know no case. `limit` caps the requests of ten seconds; None: none."""

    def __init__(
        self,
        clock: Callable[[], datetime],
        *,
        purge_protection: bool = False,
        retention_days: int = 90,
        limit: int | None = None,
    ) -> None:
        self.clock = clock
        self.purge_protection = purge_protection
        self.retention = timedelta(days=retention_days)
        self.limit = limit
        self._secrets: dict[str, list[Version]] = {}
        self._deleted: dict[str, Deleted] = {}
        self._lock = RLock()

    def put(
        self,
        name: str,
        value: str,
        *,
        content_type: str | None = None,
        tags: Mapping[str, str] | None = None,
        enabled: bool = True,
        not_before: datetime | None = None,
        expires_at: datetime | None = None,
    ) -> Version:
        """A new version, which is the newest one then.

        Raises:
            VaultError: the name or value is not allowed, or a deleted secret holds the name.
        """
        if _NAME.fullmatch(name) is None:
            raise VaultError(400, "BadParameter", f"The request URI contains an invalid name: {name[:200]}")
        if len(value.encode()) > LARGEST_BYTES:
            raise VaultError(400, "BadParameter", "Property value has invalid length, at most 25600 bytes")
        now = self.clock()
        version = Version(
            name=name,
            value=value,
            id=uuid.uuid4().hex,
            created_at=now,
            updated_at=now,
            content_type=content_type,
            tags=tags or {},
            enabled=enabled,
            not_before=not_before,
            expires_at=expires_at,
        )
        with self._lock:
            if name.lower() in self._gone():
                raise VaultError(
                    409, "Conflict",
                    f"Secret {name} is currently in a deleted but recoverable state, and its name cannot be reused; "
                    "in this state, the secret can only be recovered or purged.", "ObjectIsDeletedButRecoverable",
                )  # fmt: skip
            self._secrets.setdefault(name.lower(), []).append(version)
        return version

    def get(self, name: str, version: str = "") -> Version:
        """One version, the newest unless another is named; an expired one too.

        Raises:
            VaultError: there is none, or it is disabled.
        """
        found = self.known(name, version)
        if not found.enabled:
            text = "Operation get is not allowed on a disabled secret."
            raise VaultError(403, "Forbidden", text, "SecretDisabled")
        return found

    def known(self, name: str, version: str = "") -> Version:
        """One version, disabled or not; raises `VaultError` when there is none."""
        with self._lock:
            fitting = [one for one in self._secrets.get(name.lower(), ()) if version in ("", one.id)]
        if not fitting:
            raise _not_found(name, version)
        return fitting[-1]

    def update(self, name: str, version: str = "", **changes: object) -> Version:
        """Change a version's properties (`enabled`, `expires_at`, `not_before`, `content_type`, `tags`)."""
        with self._lock:
            old = self.known(name, version)
            new = replace(old, updated_at=self.clock(), **changes)  # type: ignore[arg-type]
            versions = self._secrets[name.lower()]
            versions[versions.index(old)] = new
        return new

    def newest(self) -> list[Version]:
        """The newest version of every secret, by name."""
        with self._lock:
            return [versions[-1] for _, versions in sorted(self._secrets.items())]

    def versions(self, name: str) -> list[Version]:
        """Every version of a secret, oldest first."""
        self.known(name)
        with self._lock:
            return list(self._secrets[name.lower()])

    def delete(self, name: str) -> Deleted:
        """Put a secret with all its versions among the deleted ones."""
        with self._lock:
            self.known(name)
            now = self.clock()
            deleted = Deleted(tuple(self._secrets.pop(name.lower())), now, now + self.retention)
            self._deleted[name.lower()] = deleted
        return deleted

    def deleted(self, name: str) -> Deleted:
        """A deleted secret; raises `VaultError` when there is none."""
        with self._lock:
            found = self._gone().get(name.lower())
        if found is None:
            raise _not_found(name, "")
        return found

    def all_deleted(self) -> list[Deleted]:
        """All deleted secrets, by name."""
        with self._lock:
            return [found for _, found in sorted(self._gone().items())]

    def recover(self, name: str) -> Version:
        """Bring a deleted secret back."""
        with self._lock:
            found = self.deleted(name)
            del self._deleted[name.lower()]
            self._secrets[name.lower()] = list(found.versions)
        return found.versions[-1]

    def purge(self, name: str) -> None:
        """Remove a deleted secret for good; raises `VaultError` where the vault is protected from that."""
        if self.purge_protection:
            raise VaultError(
                403, "Forbidden", 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
            )
        with self._lock:
            self.deleted(name)
            del self._deleted[name.lower()]

    def _gone(self) -> dict[str, Deleted]:
        """The deleted secrets, without those whose time is over."""
        now = self.clock()
        self._deleted = {name: one for name, one in self._deleted.items() if one.purged_at > now}
        return self._deleted


def _not_found(name: str, version: str) -> VaultError:
    found = f"{name[:127]}/{version}" if version else name[:127]
    text = (
        f"A secret with (name/id) {found} was not found in this key vault. If you recently deleted this secret you may "
        "be able to recover it using the correct recovery command."
    )
    return VaultError(404, "SecretNotFound", text)

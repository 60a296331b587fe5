"""Applications and secrets of the stand-ins, from a YAML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, ConfigDict, Field
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from local.dataverse import documents
from local.dataverse.documents import STRICT, DocumentError
from local.identity.directory import Application, ClientSecret
from local.identity.server import TENANT_ID, LocalIdentity
from local.identity.vault.rights import ROLES
from local.identity.vault.store import VaultError

Guid = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One application: its secrets, its certificates (PEM files), its role in the vault."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    client_id: Guid
    tenant_id: Guid = TENANT_ID
    client_secret: Annotated[str, Field(min_length=1)] | None = field(default=None, repr=False)
    certificates: tuple[Path, ...] = ()
    managed: bool = False
    role: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One secret of the vault."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    value: Annotated[str, Field(min_length=1)] = field(repr=False)
    enabled: bool = True
    expires_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the file holds. `resources` are addresses of services that tokens may be asked for."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    applications: tuple[Registration, ...] = ()
    resources: tuple[str, ...] = ()
    secrets: Mapping[str, Kept] = field(default_factory=dict)


def read(path: Path) -> Settings:
    """The settings of a file.

    Raises:
        DocumentError: it cannot be read, or a part of it is not as described.
    """
    try:
        document: object = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as cause:
        raise DocumentError(f"{path}: cannot be read as YAML: {type(cause).__name__}") from None
    return documents.read(Settings, document, str(path))


def apply(settings: Settings, identity: LocalIdentity, folder: Path) -> None:
    """Put it into the stand-ins; certificates' paths begin at `folder`.

    Raises:
        DocumentError: a role, a name or a certificate's file is wrong.
    """
    try:
        for one in settings.applications:
            proofs = (ClientSecret(one.client_secret),) if one.client_secret else ()
            certificates = tuple((folder / path).read_text(encoding="ascii") for path in one.certificates)
            if one.role is not None and one.role not in ROLES:
                raise DocumentError(f"role {one.role!r} is none of {', '.join(ROLES)}")
            application = Application(one.client_id, one.tenant_id, proofs, certificates, managed=one.managed)
            identity.add(application, one.role)
        for name, kept in settings.secrets.items():
            identity.vault.put(name, kept.value, enabled=kept.enabled, expires_at=kept.expires_at)
    except (OSError, UnicodeDecodeError) as error:
        raise DocumentError(f"a certificate cannot be read: {error}") from None
    except VaultError as error:
        raise DocumentError(error.text) from None
    identity.directory.add_resources(settings.resources)

"""Tenants and the applications registered in them."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret and until when it counts; None: for ever."""

    value: str = field(repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """One application of one tenant: how it may prove itself, and whether it may sign in at all.

    `certificates` are PEM texts of the public certificates. `managed`: it is the identity of a machine, which gets its
    tokens from the managed identity endpoint and from nowhere else.
    """

    client_id: str
    tenant_id: str
    secrets: tuple[ClientSecret, ...] = ()
    certificates: tuple[str, ...] = ()
    enabled: bool = True
    managed: bool = False

    def knows(self, secret: str, now: datetime) -> bool | None:
        """Whether the secret is one of them; None when it is one that has expired."""
        for known in self.secrets:
            if secrets.compare_digest(known.value.encode(), secret.encode()):
                return True if known.expires_at is None or known.expires_at > now else None
        return False

    def certificate(self, header: Mapping[str, object]) -> x509.Certificate | None:
        """The certificate that an assertion's header names by its thumbprint: `x5t#S256`, or `x5t` as of old."""
        for text in self.certificates:
            found = x509.load_pem_x509_certificate(text.encode())
            if _print(found, hashes.SHA256()) == header.get("x5t#S256") or (
                _print(found, hashes.SHA1()) == header.get("x5t")  # noqa: S303 - names a key, guards nothing
            ):
                return found
        return None


def _print(certificate: x509.Certificate, algorithm: hashes.HashAlgorithm) -> str:
    return base64.urlsafe_b64encode(certificate.fingerprint(algorithm)).decode().rstrip("=")


class Directory:
    """All tenants, applications, and the resources that tokens are given for."""

    def __init__(self) -> None:
        self._tenants: set[str] = set()
        self._applications: dict[str, Application] = {}
        self._resources: set[str] = set()

    def add(self, application: Application) -> None:
        """Register an application, and its tenant; one of the same id is replaced."""
        self._tenants.add(application.tenant_id.lower())
        self._applications[application.client_id.lower()] = application

    def add_resources(self, resources: Iterable[str]) -> None:
        """Addresses of services that tokens may be asked for, such as a Dataverse's."""
        self._resources.update(resource.rstrip("/").lower() for resource in resources)

    def has_tenant(self, tenant: str) -> bool:
        """Whether there is such a tenant."""
        return tenant.lower() in self._tenants

    def has_resource(self, resource: str) -> bool:
        """Whether tokens are given for it."""
        return resource.rstrip("/").lower() in self._resources

    def application(self, client_id: str) -> Application | None:
        """The application of this id, in whatever tenant."""
        return self._applications.get(client_id.lower())

    def managed(self) -> list[Application]:
        """The machine's identities, in the order in which they came."""
        return [one for one in self._applications.values() if one.managed]

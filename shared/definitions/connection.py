"""How to reach and sign in to a Dataverse environment; shared by the destination and the Dataverse source."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from shared.definitions.part import Count, Part, SecretRef, Text

AuthKind = Literal["client_secret", "certificate", "managed_identity"]
ServiceUrl = Annotated[Text, Field(max_length=400, pattern=r"^[hH][tT][tT][pP][sS]?://[^\s]+$")]


class Credential(Part):
    """One application user. Several share the work and the quota."""

    client_id: SecretRef = Field(description="Secret that holds the application (client) id.")
    client_secret: SecretRef | None = Field(default=None, description="Secret that holds the client secret.")
    certificate: SecretRef | None = Field(
        default=None, description="Secret that holds the certificate with its private key, instead of a client secret."
    )

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        if (self.client_secret is None) == (self.certificate is None):
            raise ValueError("needs exactly one of client_secret and certificate; give one")
        return self


class DataverseConnection(Part):
    """An environment, a table, and who signs in."""

    entity: Annotated[Text, Field(max_length=200)] = Field(
        description="The table: logical name (account), set name (accounts) or schema name (Account)."
    )
    service_url: ServiceUrl = Field(
        description="The environment's Web API, any version, or its bare root: https://org.crm4.dynamics.com. "
        "Only hosts within the operator's reach are called."
    )
    auth: AuthKind | None = Field(
        default=None,
        description="How to sign in. When left out it follows from what is given: client_secret or certificate. "
        "managed_identity: the app's own identity in Azure, without any secret.",
    )
    tenant_id: SecretRef | None = Field(
        default=None, description="Secret that holds the tenant id. May be left out: the service names it."
    )
    client_id: SecretRef | None = Field(
        default=None,
        description="Secret that holds the application (client) id. With managed_identity: "
        "a user-assigned identity's id.",
    )
    client_secret: SecretRef | None = Field(default=None, description="Secret that holds the client secret.")
    certificate: SecretRef | None = Field(
        default=None,
        description="Secret that holds a certificate with its private key, instead of a client secret: PEM, or "
        "PKCS#12 in base64 without a password (as a certificate of Key Vault is).",
    )
    credentials: Annotated[tuple[Credential, ...], Field(max_length=32)] = Field(
        default=(),
        description="Several application users instead of one, for more quota. Instead of client_id and client_secret.",
    )
    authority: ServiceUrl | None = Field(
        default=None,
        description="Where tokens are issued. When left out, the authority that belongs to the service. "
        "Secrets are only sent to known Entra authorities and those named in the reach file.",
    )
    timeout_s: Annotated[Count, Field(ge=1, le=480)] = Field(
        default=300,
        description="Longest time for one request, from connecting to the end of the answer, in seconds (1 to 480).",
    )

    @property
    def auth_kind(self) -> AuthKind:
        """How to sign in, stated or inferred. With several credentials: the first one's kind."""
        if self.auth is not None:
            return self.auth
        proof = self.credentials[0].certificate if self.credentials else self.certificate
        return "certificate" if proof is not None else "client_secret"

    @property
    def sign_ins(self) -> tuple[Credential, ...]:
        """The application users, one or several; none with a managed identity."""
        if self.credentials or self.auth_kind == "managed_identity" or self.client_id is None:
            return self.credentials
        return (Credential(client_id=self.client_id, client_secret=self.client_secret, certificate=self.certificate),)

    @model_validator(mode="after")
    def _one_way_to_sign_in(self) -> Self:
        single = (self.client_secret, self.certificate)
        given = sum(proof is not None for proof in single)
        if self.auth_kind == "managed_identity":
            if given or self.credentials or self.tenant_id is not None or self.authority is not None:
                raise ValueError(
                    "signs in by managed_identity; remove client_secret, certificate, credentials, tenant_id and "
                    "authority: Azure gives the app its tokens"
                )
            return self
        if self.credentials:
            if given or self.client_id is not None:
                raise ValueError("has credentials and a client_id or client_secret of its own; keep one of them")
        elif self.client_id is None or given != 1:
            raise ValueError(
                "does not say how to sign in; give client_id and client_secret (or certificate), "
                "a list of credentials, or auth: managed_identity"
            )
        self._check_stated_kind()
        return self

    def _check_stated_kind(self) -> None:
        proofs = self.credentials or (self,)
        if self.auth is not None and any(getattr(proof, self.auth) is None for proof in proofs):
            kind = self.auth
            raise ValueError(f"states auth: {kind} but gives no {kind} for every credential; add it, or leave auth out")

"""Signing in with a certificate: a short-lived assertion, signed with the certificate's key.

Source: Microsoft Learn, "Microsoft identity platform application authentication certificate credentials".
"""

from __future__ import annotations

import base64
import binascii
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.errors import AuthenticationError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LIVES = timedelta(minutes=10)
_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate with its private key: PEM, or PKCS#12 in base64 without a password, as Key Vault gives them.

    `name` is the secret's, for messages.
    """

    text: str = field(repr=False)
    name: str

    def members(self, client_id: str, token_url: str, now: datetime) -> dict[str, str]:
        """An assertion for this token endpoint, good for ten minutes; the key stays here.

        Raises:
            AuthenticationError: it cannot be read, has no RSA key, or is not within its time.
        """
        import jwt
        from cryptography.hazmat.primitives import hashes

        key, certificate = self._read()
        self._refuse_out_of_time(certificate, now)
        thumbprint = base64.urlsafe_b64encode(certificate.fingerprint(hashes.SHA256())).decode().rstrip("=")
        claims = {
            "aud": token_url,
            "iss": client_id,
            "sub": client_id,
            "jti": str(uuid.uuid4()),
            "nbf": int((now - _SKEW).timestamp()),
            "exp": int((now + _LIVES).timestamp()),
        }
        signed = jwt.encode(claims, key, algorithm="PS256", headers={"x5t#S256": thumbprint})
        return {"client_assertion_type": _TYPE, "client_assertion": signed}

    def _read(self) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
        from cryptography.hazmat.primitives.asymmetric import rsa

        try:
            key, certificates = _pem(self.text) if "-----BEGIN" in self.text else _packed(self.text)
        except (ValueError, TypeError, binascii.Error):
            raise self._unreadable("cannot be read as a certificate with its key") from None
        if not isinstance(key, rsa.RSAPrivateKey):
            raise self._unreadable("has no RSA key, which is what Entra takes")
        for certificate in certificates:
            if certificate.public_key() == key.public_key():
                return key, certificate
        raise self._unreadable("has no certificate that belongs to its key")

    def _refuse_out_of_time(self, certificate: x509.Certificate, now: datetime) -> None:
        first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if last <= now:
            raise AuthenticationError(
                f"the certificate in secret {self.name!r} expired on {last:%Y-%m-%d}; "
                "make a new one, register it with the application and set the secret"
            )
        if first > now:
            raise AuthenticationError(f"the certificate in secret {self.name!r} is not valid before {first:%Y-%m-%d}")

    def _unreadable(self, what: str) -> AuthenticationError:
        return AuthenticationError(
            f"secret {self.name!r} {what}; give PEM with key and certificate, or PKCS#12 in base64, without a password"
        )


def _pem(text: str) -> tuple[object, list[x509.Certificate]]:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    whole = text.encode()
    return load_pem_private_key(whole, None), x509.load_pem_x509_certificates(whole)


def _packed(text: str) -> tuple[object, list[x509.Certificate]]:
    from cryptography.hazmat.primitives.serialization import pkcs12

    key, own, others = pkcs12.load_key_and_certificates(base64.b64decode("".join(text.split()), validate=True), None)
    return key, [one for one in (own, *others) if one is not None]

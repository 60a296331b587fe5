"""Certificates for signing in, made on the spot."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """`whole` is PEM with key and certificate, `public` the certificate alone, `packed` PKCS#12 in base64."""

    key: bytes
    public: str
    packed: str

    @property
    def whole(self) -> bytes:
        return self.key + self.public.encode()


@cache
def made(name: str = "app", *, days: int = 30, elliptic: bool = False) -> Certificate:
    """A self-signed certificate that ends so many days from now."""
    key = ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    return Certificate(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain),
        certificate.public_bytes(serialization.Encoding.PEM).decode(),
        base64.b64encode(pkcs12.serialize_key_and_certificates(b"app", key, certificate, None, plain)).decode(),
    )

"""TLS for clients that insist on it: a certificate of this start only, whose authority stands in a file to trust."""

from __future__ import annotations

import ssl
from pathlib import Path


class CannotWriteError(Exception):
    """The file for the certificate cannot be written; the message says which and why."""


def context(file: Path) -> ssl.SSLContext:
    """A server's context for this machine; the authority's certificate is written to `file`, its key nowhere.

    Raises:
        CannotWriteError: the file cannot be written, or holds something else than a certificate.
    """
    import trustme  # only who asks for https pays for its import

    authority = trustme.CA()
    _write(file, authority.cert_pem.bytes())
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(found)
    return found


def _write(file: Path, certificate: bytes) -> None:
    """A certificate may be written over one of an earlier start, over nothing else."""
    try:
        if file.exists() and not file.read_bytes().startswith(b"-----BEGIN CERTIFICATE-----"):
            raise CannotWriteError(f"{file} holds something else than a certificate; name another file for it")
        file.write_bytes(certificate)
    except OSError as error:
        reason = f"there is no folder {file.parent}" if not file.parent.is_dir() else error.strerror
        raise CannotWriteError(
            f"the certificate cannot be written to {file}: {reason}; name a file in a folder that is there"
        ) from None

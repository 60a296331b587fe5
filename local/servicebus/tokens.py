"""Who may come in: shared access signatures, PLAIN with the key itself, and tokens that somebody else checks."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from local.servicebus.refusals import BusRefusal, unauthorized

KEY_NAME = "RootManageSharedAccessKey"
KEY = "SAS_KEY_VALUE"
"""The key that an emulator's connection string carries; it opens nothing else."""

_SAS = "SharedAccessSignature "


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Keys by name. `check_token` says of any other token (a JWT) why it is refused, or None; without it, all pass."""

    keys: Mapping[str, str]
    check_token: Callable[[str], str | None] | None = None

    def plain(self, response: bytes) -> bool:
        """True where the SASL response holds a key's name and the key."""
        parts = response.split(b"\0")
        if len(parts) != 3:
            return False
        key = self.keys.get(parts[1].decode("utf-8", "replace"))
        return key is not None and hmac.compare_digest(key.encode(), parts[2])

    def refused(self, token: object, now_ms: int) -> BusRefusal | None:
        """Why a token opens nothing; None where it opens.

        The SDK says of its own signatures that they were JWTs, so the token itself tells what it is.
        """
        if not isinstance(token, str) or not token:
            return unauthorized("There is no token in the request.")
        if token.startswith(_SAS):
            return self._refused_signature(token.removeprefix(_SAS), now_ms)
        reason = self.check_token(token) if self.check_token else None
        return unauthorized(reason) if reason else None

    def _refused_signature(self, token: str, now_ms: int) -> BusRefusal | None:
        fields = dict(pair.partition("=")[::2] for pair in token.split("&"))
        key = self.keys.get(unquote(fields.get("skn", "")))
        if key is None:
            return unauthorized("InvalidSignature: The key's name is not known.")
        text = f"{fields.get('sr', '')}\n{fields.get('se', '')}"
        wanted = base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())
        if not hmac.compare_digest(unquote(fields.get("sig", "")).encode(), wanted):
            return unauthorized("InvalidSignature: The token has an invalid signature.")
        ends = fields.get("se", "")
        if not ends.isascii() or not ends.isdigit() or int(ends) * 1000 <= now_ms:
            return unauthorized("ExpiredToken: The token is expired.")
        return None

"""The address of an environment's Web API: normalised once, compared by origin afterwards."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from shared.errors import DestinationError

DEFAULT_VERSION = "v9.2"
_API_PATH = re.compile(r"^(?:/api/data(?:/(v9\.\d{1,2}))?)?/?$", re.IGNORECASE)
_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class ServiceUrl:
    """One environment's Web API: `origin` without a slash at its end, `path` like `/api/data/v9.2/`."""

    origin: str
    path: str

    @property
    def root(self) -> str:
        """The whole address, with a slash at its end."""
        return self.origin + self.path

    def resolve(self, path_or_url: str) -> str:
        """The absolute address of a path below the root, or of a link that the service gave.

        Raises:
            DestinationError: the link leads to another origin; a token is never sent there.
        """
        url = urljoin(self.root, path_or_url) if not _is_absolute(path_or_url) else path_or_url
        if _origin_of(url) != self.origin:
            raise DestinationError(
                f"the service at {self.origin} gave a link to {_origin_of(url)!r}; only links to the same origin are "
                "followed. Check the service URL and any proxy in front of it"
            )
        return url


def parse_service_url(text: str) -> ServiceUrl:
    """Read a service URL: the bare root or any `/api/data/v9.x/`; https, except on this machine.

    Raises:
        DestinationError: it is not such an address.
    """
    parts = _split(text.strip())
    found = _API_PATH.match(parts.path)
    problem = _problem(parts, found)
    if problem:
        raise DestinationError(
            f"the service URL {_shown(text)!r} {problem}; give https://<organisation>.<region>.dynamics.com/ or its "
            "/api/data/v9.2/ address"
        )
    version = (found[1] if found else None) or DEFAULT_VERSION
    return ServiceUrl(_origin(parts), f"/api/data/{version.lower()}/")


def is_loopback(host: str | None) -> bool:
    """Whether a host name means this machine."""
    if host is None:
        return False
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _problem(parts: SplitResult, path: re.Match[str] | None) -> str | None:
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return "is not a web address"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return "is not https"
    if parts.username is not None or parts.password is not None:
        return "holds a user name or password"
    if path is None or parts.query or parts.fragment:
        return "has a path that is not the Web API's"
    return None


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise DestinationError(f"the service URL {_shown(text)!r} is not a web address: {error}") from None
    return parts


def _shown(text: str) -> str:
    """The address without anything that might be a secret (user, query)."""
    return re.sub(r"//[^/@]*@", "//…@", text.split("?", 1)[0])[:200]


def _is_absolute(text: str) -> bool:
    return bool(re.match(r"^[A-Za-z][A-Za-z0-9+.-]*:", text)) or text.startswith("//")


def _origin_of(url: str) -> str:
    try:
        return _origin(urlsplit(url))
    except ValueError:
        return "an address that cannot be read"


def _origin(parts: SplitResult) -> str:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    port = parts.port
    default = port is None or port == _DEFAULT_PORTS.get(parts.scheme)
    user = "…@" if parts.username is not None else ""
    return f"{parts.scheme}://{user}{host}" + ("" if default else f":{port}")

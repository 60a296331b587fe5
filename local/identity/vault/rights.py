"""Who may do what in the vault, by Azure's roles.

Source: Microsoft Learn, "Azure built-in roles for security": Key Vault Secrets User, Key Vault Secrets Officer.
"""

from __future__ import annotations

USER = "Key Vault Secrets User"
OFFICER = "Key Vault Secrets Officer"
_READING = frozenset({"get", "list"})
_ALL = _READING | {"set", "update", "delete", "recover", "getDeleted", "listDeleted", "purge"}
ROLES = {USER: _READING, OFFICER: _ALL - {"purge"}, "Key Vault Administrator": _ALL}


class Rights:
    """Roles by client id."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}

    def grant(self, client_id: str, role: str) -> None:
        """Give an application a role, in place of the one that it had."""
        if role not in ROLES:
            raise ValueError(f"{role!r} is no role; there are {', '.join(ROLES)}")
        self._roles[client_id.lower()] = role

    def revoke(self, client_id: str) -> None:
        """Take its role away."""
        self._roles.pop(client_id.lower(), None)

    def may(self, client_id: str, action: str) -> bool:
        """Whether the application may do it."""
        return action in ROLES.get(self._roles.get(client_id.lower(), ""), frozenset())

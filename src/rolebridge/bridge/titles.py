"""What people and roles are called, for those who read: never their ids where there is a name."""

from __future__ import annotations

from rolebridge.core.catalogue import Catalogue
from rolebridge.core.directory import User


def person_name(user: User) -> str:
    """Return what to call a person: displayName, the formatted name, given and family name, else userName."""
    name = user.attributes.get("name")
    parts = name if isinstance(name, dict) else {}
    given = " ".join(str(parts[key]) for key in ("givenName", "familyName") if parts.get(key))
    return str(user.attributes.get("displayName") or parts.get("formatted") or given or user.user_name)


def role_title(catalogue: Catalogue | None, slot: str, role: str) -> str:
    """Return the platform's name of a role; its id when the catalogue does not know it (any more)."""
    known = catalogue.slots.get(slot) if catalogue else None
    return known.roles[role].name if known and role in known.roles else role

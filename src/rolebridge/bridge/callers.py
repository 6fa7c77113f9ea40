"""Who asks: an IdP's connection, or an administrator. Every audit row names one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

KEY_ACTOR: Final = "key:"
"""How the actors begin that are API keys."""


def key_actor(name: str, id: str) -> str:
    """Return how audit rows name the holder of an API key: the name alone is no proof, two keys may have the same."""
    return f"{KEY_ACTOR}{name} ({id[:8]})"


@dataclass(frozen=True, slots=True)
class CredentialOwner:
    """Whose a credential is that was shown, whether or not it works any more: for the request log."""

    organization_id: str
    connection_id: str
    credential_id: str


@dataclass(frozen=True, slots=True)
class Caller:
    """A connection that a credential proved, and the request it made.

    `profile` is the name of the connection's tolerance profile, `credential_id` the token that was shown. Everything
    the caller may see or touch is of this organization and, in the directory, of this connection. `schemas_version`
    counts the changes of the schemas that the organization defines; 0 means that it never defined any.
    """

    organization_id: str
    connection_id: str
    connection_name: str
    profile: str
    request_id: str
    credential_id: str = ""
    schemas_version: int = 0
    operator: str = ""
    """The person at the machine who acts in the connection's place, as audit rows name them; nobody by default."""
    subject: str = ""
    """The id of the user whom the credential is bound to, "" for none: what `/Me` means (RFC 7644 §3.11)."""

    @property
    def actor(self) -> str:
        """Return how audit rows name the caller."""
        return self.operator or f"connection:{self.connection_name}"

    @property
    def owner(self) -> CredentialOwner:
        """Return whose the credential is."""
        return CredentialOwner(self.organization_id, self.connection_id, self.credential_id)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person at the machine or behind an API key, and the command or request they made."""

    actor: str
    request_id: str

"""Who asks: an IdP's connection, or an administrator. Every audit row names one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """A connection that a credential proved, and the request it made.

    `profile` is the name of the connection's tolerance profile. Everything the caller may see or touch is of this
    organization and, in the directory, of this connection.
    """

    organization_id: str
    connection_id: str
    connection_name: str
    profile: str
    request_id: str

    @property
    def actor(self) -> str:
        """Return how audit rows name the caller."""
        return f"connection:{self.connection_name}"


@dataclass(frozen=True, slots=True)
class Operator:
    """A person at the machine or behind an API key, and the command or request they made."""

    actor: str
    request_id: str

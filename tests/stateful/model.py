"""What the directory is to be, as plain dicts: written from the RFCs and the page of tolerances, not from the code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

PLAIN = ("displayName", "title", "nickName")
"""Attributes with one value, which the machine sets and clears."""


@dataclass
class ModelUser:
    """A user: `emails` by type, `plain` attributes that have a value, `department` of the extension."""

    name: str
    active: bool = True
    plain: dict[str, str] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    external_id: str | None = None
    department: str | None = None
    etag: str = ""

    def matches(self, answer: dict[str, Any]) -> bool:
        """Return whether an answer of the service says exactly this."""
        enterprise = answer.get("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", {})
        return (
            answer["userName"] == self.name
            and answer["active"] is self.active
            and {name: answer[name] for name in PLAIN if name in answer} == self.plain
            and {mail["type"]: mail["value"] for mail in answer.get("emails", [])} == self.emails
            and len(answer.get("emails", [])) == len(self.emails)
            and answer.get("externalId") == self.external_id
            and enterprise.get("department") == self.department
        )


@dataclass
class ModelGroup:
    """A group and the ids of its members."""

    display: str
    members: set[str] = field(default_factory=set)
    etag: str = ""


@dataclass
class ModelConnection:
    """One connection: its users and groups by id, oldest first, and the ids that are gone for ever."""

    name: str
    organization: str
    users: dict[str, ModelUser] = field(default_factory=dict)
    groups: dict[str, ModelGroup] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def group_ids_of(self, user_id: str) -> set[str]:
        """Return the groups that a user is in."""
        return {id_ for id_, group in self.groups.items() if user_id in group.members}


class Model:
    """Connections of two organizations."""

    def __init__(self, connections: list[ModelConnection]) -> None:
        self.connections = connections

    def name_taken(self, organization: str, name: str, but: str | None = None) -> bool:
        """Return whether a userName is somebody else's in an organization, in any case."""
        return any(
            user.name.casefold() == name.casefold() and id_ != but
            for connection in self.connections
            if connection.organization == organization
            for id_, user in connection.users.items()
        )

    @staticmethod
    def external_id_taken(connection: ModelConnection, external_id: str | None, but: str | None = None) -> bool:
        """Return whether an externalId is another user's of a connection, to the letter."""
        return external_id is not None and any(
            user.external_id == external_id and id_ != but for id_, user in connection.users.items()
        )

    @staticmethod
    def display_taken(connection: ModelConnection, display: str, but: str | None = None) -> bool:
        """Return whether a displayName is another group's of a connection, in any case."""
        return any(
            group.display.casefold() == display.casefold() and id_ != but for id_, group in connection.groups.items()
        )

"""People and members as JSON."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.grant_documents import grant_document
from rolebridge.bridge.members import Member
from rolebridge.store.records import Person


def person_document(person: Person) -> dict[str, Any]:
    """Return a person as JSON has them."""
    return {
        "id": person.id,
        "user_name": person.user_name,
        "name": person.display_name or None,
        "active": person.active,
        "connection": person.connection,
    }


def member_document(member: Member) -> dict[str, Any]:
    """Return a person with what they hold as JSON has them."""
    return {"user": person_document(member.person), "roles": [grant_document(grant) for grant in member.grants]}

"""People, members, workspaces and projects as JSON, the same from command line and API."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.documents import grant_document
from rolebridge.bridge.members import Member, Workspace
from rolebridge.core.mapping import Project
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


def workspace_document(workspace: Workspace) -> dict[str, Any]:
    """Return a workspace as JSON has it."""
    program, counts = workspace.program, workspace.counts
    return {
        "id": program.workspace,
        "platform": program.catalogue.id,
        "projects": len(program.projects),
        "people": counts.people,
        "grants": counts.effective,
        "blocked": counts.blocked,
        "conflicts": counts.conflicts,
    }


def project_document(project: Project) -> dict[str, Any]:
    """Return a project as JSON has it."""
    return {"id": project.id, "name": project.name, "tags": sorted(project.tags), "in": project.container}

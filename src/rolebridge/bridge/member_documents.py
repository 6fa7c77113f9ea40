"""People, members, workspaces and projects as JSON, the same from command line and API."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.documents import grant_document
from rolebridge.bridge.members import Member, Workspace
from rolebridge.bridge.projects import KnownProject, ProjectChanged
from rolebridge.core.moments import stamp_or_none
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


def project_document(known: KnownProject) -> dict[str, Any]:
    """Return a project as JSON has it."""
    project = known.project
    return {
        "workspace": known.workspace,
        "id": project.id,
        "name": project.name,
        "tags": sorted(project.tags),
        "in": project.container,
        "declared": known.declared,
        "archived_at": stamp_or_none(known.archived_at),
    }


def project_changed_document(done: ProjectChanged) -> dict[str, Any]:
    """Return what a change of a project did as JSON has it; `people` are those who hold something otherwise."""
    return {
        "project": project_document(done.project),
        "new": done.new,
        "people": len({change.user_id for change in done.changes}),
        "changes": len(done.changes),
        "forced": [str(trip) for trip in done.forced],
    }

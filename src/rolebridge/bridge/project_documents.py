"""Projects and how workspaces are run: as JSON, the same from command line and API."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.observing import Enforced, Enforcement, WorkspaceState
from rolebridge.bridge.plan_documents import plan_document, trip_document
from rolebridge.bridge.projects import KnownProject, ProjectChanged
from rolebridge.bridge.role_import import RolesImported
from rolebridge.core.moments import stamp_or_none


def project_document(one: KnownProject) -> dict[str, Any]:
    """Return a project as JSON has it; `place` is where its mapping file declares it."""
    project = one.project
    return {
        "workspace": one.workspace,
        "project": project.id,
        "name": project.name,
        "tags": sorted(project.tags),
        "in": project.container,
        "declared": one.declared,
        "place": str(project.place) if one.declared and project.place else None,
        "archived_at": stamp_or_none(one.archived_at),
    }


def project_changed_document(done: ProjectChanged) -> dict[str, Any]:
    """Return what a change of a project did as JSON has it."""
    return {
        **project_document(done.project),
        "new": done.new,
        "changes": len(done.changes),
        "people": len({change.user_id for change in done.changes}),
        "forced": [trip_document(trip) for trip in done.forced],
    }


def workspace_document(state: WorkspaceState) -> dict[str, Any]:
    """Return how a workspace is run as JSON has it."""
    return {
        "workspace": state.workspace,
        "mode": state.mode,
        "platform": state.platform or None,
        "people": state.people,
        "imported": state.imported,
        "changed": stamp_or_none(state.changed),
        "changed_by": state.changed_by or None,
        "reason": state.reason or None,
    }


def enforcement_document(found: Enforcement) -> dict[str, Any]:
    """Return what enforcing a workspace would do as JSON has it."""
    return {"workspace": found.workspace, "imported": found.imported, "plan": plan_document(found.plan)}


def enforced_document(done: Enforced) -> dict[str, Any]:
    """Return what enforcing did as JSON has it."""
    return {
        "workspace": done.workspace,
        "new": done.new,
        "retired": done.retired,
        "forced": [trip_document(trip) for trip in done.forced],
        "plan": plan_document(done.enforcement.plan) if done.enforcement else None,
    }


def roles_imported_document(done: RolesImported) -> dict[str, Any]:
    """Return what an import of roles did as JSON has it."""
    return {
        "workspace": done.workspace,
        "people": done.people,
        "imported": done.imported,
        "unchanged": done.unchanged,
        "replaced": done.replaced,
        "outside": done.outside,
        "empty": done.empty,
        "inactive": done.inactive,
        "projects": list(done.projects),
        "observed": done.observed,
        "changes": len(done.changes),
    }

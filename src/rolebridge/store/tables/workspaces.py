"""What is registered at run time beside the mapping files: how workspaces are run, and their projects."""

from __future__ import annotations

from typing import Final

from sqlalchemy import PrimaryKeyConstraint, Table

from rolebridge.store.tables.columns import metadata, organization, text

# A workspace without a row is enforced. A change here, or of a project, counts up organizations.registry_version.
workspaces: Final = Table(
    "workspaces",
    metadata,
    organization(),
    text("workspace"),
    text("mode"),
    text("changed"),
    text("changed_by"),
    text("reason"),
    PrimaryKeyConstraint("organization_id", "workspace"),
)

# Projects are archived, never deleted: kept revisions and assignments name them. `tags` is a JSON array.
projects: Final = Table(
    "projects",
    metadata,
    organization(),
    text("workspace"),
    text("id"),
    text("name"),
    text("tags"),
    text("container", null=True),
    text("created"),
    text("archived_at", null=True),
    PrimaryKeyConstraint("organization_id", "workspace", "id"),
)

"""What is registered at run time: how workspaces are run, and projects beside those that mapping files declare."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from sqlalchemy import literal_column, select, update
from sqlalchemy.sql import ClauseElement

from rolebridge.core.mapping import Project
from rolebridge.core.registry import Mode, RegisteredProject, Registry
from rolebridge.store.documents import moment, moment_or_none, stamp, stamp_or_none
from rolebridge.store.links import Row
from rolebridge.store.records import WorkspaceMode
from rolebridge.store.scope import Scope
from rolebridge.store.statements import Database, Statement, given, insert_for
from rolebridge.store.tables.accounts import organizations
from rolebridge.store.tables.workspaces import projects, workspaces

_MODE: Final = ("workspace", "mode", "changed", "changed_by", "reason")
_PROJECT: Final = ("workspace", "id", "name", "tags", "container", "created", "archived_at")

VERSION: Final = Statement(
    lambda _: select(organizations.c.registry_version).where(organizations.c.id == given("organization_id"))
)
COUNT_UP: Final = Statement(
    lambda _: (
        update(organizations)
        .where(organizations.c.id == given("organization_id"))
        .values(registry_version=organizations.c.registry_version + literal_column("1"))
    )
)
MODES: Final = Statement(
    lambda _: (
        select(*(workspaces.c[name] for name in _MODE))
        .where(workspaces.c.organization_id == given("organization_id"))
        .order_by(workspaces.c.workspace)
    )
)
PROJECTS: Final = Statement(
    lambda _: (
        select(*(projects.c[name] for name in _PROJECT))
        .where(projects.c.organization_id == given("organization_id"))
        .order_by(projects.c.workspace, projects.c.id)
    )
)


def _put(database: Database, table: Any) -> ClauseElement:
    """Return an insert of a row that replaces the one with its key."""
    insert = insert_for(database, table).values({c.name: given(c.name, c) for c in table.columns})
    key = [column.name for column in table.primary_key.columns]
    changing = {c.name: insert.excluded[c.name] for c in table.columns if c.name not in key}
    return insert.on_conflict_do_update(index_elements=key, set_=changing)


PUT_MODE: Final = Statement(lambda db: _put(db, workspaces))
PUT_PROJECT: Final = Statement(lambda db: _put(db, projects))


class Workspaces(Scope):
    """How one organization's workspaces are run. Who changes that holds the organization's exclusive lock."""

    __slots__ = ()

    def registry(self) -> Registry:
        """Return everything that is registered, as of this transaction."""
        version = self._link.one(VERSION, organization_id=self._organization_id)
        observed = frozenset(one.workspace for one in self.modes() if one.mode is Mode.OBSERVE)
        return Registry(int(version[0]) if version else 0, observed, tuple(self.projects()))

    def modes(self) -> list[WorkspaceMode]:
        """Return the workspaces whose mode was ever said, in the order of their ids; all others are enforced."""
        return [_mode(row) for row in self._link.all(MODES, organization_id=self._organization_id)]

    def set_mode(self, workspace: str, mode: Mode, *, actor: str, reason: str, now: datetime) -> None:
        """Say how a workspace is run."""
        row = (workspace, str(mode), stamp(now), actor, reason)
        self._link.run(PUT_MODE, organization_id=self._organization_id, **dict(zip(_MODE, row, strict=True)))
        self._link.run(COUNT_UP, organization_id=self._organization_id)

    def projects(self) -> list[RegisteredProject]:
        """Return the registered projects, archived ones included, in the order of (workspace, id)."""
        return [_project(row) for row in self._link.all(PROJECTS, organization_id=self._organization_id)]

    def put_project(self, registered: RegisteredProject) -> None:
        """Register a project, or make of a registered one what is given."""
        project = registered.project
        tags = json.dumps(sorted(project.tags), ensure_ascii=False)
        created, archived_at = stamp(registered.created), stamp_or_none(registered.archived_at)
        row = (registered.workspace, project.id, project.name, tags, project.container, created, archived_at)
        self._link.run(PUT_PROJECT, organization_id=self._organization_id, **dict(zip(_PROJECT, row, strict=True)))
        self._link.run(COUNT_UP, organization_id=self._organization_id)


def _mode(row: Row) -> WorkspaceMode:
    workspace, mode, changed, changed_by, reason = row
    return WorkspaceMode(workspace, Mode(mode), moment(changed), changed_by, reason)


def _project(row: Row) -> RegisteredProject:
    workspace, id_, name, tags, container, created, archived_at = row
    project = Project(id_, name, frozenset(json.loads(tags)), container)
    return RegisteredProject(workspace, project, moment(created), moment_or_none(archived_at))

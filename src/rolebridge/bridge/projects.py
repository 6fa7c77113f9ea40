"""Projects registered at run time, beside those that mapping files declare.

A registered project extends what a file's selectors and captures choose from without an apply; the grants of exactly
the people whom that touches are computed again in the same transaction. What a file declares is the file's alone. A
project is archived, never deleted: kept revisions and assignments by hand name it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from rolebridge.bridge.approvals import Act, Approvals
from rolebridge.bridge.callers import Operator
from rolebridge.bridge.rails import Rails
from rolebridge.bridge.resolving import Cause, recompute
from rolebridge.bridge.rulebooks import Rulebook, Rulebooks
from rolebridge.core.errors import Invalid, NotFound, Taken
from rolebridge.core.guardrails import Trip
from rolebridge.core.mapping import Project
from rolebridge.core.plan import Change
from rolebridge.core.program import Program
from rolebridge.core.registry import WELL_FORMED_ID, RegisteredProject
from rolebridge.store.engine import Store
from rolebridge.store.statements import storable
from rolebridge.store.unit import Unit

MAX_PROJECTS: Final = 10_000
MAX_TAGS: Final = 50
LONGEST: Final = 200
"""Bounds of what is registered: projects of a workspace, tags of a project, characters of a name, tag or container."""


@dataclass(frozen=True, slots=True)
class KnownProject:
    """A project of a workspace: declared by its mapping file, or registered (`declared` False), then maybe archived."""

    workspace: str
    project: Project
    declared: bool
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """Some projects, and the (workspace, id) to go on after; None when these were the last."""

    rows: tuple[KnownProject, ...]
    after: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class ProjectChanged:
    """What a change of a project did: `new` is False when it was so before; `changes` is what people hold otherwise."""

    project: KnownProject
    new: bool
    changes: tuple[Change, ...] = ()
    forced: tuple[Trip, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectDraft:
    """What a project is to be; what is None stays as it is. An empty `container` means none."""

    name: str | None = None
    tags: Collection[str] | None = None
    container: str | None = None
    archived: bool | None = None


class Projects:
    """The projects of an organization's workspaces."""

    def __init__(
        self, store: Store, rulebooks: Rulebooks, clock: Callable[[], datetime], approvals: Approvals | None = None
    ) -> None:
        """Without `approvals` one person alone may pass a guard rail."""
        self._store = store
        self._approvals = approvals or Approvals(store, clock, needed=False)
        self._rulebooks = rulebooks
        self._clock = clock

    def listing(
        self,
        organization_id: str,
        *,
        workspace: str | None = None,
        archived: bool = False,
        after: tuple[str, str] | None = None,
        limit: int = 500,
    ) -> ProjectPage:
        """Return up to `limit` projects in the order of (workspace, id), those after `after`.

        Raises NotFound for a workspace that neither a mapping nor anything registered names.
        """
        known = sorted(self._all(organization_id, workspace), key=_place)
        found = [
            one
            for one in known
            if workspace in {None, one.workspace}
            and (archived or one.archived_at is None)
            and (after is None or _place(one) > after)
        ]
        return ProjectPage(tuple(found[:limit]), _place(found[limit - 1]) if len(found) > limit else None)

    def project(self, organization_id: str, workspace: str, id: str) -> KnownProject:
        """Return one project, archived or not. Raises NotFound."""
        for one in self._all(organization_id, workspace):
            if _place(one) == (workspace, id):
                return one
        raise NotFound("project", id)

    def _all(self, organization_id: str, workspace: str | None) -> Iterable[KnownProject]:
        with self._store.read(snapshot=True) as unit:
            rulebook = self._rulebooks.current(unit, organization_id)
            if workspace is not None:
                _check_workspace(unit, organization_id, rulebook, workspace)
        return _known(rulebook)

    def register(
        self,
        operator: Operator,
        organization_id: str,
        workspace: str,
        id: str,
        draft: ProjectDraft,
        *,
        reason: str = "",
        force_reason: str = "",
    ) -> ProjectChanged:
        """Register a project; its name is its id unless the draft says otherwise.

        Registering exactly the same again changes nothing. Raises Invalid, NotFound for the workspace, Taken for an id
        that is declared or registered otherwise, GuardTripped when too many lose a role by it, and where passing
        that takes two people ApprovalNeeded.
        """

        def work(unit: Unit) -> ProjectChanged:
            change = self._change(unit, operator, organization_id, workspace)
            return change.register(id, draft, reason, force_reason)

        return self._approvals.transact(operator, organization_id, work)

    def change(
        self,
        operator: Operator,
        organization_id: str,
        workspace: str,
        id: str,
        draft: ProjectDraft,
        *,
        reason: str = "",
        force_reason: str = "",
    ) -> ProjectChanged:
        """Rename a registered project, tag it anew, put it in a container, archive it or take it back into use.

        Raises Invalid (also for one that a mapping file declares), NotFound, GuardTripped and ApprovalNeeded.
        """

        def work(unit: Unit) -> ProjectChanged:
            change = self._change(unit, operator, organization_id, workspace)
            return change.revise(id, draft, reason, force_reason)

        return self._approvals.transact(operator, organization_id, work)

    def archive(
        self,
        operator: Operator,
        organization_id: str,
        workspace: str,
        id: str,
        *,
        reason: str = "",
        force_reason: str = "",
    ) -> ProjectChanged:
        """Let a registered project carry no roles any more; what was given there by hand stays on record."""
        archived = ProjectDraft(archived=True)
        return self.change(operator, organization_id, workspace, id, archived, reason=reason, force_reason=force_reason)

    def _change(self, unit: Unit, operator: Operator, organization_id: str, workspace: str) -> _Change:
        # Whoever changes the directory meanwhile would decide by the projects that there were.
        unit.directory(organization_id).lock_organization(exclusive=True)
        rulebook = self._rulebooks.current(unit, organization_id)
        _check_workspace(unit, organization_id, rulebook, workspace)
        return _Change(unit, operator, organization_id, workspace, rulebook, self._clock(), self._approvals)


@dataclass(frozen=True, slots=True)
class _Change:
    """One change of a workspace's projects, while its transaction runs."""

    unit: Unit
    operator: Operator
    organization_id: str
    workspace: str
    rulebook: Rulebook
    now: datetime
    approvals: Approvals

    def register(self, id_: str, draft: ProjectDraft, reason: str, force_reason: str) -> ProjectChanged:
        if not WELL_FORMED_ID.fullmatch(id_) or id_ == "all":
            raise Invalid(
                f"`{id_}` cannot be a project's id: up to 100 letters, digits, `.`, `_` and `-`, a letter or digit "
                "at both ends, and not `all`",
                "id",
            )
        project = _drafted(Project(id_, id_), draft)
        known = self._known(id_)
        if known is not None and known.archived_at is not None:
            raise Invalid(f"project `{id_}` is archived; `rolebridge project restore` takes it back into use", "id")
        if known is not None and known.project == project and not known.declared:
            return ProjectChanged(known, False)
        if known is not None:
            raise Taken("project", "id", known.project.id)
        if sum(one.workspace == self.workspace for one in _known(self.rulebook)) >= MAX_PROJECTS:
            raise Invalid(f"a workspace has at most {MAX_PROJECTS:,} projects", "id")
        registered = RegisteredProject(self.workspace, project, self.now)
        return self._put("project.registered", None, registered, reason, force_reason)

    def revise(self, id_: str, draft: ProjectDraft, reason: str, force_reason: str) -> ProjectChanged:
        known = self._known(id_)
        if known is None or known.project.id != id_:
            raise NotFound("project", id_)
        if known.declared:
            place = known.project.place
            raise Invalid(f"project `{id_}` is declared in its mapping file ({place}); change it there", "id")
        old = next(one for one in self.rulebook.registry.projects if _is(one, self.workspace, id_))
        archived = old.archived_at is not None if draft.archived is None else draft.archived
        new = replace(
            old, project=_drafted(old.project, draft), archived_at=(old.archived_at or self.now) if archived else None
        )
        if new == old:
            return ProjectChanged(known, False)
        return self._put(_what_happened(old, new), old, new, reason, force_reason)

    def _known(self, id_: str) -> KnownProject | None:
        """Return the project of that id, apart from case; a declared one goes before a registered one."""
        found = [
            one
            for one in _known(self.rulebook)
            if one.workspace == self.workspace and one.project.id.casefold() == id_.casefold()
        ]
        return found[0] if found else None

    def _put(
        self, kind: str, old: RegisteredProject | None, new: RegisteredProject, reason: str, force_reason: str
    ) -> ProjectChanged:
        rows = self.unit.workspaces(self.organization_id)
        rows.put_project(new)
        changes, trips = self._recompute(rows.registry().projects, kind, new.project.id, force_reason)
        if trips:
            what = (self.workspace, json.dumps(_told(new), sort_keys=True))
            act = Act("project.force", what, f"pass guard rails: project {self.workspace}/{new.project.id}")
            self.approvals.demand(self.unit, self.operator, self.organization_id, act, force_reason)
        self._audit(kind, old, new, reason or force_reason, trips)
        return ProjectChanged(KnownProject(self.workspace, new.project, False, new.archived_at), True, changes, trips)

    def _recompute(
        self, projects: tuple[RegisteredProject, ...], kind: str, id_: str, force_reason: str
    ) -> tuple[tuple[Change, ...], tuple[Trip, ...]]:
        before = self.rulebook.program(self.workspace)
        # Not by way of the process's rulebooks: this transaction may still be undone.
        rulebook = self.rulebook.registering(replace(self.rulebook.registry, projects=projects))
        after = rulebook.program(self.workspace)
        if before is None or after is None:
            return (), ()
        rails = Rails(self.unit, self.organization_id, self.workspace, after.mapping.guard)
        cause = Cause(self.operator.actor, self.operator.request_id, f"project `{id_}` {kind.removeprefix('project.')}")
        touched = touched_by(self.unit, self.organization_id, before, after, id_)
        changes = recompute(self.unit, self.organization_id, rulebook, touched, cause, self.now)
        return changes, rails.require(changes, force_reason)

    def _audit(
        self,
        kind: str,
        old: RegisteredProject | None,
        new: RegisteredProject,
        reason: str,
        trips: tuple[Trip, ...],
    ) -> None:
        after = {**_told(new), "forced": [str(trip) for trip in trips]} if trips else _told(new)
        self.unit.record(self.organization_id).audit(
            kind=kind,
            actor=self.operator.actor,
            request_id=self.operator.request_id,
            subject_kind="project",
            subject_id=f"{self.workspace}/{new.project.id}",
            before=json.dumps(_told(old), ensure_ascii=False) if old else None,
            after=json.dumps(after, ensure_ascii=False),
            reason=reason,
            now=self.now,
        )


def touched_by(unit: Unit, organization_id: str, before: Program, after: Program, project: str) -> Iterable[str]:
    """Return the ids of the users whose grants a change of one project may change.

    Those whose groups the rules speak to otherwise, those whom rules name otherwise, and whoever holds something in the
    project or was given it by hand. Only a rule that speaks of everyone makes it everyone.
    """
    directory, granted = unit.directory(organization_id), unit.grants(organization_id)
    if not before.everyone_alike(after):
        return (user.id for user in directory.all_core_users())
    ids = {*granted.holders(before.workspace, project), *granted.holders_by_hand(before.workspace, project)}
    ids.update(directory.ids_named(before.named_otherwise(after)).values())
    for group in directory.all_core_groups():
        if not before.speaks_alike(after, group):
            ids.update(directory.members_below(group.id))
    return ids


def _known(rulebook: Rulebook) -> Iterable[KnownProject]:
    """Yield the projects of every workspace, declared ones first; a registered one that is declared too is left out."""
    declared: dict[str, set[str]] = {}
    for program in rulebook.intended:
        declared[program.workspace] = {id_.casefold() for id_ in program.mapping.projects}
        for project in program.mapping.projects.values():
            yield KnownProject(program.workspace, project, True)
    for one in rulebook.registry.projects:
        if one.project.id.casefold() not in declared.get(one.workspace, set()):
            yield KnownProject(one.workspace, one.project, False, one.archived_at)


def _place(one: KnownProject) -> tuple[str, str]:
    return (one.workspace, one.project.id)


def _is(one: RegisteredProject, workspace: str, id_: str) -> bool:
    return (one.workspace, one.project.id) == (workspace, id_)


def _check_workspace(unit: Unit, organization_id: str, rulebook: Rulebook, workspace: str) -> None:
    if rulebook.intention(workspace) is None and all(
        one.workspace != workspace for one in unit.workspaces(organization_id).modes()
    ):
        raise NotFound("workspace", workspace)


def _drafted(project: Project, draft: ProjectDraft) -> Project:
    """Return the project with what the draft says of it. Raises Invalid for what cannot be."""
    name = project.name if draft.name is None else _text(draft.name, "name") or project.id
    tags = project.tags if draft.tags is None else frozenset(_text(tag, "tags") for tag in draft.tags) - {""}
    container = project.container if draft.container is None else _text(draft.container, "container") or None
    if len(tags) > MAX_TAGS:
        raise Invalid(f"a project has at most {MAX_TAGS} tags", "tags")
    return Project(project.id, name, tags, container)


def _text(text: str, what: str) -> str:
    text = text.strip()
    if len(text) > LONGEST or not storable(text) or not text.isprintable():
        raise Invalid(f"`{what}` is text of at most {LONGEST} characters, on one line", what)
    return text


def _what_happened(old: RegisteredProject, new: RegisteredProject) -> str:
    if (old.archived_at is None) != (new.archived_at is None):
        return "project.restored" if new.archived_at is None else "project.archived"
    return "project.changed"


def _told(one: RegisteredProject) -> dict[str, Any]:
    project = one.project
    return {
        "workspace": one.workspace,
        "id": project.id,
        "name": project.name,
        "tags": sorted(project.tags),
        "in": project.container,
        "archived": one.archived_at is not None,
    }

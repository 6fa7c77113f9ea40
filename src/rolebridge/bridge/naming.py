"""What people mean by the names they use: a user, a workspace, a project, a role; with what may have been meant."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rolebridge.bridge.rulebooks import Rulebook
from rolebridge.core.by_hand import find_roles
from rolebridge.core.catalogue import Assignable, Catalogue, Level, Role, Slot
from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.errors import Invalid, NotFound
from rolebridge.core.program import Program
from rolebridge.store.records import Departed, StoredUser
from rolebridge.store.scope import USER
from rolebridge.store.unit import Unit


def the_user(unit: Unit, organization_id: str, name: str) -> StoredUser:
    """Return the user whom `name` means: a userName, an id, or the part of one userName before its `@`.

    Raises NotFound, and Invalid when it may be several.
    """
    found = _user_there(unit, organization_id, name)
    if found is None:
        raise NotFound(USER, name)
    return found


def user_then(unit: Unit, organization_id: str, user: str, at: datetime | None = None) -> str:
    """Return the id of who is, or was last, called `user`; with `at` of who was called so then, if anybody was.

    Raises NotFound, and Invalid when it may be several.
    """
    found = _user_there(unit, organization_id, user)
    if found is not None and (at is None or found.created <= at):
        return found.id
    gone = _departed(unit, organization_id, user, at, only_then=found is not None)
    if gone is not None:
        return gone.id
    if found is None:
        raise NotFound(USER, user)
    return found.id


def _departed(unit: Unit, organization_id: str, user: str, at: datetime | None, *, only_then: bool) -> Departed | None:
    """Return the deleted user whom `user` means: one who was there at `at`, else (not `only_then`) the last one."""
    gone = unit.directory(organization_id).departed(user)
    if gone is not None:
        return gone if gone.kind == USER else None
    history = unit.history(organization_id)
    found = history.departed_users(user) or history.departed_before_at(user)
    then = [one for one in found if at is not None and one.deleted > at]
    # Of several of one name the last of these: who was deleted next after `at`, or whoever was deleted last of all.
    meant = {one.name.casefold(): one for one in (then if then or only_then else reversed(found))}
    if len(meant) > 1:
        raise Invalid(_may_be_any(user, (one.name for one in meant.values())), USER)
    return next(iter(meant.values()), None)


def _user_there(unit: Unit, organization_id: str, name: str) -> StoredUser | None:
    found = unit.directory(organization_id).user_by_name(name)
    if len(found) > 1:
        raise Invalid(_may_be_any(name, (candidate.user_name for candidate in found)), USER)
    return found[0] if found else None


def _may_be_any(name: str, names: Iterable[str]) -> str:
    return f"`{name}` may be any of {', '.join(f'`{one}`' for one in sorted(names))}"


def programs_meant(rulebook: Rulebook, workspace: str | None, project: str | None) -> tuple[Program, ...]:
    """Return the programs in force that a workspace, a project, both or neither may mean. Raises NotFound.

    None are returned only when neither is named and no mapping is in force.
    """
    programs = tuple(one for one in rulebook.programs if workspace in {None, one.workspace})
    if workspace is not None and not programs:
        raise NotFound("workspace", workspace)
    if project is None:
        return programs
    having = tuple(one for one in programs if project in one.projects)
    if not having:
        raise NotFound("project", project)
    return having


def the_program(rulebook: Rulebook, workspace: str | None, project: str | None) -> Program:
    """Return the program in force of a workspace, or of the only one that it can be.

    Without a workspace that is the one that has the project, or the only one there is. Raises NotFound, and Invalid
    when several would do.
    """
    try:
        programs = programs_meant(rulebook, workspace, project)
    except NotFound as missing:
        if missing.kind == "project":
            _refuse_archived(rulebook, workspace, missing.name)
        raise
    if not programs:
        raise Invalid("no mapping is in force yet", "workspace")
    if len(programs) > 1:
        names = ", ".join(f"`{one.workspace}`" for one in programs)
        raise Invalid(f"there are several workspaces ({names}); say which one", "workspace")
    return programs[0]


def the_role(catalogue: Catalogue, level: Level, text: str, slot: str | None) -> tuple[Slot, Role]:
    """Return the role of a level, of one slot when that is given, that `text` means. Raises Invalid."""
    if slot is not None:
        _check_slot(catalogue, level, slot)
    found = find_roles(catalogue, level, text, slot)
    if len(found) > 1:  # then whoever assigns means one that can be assigned
        found = [pair for pair in found if pair[1].assignable is Assignable.YES] or found[:1]
    if len(found) > 1:
        slots = ", ".join(f"`{one.id}`" for one, _ in found)
        raise Invalid(f"`{text}` is a role of several slots ({slots}); say which one", "slot")
    if found:
        return found[0]
    others = [(one, role) for other in Level if other is not level for one, role in find_roles(catalogue, other, text)]
    if others:
        one, role = others[0]
        where = "names a project" if one.level is Level.PROJECT else "names no project"
        raise Invalid(f"`{role.id}` is a role of `{one.id}`, which is held per {one.level}: it {where}", "role")
    where = f"`{slot}` of {catalogue.name} has" if slot else f"the {level} slots of {catalogue.name} have"
    known = {role.id for one in catalogue.slots.values() if one.level is level for role in one.roles.values()}
    raise Invalid(f"{where} no role `{text}`{hinted(text, known)}", "role")


def hinted(word: str, known: Iterable[str]) -> str:
    """Return what to append to a refusal of `word`: which of the known ones may have been meant, or nothing."""
    hint = did_you_mean(word, known)
    return f"; {hint}" if hint else ""


def _check_slot(catalogue: Catalogue, level: Level, slot: str) -> None:
    known = catalogue.slots.get(slot)
    if known is None:
        raise Invalid(f"{catalogue.name} has no slot `{slot}`{hinted(slot, catalogue.slots)}", "slot")
    if known.level is not level:
        where = "say in which project" if known.level is Level.PROJECT else "it names no project"
        raise Invalid(f"`{slot}` is held per {known.level}: {where}", "slot")


def _refuse_archived(rulebook: Rulebook, workspace: str | None, project: str) -> None:
    for one in rulebook.registry.projects:
        if one.project.id == project and one.archived_at is not None and workspace in {None, one.workspace}:
            raise Invalid(f"project `{project}` of `{one.workspace}` is archived and carries no roles", "project")
